//! Comments of declarations and fields, as text.

use super::object::ObjectId;
use super::program::Program;
use super::ty::StructType;
use crate::syntax::ast::{CommentGroup, Decl};

impl Program {
    /// The comments of a declaration, with their marks: before it, and at the end of its line.
    pub fn object_comment(&self, id: ObjectId) -> String {
        if id.is_universe() {
            return String::new();
        }
        let object = self.object(id);
        let spec = object.spec as usize;
        let groups = match self.declaration(id) {
            Decl::Const(specs) => specs.get(spec).map(|spec| [spec.doc, CommentGroup::default()]),
            Decl::Var(specs) => specs.get(spec).map(|spec| [spec.doc, spec.comment]),
            Decl::Type(specs) => specs.get(spec).map(|spec| [spec.doc, CommentGroup::default()]),
            Decl::Func(decl) => Some([decl.doc, CommentGroup::default()]),
            Decl::Bad(_) => None,
        };
        groups.map_or_else(String::new, |groups| self.comment_text(id.package.0, object.file, &groups))
    }

    /// The comments of a field, with their marks: before it, and at the end of its line.
    pub fn field_comment(&self, structure: &StructType, field: u32) -> String {
        match structure.fields.get(field as usize) {
            Some(field) => {
                self.comment_text(structure.package.0, structure.file, &[field.doc, field.comment])
            }
            None => String::new(),
        }
    }

    fn comment_text(&self, package: u32, file: u32, groups: &[CommentGroup]) -> String {
        let file = self.packages.get(package as usize).and_then(|package| package.files.get(file as usize));
        let Some(file) = file else { return String::new() };
        let mut text = String::new();
        for group in groups {
            let comments = file.syntax.comments.get(group.start as usize..group.end as usize);
            for comment in comments.unwrap_or_default() {
                if let Some(bytes) = file.source.get(comment.span.start as usize..comment.span.end as usize) {
                    text.push_str(&String::from_utf8_lossy(bytes));
                    text.push('\n');
                }
            }
        }
        text
    }
}
