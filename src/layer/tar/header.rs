//! One header block: ustar, PAX, GNU, old and star archives differ in what it holds.

use super::number::field;

/// A header block whose checksum is right. The fields' places are those of `tar.h` and of GNU tar's manual.
pub(super) struct Header([u8; 512]);

impl Header {
    /// Checks a block; `Ok(None)` if it holds nothing but zeros.
    pub(super) fn new(block: [u8; 512]) -> Result<Option<Self>, &'static str> {
        if block == [0; 512] {
            return Ok(None);
        }
        // The checksum's own field counts as blanks. Old tars summed signed bytes.
        let summed = || block[..148].iter().chain([b' '; 8].iter()).chain(&block[156..]);
        let unsigned: i64 = summed().map(|b| i64::from(*b)).sum();
        let signed: i64 = summed().map(|b| i64::from(b.cast_signed())).sum();
        match field(&block[148..156]) {
            Some(sum) if sum == unsigned || sum == signed => Ok(Some(Self(block))),
            _ => Err("wrong header checksum"),
        }
    }

    pub(super) fn kind(&self) -> u8 {
        self.0[156]
    }

    /// The name with ustar's (or star's) prefix.
    pub(super) fn name(&self) -> Vec<u8> {
        let name = until_nul(&self.0[..100]);
        // GNU uses the prefix' place for other things, and has another magic.
        if &self.0[257..263] != b"ustar\0" {
            return name.to_vec();
        }
        let star = &self.0[508..512] == b"tar\0";
        let prefix = until_nul(&self.0[345..if star { 476 } else { 500 }]);
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    /// Whether GNU's fields for times hold something else: what was written by Go before 1.8, which takes it for a prefix.
    pub(super) fn has_misplaced_prefix(&self) -> bool {
        let times = [&self.0[345..357], &self.0[357..369]];
        self.is_gnu() && times.iter().any(|time| time[0] != 0 && field(time).is_none())
    }

    pub(super) fn link(&self) -> Vec<u8> {
        until_nul(&self.0[157..257]).to_vec()
    }

    pub(super) fn mode(&self) -> Option<i64> {
        field(&self.0[100..108])
    }

    pub(super) fn uid(&self) -> Option<i64> {
        field(&self.0[108..116])
    }

    pub(super) fn gid(&self) -> Option<i64> {
        field(&self.0[116..124])
    }

    pub(super) fn size(&self) -> Option<u64> {
        field(&self.0[124..136]).and_then(|n| u64::try_from(n).ok())
    }

    pub(super) fn mtime(&self) -> Option<i64> {
        field(&self.0[136..148])
    }

    /// Major and minor number.
    pub(super) fn device(&self) -> Option<(i64, i64)> {
        Some((field(&self.0[329..337])?, field(&self.0[337..345])?))
    }

    /// Whether it is a header of GNU's own format.
    pub(super) fn is_gnu(&self) -> bool {
        &self.0[257..265] == b"ustar  \0"
    }

    /// Of a file in GNU's old sparse format: its size with holes.
    pub(super) fn real_size(&self) -> Option<u64> {
        field(&self.0[483..495]).and_then(|n| u64::try_from(n).ok())
    }

    /// Of such a file: the first four pairs of its map, and whether a block with more follows.
    pub(super) fn sparse(&self) -> Option<(Vec<u64>, bool)> {
        Some((pairs(&self.0[386..482])?, self.0[482] != 0))
    }
}

/// Of a block that continues such a map: its pairs, and whether another follows.
pub(super) fn more_sparse(block: &[u8; 512]) -> Option<(Vec<u64>, bool)> {
    Some((pairs(&block[..504])?, block[504] != 0))
}

/// Offsets and lengths of 12 bytes each; the first empty field ends the list.
fn pairs(fields: &[u8]) -> Option<Vec<u64>> {
    let (fields, _) = fields.as_chunks::<12>();
    let used = fields.iter().take_while(|bytes| bytes[0] != 0);
    let numbers: Option<Vec<u64>> = used.map(|b| field(b).and_then(|n| u64::try_from(n).ok())).collect();
    numbers.filter(|n| n.len().is_multiple_of(2))
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}
