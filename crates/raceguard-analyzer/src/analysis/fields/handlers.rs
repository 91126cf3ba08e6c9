//! Functions that servers and frameworks call for each request, many at a time, told by what they take.

use crate::analysis::models::Effect;
use crate::ir::function::{BodyId, Call, Target, Unit};
use crate::rules::ProgramContext;
use crate::types::{FuncId, ObjectKind, Program, Type};

/// Parameters by which web frameworks hand a request to a handler.
const REQUEST_CONTEXTS: &[&str] = &[
    "*github.com/gin-gonic/gin.Context",
    "github.com/labstack/echo.Context",
    "github.com/labstack/echo/v4.Context",
    "*github.com/gofiber/fiber.Ctx",
    "*github.com/gofiber/fiber/v2.Ctx",
    "github.com/gofiber/fiber/v3.Ctx",
    "*github.com/valyala/fasthttp.RequestCtx",
    "*github.com/kataras/iris/v12/context.Context",
    "*github.com/cloudwego/hertz/pkg/app.RequestContext",
];

/// Whether a body serves requests: it takes a response writer and a request, whatever else, or a framework's context.
pub(super) fn serves(context: &ProgramContext<'_>, unit: &Unit, body: BodyId) -> bool {
    let body = unit.body(body);
    let params = &body.params[usize::from(body.has_receiver)..];
    if params.is_empty() || params.len() > 5 {
        return false;
    }
    let shown: Vec<String> =
        params.iter().map(|var| context.program.display(&unit.var(*var).ty).to_string()).collect();
    let has = |ty: &str| shown.iter().any(|known| known == ty);
    has("net/http.ResponseWriter") && has("*net/http.Request")
        || shown.len() == 1 && REQUEST_CONTEXTS.contains(&shown[0].as_str())
}

/// Whether a function value of this type serves requests.
pub(super) fn is_handler_type(program: &Program, ty: &Type) -> bool {
    let Type::Func(signature) = program.underlying(ty) else { return false };
    let shown: Vec<String> =
        signature.params.iter().map(|param| program.display(&param.ty).to_string()).collect();
    let has = |ty: &str| shown.iter().any(|known| known == ty);
    has("net/http.ResponseWriter") && has("*net/http.Request")
        || shown.len() == 1 && REQUEST_CONTEXTS.contains(&shown[0].as_str())
}

/// The methods of a value that a call registers with a server: a gRPC service, an RPC receiver, an `http.Handler`, a
/// Prometheus collector. Each may run any number of times at once.
pub(super) fn served_methods(
    context: &ProgramContext<'_>,
    call: &Call,
    effect: Option<Effect>,
) -> Vec<FuncId> {
    let program = context.program;
    let name = match &call.target {
        Target::Function(func) => program.object(program.function(*func)).name,
        Target::Missing(_, name) | Target::Interface(_, name, _) => *name,
        _ => return Vec::new(),
    };
    let name = name.as_str();
    let (number, serves): (usize, fn(&str, bool) -> bool) = match effect {
        Some(Effect::HandlerObject(number)) => (usize::from(number), |_, _| true),
        None if name.starts_with("Register") && name.ends_with("Server") => (1, |_, context| context),
        None if matches!(name, "MustRegister" | "Register") => (0, |name, _| name == "Collect"),
        _ => return Vec::new(),
    };
    let Some(ty) = call.arg_types.get(number) else { return Vec::new() };
    if ty.strip_pointer().named().is_none() {
        return Vec::new();
    }
    let is_called = |func: &FuncId| {
        let object = program.object(program.function(*func));
        let method = matches!(object.kind, ObjectKind::Method { .. }) && object.name.is_exported();
        method && serves(object.name.as_str(), takes_context(program, *func))
    };
    program.methods(ty).into_iter().map(|method| method.func).filter(is_called).collect()
}

fn takes_context(program: &Program, func: FuncId) -> bool {
    let Type::Func(signature) = program.object_type(program.function(func)) else { return false };
    let stream = |ty: &str| ty.ends_with("Server") || ty.ends_with("Stream");
    signature.params.iter().take(2).any(|param| {
        let shown = program.display(&param.ty).to_string();
        shown == "context.Context" || stream(&shown)
    })
}
