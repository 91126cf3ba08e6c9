//! Values whose methods are called from many goroutines: `http.Handle("/", server)`, `rpc.Register(service)`.

use super::frames::EvaluatedCall;
use super::goroutines::Start;
use super::{Cursor, FrameId, Origin, Scope};
use crate::ir::place::Value;
use crate::types::FuncId;

/// At most this many methods of one object are played.
const MAX_METHODS: usize = 6;

impl Scope<'_> {
    /// Starts the methods of an argument twice each: two requests at the same time.
    pub(super) fn handler_object(
        &mut self,
        frame: FrameId,
        cursor: &Cursor,
        made: &EvaluatedCall,
        number: u8,
    ) {
        let number = usize::from(number);
        let (Some(value), Some(ty)) = (made.args.get(number).cloned(), made.arg_types.get(number)) else {
            return;
        };
        for method in self.handler_methods(ty) {
            let function = Value::Method(method, Box::new(value.clone()));
            for _ in 0..2 {
                self.start(frame, cursor, &function, Start::new(Origin::Handler), made.span);
            }
        }
    }

    /// `ServeHTTP`, or else all exported methods of the type itself whose bodies are at hand.
    fn handler_methods(&self, ty: &crate::types::Type) -> Vec<FuncId> {
        let methods = self.program().methods(ty);
        let serves = methods.iter().any(|method| method.name.as_str() == "ServeHTTP");
        methods
            .iter()
            .filter(|method| method.path.is_empty() && method.name.is_exported())
            .filter(|method| !serves || method.name.as_str() == "ServeHTTP")
            .map(|method| method.func)
            .filter(|&func| self.units().get(func).is_some())
            .take(MAX_METHODS)
            .collect()
    }
}
