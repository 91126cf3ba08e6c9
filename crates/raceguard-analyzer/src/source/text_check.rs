//! Whether a Go file is text as Go wants it: UTF-8, no NUL byte, a byte order mark at most at its start.

/// What is wrong with a file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// Where, as a byte offset.
    pub(crate) offset: usize,
    pub(crate) message: &'static str,
    pub(crate) hint: &'static str,
}

/// The first flaw of a file.
pub(crate) fn first_flaw(bytes: &[u8]) -> Option<Flaw> {
    let nul = bytes.iter().position(|byte| *byte == 0).map(|offset| Flaw {
        offset,
        message: "a NUL byte, which Go does not allow in source",
        hint: "save the file as UTF-8 text; NUL bytes are often UTF-16 or a binary file",
    });
    let flaw = if bytes.is_ascii() { None } else { beyond_ascii(bytes) };
    [nul, flaw].into_iter().flatten().min_by_key(|flaw| flaw.offset)
}

fn beyond_ascii(bytes: &[u8]) -> Option<Flaw> {
    let (text, invalid) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let offset = error.valid_up_to();
            let hint = "save the file as UTF-8";
            let flaw = Flaw { offset, message: "bytes that are not UTF-8", hint };
            (std::str::from_utf8(&bytes[..offset]).unwrap_or_default(), Some(flaw))
        }
    };
    let mark = text.match_indices('\u{feff}').map(|(offset, _)| offset).find(|offset| *offset > 0);
    let mark = mark.map(|offset| Flaw {
        offset,
        message: "a byte order mark in the middle of the file",
        hint: "remove it; Go allows one at the start only",
    });
    mark.or(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw(bytes: &[u8]) -> Option<(usize, &'static str)> {
        first_flaw(bytes).map(|flaw| (flaw.offset, flaw.message))
    }

    #[test]
    fn text_has_no_flaw() {
        assert_eq!(flaw(b""), None);
        assert_eq!(flaw("\u{feff}package p // naïve\n".as_bytes()), None);
    }

    #[test]
    fn the_first_flaw_is_told() {
        assert_eq!(flaw(b"ab\0c\xff"), Some((2, "a NUL byte, which Go does not allow in source")));
        assert_eq!(flaw(b"ab\xffc\0"), Some((2, "bytes that are not UTF-8")));
        let mark = Some((2, "a byte order mark in the middle of the file"));
        assert_eq!(flaw("ab\u{feff}".as_bytes()), mark);
        assert_eq!(flaw(b"ab\xef\xbb\xbf\xff"), mark);
    }
}
