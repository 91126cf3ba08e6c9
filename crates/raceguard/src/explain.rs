//! `raceguard explain`: one diagnosis from the evidence of several runs, and how it is shown.

pub mod html;
pub mod json;
pub mod markdown;
pub mod runs;
pub mod text;
mod words;

use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;

use raceguard_diagnosis::Diagnosis;
use raceguard_diagnosis::comparison::Comparison;
use raceguard_evidence::ModulePaths;

/// How a diagnosis is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For a terminal.
    #[default]
    Text,
    /// One JSON document, described in `docs/explain.md`.
    Json,
    /// For a pull request.
    Markdown,
    /// One self-contained page.
    Html,
}

impl Format {
    /// Every format, in the order in which help lists them.
    pub const ALL: [Self; 4] = [Self::Text, Self::Json, Self::Markdown, Self::Html];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Markdown => "markdown",
            Self::Html => "html",
        }
    }

    /// The format that a file's name ends like.
    pub fn of_file(file: &Path) -> Option<Self> {
        match file.extension()?.to_str()? {
            "txt" => Some(Self::Text),
            "json" => Some(Self::Json),
            "md" => Some(Self::Markdown),
            "html" => Some(Self::Html),
            _ => None,
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|format| format.name() == name);
        known.ok_or_else(|| format!("the formats are {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// What is shown.
pub struct Explanation<'a> {
    /// All of it.
    pub diagnosis: &'a Diagnosis,
    /// Against an older state, when one was asked for: its name and the differences.
    pub comparison: Option<(&'a str, Comparison)>,
    /// How many clusters are shown whole.
    pub top: usize,
    /// The module.
    pub paths: &'a ModulePaths,
    /// Reads a source file.
    pub read_source: &'a dyn Fn(&Path) -> Option<String>,
    /// Colours.
    pub color: bool,
    /// Columns.
    pub width: usize,
}

/// Writes the explanation.
pub fn render(explanation: &Explanation<'_>, format: Format, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Text => text::render(explanation, out),
        Format::Json => json::render(explanation, out),
        Format::Markdown => markdown::render(explanation, out),
        Format::Html => html::render(explanation, out),
    }
}
