//! Where the data of a sparse file lies: GNU's old format and the three that travel in PAX headers.

use crate::layer::entry::Segment;

/// Builds a sparse map from offsets and lengths in turn, for a file of `size` bytes of which `stored` are in the
/// archive. `None` if there is no hole.
pub(super) fn map(numbers: &[u64], size: u64, stored: u64) -> Result<Option<Vec<Segment>>, &'static str> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("sparse map with half an entry");
    }
    let mut segments: Vec<Segment> = Vec::new();
    let (mut end, mut total) = (0u64, 0u64);
    for &[offset, length] in pairs {
        let next = offset.checked_add(length).filter(|next| offset >= end && *next <= size);
        let next = next.ok_or("sparse map that is out of order or exceeds the file")?;
        if length == 0 {
            continue;
        }
        // Go reads the segments one after the other, GNU tar starts each at a block of its own.
        if !total.is_multiple_of(512) {
            return Err("sparse map with a segment of partial blocks that is not the last");
        }
        match segments.last_mut() {
            Some(last) if end == offset => last.length += length,
            _ => segments.push(Segment { offset, length }),
        }
        (end, total) = (next, total + length);
    }
    if total != stored {
        return Err("sparse map that disagrees with the size");
    }
    let whole = stored == size;
    Ok((!whole).then_some(segments))
}

/// The numbers of a map of format 1.0, which stands before the data: the number of pairs, then the pairs, each number on
/// a line of its own. `None` as long as `data` has not enough lines.
pub(super) fn parse_lines(data: &[u8]) -> Result<Option<Vec<u64>>, &'static str> {
    const PROBLEM: &str = "malformed sparse map";
    let mut lines = data.split_inclusive(|b| *b == b'\n').map(|line| match line {
        [digits @ .., b'\n'] => super::number::decimal(digits).map(Some).ok_or(PROBLEM),
        _ => Ok(None),
    });
    let Some(Some(count)) = lines.next().transpose()? else { return Ok(None) };
    let count = usize::try_from(count).ok().and_then(|n| n.checked_mul(2)).ok_or(PROBLEM)?;
    let mut numbers = Vec::new();
    for line in lines.take(count) {
        match line? {
            Some(number) => numbers.push(number),
            None => return Ok(None),
        }
    }
    Ok((numbers.len() == count).then_some(numbers))
}

/// How many lines such a map has, by its first line, which is complete.
pub(super) fn lines(data: &[u8]) -> Result<usize, &'static str> {
    let first = data.split(|b| *b == b'\n').next().unwrap_or_default();
    let count = super::number::decimal(first).and_then(|n| usize::try_from(n).ok());
    count.and_then(|n| n.checked_mul(2)?.checked_add(1)).ok_or("malformed sparse map")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(list: &[(u64, u64)]) -> Vec<Segment> {
        list.iter().map(|&(offset, length)| Segment { offset, length }).collect()
    }

    #[test]
    fn maps() {
        assert_eq!(map(&[], 10, 0), Ok(Some(vec![])));
        assert_eq!(map(&[0, 10], 10, 10), Ok(None));
        assert_eq!(map(&[0, 512, 512, 5], 517, 517), Ok(None));
        assert_eq!(
            map(&[512, 512, 2048, 1, 4096, 0], 4096, 513),
            Ok(Some(segments(&[(512, 512), (2048, 1)])))
        );
        assert_eq!(map(&[512, 512, 1024, 1], 2000, 513), Ok(Some(segments(&[(512, 513)]))));
    }

    #[test]
    fn hostile_maps() {
        for (numbers, size, stored) in [
            (&[0, 5, 5][..], 10, 10),
            (&[512, 512, 0, 512], 2048, 1024),
            (&[0, 1024, 512, 512], 2048, 1536),
            (&[u64::MAX, 2], 2048, 2),
            (&[2048, 1], 2048, 1),
            (&[0, 512], 2048, 1024),
            (&[0, 5, 1024, 5], 2048, 10),
            (&[0, u64::MAX, u64::MAX, u64::MAX], u64::MAX, 0),
        ] {
            assert!(map(numbers, size, stored).is_err(), "{numbers:?}");
        }
    }

    #[test]
    fn maps_in_lines() {
        assert_eq!(lines(b"2\n0"), Ok(5));
        assert!(lines(b"18446744073709551615\n").is_err());
        assert_eq!(parse_lines(b"2\n0\n512\n1024\n1\n\0\0"), Ok(Some(vec![0, 512, 1024, 1])));
        assert_eq!(parse_lines(b"0\n\0"), Ok(Some(vec![])));
        for more in [&b""[..], b"2", b"2\n0\n512\n1024\n", b"2\n0\n512\n1024\n1"] {
            assert_eq!(parse_lines(more), Ok(None));
        }
        for bad in [&b"x\n"[..], b"1\n\n1\n", b"1\n-1\n5\n", b"18446744073709551615\n"] {
            assert!(parse_lines(bad).is_err());
        }
    }
}
