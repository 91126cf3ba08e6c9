//! Renders the evidence of a run for people and for tools.
//!
//! [`render`] is the one way in. Every format is a module of its own, and all of them render the same
//! [`view`]: what a finding is called, which statements it is about, what to do. They differ in form alone.
//!
//! Source files are read through [`Options::read_source`], so nothing here touches the file system by itself.
//! Evidence comes from programs under test and may hold anything: each format escapes it where it writes it.

pub(crate) mod brief;
pub(crate) mod github;
pub(crate) mod html;
mod json;
pub(crate) mod one_by_one;
pub(crate) mod sarif;
pub(crate) mod source;
pub(crate) mod text;
mod view;

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;

use raceguard_evidence::RunEvidence;

pub use source::read_source_file;

use view::ReportView;

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For a terminal.
    #[default]
    Text,
    /// One JSON document, described in `docs/evidence.md`.
    Json,
    /// One self-contained page.
    Html,
    /// SARIF 2.1.0.
    Sarif,
    /// Workflow commands that GitHub shows as annotations.
    Github,
}

impl Format {
    /// Every format, in the order in which help lists them.
    pub const ALL: [Self; 5] = [Self::Text, Self::Json, Self::Html, Self::Sarif, Self::Github];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Html => "html",
            Self::Sarif => "sarif",
            Self::Github => "github",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|format| format.name() == name);
        known.ok_or_else(|| {
            format!("no report format is named {name:?}; there are text, json, html, sarif, github")
        })
    }
}

/// How a report looks and where its sources come from.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Whether text is coloured.
    pub color: bool,
    /// Columns that text may take.
    pub width: usize,
    /// Whether text shows every frame, also those of the standard library.
    pub all_frames: bool,
    /// Folder that the paths of GitHub annotations are relative to; the module's folder when `None`.
    pub repository_root: Option<&'a Path>,
    /// Reads a source file; `None` when it is not there.
    pub read_source: &'a dyn Fn(&Path) -> Option<String>,
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("color", &self.color)
            .field("width", &self.width)
            .field("all_frames", &self.all_frames)
            .field("repository_root", &self.repository_root)
            .finish_non_exhaustive()
    }
}

/// Columns of text that goes to no terminal.
pub const DEFAULT_WIDTH: usize = 100;

impl<'a> Options<'a> {
    /// Plain text of [`DEFAULT_WIDTH`], with sources from `read_source`.
    pub fn new(read_source: &'a dyn Fn(&Path) -> Option<String>) -> Self {
        Self { color: false, width: DEFAULT_WIDTH, all_frames: false, repository_root: None, read_source }
    }

    /// Fit for standard output: coloured on a terminal unless `NO_COLOR` or the like forbids it, and as wide.
    pub fn for_stdout(read_source: &'a dyn Fn(&Path) -> Option<String>) -> Self {
        let color = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
        Self { color, width: columns_of(io::stdout()), ..Self::new(read_source) }
    }

    /// Fit for standard error, likewise.
    pub fn for_stderr(read_source: &'a dyn Fn(&Path) -> Option<String>) -> Self {
        let color = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
        Self { color, width: columns_of(io::stderr()), ..Self::new(read_source) }
    }
}

fn columns_of(stream: impl std::os::fd::AsFd) -> usize {
    terminal_size::terminal_size_of(stream)
        .map_or(DEFAULT_WIDTH, |(terminal_size::Width(columns), _)| usize::from(columns))
}

/// Writes a report on `evidence` to `out`.
///
/// Call it when the run is over and its `run_end` record is written: a run without one is shown as incomplete.
pub fn render(
    evidence: &RunEvidence,
    format: Format,
    options: &Options<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let view = ReportView::new(evidence, options.read_source);
    match format {
        Format::Text => text::render(&view, options, out),
        Format::Json => json::render(&view, out),
        Format::Html => html::render(&view, out),
        Format::Sarif => sarif::render(&view, out),
        Format::Github => github::render(&view, options, out),
    }
}
