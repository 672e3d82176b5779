//! Sizes and times as Docker words them.

use jiff::Timestamp;

/// Bytes in units of 1000 with `digits` significant digits, such as `204MB`.
pub fn size(bytes: u64, digits: usize) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let whole = if value >= 100.0 {
        3
    } else if value >= 10.0 {
        2
    } else {
        1
    };
    let text = format!("{value:.*}", digits.saturating_sub(whole));
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", UNITS[unit])
}

/// Bytes in units of 1024, such as `64MiB`, as limits are given.
pub fn binary_size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let text = format!("{value:.2}");
    format!("{}{}", text.trim_end_matches('0').trim_end_matches('.'), UNITS[unit])
}

/// A span of seconds in words, such as `2 weeks`.
pub fn span(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match seconds {
        ..1 => "Less than a second".to_string(),
        1 => "1 second".to_string(),
        2..60 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".to_string(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_string(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// How long ago a time (RFC 3339) was, in words; empty if it is none.
pub fn since(time: &str) -> String {
    time.parse::<Timestamp>()
        .map_or_else(|_| String::new(), |t| span(Timestamp::now().as_second() - t.as_second()))
}

/// The same with `ago` behind it.
pub fn ago(time: &str) -> String {
    let text = since(time);
    if text.is_empty() { "N/A".to_string() } else { format!("{text} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values: docker/go-units `HumanSizeWithPrecision(…, 3)`.
    #[test]
    fn sizes_as_docker_prints_them() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (13_256, "13.3kB"),
            (203_987_654, "204MB"),
            (5_570_000, "5.57MB"),
            (1_230_000_000, "1.23GB"),
        ] {
            assert_eq!(size(bytes, 3), text);
        }
    }

    /// Expected values: docker/go-units `HumanDuration`.
    #[test]
    fn spans_as_docker_words_them() {
        let day = 24 * 3600;
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (45, "45 seconds"),
            (65, "About a minute"),
            (59 * 60, "59 minutes"),
            (3600, "About an hour"),
            (3 * 3600, "3 hours"),
            (47 * 3600, "47 hours"),
            (2 * day, "2 days"),
            (15 * day, "2 weeks"),
            (70 * day, "2 months"),
            (800 * day, "2 years"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
