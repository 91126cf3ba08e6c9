//! Locks: which are held.

use super::frames::EvaluatedCall;
use super::{AcquireKind, Cursor, EventKind, FrameId, HeldLock, Object, ReleaseKind, Scope};
use crate::analysis::models::Effect;
use crate::ir::place::{Place, Step, Value};
use crate::types::{Program, Type};

impl<'a> Scope<'a> {
    /// What the receiver of a method of sync or the pointer given to sync/atomic refers to.
    pub(super) fn target(&mut self, receiver: Option<&Value>) -> Place {
        receiver.and_then(|value| value.referent(Step::Deref)).unwrap_or_else(|| self.fresh())
    }

    /// A method named as one of `sync.Locker`, of a type of the program's own, locks and unlocks by its own means.
    pub(super) fn own_lock(&mut self, cursor: &mut Cursor, made: &EvaluatedCall<'a>) {
        let Some(Value::Method(func, receiver)) = &made.function else { return };
        let program = self.program();
        let (locks, exclusive) = match program.object(program.function(*func)).name.as_str() {
            "Lock" => (true, true),
            "RLock" => (true, false),
            "Unlock" => (false, true),
            "RUnlock" => (false, false),
            _ => return,
        };
        let Some(place) = receiver.referent(Step::Deref) else { return };
        // A context says how long to wait, not what to lock.
        let keys = made.arg_types.iter().filter(|ty| !is_context(program, ty));
        let lock = HeldLock { place, exclusive, keyed: keys.count() > 0 };
        if locks {
            cursor.locks.push(lock);
        } else if let Some(position) =
            cursor.locks.iter().rposition(|held| held.place == lock.place && held.exclusive == exclusive)
        {
            cursor.locks.remove(position);
        }
    }

    pub(super) fn lock_effect(
        &mut self,
        frame: FrameId,
        cursor: &mut Cursor,
        made: &EvaluatedCall<'a>,
        effect: Effect,
    ) {
        let place = self.target(made.receiver.as_ref());
        match effect {
            Effect::Lock | Effect::ReadLock => {
                let exclusive = effect == Effect::Lock;
                cursor.locks.push(HeldLock { place: place.clone(), exclusive, keyed: false });
                self.event(
                    frame,
                    cursor,
                    EventKind::Acquire(Object::Mutex(place), AcquireKind::Lock),
                    made.span,
                );
            }
            Effect::Unlock | Effect::ReadUnlock => {
                let exclusive = effect == Effect::Unlock;
                let held = |lock: &HeldLock| lock.place == place && lock.exclusive == exclusive;
                if let Some(position) = cursor.locks.iter().rposition(held) {
                    cursor.locks.remove(position);
                } else {
                    // Another goroutine locked it: whoever locks it next waits for this.
                    let handed = EventKind::Release(Object::Mutex(place), ReleaseKind::Unlock);
                    self.event(frame, cursor, handed, made.span);
                }
            }
            Effect::TryLock | Effect::TryReadLock => {
                let lock = HeldLock { place, exclusive: effect == Effect::TryLock, keyed: false };
                self.try_locks.insert((frame, made.id), lock);
            }
            _ => {}
        }
    }
}

fn is_context(program: &Program, ty: &Type) -> bool {
    matches!(ty, Type::Named(id, _) if program.object(*id).name.as_str() == "Context")
}
