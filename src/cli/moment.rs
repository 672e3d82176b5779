//! Points in time as Docker takes them: RFC 3339, seconds since 1970, or how long ago.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::failure::Failure;

/// Reads a flag's value: `2024-01-02T15:04:05Z`, the same without a zone (this machine's) or without a time, `1700000000.25`,
/// or `10m`.
pub fn moment(flag: &str, text: Option<&str>) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let read = seconds(text).or_else(|| ago(text)).or_else(|| text.parse().ok()).or_else(|| local(text));
    read.map(Some).ok_or_else(|| {
        Failure::new(format!(
            "invalid value '{text}' for {flag}: expected a time such as 2024-01-02T15:04:05Z, seconds since 1970, or 10m"
        ))
    })
}

fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanoseconds = format!("{fraction:0<9}").parse().ok()?;
    Timestamp::new(whole.parse().ok()?, nanoseconds).ok()
}

fn ago(text: &str) -> Option<Timestamp> {
    Timestamp::now().checked_sub(text.parse::<SignedDuration>().ok()?).ok()
}

fn local(text: &str) -> Option<Timestamp> {
    let civil: DateTime = text.parse().ok()?;
    Some(civil.to_zoned(TimeZone::system()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_all_forms() {
        let read = |text: &str| moment("--since", Some(text)).map(Option::unwrap_or_default);
        let at: Timestamp = "2024-01-02T15:04:05.25Z".parse().unwrap();
        for text in ["2024-01-02T15:04:05.25Z", "2024-01-02T16:04:05.25+01:00", "1704207845.25"] {
            assert_eq!(read(text).unwrap(), at, "{text}");
        }
        for (text, ago) in [("10m", 600), ("1h30m", 5400), ("90s", 90), ("1.5h", 5400)] {
            let since = Timestamp::now().as_second() - read(text).unwrap().as_second();
            assert!((ago..ago + 3).contains(&since), "{text}: {since}");
        }
        let zone = TimeZone::system();
        for text in ["2024-01-02T15:04:05", "2024-01-02T15:04", "2024-01-02"] {
            assert_eq!(read(text).unwrap().to_zoned(zone.clone()).day(), 2, "{text}");
        }
        for bad in ["", "soon", "12:00", "10x", "1.2.3"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
