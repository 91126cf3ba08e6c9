//! What a Go file says before its first declaration: build constraints, package clause, imports.
//!
//! A scanner of its own, because files are chosen before any is parsed. It is linear in the header's length,
//! takes any bytes, and stops at the first thing that is no header; errors after the package clause are the
//! parser's to report.

use super::constraint::{Constraint, ConstraintError};

/// The header of a Go file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// The name in the package clause and its byte offset.
    pub package: Option<(String, usize)>,
    /// All imports, in order.
    pub imports: Vec<ImportSpec>,
    /// The build constraint, of a `//go:build` line or else of `// +build` lines.
    pub constraint: Option<Constraint>,
    /// Whether the constraint came from a `//go:build` line: only then does it choose a language version.
    pub has_go_build: bool,
    /// Whether a comment says `// Code generated … DO NOT EDIT.`
    pub generated: bool,
    /// Why the package clause or the constraint can't be read, with its byte offset.
    pub error: Option<HeaderError>,
}

/// What is wrong with a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderError {
    /// Byte offset in the file.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
    /// Whether it is about a build constraint rather than the package clause.
    pub in_constraint: bool,
}

/// One import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportSpec {
    /// The import path, without quotes.
    pub path: String,
    /// The name given to it in this file: a name, `.` or `_`.
    pub name: Option<String>,
    /// Byte offset of the quoted path.
    pub offset: usize,
}

impl Header {
    /// Scans the header of a file. A byte order mark at its start is passed over.
    pub fn scan(source: &[u8]) -> Self {
        let mut header = Self::default();
        let mut scanner = Scanner { source, offset: 0, comments: Vec::new() };
        if source.starts_with(BYTE_ORDER_MARK) {
            scanner.offset = BYTE_ORDER_MARK.len();
        }
        let start = scanner.offset;
        scanner.skip_space();
        let leading = start..scanner.offset;
        header.generated = scanner.comments.iter().any(|(from, to)| says_generated(&source[*from..*to]));
        header.read_constraints(source, leading);
        if let Err(error) = header.read_package(&mut scanner) {
            header.error.get_or_insert(error);
            return header;
        }
        while scanner.take_word(b"import") && header.read_import(&mut scanner).is_some() {
            scanner.skip_space();
            scanner.take(b';');
            scanner.skip_space();
        }
        header
    }

    /// Whether the file imports "C".
    pub fn imports_c(&self) -> bool {
        self.imports.iter().any(|import| import.path == "C")
    }

    fn read_package(&mut self, scanner: &mut Scanner<'_>) -> Result<(), HeaderError> {
        let failed = |offset, found: String| {
            let message = format!("expected a package clause, found {found}");
            HeaderError { offset, message, in_constraint: false }
        };
        let offset = scanner.offset;
        if !scanner.take_word(b"package") {
            return Err(failed(offset, scanner.describe()));
        }
        scanner.skip_space();
        let offset = scanner.offset;
        let Some(name) = scanner.word() else {
            return Err(failed(offset, format!("`package` and then {}", scanner.describe())));
        };
        self.package = Some((name, offset));
        scanner.skip_space();
        scanner.take(b';');
        scanner.skip_space();
        Ok(())
    }

    /// Reads one import declaration after its keyword. `None` if it is malformed.
    fn read_import(&mut self, scanner: &mut Scanner<'_>) -> Option<()> {
        scanner.skip_space();
        if !scanner.take(b'(') {
            return self.read_import_spec(scanner);
        }
        loop {
            scanner.skip_space();
            if scanner.take(b')') {
                return Some(());
            }
            self.read_import_spec(scanner)?;
            scanner.skip_space();
            scanner.take(b';');
        }
    }

    fn read_import_spec(&mut self, scanner: &mut Scanner<'_>) -> Option<()> {
        let name = if scanner.take(b'.') { Some(".".to_owned()) } else { scanner.word() };
        scanner.skip_space();
        let offset = scanner.offset;
        let path = scanner.quoted()?;
        self.imports.push(ImportSpec { path, name, offset });
        Some(())
    }

    /// Reads the constraints among the comments before the package clause.
    fn read_constraints(&mut self, source: &[u8], leading: std::ops::Range<usize>) {
        let lines = ConstraintLines::find(&source[leading.clone()]);
        let error = |offset, message| Some(HeaderError { offset, message, in_constraint: true });
        if let Some(second) = lines.second {
            self.error = error(leading.start + second, "a second //go:build line".to_owned());
        }
        if let Some((offset, expression)) = lines.expression {
            self.has_go_build = true;
            match Constraint::parse(&expression) {
                Ok(constraint) => self.constraint = Some(constraint),
                Err(ConstraintError { offset: inner, message }) => {
                    let message = format!("build constraint: {message}");
                    self.error = error(leading.start + offset + inner, message);
                }
            }
            return;
        }
        let lines = lines.older.iter().filter_map(|arguments| Constraint::parse_plus_build(arguments));
        self.constraint = lines.reduce(|left, right| Constraint::And(Box::new(left), Box::new(right)));
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Go's rule for generated files, for one comment: a line of it is exactly the marker.
fn says_generated(comment: &[u8]) -> bool {
    comment.split(|byte| *byte == b'\n').any(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let rest = line.strip_prefix(b"// Code generated ".as_slice());
        rest.is_some_and(|rest| rest.ends_with(b" DO NOT EDIT.") || rest == b"DO NOT EDIT.")
    })
}

/// The lines among a file's leading comments that hold constraints, by the rules of Go's `go/build`.
#[derive(Default)]
struct ConstraintLines {
    /// Offset and text of the expression of the first `//go:build` line.
    expression: Option<(usize, String)>,
    /// Offset of a second such line.
    second: Option<usize>,
    /// Arguments of `// +build` lines that are followed by a blank line.
    older: Vec<String>,
}

impl ConstraintLines {
    fn find(comments: &[u8]) -> Self {
        let mut found = Self::default();
        let mut pending = Vec::new();
        let (mut ended, mut in_block, mut line_start) = (false, false, 0);
        for line in comments.split_inclusive(|byte| *byte == b'\n') {
            let offset = line_start + line.len() - line.trim_ascii_start().len();
            line_start += line.len();
            let line = line.trim_ascii();
            if line.is_empty() {
                if !ended {
                    found.older.append(&mut pending);
                }
                continue;
            }
            ended |= !line.starts_with(b"//");
            if !in_block {
                found.see_go_build(line, offset);
                pending.extend(plus_build_arguments(line));
            }
            in_block = block_is_open_after(line, in_block);
        }
        found
    }

    fn see_go_build(&mut self, line: &[u8], offset: usize) {
        const MARKER: &[u8] = b"//go:build";
        let Some(rest) = line.strip_prefix(MARKER) else { return };
        if !rest.is_empty() && rest[0] != b' ' && rest[0] != b'\t' {
            return;
        }
        if self.expression.is_some() {
            self.second.get_or_insert(offset);
        } else {
            self.expression = Some((offset + MARKER.len(), String::from_utf8_lossy(rest).into_owned()));
        }
    }
}

/// What follows `+build` in a line comment.
fn plus_build_arguments(line: &[u8]) -> Option<String> {
    let text = line.strip_prefix(b"//")?.trim_ascii_start().strip_prefix(b"+build")?;
    let separated = text.is_empty() || text[0].is_ascii_whitespace();
    separated.then(|| String::from_utf8_lossy(text).into_owned())
}

/// Whether a `/*` comment is open at the end of a line of comments.
fn block_is_open_after(mut line: &[u8], mut in_block: bool) -> bool {
    loop {
        if in_block {
            let Some(end) = line.windows(2).position(|pair| pair == b"*/") else { return true };
            line = line[end + 2..].trim_ascii_start();
            in_block = false;
        } else if let Some(rest) = line.strip_prefix(b"/*") {
            line = rest;
            in_block = true;
        } else {
            return false;
        }
    }
}

/// A position in the file's bytes.
struct Scanner<'a> {
    source: &'a [u8],
    offset: usize,
    /// Start and end of the comments passed over so far.
    comments: Vec<(usize, usize)>,
}

impl Scanner<'_> {
    fn rest(&self) -> &[u8] {
        &self.source[self.offset.min(self.source.len())..]
    }

    /// Passes over white space and comments.
    fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
            self.offset += blank;
            let rest = self.rest();
            let length = if rest.starts_with(b"//") {
                rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
            } else if rest.starts_with(b"/*") {
                let end = rest[2..].windows(2).position(|pair| pair == b"*/");
                // A comment without end is the parser's to report; there is no header after it.
                end.map_or(rest.len(), |end| end + 4)
            } else {
                return;
            };
            self.comments.push((self.offset, self.offset + length));
            self.offset += length;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.rest().first() == Some(&byte);
        self.offset += usize::from(found);
        found
    }

    fn word_length(&self) -> usize {
        let rest = self.rest();
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
        rest.iter().take_while(|byte| is_word(byte)).count()
    }

    /// An identifier; its bytes beyond ASCII are not classified.
    fn word(&mut self) -> Option<String> {
        let length = self.word_length();
        let word = &self.rest()[..length];
        if word.first().is_none_or(u8::is_ascii_digit) {
            return None;
        }
        let word = String::from_utf8_lossy(word).into_owned();
        self.offset += length;
        Some(word)
    }

    fn take_word(&mut self, word: &[u8]) -> bool {
        let length = self.word_length();
        let found = &self.rest()[..length] == word;
        self.offset += if found { length } else { 0 };
        found
    }

    /// The contents of a string literal on one line.
    fn quoted(&mut self) -> Option<String> {
        let rest = self.rest();
        let quote = *rest.first().filter(|byte| matches!(byte, b'"' | b'`'))?;
        let length = rest[1..].iter().position(|byte| *byte == quote || *byte == b'\n')?;
        if rest[1 + length] != quote {
            return None;
        }
        let text = String::from_utf8_lossy(&rest[1..=length]).into_owned();
        self.offset += length + 2;
        Some(text)
    }

    /// What stands here, for a message.
    fn describe(&self) -> String {
        let rest = self.rest();
        let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len()).min(20);
        if rest.is_empty() {
            "the end of the file".to_owned()
        } else {
            format!("`{}`", String::from_utf8_lossy(&rest[..end]).escape_debug())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(source: &str) -> Vec<(Option<String>, String)> {
        let header = Header::scan(source.as_bytes());
        header.imports.into_iter().map(|import| (import.name, import.path)).collect()
    }

    #[test]
    fn all_forms_of_imports_are_read() {
        let source = "// doc\npackage p // tail\nimport \"a\"; import b \"x/b\"\nimport (\n\t. `c`\n\t_ \"d\" // why\n\
            \t\"e\"; \"f\"\n)\nimport()\nvar import_ = 1\nimport \"no\"";
        let read = imports(source);
        let paths: Vec<&str> = read.iter().map(|(_, path)| path.as_str()).collect();
        assert_eq!(paths, ["a", "x/b", "c", "d", "e", "f"]);
        let names: Vec<Option<&str>> = read.iter().map(|(name, _)| name.as_deref()).collect();
        assert_eq!(names, [None, Some("b"), Some("."), Some("_"), None, None]);
    }

    #[test]
    fn offsets_lead_to_name_and_path() {
        let source = "\u{feff}package naïve\n\nimport x \"y/z\"\n";
        let header = Header::scan(source.as_bytes());
        let (name, offset) = header.package.expect("a package clause");
        assert_eq!((name.as_str(), &source[offset..offset + name.len()]), ("naïve", "naïve"));
        assert_eq!(&source[header.imports[0].offset..][..5], "\"y/z\"");
    }

    #[test]
    fn a_missing_package_clause_is_an_error_with_a_place() {
        let error = |source: &[u8]| {
            let error = Header::scan(source).error.expect("an error");
            (error.offset, error.message)
        };
        assert_eq!(error(b""), (0, "expected a package clause, found the end of the file".to_owned()));
        assert_eq!(error(b"// x\nfunc f() {}").0, 5);
        assert!(error(b"package 1").1.contains("`package` and then `1`"));
        assert!(error(b"/* open").1.contains("the end of the file"));
        assert!(error(b"packages p").1.contains("`packages`"));
    }

    #[test]
    fn a_constraint_stands_before_the_package_clause() {
        let constraint = |source: &str| Header::scan(source.as_bytes()).constraint;
        let linux = Some(Constraint::Tag("linux".to_owned()));
        assert_eq!(constraint("//go:build linux\n\npackage p"), linux);
        assert_eq!(constraint("// Licence\n\n//go:build linux\npackage p"), linux);
        assert_eq!(constraint("/* Licence\n//go:build no\n*/\n\n//go:build linux\n\npackage p"), linux);
        assert_eq!(constraint("package p\n\n//go:build linux\n"), None);
        assert_eq!(constraint("//go:builder linux\n\npackage p"), None);
        assert_eq!(constraint("// //go:build linux\n\npackage p"), None);
        assert_eq!(constraint("//go:build linux\n// +build windows\n\npackage p"), linux);
    }

    #[test]
    fn plus_build_needs_a_blank_line_after_it() {
        let constraint = |source: &str| Header::scan(source.as_bytes()).constraint;
        assert_eq!(constraint("// +build linux\npackage p"), None);
        assert_eq!(constraint("/* x */\n// +build linux\n\npackage p"), None);
        let both = constraint("// +build linux\n//+build amd64\n\npackage p").expect("two lines");
        assert!(both.holds(&|tag| tag == "linux" || tag == "amd64"));
        assert!(!both.holds(&|tag| tag == "linux"));
    }

    #[test]
    fn broken_constraints_are_errors_with_a_place() {
        let error = |source: &str| {
            let error = Header::scan(source.as_bytes()).error.expect("an error");
            assert!(error.in_constraint);
            error.offset
        };
        assert_eq!(error("//go:build a &&\n\npackage p"), 15);
        assert_eq!(error("//go:build a\n//go:build b\n\npackage p"), 13);
    }

    #[test]
    fn generated_files_say_so_before_the_package_clause() {
        let generated = |source: &str| Header::scan(source.as_bytes()).generated;
        assert!(generated("// Code generated by protoc. DO NOT EDIT.\n\npackage p"));
        assert!(generated("/*\n// Code generated by x. DO NOT EDIT.\r\n*/\npackage p"));
        assert!(!generated("// Code generated by protoc. DO NOT EDIT\n\npackage p"));
        assert!(!generated("//  Code generated by protoc. DO NOT EDIT.\n\npackage p"));
        assert!(!generated("package p\n\n// Code generated by protoc. DO NOT EDIT.\n"));
    }
}
