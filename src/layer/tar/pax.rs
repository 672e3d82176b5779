//! PAX extended headers: what they say about the entry that follows.

use super::number::decimal;
use crate::layer::entry::{Timestamp, Xattr};

/// Longest extended header that is read, in bytes; Go's archive/tar has the same limit.
pub(super) const MOST: u64 = 1 << 20;

/// The limits of Linux (`XATTR_NAME_MAX`) and of EROFS, whose values are a byte shorter than `XATTR_SIZE_MAX`.
const XATTR_NAME: usize = 255;
const XATTR_VALUE: usize = 65_535;
/// Names that are nothing but a namespace.
const NAMESPACES: [&[u8]; 4] = [b"security.", b"system.", b"trusted.", b"user."];

/// What an extended header sets. Keys that say nothing about a root file system are ignored.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    pub mtime: Option<Timestamp>,
    /// In order of appearance; a later one of the same name wins.
    pub xattrs: Vec<Xattr>,
    pub sparse: Sparse,
}

/// The keys of GNU's sparse formats, which need each other.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sparse {
    pub major: Option<u64>,
    pub minor: Option<u64>,
    pub name: Option<Vec<u8>>,
    /// `GNU.sparse.realsize` or `GNU.sparse.size`.
    pub size: Option<u64>,
    /// How many pairs `numbers` should have (`GNU.sparse.numblocks`).
    pub count: Option<u64>,
    /// Offset and length in turn, from `GNU.sparse.map` or `GNU.sparse.offset` and `GNU.sparse.numbytes`.
    pub numbers: Option<Vec<u64>>,
}

/// Parses records of the form `LENGTH KEY=VALUE\n`.
pub(super) fn parse(mut data: &[u8]) -> Result<Pax, &'static str> {
    let mut pax = Pax::default();
    while !data.is_empty() {
        let (record, rest) = split_record(data).ok_or("malformed extended header record")?;
        let equals = record.iter().position(|b| *b == b'=').ok_or("extended header record without value")?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        if key.is_empty() {
            return Err("extended header record without key");
        }
        apply(&mut pax, key, value)?;
        data = rest;
    }
    Ok(pax)
}

/// Checks a global header. It is about an archive, so every engine ignores it, but GNU tar applies it to each entry that
/// follows: one that would change which entries there are is refused.
pub(super) fn check_global(data: &[u8]) -> Result<(), &'static str> {
    let Pax { path, link, size, sparse, .. } = parse(data)?;
    if path.is_some() || link.is_some() || size.is_some() || sparse != Sparse::default() {
        return Err("global header that changes entries");
    }
    Ok(())
}

/// The record without length and newline, and what follows it.
fn split_record(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = data.iter().take(20).position(|b| *b == b' ')?;
    let length = usize::try_from(decimal(&data[..space])?).ok()?;
    if length > data.len() || length < space + 3 || data[length - 1] != b'\n' {
        return None;
    }
    Some((&data[space + 1..length - 1], &data[length..]))
}

fn apply(pax: &mut Pax, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
    if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
        return xattr(pax, name, value);
    }
    let number = || match value {
        [] => Ok(None),
        digits => decimal(digits).map(Some).ok_or("malformed number in an extended header"),
    };
    match key {
        b"path" => pax.path = text(value)?,
        b"linkpath" => pax.link = text(value)?,
        b"size" => pax.size = number()?,
        b"uid" => pax.uid = number()?,
        b"gid" => pax.gid = number()?,
        b"mtime" => pax.mtime = time(value)?,
        b"GNU.sparse.major" => pax.sparse.major = number()?,
        b"GNU.sparse.minor" => pax.sparse.minor = number()?,
        b"GNU.sparse.name" => pax.sparse.name = text(value)?,
        b"GNU.sparse.realsize" | b"GNU.sparse.size" => pax.sparse.size = number()?,
        b"GNU.sparse.numblocks" => pax.sparse.count = number()?,
        b"GNU.sparse.map" => pax.sparse.numbers = Some(numbers(value)?),
        b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
            let list = pax.sparse.numbers.get_or_insert_default();
            if list.len().is_multiple_of(2) != (key == b"GNU.sparse.offset") {
                return Err("sparse map out of order");
            }
            list.push(number()?.ok_or("malformed sparse map")?);
        }
        _ => {}
    }
    Ok(())
}

/// An empty value takes back what an earlier header said.
fn text(value: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    if value.contains(&0) {
        return Err("NUL in an extended header");
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

fn xattr(pax: &mut Pax, name: &[u8], value: &[u8]) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > XATTR_NAME || name.contains(&0) || NAMESPACES.contains(&name) {
        return Err("impossible name of an extended attribute");
    }
    if value.len() > XATTR_VALUE {
        return Err("extended attribute over 65,535 bytes");
    }
    pax.xattrs.push(Xattr { name: name.to_vec(), value: value.to_vec() });
    Ok(())
}

fn numbers(value: &[u8]) -> Result<Vec<u64>, &'static str> {
    if value.is_empty() {
        return Ok(Vec::new());
    }
    value.split(|b| *b == b',').map(|n| decimal(n).ok_or("malformed sparse map")).collect()
}

/// Seconds with a fraction; digits beyond nanoseconds are cut off, as Go and GNU tar do.
fn time(value: &[u8]) -> Result<Option<Timestamp>, &'static str> {
    const PROBLEM: &str = "malformed time in an extended header";
    if value.is_empty() {
        return Ok(None);
    }
    let (negative, value) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let mut parts = value.splitn(2, |b| *b == b'.');
    let secs =
        decimal(parts.next().unwrap_or_default()).and_then(|n| i64::try_from(n).ok()).ok_or(PROBLEM)?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(PROBLEM);
    }
    let nanos = (0..9).fold(0, |n, i| n * 10 + u32::from(fraction.get(i).map_or(0, |b| b - b'0')));
    let time = match (negative, nanos) {
        (false, nanos) => Timestamp { secs, nanos },
        (true, 0) => Timestamp { secs: -secs, nanos },
        (true, nanos) => Timestamp { secs: -secs - 1, nanos: 1_000_000_000 - nanos },
    };
    Ok(Some(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        let pax = parse(b"30 mtime=1350244992.023960108\n12 path=a=b\n22 comment=something\n").unwrap_err();
        assert_eq!(pax, "malformed extended header record", "the last length is wrong");
        let pax = parse(b"30 mtime=1350244992.023960108\n12 path=a=b\n21 comment=something\n").unwrap();
        assert_eq!(pax.mtime, Some(Timestamp { secs: 1_350_244_992, nanos: 23_960_108 }));
        assert_eq!(pax.path.as_deref(), Some(&b"a=b"[..]));
    }

    // Cases of Go's archive/tar, TestParsePAXRecord.
    #[test]
    fn malformed_records() {
        for bad in [
            &b"6 k=1"[..],
            b"6 k~1\n",
            b"3 somelongkey=\n",
            b"-1 k=1\n",
            b"+6 k=1\n",
            b"6\0k=1\n",
            b"16 longkeyname=hahaha\n",
            b"99999999999999999999999999 k=v\n",
            b"5 =1\n",
            b"9 path=\0\n",
        ] {
            assert!(parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }

    // Cases of Go's archive/tar, TestParsePAXTime.
    #[test]
    fn times() {
        let cases: [(&[u8], i64, u32); 9] = [
            (b"1350244992.023960108", 1_350_244_992, 23_960_108),
            (b"1350244992.02396010", 1_350_244_992, 23_960_100),
            (b"1350244992.0239601089", 1_350_244_992, 23_960_108),
            (b"1350244992.3", 1_350_244_992, 300_000_000),
            (b"1350244992", 1_350_244_992, 0),
            (b"-1.000000001", -2, 999_999_999),
            (b"-1.000001", -2, 999_999_000),
            (b"-1", -1, 0),
            (b"1.", 1, 0),
        ];
        for (value, secs, nanos) in cases {
            assert_eq!(time(value), Ok(Some(Timestamp { secs, nanos })));
        }
        for bad in [&b"."[..], b".1", b"-.1", b"1e5", b"1.-1", b"+1", b" 1", b"99999999999999999999"] {
            assert!(time(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
