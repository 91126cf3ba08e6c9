//! The timeline of a cluster as SVG: a dot for each event, in a row for each kind of evidence.

use std::fmt::Write as _;

use jiff::Timestamp;
use raceguard_diagnosis::cluster::Event;

use raceguard_diagnosis::drawing::escape;

const WIDTH: f64 = 1152.0;
const LEFT: f64 = 110.0;
const ROW: f64 = 24.0;
/// Events that are drawn.
const EVENTS: usize = 500;

/// Draws the events; `None` when there are fewer than two moments to tell apart.
pub(super) fn draw(events: &[Event]) -> Option<String> {
    let (first, last) = (events.first()?.time_unix_ns, events.last()?.time_unix_ns);
    if first == last {
        return None;
    }
    let mut kinds: Vec<&str> = Vec::new();
    for event in events {
        if !kinds.contains(&event.kind.as_str()) {
            kinds.push(&event.kind);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "places on a drawing")]
    let (height, x) = (kinds.len() as f64 * ROW + 20.0, |time: u64| {
        LEFT + (time - first) as f64 / (last - first) as f64 * (WIDTH - LEFT - 12.0)
    });
    let mut svg = format!(
        "<svg class=\"strip\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"timeline\">"
    );
    for (place, kind) in kinds.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "places on a drawing")]
        let y = place as f64 * ROW + 14.0;
        let _ = write!(
            svg,
            "<text x=\"0\" y=\"{:.1}\">{}</text><line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y}\" y2=\"{y}\"/>",
            y + 4.0,
            escape(kind)
        );
        for event in events.iter().filter(|event| event.kind == *kind).take(EVENTS) {
            let _ = write!(
                svg,
                "<circle class=\"{}\" cx=\"{:.1}\" cy=\"{y}\" r=\"6\"><title>{} {}</title></circle>",
                escape(kind),
                x(event.time_unix_ns),
                time(event.time_unix_ns),
                escape(&event.text)
            );
        }
    }
    let _ = write!(
        svg,
        "<text class=\"small\" x=\"{LEFT}\" y=\"{:.1}\">{}</text><text class=\"small\" text-anchor=\"end\" x=\"{WIDTH}\" y=\"{:.1}\">{}</text></svg>",
        height - 2.0,
        time(first),
        height - 2.0,
        time(last)
    );
    Some(svg)
}

/// A moment in UTC, to the second.
pub(super) fn time(unix_ns: u64) -> String {
    let moment = i128::from(unix_ns);
    Timestamp::from_nanosecond(moment)
        .map_or_else(|_| String::new(), |moment| moment.strftime("%F %T").to_string())
}
