//! Durations as Go writes them: `1h30m`, `1.5s`, `300ms`.

use std::time::Duration;

/// Reads a duration that is not negative. Nanoseconds are the finest.
pub fn parse(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanoseconds = 0_u128;
    while !rest.is_empty() {
        let number_end = rest.find(|ch: char| !ch.is_ascii_digit() && ch != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|ch: char| ch.is_ascii_digit() || ch == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        nanoseconds = nanoseconds.checked_add(part(number, nanoseconds_of(unit)?)?)?;
        rest = tail;
    }
    // Go keeps durations in 63 bits.
    let bounded = i64::try_from(nanoseconds).ok().filter(|_| !text.is_empty())?;
    Some(Duration::from_nanos(bounded.unsigned_abs()))
}

/// The length of a unit in nanoseconds.
fn nanoseconds_of(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// A decimal number of units, in nanoseconds.
fn part(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    // More digits than these are below a nanosecond.
    let fraction = &fraction[..fraction.len().min(14)];
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction = if fraction.is_empty() { 0 } else { fraction.parse::<u128>().ok()? };
    u128::from(whole).checked_mul(unit)?.checked_add(fraction.checked_mul(unit)? / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are those of Go's `time.ParseDuration`.
    #[test]
    fn durations_as_go_reads_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("30s", Some(30_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            (".5s", Some(500_000_000)),
            ("1.s", Some(1_000_000_000)),
            ("+5m", Some(300_000_000_000)),
            ("1h2m3s4ms5us6ns", Some(3_723_004_005_006)),
            ("2540400h", Some(9_145_440_000_000_000_000)),
            ("0.9223372036854775807h", Some(3_320_413_933_267)),
            ("10µs", Some(10_000)),
            ("", None),
            ("3", None),
            ("-1s", None),
            ("s", None),
            (".", None),
            (".s", None),
            ("1.2.3s", None),
            ("1d", None),
            ("3000000h", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(parse(text), expected.map(Duration::from_nanos), "{text}");
        }
    }
}
