//! Which comments belong to what comes before or after them.

use super::{CommentGroup, Parser, TokenKind, index};

impl Parser<'_> {
    /// Finds the groups among the comments that the lexer met before the token looked at.
    ///
    /// A comment group ends at an empty line. The one that ends on the line before the token leads it; one that begins
    /// on the line of the token before, `previous_line`, and ends that line, belongs to that line.
    pub(super) fn attach_comments(&mut self, previous_line: Option<u32>) {
        self.lead_comment = CommentGroup::default();
        self.line_comment = CommentGroup::default();
        if !self.lexer.gap.is_empty() {
            self.group_comments(previous_line);
            self.lexer.gap.clear();
        }
    }

    fn group_comments(&mut self, previous_line: Option<u32>) {
        let gap = &self.lexer.gap;
        let token_line = self.lexer.token_line;
        let offset = self.lexer.comments.len() - gap.len();
        let group = |start: usize, end: usize| CommentGroup {
            start: index(offset + start),
            end: index(offset + end),
        };
        let mut next = 0;
        if previous_line == Some(gap[0].first) {
            next = self.group_end(0, 0);
            let last_line = gap[next - 1].last;
            let ends_line = match gap.get(next) {
                Some(comment) => comment.first != last_line,
                None => {
                    token_line != last_line
                        || matches!(self.lexer.token.kind, TokenKind::Semicolon | TokenKind::Eof)
                }
            };
            if ends_line {
                self.line_comment = group(0, next);
            }
        }
        while next < gap.len() {
            let end = self.group_end(next, 1);
            if end == gap.len() && gap[end - 1].last + 1 == token_line {
                self.lead_comment = group(next, end);
            }
            next = end;
        }
    }

    /// Where the group that begins at `start` ends: its comments are at most `distance` lines apart.
    fn group_end(&self, start: usize, distance: u32) -> usize {
        let gap = &self.lexer.gap;
        let mut end = start;
        let mut last_line = gap[start].first;
        while end < gap.len() && gap[end].first <= last_line + distance {
            last_line = gap[end].last;
            end += 1;
        }
        end
    }
}
