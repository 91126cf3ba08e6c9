//! A few shapes as SVG, with colours for light and dark pages.

use std::fmt::Write;

/// A picture under way.
pub(super) struct Canvas {
    width: u32,
    height: u32,
    body: String,
}

/// Which way a text runs from its place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Colours of lines and bars, told apart by people who do not see red and green as well (Okabe and Ito).
pub(super) const COLOURS: usize = 7;

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#24292f}.dim{fill:#57606a}.title{font-weight:600;font-size:14px}\
.axis{stroke:#8c959f;stroke-width:1}.grid{stroke:#8c959f;stroke-width:.5;opacity:.4}.line{fill:none;stroke-width:2}\
.peer{fill:none;stroke:#8c959f;stroke-width:1.2;stroke-dasharray:4 3}.peers{fill:#8c959f}.mark{stroke:#d1242f;stroke-width:1;stroke-dasharray:5 3}\
.s0{stroke:#0072b2}.s1{stroke:#d55e00}.s2{stroke:#009e73}.s3{stroke:#cc79a7}.s4{stroke:#56b4e9}.s5{stroke:#b8860b}.s6{stroke:#7f3c8d}\
.f0{fill:#0072b2}.f1{fill:#d55e00}.f2{fill:#009e73}.f3{fill:#cc79a7}.f4{fill:#56b4e9}.f5{fill:#b8860b}.f6{fill:#7f3c8d}\
.good{fill:#2da44e;fill-opacity:.55}.even{fill:#2da44e;fill-opacity:.2}.bad{fill:#d1242f;fill-opacity:.4}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.dim{fill:#9198a1}.s0{stroke:#4ea8de}.f0{fill:#4ea8de}.s6{stroke:#c490d1}.f6{fill:#c490d1}}";

impl Canvas {
    pub(super) fn new(width: u32, height: u32, title: &str) -> Self {
        let mut canvas = Self { width, height, body: format!("<title>{}</title>\n", escaped(title)) };
        canvas.text(12.0, 20.0, Anchor::Start, "title", title);
        canvas
    }

    pub(super) fn text(&mut self, x: f64, y: f64, anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = writeln!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{}</text>",
            escaped(text)
        );
    }

    pub(super) fn rectangle(&mut self, x: f64, y: f64, width: f64, height: f64, class: &str) {
        let _ = writeln!(
            self.body,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" class=\"{class}\"/>"
        );
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let _ = writeln!(
            self.body,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" class=\"{class}\"/>",
            from.0, from.1, to.0, to.1
        );
    }

    pub(super) fn path(&mut self, points: &[(f64, f64)], class: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(self.body, "<polyline points=\"{}\" class=\"{class}\"/>", points.join(" "));
    }

    pub(super) fn finish(self) -> String {
        let Self { width, height, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
             <style>{STYLE}</style>\n{body}</svg>\n"
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A logarithmic scale from values to places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Covers all values, in whole powers of ten.
    pub(super) fn of(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = values
            .filter(|value| value.is_finite() && *value > 0.0)
            .fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low.is_finite() { (low, high) } else { (1.0, 10.0) };
        Self { low: low.log10().floor(), high: high.log10().ceil().max(low.log10().floor() + 1.0), from, to }
    }

    pub(super) fn place(&self, value: f64) -> f64 {
        let part = (value.max(f64::MIN_POSITIVE).log10() - self.low) / (self.high - self.low);
        self.from + part.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// Powers of ten.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let mut ticks = Vec::new();
        let mut exponent = self.low;
        while exponent <= self.high {
            ticks.push(10_f64.powf(exponent));
            exponent += 1.0;
        }
        ticks
    }
}

/// Places for labels that want to stand at `wanted`, at least `apart` from each other, in the same order.
pub(super) fn spread(wanted: &[f64], apart: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|one, other| wanted[*one].total_cmp(&wanted[*other]));
    let mut places = wanted.to_vec();
    for pair in order.windows(2) {
        places[pair[1]] = places[pair[1]].max(places[pair[0]] + apart);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_logarithmic() {
        let scale = Scale::of([2.0, 500.0].into_iter(), 0.0, 300.0);
        assert_eq!(scale.ticks().len(), 4);
        assert!((scale.place(10.0) - 100.0).abs() < 1e-9);
        assert!((scale.place(1e9) - 300.0).abs() < 1e-9);
    }

    #[test]
    fn labels_keep_their_distance() {
        assert_eq!(spread(&[10.0, 0.0, 11.0], 5.0), [10.0, 0.0, 15.0]);
    }

    #[test]
    fn texts_are_escaped() {
        let mut canvas = Canvas::new(10, 10, "a < b");
        canvas.line((0.0, 0.0), (1.0, 1.0), "axis");
        assert!(canvas.finish().contains("a &lt; b"));
    }
}
