//! What a comment says.

/// A comment that suppresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Comment {
    /// `//raceguard:ignore CODES reason`
    Ignore {
        /// As written.
        codes: Vec<String>,
        /// Whether anything stands behind the codes.
        has_reason: bool,
    },
    /// `//nolint`, or with a list in which raceguard is named.
    NoLint {
        /// Whether raceguard is named.
        named: bool,
    },
}

impl Comment {
    /// As it is written, the reason left out.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Ignore { codes, .. } => format!("//raceguard:ignore {}", codes.join(",")),
            Self::NoLint { named: true } => "//nolint:raceguard".to_owned(),
            Self::NoLint { named: false } => "//nolint".to_owned(),
        }
    }
}

/// Reads a comment with its marks; none if it does not suppress.
pub(super) fn parse(text: &str) -> Option<Comment> {
    let text = text.strip_prefix("//")?.trim();
    if let Some(rest) = text.strip_prefix("raceguard:ignore") {
        return (rest.is_empty() || rest.starts_with(char::is_whitespace)).then(|| ignore(rest.trim()));
    }
    let rest = text.strip_prefix("nolint")?;
    let Some(list) = rest.strip_prefix(':') else {
        let is_whole_word =
            rest.is_empty() || rest.starts_with(char::is_whitespace) || rest.starts_with("//");
        return is_whole_word.then_some(Comment::NoLint { named: false });
    };
    // `//nolint:a,b // why`: the list may have blanks behind its commas.
    let list = list.split("//").next().unwrap_or(list);
    let mut names = list.split(',').map(|name| name.split_whitespace().next().unwrap_or("").to_lowercase());
    names.find_map(|name| match name.as_str() {
        "raceguard" => Some(Comment::NoLint { named: true }),
        "all" => Some(Comment::NoLint { named: false }),
        _ => None,
    })
}

/// Codes with commas between, then the reason.
fn ignore(rest: &str) -> Comment {
    let mut codes = Vec::new();
    let mut rest = rest;
    loop {
        let end = rest.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(rest.len());
        if end > 0 {
            codes.push(rest[..end].to_uppercase());
        }
        rest = rest[end..].trim_start();
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None => break,
        }
    }
    let reason = rest.trim_start_matches(['/', '-', ':', '—', ' ']);
    Comment::Ignore { codes, has_reason: !reason.is_empty() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignores(text: &str) -> Option<(Vec<String>, bool)> {
        match parse(text)? {
            Comment::Ignore { codes, has_reason } => Some((codes, has_reason)),
            Comment::NoLint { .. } => None,
        }
    }

    #[test]
    fn codes_and_reasons_are_told_apart() {
        let codes = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>();
        assert_eq!(ignores("//raceguard:ignore RG101 why"), Some((codes(&["RG101"]), true)));
        assert_eq!(ignores("// raceguard:ignore rg101,RG102 why"), Some((codes(&["RG101", "RG102"]), true)));
        assert_eq!(ignores("//raceguard:ignore RG101, RG102"), Some((codes(&["RG101", "RG102"]), false)));
        assert_eq!(ignores("//raceguard:ignore RG101 // "), Some((codes(&["RG101"]), false)));
        assert_eq!(ignores("//raceguard:ignore"), Some((codes(&[]), false)));
        for other in ["//raceguard:ignored RG101", "/*raceguard:ignore RG101 x*/", "// see raceguard:ignore"]
        {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn nolint_is_read_as_golangci_reads_it() {
        for ours in ["//nolint:raceguard", "// nolint:gosec, raceguard // why", "//nolint:raceguard,x"] {
            assert_eq!(parse(ours), Some(Comment::NoLint { named: true }), "{ours}");
        }
        for all in ["//nolint", "//nolint:all", "//nolint // why", "// nolint"] {
            assert_eq!(parse(all), Some(Comment::NoLint { named: false }), "{all}");
        }
        for other in ["//nolint:gosec", "//nolintx", "// about nolint"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
