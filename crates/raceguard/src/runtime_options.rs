//! Checks what `RACEGUARD` asks of the race runtime before anything runs: the runtime itself can only complain into
//! the output of a test, and that of a test that passes is not shown.

use std::env;

use crate::error::CommandError;

/// The environment variable with the race runtime's own options.
const VARIABLE: &str = "RACEGUARD";

/// Units of sizes, as the runtime knows them.
const UNITS: [&str; 11] = ["", "B", "K", "KiB", "KB", "M", "MiB", "MB", "G", "GiB", "GB"];

/// Checks the options in the environment; returns whether there are any.
pub fn check() -> Result<bool, CommandError> {
    let options = env::var_os(VARIABLE).unwrap_or_default();
    let options = options.to_string_lossy();
    match options.split(is_separator).find(|word| !word.is_empty() && !is_option(word)) {
        Some(word) => Err(CommandError::RuntimeOption { word: word.to_owned() }),
        None => Ok(!options.is_empty()),
    }
}

/// As in GORACE.
fn is_separator(c: char) -> bool {
    matches!(c, ' ' | ',' | ':' | '\n' | '\t' | '\r')
}

fn is_option(word: &str) -> bool {
    match word.split_once('=') {
        Some(("sample", rate)) => is_rate(unquoted(rate)),
        Some(("memory_limit", size)) => is_size(unquoted(size)),
        _ => false,
    }
}

fn unquoted(value: &str) -> &str {
    let inside = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

fn is_rate(text: &str) -> bool {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse(),
    };
    share.is_ok_and(|share| share > 0.0 && share <= 1.0)
}

fn is_size(text: &str) -> bool {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    UNITS.contains(&&text[digits..]) && text[..digits].parse::<usize>().is_ok_and(|number| number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_the_runtime() {
        for word in ["sample=1%", "sample=0.25", "sample=\"100%\"", "memory_limit=2GiB", "memory_limit=1000"]
        {
            assert!(is_option(word), "{word}");
        }
        let wrong = [
            "sample",
            "sample=",
            "sample=0",
            "sample=101%",
            "smaple=1%",
            "memory_limit=2gb",
            "memory_limit=0",
        ];
        for word in wrong {
            assert!(!is_option(word), "{word}");
        }
    }
}
