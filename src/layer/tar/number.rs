//! Numbers in headers.

/// A numeric header field: octal digits among blanks and NULs (empty is 0), or, with the top bit set, a big-endian
/// two's complement number (GNU's base-256). `None` if it is neither or exceeds 64 bits.
pub(super) fn field(bytes: &[u8]) -> Option<i64> {
    match bytes.first() {
        Some(first) if first & 0x80 != 0 => base256(bytes),
        _ => octal(bytes).and_then(|n| i64::try_from(n).ok()),
    }
}

fn octal(bytes: &[u8]) -> Option<u64> {
    let blank = |b: &u8| matches!(b, b' ' | 0);
    let start = bytes.iter().position(|b| !blank(b)).unwrap_or(bytes.len());
    let digits = &bytes[start..];
    let end = digits.iter().position(blank).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    if !rest.iter().all(blank) || digits.len() > 21 {
        return None;
    }
    digits.iter().try_fold(0u64, |n, b| match b {
        b'0'..=b'7' => n.checked_mul(8)?.checked_add(u64::from(b - b'0')),
        _ => None,
    })
}

fn base256(bytes: &[u8]) -> Option<i64> {
    let negative = bytes[0] & 0x40 != 0;
    // The marker bit is no part of the number: what remains is a number of 7 + 8n bits with its own sign.
    let first = if negative { bytes[0] } else { bytes[0] & 0x7f };
    let fill = if negative { 0xff } else { 0 };
    let mut number = i64::from_be_bytes([fill; 8]);
    for (i, byte) in std::iter::once(&first).chain(&bytes[1..]).enumerate() {
        // Everything before the last eight bytes must be sign.
        if bytes.len() - i > 8 && *byte != fill {
            return None;
        }
        number = (number << 8) | i64::from(*byte);
    }
    ((number < 0) == negative).then_some(number)
}

/// A decimal number, digits only.
pub(super) fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values from Go's archive/tar, TestParseNumeric.
    #[test]
    fn base_256() {
        assert_eq!(field(b"\x80"), Some(0));
        assert_eq!(field(b"\x80\x00\x00"), Some(0));
        assert_eq!(field(b"\x80\x00\x00\x01"), Some(1));
        assert_eq!(field(b"\xff\xff\xff\xfe"), Some(-2));
        assert_eq!(field(b"\xbf\xff"), Some((1 << 14) - 1));
        assert_eq!(field(b"\xc0\x00"), Some(-(1 << 14)));
        assert_eq!(field(b"\x87\x76\xa2\x22\xeb\x8a\x72\x61"), Some(537_795_476_381_659_745));
        assert_eq!(field(b"\x80\x00\x00\x00\x07\x76\xa2\x22\xeb\x8a\x72\x61"), Some(537_795_476_381_659_745));
        assert_eq!(field(b"\xf7\x76\xa2\x22\xeb\x8a\x72\x61"), Some(-615_126_028_225_187_231));
        assert_eq!(field(b"\x80\x7f\xff\xff\xff\xff\xff\xff\xff"), Some(i64::MAX));
        assert_eq!(field(b"\x80\x80\x00\x00\x00\x00\x00\x00\x00"), None);
        assert_eq!(field(b"\xff\x80\x00\x00\x00\x00\x00\x00\x00"), Some(i64::MIN));
        assert_eq!(field(b"\xff\x7f\xff\xff\xff\xff\xff\xff\xff"), None);
    }

    #[test]
    fn octal_digits() {
        assert_eq!(field(b"0000000\0"), Some(0));
        assert_eq!(field(b" \x0000123\0"), Some(0o123));
        assert_eq!(field(b"0123\0 "), Some(0o123));
        assert_eq!(field(b""), Some(0));
        assert_eq!(field(b"        "), Some(0));
        assert_eq!(field(b"0123\x7e\0"), None);
        assert_eq!(field(b"01 23"), None);
        assert_eq!(field(b"-1"), None);
        assert_eq!(field(b"77777777777"), Some(0o77_777_777_777));
    }

    #[test]
    fn decimal_digits() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for bad in [&b""[..], b"+1", b"-1", b"1 ", b"0x1", b"18446744073709551616"] {
            assert_eq!(decimal(bad), None);
        }
    }
}
