//! Pages of the docs that hold measured figures: a bench prints them, and with `--write` puts them between two markers.

use crate::failure::Failure;
use crate::report_line::step;
use crate::toolchain::Go;
use crate::workspace;

/// A page with figures.
pub(crate) struct MeasuredPage {
    /// The file, from the root of the repository.
    pub(crate) file: &'static str,
    /// The task that measures, such as `bench runtime`.
    pub(crate) task: &'static str,
}

const END: &str = "<!-- end -->";

impl MeasuredPage {
    /// Replaces the figures.
    pub(crate) fn write(&self, figures: &str) -> Result<(), Failure> {
        let path = workspace::root().join(self.file);
        let text = workspace::read(&path)?;
        let updated = self.replaced(&text, figures).ok_or_else(|| {
            Failure::environment(
                format!("{} has no place for the figures", workspace::shown(&path)),
                format!("add the lines `{}` and `{END}` where it belongs", self.begin().trim_end()),
            )
        })?;
        workspace::write(&path, &updated)?;
        step(&format!("wrote {}", workspace::shown(&path)));
        Ok(())
    }

    fn begin(&self) -> String {
        format!("<!-- begin: cargo xtask {} --write -->\n", self.task)
    }

    fn replaced(&self, text: &str, figures: &str) -> Option<String> {
        let begin = self.begin();
        let (before, rest) = text.split_once(&begin)?;
        let (_, after) = rest.split_once(END)?;
        Some(format!("{before}{begin}{}\n{END}{after}", figures.trim_end()))
    }
}

/// What figures were measured on, as a sentence.
pub(crate) fn machine(go: &Go, runs: u32) -> String {
    let processor = processor();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let figures = if runs == 1 { "one run of each".to_owned() } else { format!("medians of {runs} runs") };
    format!("{}, {processor}, {cores} cores, {figures}.", go.version)
}

/// What the processor calls itself.
pub(crate) fn processor() -> String {
    let name = |text: String| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(": ")?.1.trim().to_owned())
    };
    let read = std::fs::read_to_string("/proc/cpuinfo").ok();
    read.and_then(name).unwrap_or_else(|| "unknown processor".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_figures_of_the_task_are_replaced() {
        let page = MeasuredPage { file: "page.md", task: "bench x" };
        let begin = page.begin();
        let text = format!("before\n{begin}old\n{END}\nafter\n");
        assert_eq!(page.replaced(&text, "new\n").unwrap(), format!("before\n{begin}new\n{END}\nafter\n"));
        assert!(page.replaced("no place", "new").is_none());
    }
}
