//! A frame as reports show it.

use raceguard_evidence::{Frame, ModulePaths, Origin};

use super::anchor_index;
use crate::report::source::{Excerpt, Sources};

/// A frame with a short function name and a short path.
#[derive(Debug, Clone)]
pub(in crate::report) struct FrameView<'a> {
    pub(in crate::report) frame: &'a Frame,
    /// With the last element of the import path only.
    pub(in crate::report) function: String,
    /// Relative to the module, to the module cache or to the standard library.
    pub(in crate::report) path: String,
    pub(in crate::report) origin: Origin,
}

impl<'a> FrameView<'a> {
    pub(in crate::report) fn new(frame: &'a Frame, paths: &ModulePaths) -> Self {
        let origin = paths.origin(frame);
        Self { frame, function: frame.name().short(), path: short_path(frame, origin, paths), origin }
    }

    pub(in crate::report) fn stack(frames: &'a [Frame], paths: &ModulePaths) -> Vec<Self> {
        frames.iter().map(|frame| Self::new(frame, paths)).collect()
    }

    /// The frame of a stack that a reader wants to see.
    pub(in crate::report) fn anchor(frames: &'a [Frame], paths: &ModulePaths) -> Option<Self> {
        anchor_index(frames, paths).map(|index| Self::new(&frames[index], paths))
    }

    /// `path:line`, or what of it is known.
    pub(in crate::report) fn position(&self) -> String {
        match (self.path.as_str(), self.frame.line) {
            ("", _) => "unknown position".to_owned(),
            (path, 0) => path.to_owned(),
            (path, line) => format!("{path}:{line}"),
        }
    }

    pub(in crate::report) fn is_standard(&self) -> bool {
        self.origin == Origin::Standard
    }

    pub(in crate::report) fn excerpt(&self, paths: &ModulePaths, sources: &Sources<'_>) -> Option<Excerpt> {
        if self.frame.file.is_empty() {
            return None;
        }
        sources.excerpt(&paths.locate(&self.frame.file), self.frame.line)
    }
}

fn short_path(frame: &Frame, origin: Origin, paths: &ModulePaths) -> String {
    let relative = paths.relative(&frame.file);
    let short = match origin {
        Origin::User => None,
        Origin::Dependency => relative.split_once("/pkg/mod/").map(|(_, inside)| inside),
        Origin::Standard => {
            let package = frame.name().package();
            let inside = |folder: &str| relative.rfind(folder).map(|at| &relative[at + "/src/".len()..]);
            inside(&format!("/src/{package}/")).or_else(|| inside("/src/runtime/"))
        }
    };
    short.unwrap_or(relative).to_owned()
}
