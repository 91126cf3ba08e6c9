//! The line of a profile in text that begins a sample.

/// The values in front of a stack, as the three kinds of profiles write them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Numbers {
    /// `1: 8 [2: 16]`: objects and bytes in use, and allocated.
    Heap { in_use: (i64, i64), allocated: (i64, i64) },
    /// `4202565705 159`.
    Contention { cycles: f64, count: i64 },
    /// `4`.
    Count(i64),
}

/// The values and the addresses of `4202565705 159 @ 0x4e2452 0x4e23da`.
pub(super) fn sample_line(line: &str) -> Option<(Numbers, impl Iterator<Item = u64> + '_)> {
    let (numbers, addresses) = line.split_once('@')?;
    let addresses = addresses.split_ascii_whitespace();
    let addresses = addresses.filter_map(|address| u64::from_str_radix(address.strip_prefix("0x")?, 16).ok());
    Some((self::numbers(numbers.trim())?, addresses))
}

fn numbers(text: &str) -> Option<Numbers> {
    if let Some((in_use, allocated)) = text.split_once('[') {
        let allocated = allocated.trim_end().strip_suffix(']')?;
        return Some(Numbers::Heap { in_use: pair(in_use)?, allocated: pair(allocated)? });
    }
    match text.split_once(' ') {
        Some((cycles, count)) => {
            Some(Numbers::Contention { cycles: cycles.parse().ok()?, count: count.trim().parse().ok()? })
        }
        None => Some(Numbers::Count(text.parse().ok()?)),
    }
}

/// `1: 8`.
fn pair(text: &str) -> Option<(i64, i64)> {
    let (count, size) = text.split_once(':')?;
    Some((count.trim().parse().ok()?, size.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_profile_has_its_numbers() {
        let of = |line: &str| {
            sample_line(line).map(|(numbers, addresses)| (numbers, addresses.collect::<Vec<_>>()))
        };
        assert_eq!(
            of("1: 8 [2: 16] @ 0x4a 0x4b"),
            Some((Numbers::Heap { in_use: (1, 8), allocated: (2, 16) }, vec![0x4a, 0x4b]))
        );
        assert_eq!(of("42 7 @ 0x1"), Some((Numbers::Contention { cycles: 42.0, count: 7 }, vec![1])));
        assert_eq!(of("4 @"), Some((Numbers::Count(4), vec![])));
        assert_eq!(of("four @ 0x1"), None);
        assert_eq!(of("1: 8 @ 0x1"), None);
    }
}
