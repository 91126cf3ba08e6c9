//! Checks that need the syntax of a Rust file: the page at its top, the length of its functions, what is in a `mod.rs`.

use std::path::Path;

use syn::visit::{self, Visit};
use syn::{AttrStyle, Attribute, Block, ImplItemFn, Item, ItemFn, Signature, TraitItemFn};

use super::exceptions::Exceptions;
use super::sources::SourceFile;

/// Most lines of a function, from its signature to its closing brace.
const FUNCTION_LINES: usize = 60;

/// Everything that is wrong with a Rust file.
pub(super) fn check(file: &SourceFile, exceptions: &mut Exceptions) -> Vec<(usize, String)> {
    let syntax = match syn::parse_file(&file.text) {
        Ok(syntax) => syntax,
        Err(error) => return vec![(error.span().start().line, format!("cannot be parsed: {error}"))],
    };
    let mut problems = Vec::new();
    if !opens_with_page(&syntax.attrs) {
        problems.push((1, "does not open with a `//!` page: say what it is for".to_owned()));
    }
    if is_mod_rs(Path::new(&file.path)) && has_logic(&syntax.items) {
        problems.push((1, "logic in a mod.rs: move it into a file named by its meaning".to_owned()));
    }
    let mut lengths = Lengths { problems, exceptions };
    lengths.visit_file(&syntax);
    lengths.problems
}

fn opens_with_page(attributes: &[Attribute]) -> bool {
    let page = |attribute: &&Attribute| {
        matches!(attribute.style, AttrStyle::Inner(_)) && attribute.path().is_ident("doc")
    };
    attributes.iter().any(|attribute| page(&attribute))
}

/// Whether the file is a `mod.rs` of a crate; what integration tests share has to have that name.
fn is_mod_rs(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "mod.rs") && !path.iter().any(|part| part == "tests")
}

fn has_logic(items: &[Item]) -> bool {
    items.iter().any(|item| matches!(item, Item::Fn(_) | Item::Impl(_) | Item::Trait(_) | Item::Macro(_)))
}

struct Lengths<'a> {
    problems: Vec<(usize, String)>,
    exceptions: &'a mut Exceptions,
}

impl Lengths<'_> {
    fn function(&mut self, attributes: &[Attribute], signature: &Signature, body: &Block) {
        let first = signature.fn_token.span.start().line;
        let last = body.brace_token.span.close().end().line;
        let lines = last + 1 - first;
        if lines <= FUNCTION_LINES {
            return;
        }
        // The exception stands among the attributes and comments of the function, or right above them.
        let top =
            attributes.iter().map(|attribute| attribute.pound_token.span.start().line).min().unwrap_or(first);
        if !self.exceptions.excuse_lines("function-length", top.min(first).saturating_sub(1), first) {
            self.problems.push((
                first,
                format!("`{}` has {lines} lines, at most {FUNCTION_LINES}: split it", signature.ident),
            ));
        }
    }
}

impl<'ast> Visit<'ast> for Lengths<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function(&function.attrs, &function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.function(&function.attrs, &function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(body) = &function.default {
            self.function(&function.attrs, &function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(usize, String)> {
        let file = SourceFile { path: path.to_owned(), text: text.to_owned() };
        check(&file, &mut Exceptions::read(text))
    }

    #[test]
    fn a_module_opens_with_its_page() {
        assert!(found("a.rs", "//! Page.\nfn a() {}\n").is_empty());
        assert_eq!(found("a.rs", "/// Not a page.\nfn a() {}\n").len(), 1);
    }

    #[test]
    fn a_mod_rs_only_lists_modules() {
        assert!(found("a/mod.rs", "//! Page.\nmod b;\npub use b::c;\n").is_empty());
        assert_eq!(found("a/mod.rs", "//! Page.\nmod b;\nfn c() {}\n").len(), 1);
        assert!(found("tests/a/mod.rs", "//! Page.\nmod b;\nfn c() {}\n").is_empty());
    }

    #[test]
    fn long_functions_are_found_wherever_they_are() {
        let body = "    ();\n".repeat(FUNCTION_LINES);
        let text = format!(
            "//! Page.\nstruct S;\nimpl S {{\n#[inline]\nfn long() {{\n{body}}}\n}}\nfn short() {{}}\n"
        );
        let problems = found("a.rs", &text);
        assert_eq!(problems, [(5, "`long` has 62 lines, at most 60: split it".to_owned())]);
        let excused =
            text.replace("#[inline]", concat!("// tidy: ", "allow(function-length) a table\n#[inline]"));
        assert!(found("a.rs", &excused).is_empty());
    }
}
