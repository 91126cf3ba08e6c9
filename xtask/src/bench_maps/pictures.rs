//! The pictures of docs/maps.md.

use super::cells::{duel, figure, keys, round_trip, skew, threads};
use super::details::durable_pairs;
use super::report::{Cell, Family, Report};
use super::svg::{Anchor, COLOURS, Canvas, Scale, spread};

/// A file beside the page.
pub(super) struct Picture {
    pub(super) file: &'static str,
    /// What is to be seen, for those who cannot.
    pub(super) title: String,
    pub(super) svg: String,
}

pub(super) fn all(report: &Report) -> Vec<Picture> {
    [throughput(report), growth(report), memory(report), durable(report)].into_iter().flatten().collect()
}

/// The ratios of all cells, and throughput over the share of writes.
pub(super) fn throughput(report: &Report) -> Vec<Picture> {
    let mut pictures = Vec::new();
    for (values, file, title) in [
        ("copy", "ratios-copy.svg", "Best of ours to the best peer, u64 to u64"),
        ("any", "ratios-any.svg", "Best of ours to the best peer, String to Arc<str>"),
    ] {
        let cells: Vec<&Cell> = report.grid.iter().filter(|cell| cell.values == values).collect();
        if !cells.is_empty() {
            pictures.push(Picture { file, title: title.to_owned(), svg: ratios(&cells, title) });
        }
    }
    for (count, threads, file) in [
        (1_000, 1, "throughput-1000-1.svg"),
        (1_000, 2, "throughput-1000-2.svg"),
        (1_000_000, 1, "throughput-1000000-1.svg"),
        (1_000_000, 2, "throughput-1000000-2.svg"),
    ] {
        let of_picture = |cell: &&Cell| {
            cell.values == "copy" && cell.keys == count && cell.threads == threads && cell.skew <= 0.0
        };
        let cells: Vec<&Cell> = report.grid.iter().filter(of_picture).collect();
        if !cells.is_empty() {
            pictures.push(over_writes(&cells, file));
        }
    }
    pictures
}

const ROW: f64 = 24.0;

/// A field for each cell: a line for each kind of load, a column for each share of writes.
fn ratios(cells: &[&Cell], title: &str) -> String {
    let mut rows: Vec<String> = Vec::new();
    let mut columns: Vec<String> = Vec::new();
    let row =
        |cell: &Cell| format!("{} keys, {}, {}", keys(cell.keys), skew(cell.skew), threads(cell.threads));
    let column = |cell: &Cell| format!("{} %", cell.writes);
    let place = |list: &mut Vec<String>, name: String| {
        let known = list.iter().position(|known| *known == name);
        known.unwrap_or_else(|| {
            list.push(name);
            list.len() - 1
        })
    };
    let mut fields = Vec::new();
    for cell in cells {
        if let Some(duel) = duel(cell, false) {
            fields.push((place(&mut rows, row(cell)), place(&mut columns, column(cell)), duel.ratio()));
        }
    }
    let (left, top, width) = (210.0, 60.0, 72.0);
    let mut canvas = Canvas::new(620, 80 + 24 * u32::try_from(rows.len()).unwrap_or(0), title);
    for (index, name) in columns.iter().enumerate() {
        let x = left + width * (offset(index) + 0.5);
        canvas.text(x, top - 8.0, Anchor::Middle, "dim", name);
    }
    canvas.text(left - 8.0, top - 8.0, Anchor::End, "dim", "writes");
    for (index, name) in rows.iter().enumerate() {
        canvas.text(left - 8.0, top + ROW * offset(index) + 16.0, Anchor::End, "", name);
    }
    for (row, column, ratio) in fields {
        let class = match ratio {
            ratio if ratio >= 1.2 => "good",
            ratio if ratio >= 1.0 => "even",
            _ => "bad",
        };
        let (x, y) = (left + width * offset(column), top + ROW * offset(row));
        canvas.rectangle(x + 1.0, y + 1.0, width - 2.0, ROW - 2.0, class);
        canvas.text(x + width / 2.0, y + 16.0, Anchor::Middle, "", &format!("{ratio:.2}"));
    }
    canvas.finish()
}

#[allow(clippy::cast_precision_loss)]
fn offset(index: usize) -> f64 {
    index as f64
}

/// Most lines of ours and of peers in one picture: the best ones.
const OUR_LINES: usize = 6;
const PEER_LINES: usize = 5;

/// Throughput over the share of writes.
fn over_writes(cells: &[&Cell], file: &'static str) -> Picture {
    let first = cells[0];
    let trip = round_trip(&first.round_trips);
    let trip = if trip.is_empty() { trip } else { format!(", round trip {trip}") };
    let title = format!("Mops/s over writes: {} keys, {}{trip}", keys(first.keys), threads(first.threads));
    let best = |name: &str| cells.iter().filter_map(|cell| share_of_best(cell, name)).fold(0.0_f64, f64::max);
    let mut names: Vec<(&str, bool)> =
        first.maps.iter().map(|map| (map.name.as_str(), map.family == Family::Ours)).collect();
    names.sort_by(|one, other| best(other.0).total_cmp(&best(one.0)));
    let ours: Vec<&str> = names.iter().filter(|one| one.1).map(|one| one.0).take(OUR_LINES).collect();
    let peers: Vec<&str> = names.iter().filter(|one| !one.1).map(|one| one.0).take(PEER_LINES).collect();
    let (left, right, top, bottom) = (52.0, 500.0, 36.0, 330.0);
    let lines: Vec<(&str, bool)> = peers
        .into_iter()
        .map(|name| (name, false))
        .chain(ours.into_iter().map(|name| (name, true)))
        .collect();
    let values = lines.iter().flat_map(|(name, _)| cells.iter().filter_map(|cell| mops(cell, name)));
    let scale = Scale::of(values, bottom, top);
    let mut canvas = Canvas::new(680, 366, &title);
    for tick in scale.ticks() {
        canvas.line((left, scale.place(tick)), (right, scale.place(tick)), "grid");
        canvas.text(left - 6.0, scale.place(tick) + 4.0, Anchor::End, "dim", &tick_label(tick));
    }
    let step = (right - left) / offset(cells.len().saturating_sub(1).max(1));
    for (index, cell) in cells.iter().enumerate() {
        let x = left + step * offset(index);
        canvas.text(x, bottom + 18.0, Anchor::Middle, "dim", &format!("{} %", cell.writes));
    }
    let last = |name: &str| cells.last().and_then(|cell| mops(cell, name)).unwrap_or(f64::NAN);
    let labels = spread(&lines.iter().map(|(name, _)| scale.place(last(name))).collect::<Vec<_>>(), 14.0);
    for (index, (name, is_ours)) in lines.iter().enumerate() {
        let points: Vec<(f64, f64)> = cells
            .iter()
            .enumerate()
            .filter_map(|(at, cell)| Some((left + step * offset(at), scale.place(mops(cell, name)?))))
            .collect();
        let colour = index % COLOURS;
        let (line, text) = if *is_ours {
            (format!("line s{colour}"), format!("f{colour}"))
        } else {
            ("peer".to_owned(), "dim".to_owned())
        };
        canvas.path(&points, &line);
        canvas.text(right + 8.0, labels[index] + 4.0, Anchor::Start, &text, name);
    }
    Picture { file, title, svg: canvas.finish() }
}

fn mops(cell: &Cell, name: &str) -> Option<f64> {
    cell.maps.iter().find(|map| map.name == name).map(|map| map.mops)
}

fn share_of_best(cell: &Cell, name: &str) -> Option<f64> {
    let best = cell.maps.iter().map(|map| map.mops).fold(0.0_f64, f64::max);
    Some(mops(cell, name)? / best)
}

fn tick_label(tick: f64) -> String {
    if tick >= 1.0 { crate::measure::thousands(format!("{tick:.0}").as_str()) } else { format!("{tick}") }
}

/// One bar, or two, for each map.
struct Bar {
    name: String,
    is_ours: bool,
    values: Vec<f64>,
}

/// Bars from the left, on a logarithmic scale, with a line at `mark`.
fn bars(title: &str, mut bars: Vec<Bar>, mark: Option<(f64, &str)>) -> String {
    bars.sort_by(|one, other| one.values[0].total_cmp(&other.values[0]));
    let (left, right, top) = (180.0, 560.0, 40.0);
    let values = bars.iter().flat_map(|bar| bar.values.iter().copied()).chain(mark.map(|(value, _)| value));
    let scale = Scale::of(values.map(|value| value.max(0.1)), left, right);
    let count = u32::try_from(bars.len()).unwrap_or(0);
    let mut canvas = Canvas::new(680, 70 + 20 * count, title);
    let bottom = top + 20.0 * f64::from(count);
    for tick in scale.ticks() {
        canvas.line((scale.place(tick), top), (scale.place(tick), bottom), "grid");
        canvas.text(scale.place(tick), bottom + 16.0, Anchor::Middle, "dim", &tick_label(tick));
    }
    for (index, bar) in bars.iter().enumerate() {
        let y = top + 20.0 * offset(index);
        canvas.text(left - 8.0, y + 14.0, Anchor::End, if bar.is_ours { "" } else { "dim" }, &bar.name);
        let height = 14.0 / offset(bar.values.len());
        for (part, value) in bar.values.iter().enumerate() {
            let class = match (bar.is_ours, part) {
                (true, 0) => "f0",
                (true, _) => "f4",
                (false, _) => "peers",
            };
            let end = scale.place(value.max(0.1));
            canvas.rectangle(
                left,
                y + 3.0 + height * offset(part),
                (end - left).max(1.0),
                height - 0.5,
                class,
            );
        }
        let label: Vec<String> = bar.values.iter().map(|value| figure(*value)).collect();
        let end = bar.values.iter().map(|value| scale.place(value.max(0.1))).fold(left, f64::max);
        canvas.text(end + 6.0, y + 14.0, Anchor::Start, "dim", &label.join(", "));
    }
    if let Some((value, name)) = mark {
        canvas.line((scale.place(value), top), (scale.place(value), bottom), "mark");
        canvas.text(scale.place(value), top - 4.0, Anchor::Middle, "dim", name);
    }
    canvas.finish()
}

/// The longest write while growing.
pub(super) fn growth(report: &Report) -> Vec<Picture> {
    let Some(table) = &report.growth else { return Vec::new() };
    let title = format!("Longest write while growing to {} keys, µs", crate::measure::thousands(table.keys));
    let of = |map: &super::report::Waits| {
        Some(Bar {
            name: map.name.clone(),
            is_ours: map.family == Family::Ours,
            values: vec![map.writes?.max],
        })
    };
    let drawn = table.maps.iter().filter_map(of).collect();
    let svg = bars(&title, drawn, Some((1_000.0, "1 ms")));
    vec![Picture { file: "growth.svg", title, svg }]
}

pub(super) fn memory(report: &Report) -> Vec<Picture> {
    let Some(table) = &report.memory else { return Vec::new() };
    let title = "Bytes of each entry: full, and after removing all".to_owned();
    let of = |map: &super::report::Footprint| Bar {
        name: map.name.clone(),
        is_ours: map.family == Family::Ours,
        values: vec![map.full, map.emptied],
    };
    let svg = bars(&title, table.maps.iter().map(of).collect(), Some((16.0, "key and value")));
    vec![Picture { file: "memory.svg", title, svg }]
}

/// Writes a second over the number of writers.
pub(super) fn durable(report: &Report) -> Vec<Picture> {
    let pairs = durable_pairs(&report.durable);
    if pairs.is_empty() {
        return Vec::new();
    }
    let title = "Durable writes a second over blocked writers".to_owned();
    let (left, right, top, bottom) = (70.0, 520.0, 36.0, 250.0);
    let rates = pairs.iter().flat_map(|(ours, naive)| [ours.writes_per_second, naive.writes_per_second]);
    let scale = Scale::of(rates, bottom, top);
    let mut canvas = Canvas::new(680, 286, &title);
    for tick in scale.ticks() {
        canvas.line((left, scale.place(tick)), (right, scale.place(tick)), "grid");
        canvas.text(left - 6.0, scale.place(tick) + 4.0, Anchor::End, "dim", &tick_label(tick));
    }
    let step = (right - left) / offset(pairs.len().saturating_sub(1).max(1));
    let (mut ours, mut naive) = (Vec::new(), Vec::new());
    for (index, (one, other)) in pairs.iter().enumerate() {
        let x = left + step * offset(index);
        canvas.text(x, bottom + 18.0, Anchor::Middle, "dim", &one.writers.to_string());
        ours.push((x, scale.place(one.writes_per_second)));
        naive.push((x, scale.place(other.writes_per_second)));
    }
    let ends = |points: &[(f64, f64)]| points.last().map_or(bottom, |last| last.1);
    let labels = spread(&[ends(&ours), ends(&naive)], 14.0);
    canvas.path(&ours, "line s0");
    canvas.path(&naive, "peer");
    canvas.text(right + 8.0, labels[0] + 4.0, Anchor::Start, "f0", "Durable");
    canvas.text(right + 8.0, labels[1] + 4.0, Anchor::Start, "dim", "naive group commit");
    vec![Picture { file: "durable.svg", title, svg: canvas.finish() }]
}
