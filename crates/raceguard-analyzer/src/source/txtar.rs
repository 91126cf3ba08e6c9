//! The txtar format of Go's own tests: many small text files in one text.
//!
//! Comment lines, then for each file a line `-- name --` and its lines. Format: golang.org/x/tools/txtar.

/// The files of an archive, in its order. Text before the first file is a comment and left out.
///
/// Any text is an archive: there are no errors.
pub fn txtar_files(archive: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for line in archive.split_inclusive('\n') {
        if let Some(name) = file_marker(line) {
            files.push((name.to_owned(), String::new()));
        } else if let Some((_, text)) = files.last_mut() {
            text.push_str(line);
        }
    }
    for (_, text) in &mut files {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
    }
    files
}

/// The name in a line `-- name --`.
fn file_marker(line: &str) -> Option<&str> {
    let name = line.trim_end_matches(['\n', '\r']).strip_prefix("-- ")?.strip_suffix(" --")?.trim();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_follow_their_markers() {
        let files =
            txtar_files("a comment\n-- go.mod --\nmodule m\n-- sub/a.go --\npackage a\n\n-- x --\nlast");
        let expected = [("go.mod", "module m\n"), ("sub/a.go", "package a\n\n"), ("x", "last\n")];
        assert_eq!(files, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }

    #[test]
    fn what_only_looks_like_a_marker_is_text() {
        let files = txtar_files("-- a --\n--b--\n --c --\n--  --\n-- d\n");
        assert_eq!(files, [("a".to_owned(), "--b--\n --c --\n--  --\n-- d\n".to_owned())]);
    }
}
