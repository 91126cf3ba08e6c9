//! Live updates: one sequence of events, made into bytes once, sent to any number of listeners.
//!
//! Listeners read a ring of the last events. Who falls behind it is told to load the page again and let go, so a slow
//! one costs no more than a fast one. Events are numbered; a listener that comes back says the last number it saw and
//! gets what it missed, as long as the ring holds it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use serde::Serialize;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// Events that a listener may be behind, and that are kept for those that come back.
const KEPT: usize = 128;

/// How often a listener hears something, so that it knows that the connection lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Sends events to listeners.
#[derive(Debug)]
pub struct Events {
    frames: broadcast::Sender<Frame>,
    recent: Mutex<Recent>,
    /// Tells this process's numbers from those of the one before it.
    epoch: i64,
    listening: AtomicUsize,
    most: usize,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Recent {
    frames: VecDeque<Frame>,
    last: u64,
}

/// An event as it goes over the wire.
#[derive(Debug, Clone)]
struct Frame {
    number: u64,
    bytes: Bytes,
}

/// Somebody who listens; counted until dropped.
#[derive(Debug)]
pub struct Listener {
    events: Arc<Events>,
    backlog: VecDeque<Bytes>,
    frames: broadcast::Receiver<Frame>,
    ended: bool,
}

impl Events {
    /// For at most `most` listeners; `epoch` is the time of the start, in milliseconds since the Unix epoch.
    pub fn new(most: usize, epoch: i64) -> Self {
        let recent = Recent { frames: VecDeque::with_capacity(KEPT), last: 0 };
        Self {
            frames: broadcast::Sender::new(KEPT),
            recent: Mutex::new(recent),
            epoch,
            listening: AtomicUsize::new(0),
            most,
            stop: CancellationToken::new(),
        }
    }

    /// Sends an event to everybody. What can't be said in JSON is not sent.
    pub fn publish(&self, name: &str, data: &impl Serialize) {
        let Ok(data) = serde_json::to_string(data) else { return };
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.last += 1;
        let number = recent.last;
        let bytes = Bytes::from(format!("id: {}-{number}\nevent: {name}\ndata: {data}\n\n", self.epoch));
        let frame = Frame { number, bytes };
        if recent.frames.len() == KEPT {
            recent.frames.pop_front();
        }
        recent.frames.push_back(frame.clone());
        // Nobody listens, perhaps. Sent under the lock, so that numbers go out in their order.
        let _ = self.frames.send(frame);
    }

    /// The id of the last event, for who wants to know of what comes after it.
    pub fn last(&self) -> String {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        format!("{}-{}", self.epoch, recent.last)
    }

    /// How many listen.
    pub fn listening(&self) -> usize {
        self.listening.load(Ordering::Relaxed)
    }

    /// Ends all listeners, for good: the server stops.
    pub fn close(&self) {
        self.stop.cancel();
    }

    /// One more listener, who knows of events up to `after`. Nothing when as many listen as may.
    pub fn listen(self: &Arc<Self>, after: Option<&str>) -> Option<Listener> {
        let take = |listening: usize| (listening < self.most).then_some(listening + 1);
        // ORDERING: the count alone; it guards no other memory.
        self.listening.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let frames = self.frames.subscribe();
        let backlog = match after {
            None => VecDeque::new(),
            Some(after) => self.missed(&recent, after).unwrap_or_else(|| [self.reload(recent.last)].into()),
        };
        Some(Listener { events: Arc::clone(self), backlog, frames, ended: false })
    }

    /// What came after an event; nothing when that is not known any more.
    fn missed(&self, recent: &Recent, after: &str) -> Option<VecDeque<Bytes>> {
        let (epoch, number) = after.split_once('-')?;
        let number: u64 = number.parse().ok()?;
        let first = recent.frames.front().map_or(recent.last + 1, |frame| frame.number);
        let is_known = epoch.parse() == Ok(self.epoch) && number + 1 >= first && number <= recent.last;
        let frames = recent.frames.iter().filter(|frame| frame.number > number);
        is_known.then(|| frames.map(|frame| frame.bytes.clone()).collect())
    }

    fn reload(&self, last: u64) -> Bytes {
        Bytes::from(format!("id: {}-{last}\nevent: reload\ndata: {{}}\n\n", self.epoch))
    }
}

impl Listener {
    /// The next piece of the stream; nothing when it has ended.
    pub async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        if let Some(bytes) = self.backlog.pop_front() {
            return Some(bytes);
        }
        let next = tokio::select! {
            () = self.events.stop.cancelled() => return None,
            next = tokio::time::timeout(HEARTBEAT, self.frames.recv()) => next,
        };
        match next {
            Ok(Ok(frame)) => Some(frame.bytes),
            Err(_) => Some(Bytes::from_static(b": still here\n\n")),
            Ok(Err(broadcast::error::RecvError::Closed)) => None,
            Ok(Err(broadcast::error::RecvError::Lagged(_))) => {
                self.ended = true;
                let recent = self.events.recent.lock().unwrap_or_else(PoisonError::into_inner);
                Some(self.events.reload(recent.last))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // ORDERING: the count alone; it guards no other memory.
        self.events.listening.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Option<Bytes>) -> String {
        String::from_utf8(bytes.expect("there is something").to_vec()).expect("it is text")
    }

    #[tokio::test]
    async fn who_comes_back_gets_what_was_missed_once() {
        let events = Arc::new(Events::new(10, 7));
        events.publish("change", &1);
        let known = events.last();
        events.publish("change", &2);
        let mut listener = events.listen(Some(&known)).expect("there is room");
        events.publish("change", &3);
        assert_eq!(text(listener.next().await), "id: 7-2\nevent: change\ndata: 2\n\n");
        assert_eq!(text(listener.next().await), "id: 7-3\nevent: change\ndata: 3\n\n");
        events.close();
        assert!(listener.next().await.is_none());
    }

    #[tokio::test]
    async fn who_knows_another_process_or_too_old_an_event_loads_again() {
        let events = Arc::new(Events::new(10, 7));
        for number in 0..KEPT + 2 {
            events.publish("change", &number);
        }
        for after in ["6-130", "7-1", "7-999", "nonsense", "7-x"] {
            let mut listener = events.listen(Some(after)).expect("there is room");
            assert!(text(listener.next().await).contains("event: reload"), "{after}");
        }
        let mut listener = events.listen(Some("7-2")).expect("there is room");
        assert!(text(listener.next().await).starts_with("id: 7-3\n"));
    }

    #[tokio::test]
    async fn who_is_too_slow_is_let_go() {
        let events = Arc::new(Events::new(10, 7));
        let mut listener = events.listen(None).expect("there is room");
        for number in 0..=KEPT {
            events.publish("change", &number);
        }
        assert!(text(listener.next().await).contains("event: reload"));
        assert!(listener.next().await.is_none());
    }

    #[tokio::test]
    async fn no_more_listen_than_may() {
        let events = Arc::new(Events::new(2, 7));
        let (one, _two) = (events.listen(None), events.listen(None));
        assert!(events.listen(None).is_none());
        drop(one);
        assert!(events.listen(None).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_broken_by_a_heartbeat() {
        let events = Arc::new(Events::new(2, 7));
        let mut listener = events.listen(None).expect("there is room");
        assert_eq!(text(listener.next().await), ": still here\n\n");
    }
}
