//! Go package archives: finding and replacing a member without touching the others.
//!
//! Go writes the System V `ar` layout: the magic, then per member a 60-byte header of space-padded decimal
//! text fields and the member's bytes, padded with one NUL to an even length. Names are cut to 16 bytes
//! without a terminator (`rt0_linux_amd64.o` is stored as `rt0_linux_amd64.`), so lookups compare the cut name.

use std::ops::Range;

use crate::error::ArchiveError;

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER_LENGTH: usize = 60;
const NAME: Range<usize> = 0..16;
const SIZE: Range<usize> = 48..58;
const END_OF_HEADER: &[u8] = b"`\n";

/// One member of an archive: where its header starts and where its bytes lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name as stored, without padding and without the `/` that other `ar` programs append.
    pub name: String,
    header: usize,
    /// The member's bytes within the archive, without padding.
    pub data: Range<usize>,
}

/// Lists the members of `archive` in file order.
pub fn members(archive: &[u8]) -> Result<Vec<Member>, ArchiveError> {
    if !archive.starts_with(MAGIC) {
        return Err(ArchiveError::NotAnArchive);
    }
    let mut members = Vec::new();
    let mut offset = MAGIC.len();
    while offset < archive.len() {
        let header = archive.get(offset..offset + HEADER_LENGTH).ok_or(ArchiveError::Malformed { offset })?;
        if &header[58..] != END_OF_HEADER {
            return Err(ArchiveError::Malformed { offset });
        }
        let size = field(&header[SIZE])
            .and_then(|text| text.parse::<usize>().ok())
            .ok_or(ArchiveError::Malformed { offset })?;
        let start = offset + HEADER_LENGTH;
        let end = start
            .checked_add(size)
            .filter(|&end| end <= archive.len())
            .ok_or(ArchiveError::Malformed { offset })?;
        let stored = field(&header[NAME]).ok_or(ArchiveError::Malformed { offset })?;
        let name = stored.strip_suffix('/').unwrap_or(stored).to_owned();
        members.push(Member { name, header: offset, data: start..end });
        offset = end + end % 2;
    }
    Ok(members)
}

/// A copy of `archive` in which the bytes of each named member are replaced; all the rest is kept byte for
/// byte. A name that the archive does not hold is an error: the program would silently run without our part.
pub fn replace_members(archive: &[u8], replacements: &[(&str, &[u8])]) -> Result<Vec<u8>, ArchiveError> {
    let members = members(archive)?;
    for (name, _) in replacements {
        if !members.iter().any(|member| is_stored_as(name, member)) {
            return Err(ArchiveError::MissingMember { name: (*name).to_owned() });
        }
    }
    let added: usize = replacements.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut rewritten = Vec::with_capacity(archive.len() + added);
    rewritten.extend_from_slice(MAGIC);
    for member in &members {
        let header = &archive[member.header..member.header + HEADER_LENGTH];
        let replacement = replacements.iter().find(|(name, _)| is_stored_as(name, member));
        if let Some((_, bytes)) = replacement {
            rewritten.extend_from_slice(&header[..SIZE.start]);
            rewritten.extend_from_slice(format!("{:<10}", bytes.len()).as_bytes());
            rewritten.extend_from_slice(END_OF_HEADER);
            rewritten.extend_from_slice(bytes);
        } else {
            rewritten.extend_from_slice(header);
            rewritten.extend_from_slice(&archive[member.data.clone()]);
        }
        if rewritten.len() % 2 == 1 {
            rewritten.push(0);
        }
    }
    Ok(rewritten)
}

fn is_stored_as(name: &str, member: &Member) -> bool {
    name.get(..NAME.end).unwrap_or(name) == member.name
}

fn field(bytes: &[u8]) -> Option<&str> {
    Some(std::str::from_utf8(bytes).ok()?.trim_end_matches([' ', '\0']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for (name, data) in members {
            let name = name.get(..16).unwrap_or(name);
            bytes.extend(
                format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 644, data.len()).bytes(),
            );
            bytes.extend_from_slice(data);
            if data.len() % 2 == 1 {
                bytes.push(0);
            }
        }
        bytes
    }

    #[test]
    fn replaces_one_member_and_keeps_the_others_byte_for_byte() {
        let original =
            archive(&[("__.PKGDEF", b"def"), ("race_linux.syso", b"old object"), ("_go_.o", b"code!")]);
        let rewritten = replace_members(&original, &[("race_linux.syso", b"new")]).unwrap();
        let expected = archive(&[("__.PKGDEF", b"def"), ("race_linux.syso", b"new"), ("_go_.o", b"code!")]);
        assert_eq!(rewritten, expected);
    }

    #[test]
    fn replacing_a_member_by_itself_changes_nothing() {
        let original = archive(&[("a.o", b"odd"), ("b.o", b"even")]);
        assert_eq!(replace_members(&original, &[("a.o", b"odd")]).unwrap(), original);
    }

    #[test]
    fn names_longer_than_the_field_are_found_by_their_stored_part() {
        let original = archive(&[("rt0_linux_amd64.o", b"one"), ("other.o/", b"two")]);
        assert_eq!(members(&original).unwrap()[0].name, "rt0_linux_amd64.");
        let rewritten =
            replace_members(&original, &[("rt0_linux_amd64.o", b"1"), ("other.o", b"2")]).unwrap();
        let members = members(&rewritten).unwrap();
        assert_eq!(&rewritten[members[0].data.clone()], b"1");
        assert_eq!(&rewritten[members[1].data.clone()], b"2");
    }

    #[test]
    fn a_missing_member_is_an_error() {
        let original = archive(&[("a.o", b"x")]);
        assert_eq!(
            replace_members(&original, &[("race_linux.syso", b"")]),
            Err(ArchiveError::MissingMember { name: "race_linux.syso".to_owned() })
        );
    }

    #[test]
    fn every_truncation_is_an_error_or_a_shorter_archive() {
        let original = archive(&[("a.o", b"12345"), ("b.o", b"1234")]);
        let whole = members(&original).unwrap();
        for length in 0..original.len() {
            match members(&original[..length]) {
                Ok(found) => assert!(found.len() < whole.len(), "{length}: {found:?}"),
                Err(ArchiveError::NotAnArchive | ArchiveError::Malformed { .. }) => {}
                Err(other) => panic!("{length}: {other}"),
            }
        }
        assert_eq!(members(b"not an archive"), Err(ArchiveError::NotAnArchive));
    }
}
