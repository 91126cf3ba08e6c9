//! Finds the expression on a source line that an access was made through: the map of `m[k] = v`, the counter of
//! `s.hits++`.
//!
//! Evidence names lines, not columns, so this reads the line. It answers only when the line leaves one
//! possibility; otherwise the whole statement is shown, and nothing is guessed.

use std::ops::Range;

use raceguard_evidence::{Access, MapOp};

/// The bytes of `line` that name what `access` touched.
pub fn operand(line: &str, access: &Access) -> Option<Range<usize>> {
    let code = code_only(line);
    match &access.map_op {
        Some(MapOp::Iterate) => after_keyword(&code, "range "),
        Some(MapOp::Delete) => argument_of(&code, "delete("),
        Some(MapOp::Clear) => argument_of(&code, "clear("),
        Some(MapOp::Insert) => only_one(&code, indexed(&code).filter(|at| at.assigned)),
        Some(MapOp::Lookup) => only_one(&code, indexed(&code).filter(|at| !at.stored)),
        None if access.op.is_write() || is_read_modify_write(line) => assigned(&code),
        Some(_) | None => None,
    }
}

/// The one place where `line` uses the variable or field that the other access named `peer`.
pub fn same_operand(line: &str, peer: &str) -> Option<Range<usize>> {
    let name = peer.rsplit('.').next().filter(|name| is_identifier(name))?;
    let code = code_only(line);
    let mut found = code.match_indices(name).filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    });
    let (at, _) = found.next()?;
    if found.next().is_some() {
        return None;
    }
    let end = at + name.len();
    Some(expression_start(&code, end)..end)
}

/// Whether the statement on the line reads a value, changes it and writes it back: `x++`, `x += 2`, `x = x + 2`.
pub fn is_read_modify_write(line: &str) -> bool {
    let code = code_only(line);
    let statement = code.trim();
    if statement.contains("++") || statement.contains("--") || compound_assignment(statement).is_some() {
        return true;
    }
    let Some((left, right)) = statement.split_once(" = ") else { return false };
    let left = left.trim();
    is_operand(left) && !right.contains("append(") && mentions(right, left)
}

/// Whether the statement appends to a slice.
pub fn is_append(line: &str) -> bool {
    code_only(line).contains("append(")
}

/// Whether what the statement on the line allocates by itself is for a map: it makes one, or puts an entry into
/// one. A line that may as well allocate something else (`m[k] = append(m[k], v)`) is none.
pub(crate) fn allocates_for_a_map(line: &str) -> bool {
    let code = code_only(line);
    if code.contains("make(map[") || (code.contains("map[") && code.contains('{') && !code.contains("func")) {
        return true;
    }
    let allocates_itself = ["append(", "make(", "new(", "&", "{", "func"];
    !allocates_itself.iter().any(|sign| code.contains(sign)) && indexed(&code).any(|at| at.assigned)
}

/// The map that the statement on the line puts an entry into: `s.byID` of `s.byID[id]++`.
pub(crate) fn filled_map(line: &str) -> Option<String> {
    let code = code_only(line);
    let filled = indexed(&code).find(|at| at.assigned)?;
    Some(code[filled.range].to_owned())
}

/// The line with strings, runes and comments blanked, byte for byte.
pub fn code_only(line: &str) -> String {
    let mut code = String::with_capacity(line.len());
    let mut quote: Option<char> = None;
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let blank = |code: &mut String, c: char| code.extend(std::iter::repeat_n(' ', c.len_utf8()));
        match quote {
            Some(end) => {
                blank(&mut code, c);
                if c == '\\' && end != '`' {
                    if let Some((_, escaped)) = chars.next() {
                        blank(&mut code, escaped);
                    }
                } else if c == end {
                    quote = None;
                }
            }
            None if line[at..].starts_with("//") => {
                code.extend(std::iter::repeat_n(' ', line.len() - at));
                break;
            }
            None if matches!(c, '"' | '\'' | '`') => {
                quote = Some(c);
                blank(&mut code, c);
            }
            None => code.push(c),
        }
    }
    code
}

/// An index expression: `text[` with its use.
struct Indexed {
    range: Range<usize>,
    /// `text[k] = v`, `text[k] += v` or `text[k]++`.
    assigned: bool,
    /// `text[k] = v`, which stores without reading.
    stored: bool,
}

fn indexed(code: &str) -> impl Iterator<Item = Indexed> {
    code.match_indices('[').filter_map(move |(open, _)| {
        let start = expression_start(code, open);
        let text = &code[start..open];
        if text.is_empty() || text == "map" || text == "chan" {
            return None;
        }
        let close = open + matching_close(&code[open..])?;
        let rest = code[close + 1..].trim_start();
        let stored =
            (rest.starts_with('=') && !rest.starts_with("==")) || rest.starts_with(", ") && stores(rest);
        let assigned =
            stored || rest.starts_with("++") || rest.starts_with("--") || begins_compound_assignment(rest);
        Some(Indexed { range: start..open, assigned, stored })
    })
}

/// Whether `, other = v` follows: the left side of an assignment of several values.
fn stores(rest: &str) -> bool {
    rest.split_once(" = ").is_some_and(|(left, _)| !left.contains(['(', '{', ':']))
}

/// The one candidate, or the first one when all read the same.
fn only_one(code: &str, mut candidates: impl Iterator<Item = Indexed>) -> Option<Range<usize>> {
    let first = candidates.next()?.range;
    candidates.all(|other| code[other.range] == code[first.clone()]).then_some(first)
}

/// The left side of the only assignment on the line.
fn assigned(code: &str) -> Option<Range<usize>> {
    let start = code.len() - code.trim_start().len();
    let statement = code[start..].trim_end();
    let end = ["++", "--"]
        .iter()
        .find_map(|op| statement.find(op))
        .or_else(|| compound_assignment(statement))
        .or_else(|| statement.find(" = "))?;
    let left = statement[..end].trim_end();
    is_operand(left).then(|| start..start + left.len())
}

/// Where ` += ` or the like stands.
fn compound_assignment(statement: &str) -> Option<usize> {
    COMPOUND.iter().find_map(|op| statement.find(&format!(" {op} ")))
}

fn begins_compound_assignment(rest: &str) -> bool {
    COMPOUND.iter().any(|op| rest.starts_with(op))
}

const COMPOUND: [&str; 11] = ["+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "&^="];

fn after_keyword(code: &str, keyword: &str) -> Option<Range<usize>> {
    let start = code.find(keyword)? + keyword.len();
    operand_at(code, start)
}

fn argument_of(code: &str, call: &str) -> Option<Range<usize>> {
    let start = code.find(call)?;
    if code[..start].chars().next_back().is_some_and(|c| is_word(c) || c == '.') {
        return None;
    }
    operand_at(code, start + call.len())
}

/// The operand that starts at `start`: a path of names, indexes and calls without blanks.
fn operand_at(code: &str, start: usize) -> Option<Range<usize>> {
    let mut end = start;
    while let Some(c) = code[end..].chars().next() {
        match c {
            '[' | '(' => end += matching_close(&code[end..])? + 1,
            '.' | '*' => end += 1,
            c if is_word(c) => end += c.len_utf8(),
            _ => break,
        }
    }
    (end > start && !code[start..end].ends_with(')')).then_some(start..end)
}

/// Where the expression starts that ends before `end`.
fn expression_start(code: &str, end: usize) -> usize {
    let mut start = end;
    while let Some(c) = code[..start].chars().next_back() {
        match c {
            ']' | ')' => match matching_open(&code[..start]) {
                Some(open) => start = open,
                None => break,
            },
            '.' => start -= 1,
            c if is_word(c) => start -= c.len_utf8(),
            _ => break,
        }
    }
    start
}

/// Offset of the bracket that closes the one `text` starts with.
fn matching_close(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '[' | '(' | '{' => depth += 1,
            ']' | ')' | '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Offset of the bracket that the last one of `text` closes.
fn matching_open(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices().rev() {
        match c {
            ']' | ')' | '}' => depth += 1,
            '[' | '(' | '{' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

fn mentions(text: &str, operand: &str) -> bool {
    text.match_indices(operand).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + operand.len()..].chars().next();
        !before.is_some_and(|c| is_word(c) || c == '.') && !after.is_some_and(is_word)
    })
}

/// Whether the text is one operand: names, selectors, indexes.
fn is_operand(text: &str) -> bool {
    operand_at(text, 0).is_some_and(|range| range == (0..text.len()))
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && text.chars().all(is_word)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use raceguard_evidence::{AccessOp, Extra};

    fn found(line: &str, op: AccessOp, map_op: Option<MapOp>) -> Option<String> {
        let access = Access { op, size: 8, map_op, goroutine: Some(1), stack: vec![], extra: Extra::new() };
        operand(line, &access).map(|range| line[range].to_owned())
    }

    #[test]
    fn lines_that_allocate_for_a_map_alone() {
        for line in
            ["\tm := make(map[string]int, n)", "\ts.byID[id]++", "return map[string]int{}", "m[k], n = v, 1"]
        {
            assert!(allocates_for_a_map(line), "{line}");
        }
        for line in
            ["m[k] = append(m[k], v)", "m[k] = &T{}", "x := m[k]", "s := make([]int, 9)", "// m[k] = v"]
        {
            assert!(!allocates_for_a_map(line), "{line}");
        }
    }

    fn map(line: &str, op: MapOp) -> Option<String> {
        found(line, AccessOp::Write, Some(op))
    }

    #[test]
    fn the_map_of_each_operation_is_found() {
        for (line, op, expected) in [
            ("\tr.routes[c.Name] = &c", MapOp::Insert, "r.routes"),
            ("\tcounts[word]++", MapOp::Insert, "counts"),
            ("\ts.shards[i].m[key] = v[key]", MapOp::Insert, "s.shards[i].m"),
            ("\tbalances[id] += amount // [x] = 1", MapOp::Insert, "balances"),
            ("\tm[\"a[0] = 1\"] = 2", MapOp::Insert, "m"),
            ("\tm[k], err = load(k)", MapOp::Insert, "m"),
            ("\tif ch, ok := r.routes[name]; ok {", MapOp::Lookup, "r.routes"),
            ("\tcounts[word]++", MapOp::Lookup, "counts"),
            ("\tout[k] = in[k]", MapOp::Lookup, "in"),
            ("\tfor name, ch := range r.table().routes {", MapOp::Iterate, "r.table().routes"),
            ("\tfor range m {", MapOp::Iterate, "m"),
            ("\tdelete(r.routes, name)", MapOp::Delete, "r.routes"),
            ("\tclear(*p)", MapOp::Clear, "*p"),
        ] {
            assert_eq!(map(line, op).as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_is_not_sure_is_not_guessed() {
        for (line, op) in [
            ("\tx := a[k] + b[k]", MapOp::Lookup),
            ("\ta[k], b[k] = 1, 2", MapOp::Insert),
            ("\tfor k := range maps.Keys(m) {", MapOp::Iterate),
            ("\tt.delete(m, k)", MapOp::Delete),
            ("\treturn map[string]int{}", MapOp::Insert),
            ("\tm.Put(k, v)", MapOp::Insert),
        ] {
            assert_eq!(map(line, op), None, "{line}");
        }
    }

    #[test]
    fn the_left_side_of_an_assignment_is_found() {
        let write = |line| found(line, AccessOp::Write, None);
        assert_eq!(write("\ts.hits++").as_deref(), Some("s.hits"));
        assert_eq!(write("\ttotal = total + n").as_deref(), Some("total"));
        assert_eq!(write("\tc.conf[0].n -= 2").as_deref(), Some("c.conf[0].n"));
        assert_eq!(write("\ta, b = b, a"), None);
        assert_eq!(write("\tsave(x)"), None);
        assert_eq!(found("\treturn s.hits", AccessOp::Read, None), None);
    }

    #[test]
    fn a_read_is_found_by_the_name_the_write_used() {
        let read = |line: &str, peer| same_operand(line, peer).map(|range| line[range].to_owned());
        assert_eq!(read("\treturn c.stats.hits", "s.hits").as_deref(), Some("c.stats.hits"));
        assert_eq!(read("\treturn c.hits + d.hits", "s.hits"), None);
        assert_eq!(read("\treturn c.hitsTotal", "s.hits"), None);
        assert_eq!(read("\treturn x", "s[0]"), None);
    }

    #[test]
    fn statements_that_lose_updates_are_known() {
        for line in ["x++", "\ts.n -= 2", "total = total + n", "m[k]--"] {
            assert!(is_read_modify_write(line), "{line}");
        }
        for line in ["x = y", "s = append(s, x)", "return x", "totals = total + n", "if a == a {"] {
            assert!(!is_read_modify_write(line), "{line}");
        }
    }

    #[test]
    fn blanking_keeps_every_byte_in_place() {
        for line in ["a := \"é\\\"x\" // ü", "r := '\\'' + `\\`", "\"open"] {
            assert_eq!(code_only(line).len(), line.len());
        }
        assert_eq!(code_only("a(\"b\") // c").trim_end(), "a(   )");
    }
}
