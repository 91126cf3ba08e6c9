//! Which characters may stand in an identifier.

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// Whether an ASCII byte continues an identifier.
pub(in crate::syntax) const IDENTIFIER: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'_';
        byte += 1;
    }
    table
};

/// Whether a character outside ASCII is a letter to Go: of one of Unicode's categories Lu, Ll, Lt, Lm, Lo.
pub(in crate::syntax) fn is_letter(character: char) -> bool {
    character.general_category_group() == GeneralCategoryGroup::Letter
}

/// Whether a character outside ASCII is a digit to Go: of Unicode's category Nd.
pub(in crate::syntax) fn is_digit(character: char) -> bool {
    character.general_category() == GeneralCategory::DecimalNumber
}

/// The character at the start of `bytes`, and its length; the replacement character, one byte long, where there is
/// no valid one.
pub(in crate::syntax) fn decode(bytes: &[u8]) -> (char, usize) {
    let window = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(window) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&window[..error.valid_up_to()]).unwrap_or_default(),
    };
    match valid.chars().next() {
        Some(character) => (character, character.len_utf8()),
        None => (char::REPLACEMENT_CHARACTER, 1),
    }
}
