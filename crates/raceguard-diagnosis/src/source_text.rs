//! Lines of source files, each file read once, through the function that the caller gives.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use raceguard_evidence::ModulePaths;

/// Source files of the module.
pub(crate) struct SourceText<'a> {
    read: &'a dyn Fn(&Path) -> Option<String>,
    paths: &'a ModulePaths,
    files: RefCell<HashMap<PathBuf, Option<Rc<[String]>>>>,
}

impl<'a> SourceText<'a> {
    /// Reads through `read`, which gives `None` for a file that is not there.
    pub(crate) fn new(paths: &'a ModulePaths, read: &'a dyn Fn(&Path) -> Option<String>) -> Self {
        Self { read, paths, files: RefCell::default() }
    }

    /// All lines of a file as evidence names it.
    pub(crate) fn lines(&self, file: &str) -> Option<Rc<[String]>> {
        if file.is_empty() {
            return None;
        }
        let path = self.paths.locate(file);
        if let Some(known) = self.files.borrow().get(&path) {
            return known.clone();
        }
        let text = (self.read)(&path);
        let lines: Option<Rc<[String]>> =
            text.map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>().into());
        self.files.borrow_mut().insert(path, lines.clone());
        lines
    }
}

impl std::fmt::Debug for SourceText<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SourceText")
            .field("files", &self.files.borrow().len())
            .finish_non_exhaustive()
    }
}
