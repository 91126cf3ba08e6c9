//! `raceguard.toml`, the one configuration file.
//!
//! ```toml
//! [check]
//! select = ["RG1", "RG2"]
//! ignore = ["RG104"]
//! exclude = ["*.pb.go", "internal/legacy"]
//! severity = "warning"
//! tests = true
//! tags = ["integration"]
//! baseline = "raceguard-baseline.json"
//!
//! [check.per-file-ignores]
//! "cmd/**" = ["RG201"]
//!
//! [runs]
//! keep = 20
//! ```

use std::path::{Path, PathBuf};

use raceguard_evidence::Severity;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{CheckError, nearest};
use super::globs::FileGlob;
use super::selection::Selector;

/// Name of the file.
pub const FILE_NAME: &str = "raceguard.toml";

const SECTIONS: [&str; 2] = ["check", "runs"];

const KEYS: [&str; 8] =
    ["select", "ignore", "exclude", "severity", "tests", "tags", "baseline", "per-file-ignores"];

/// What the file says, most of it on `raceguard check`. What it leaves out is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Codes to show.
    pub select: Vec<Selector>,
    /// Codes to leave out.
    pub ignore: Vec<Selector>,
    /// Files whose findings are left out.
    pub exclude: Vec<FileGlob>,
    /// The least severity to show.
    pub severity: Option<Severity>,
    /// Whether tests are analysed.
    pub tests: Option<bool>,
    /// Build tags.
    pub tags: Vec<String>,
    /// The baseline, absolute.
    pub baseline: Option<PathBuf>,
    /// Codes to leave out in some files.
    pub per_file_ignores: Vec<(FileGlob, Vec<Selector>)>,
    /// How many runs are kept in `.raceguard/runs`.
    pub keep_runs: Option<usize>,
}

/// The file that counts for a folder: the one there or in the nearest folder above it.
pub fn find(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|above| above.join(FILE_NAME)).find(|path| path.is_file())
}

/// Reads the file at a path.
pub fn read(path: &Path) -> Result<Config, CheckError> {
    let text = std::fs::read_to_string(path).map_err(|source| CheckError::File {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    parse(path, &text)
}

/// Reads the text of the file at a path.
pub fn parse(path: &Path, text: &str) -> Result<Config, CheckError> {
    let reader = Reader { path, text, folder: path.parent().unwrap_or(Path::new("/")) };
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        reader.error(at, error.message(), "see the syntax of TOML")
    })?;
    let mut config = Config::default();
    let mut sections: Vec<_> = table.get_ref().iter().collect();
    sections.sort_by_key(|(name, _)| name.span().start);
    for (name, value) in sections {
        let word: &str = name.get_ref();
        if KEYS.contains(&word) {
            let at = name.span().start;
            return Err(reader.error(
                at,
                format!("`{word}` stands outside of the section it belongs to"),
                if matches!(value.get_ref(), DeValue::Table(_)) {
                    format!("write [check.{word}]")
                } else {
                    "write [check] on a line above it".to_owned()
                },
            ));
        }
        if !SECTIONS.contains(&word) {
            return Err(reader.unknown(name, "section", &SECTIONS));
        }
        for (key, value) in reader.table(name.get_ref(), value)? {
            match &**name.get_ref() {
                "runs" => reader.key_of_runs(&mut config, key, value)?,
                _ => reader.key(&mut config, key, value)?,
            }
        }
    }
    reader.refuse_conflicts(&config)?;
    Ok(config)
}

type Key<'i> = Spanned<std::borrow::Cow<'i, str>>;
type Value<'i> = Spanned<DeValue<'i>>;

/// The file while it is read.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    folder: &'a Path,
}

impl Reader<'_> {
    fn error(&self, at: usize, message: impl Into<String>, hint: impl Into<String>) -> CheckError {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        CheckError::Config { path: self.path.to_owned(), line, message: message.into(), hint: hint.into() }
    }

    fn unknown(&self, name: &Key<'_>, what: &str, known: &[&str]) -> CheckError {
        let word = name.get_ref();
        let all = known.join(", ");
        let hint = match nearest(word, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? There are {all}"),
            None => format!("there are {all}"),
        };
        self.error(name.span().start, format!("unknown {what} `{word}`"), hint)
    }

    fn key(&self, config: &mut Config, key: &Key<'_>, value: &Value<'_>) -> Result<(), CheckError> {
        let name: &str = key.get_ref();
        match name {
            "select" => config.select = self.selectors(name, value)?,
            "ignore" => config.ignore = self.selectors(name, value)?,
            "exclude" => {
                let texts = self.strings(name, value)?;
                config.exclude =
                    texts.iter().map(|(text, at)| self.glob(text, *at)).collect::<Result<_, _>>()?;
            }
            "severity" => config.severity = Some(self.severity(value)?),
            "tests" => match value.get_ref() {
                DeValue::Boolean(tests) => config.tests = Some(*tests),
                _ => {
                    return Err(self.error(
                        value.span().start,
                        "`tests` is no boolean",
                        "write true or false",
                    ));
                }
            },
            "tags" => config.tags = self.strings(name, value)?.into_iter().map(|(text, _)| text).collect(),
            "baseline" => match value.get_ref() {
                DeValue::String(file) => config.baseline = Some(self.folder.join(&**file)),
                _ => return Err(self.error(value.span().start, "`baseline` is no string", "name a file")),
            },
            "per-file-ignores" => {
                for (pattern, codes) in self.table(name, value)? {
                    let glob = self.glob(pattern.get_ref(), pattern.span().start)?;
                    config.per_file_ignores.push((glob, self.selectors(pattern.get_ref(), codes)?));
                }
            }
            _ => return Err(self.unknown(key, "key", &KEYS)),
        }
        Ok(())
    }

    fn key_of_runs(&self, config: &mut Config, key: &Key<'_>, value: &Value<'_>) -> Result<(), CheckError> {
        if key.get_ref() != "keep" {
            return Err(self.unknown(key, "key", &["keep"]));
        }
        let number = match value.get_ref() {
            DeValue::Integer(number) => usize::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        let wrong =
            || self.error(value.span().start, "`keep` is no number of runs", "write a number from 1 on");
        config.keep_runs = Some(number.filter(|&number| number > 0).ok_or_else(wrong)?);
        Ok(())
    }

    fn table<'v, 'i>(&self, name: &str, value: &'v Value<'i>) -> Result<&'v DeTable<'i>, CheckError> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => {
                Err(self.error(value.span().start, format!("`{name}` is no table"), "write it as a section"))
            }
        }
    }

    /// The strings of an array, and where each is.
    fn strings(&self, name: &str, value: &Value<'_>) -> Result<Vec<(String, usize)>, CheckError> {
        let wrong = |at| self.error(at, format!("`{name}` is no list of strings"), "write [\"…\", \"…\"]");
        let DeValue::Array(items) = value.get_ref() else { return Err(wrong(value.span().start)) };
        let text = |item: &Value<'_>| match item.get_ref() {
            DeValue::String(text) => Ok((text.clone().into_owned(), item.span().start)),
            _ => Err(wrong(item.span().start)),
        };
        items.iter().map(text).collect()
    }

    fn selectors(&self, name: &str, value: &Value<'_>) -> Result<Vec<Selector>, CheckError> {
        let hint = "`raceguard rule` lists all rules";
        let read = |(text, at): (String, usize)| {
            Selector::parse(&text).map_err(|message| self.error(at, format!("`{name}`: {message}"), hint))
        };
        self.strings(name, value)?.into_iter().map(read).collect()
    }

    fn glob(&self, text: &str, at: usize) -> Result<FileGlob, CheckError> {
        let hint = "write it like \"*.pb.go\" or \"internal/legacy/**\"";
        FileGlob::new(self.folder, text)
            .map_err(|reason| self.error(at, format!("{text:?} is no pattern: {reason}"), hint))
    }

    fn severity(&self, value: &Value<'_>) -> Result<Severity, CheckError> {
        let DeValue::String(word) = value.get_ref() else {
            return Err(self.error(value.span().start, "`severity` is no string", SEVERITY_HINT));
        };
        severity_of(word).ok_or_else(|| {
            self.error(value.span().start, format!("there is no severity {word:?}"), SEVERITY_HINT)
        })
    }

    fn refuse_conflicts(&self, config: &Config) -> Result<(), CheckError> {
        let selection = super::selection::Selection {
            select: config.select.clone(),
            ignore: config.ignore.clone(),
            severity: None,
        };
        let Some(code) = selection.conflict() else { return Ok(()) };
        let at = self.text.find("ignore").unwrap_or(0);
        let message = format!("`select` and `ignore` both name {code}");
        Err(self.error(at, message, "remove it from one of the two"))
    }
}

const SEVERITY_HINT: &str = "there are error, warning and advice";

/// The severity of a name.
pub fn severity_of(name: &str) -> Option<Severity> {
    [Severity::Error, Severity::Warning, Severity::Advice]
        .into_iter()
        .find(|severity| severity.as_str() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Config, CheckError> {
        parse(Path::new("/m/raceguard.toml"), text)
    }

    #[track_caller]
    fn refused(text: &str, parts: &[&str]) {
        let error = read_text(text).unwrap_err();
        let told = format!("{error} {}", error.hint().unwrap_or_default());
        for part in parts {
            assert!(told.contains(part), "no {part:?} in {told}");
        }
    }

    #[test]
    fn every_key_is_read() {
        let config = read_text(
            "[check]\nselect = [\"ALL\"]\nignore = [\"RG001\"]\nexclude = [\"gen\"]\nseverity = \"advice\"\n\
             tests = false\ntags = [\"it\"]\nbaseline = \"b.json\"\n[check.per-file-ignores]\n\"a.go\" = [\"RG002\"]\n",
        )
        .unwrap();
        assert_eq!(config.severity, Some(Severity::Advice));
        assert_eq!(config.baseline, Some(PathBuf::from("/m/b.json")));
        assert_eq!((config.tests, config.tags.as_slice()), (Some(false), &["it".to_owned()][..]));
        assert!(config.exclude[0].matches(Path::new("/m/gen/a.go")));
        assert!(config.per_file_ignores[0].0.matches(Path::new("/m/a.go")));
        assert_eq!(read_text("").unwrap(), Config::default());
    }

    #[test]
    fn unknown_keys_are_told_with_the_nearest() {
        refused(
            "[check]\nselct = []\n",
            &["raceguard.toml:2: unknown key `selct`", "did you mean `select`?"],
        );
        refused("\n[chek]\n", &["raceguard.toml:2: unknown section `chek`", "did you mean `check`?"]);
        refused(
            "select = [\"RG1\"]\nbaseline = 3\n",
            &["raceguard.toml:1: `select` stands outside of the section", "write [check] on a line above"],
        );
        refused("[per-file-ignores]\n", &["write [check.per-file-ignores]"]);
        refused("[check]\ncolour = 1\n", &["unknown key `colour`", "there are select, ignore"]);
    }

    #[test]
    fn conflicts_are_told_with_their_keys() {
        refused(
            "[check]\nselect = [\"RG001\"]\nignore = [\"RG001\"]\n",
            &["raceguard.toml:3: `select` and `ignore` both name RG001"],
        );
    }

    #[test]
    fn values_of_a_wrong_kind_are_told_with_their_line() {
        refused("[check]\nselect = \"RG1\"\n", &["raceguard.toml:2: `select` is no list of strings"]);
        refused("[check]\nselect = [1]\n", &["is no list of strings"]);
        refused(
            "[check]\nseverity = \"high\"\n",
            &["there is no severity \"high\"", "error, warning and advice"],
        );
        refused("[check]\ntests = 1\n", &["`tests` is no boolean"]);
        refused("[check]\nselect = [\"RG0001\"]\n", &["did you mean RG001?"]);
        refused("[check]\nexclude = [\"a[\"]\n", &["is no pattern"]);
        refused("check = 1\n", &["`check` is no table"]);
        refused("[check\n", &["raceguard.toml:1:"]);
        refused("[check]\ntests = true\ntests = false\n", &["raceguard.toml:3: duplicate key"]);
    }
}
