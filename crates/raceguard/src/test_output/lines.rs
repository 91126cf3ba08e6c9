//! What a line of a test's output is, by its looks.

/// `=== RUN   TestX` and the like.
pub(super) fn is_framing(line: &str) -> bool {
    line.strip_prefix("=== ").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// `--- FAIL: TestX (0.00s)`, indented for subtests.
pub(super) fn is_result(line: &str) -> bool {
    starts_with_any(line.trim_start_matches(' '), &["--- FAIL: ", "--- BENCH: "]) || is_passing_result(line)
}

/// `--- PASS: TestX (0.00s)`, indented for subtests.
pub(super) fn is_passing_result(line: &str) -> bool {
    starts_with_any(line.trim_start_matches(' '), &["--- PASS: ", "--- SKIP: "])
}

/// `    file_test.go:12: text`, what `t.Log` and its like print.
pub(super) fn is_log(line: &str) -> bool {
    let Some((position, _)) = line.strip_prefix("    ").and_then(|rest| rest.split_once(": ")) else {
        return false;
    };
    let Some((file, number)) = position.rsplit_once(':') else { return false };
    file.strip_suffix(".go").is_some()
        && !file.contains(char::is_whitespace)
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The line that cmd/go writes for `package`, after all that its tests print.
pub(super) fn is_summary(line: &str, package: &str) -> bool {
    ["ok  \t", "FAIL\t", "?   \t", "\t"]
        .iter()
        .filter_map(|start| line.strip_prefix(start)?.strip_prefix(package))
        .any(|rest| rest.starts_with(['\t', ' ', '\n']))
}

fn starts_with_any(line: &str, starts: &[&str]) -> bool {
    starts.iter().any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        assert!(is_framing("=== RUN   TestX\n") && is_framing("=== NAME  \n"));
        assert!(!is_framing("=== my own heading ===\n") && !is_framing("==================\n"));
        assert!(is_result("        --- FAIL: TestX/a/b (0.00s)\n") && is_result("--- PASS: TestX (0.00s)\n"));
        assert!(is_log("    a_test.go:12: text\n") && is_log("    C:x.go:3: \n"));
        assert!(
            !is_log("    /a b.go:12: text\n") && !is_log("      a.go:12: text\n") && !is_log("a.go:1: x\n")
        );
    }

    #[test]
    fn summaries_name_their_package() {
        for line in [
            "ok  \tm/p\t0.01s\n",
            "FAIL\tm/p [build failed]\n",
            "?   \tm/p\t[no test files]\n",
            "\tm/p\t\tcoverage: 0.0% of statements\n",
        ] {
            assert!(is_summary(line, "m/p"), "{line}");
            assert!(!is_summary(line, "m"), "{line}");
        }
        assert!(!is_summary("FAIL\n", "m/p") && !is_summary("\t/src/a.go:12 +0x1d\n", "m/p"));
    }
}
