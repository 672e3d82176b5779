//! How often and after which pauses a request is made again.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// How often and after which pauses a request that failed for a passing reason is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in all, the first one included.
    pub tries: u32,
    /// The pause after the first try; each later one is twice as long.
    pub first_pause: Duration,
    /// No pause of our own is longer than this.
    pub longest_pause: Duration,
    /// A registry that asks for a longer pause than this (`Retry-After`) is given up at once.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            tries: 6,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(15),
            longest_wait: Duration::from_secs(120),
        }
    }
}

impl RetryPolicy {
    /// The pause after the `failed`th try (from 1): doubled each time, then varied by up to a quarter
    /// either way, so that many clients do not come back in step.
    pub(super) fn pause(&self, failed: u32) -> Duration {
        let doubled = self.first_pause.saturating_mul(1 << failed.saturating_sub(1).min(20));
        let random = RandomState::new().hash_one(failed) % 1000;
        doubled.min(self.longest_pause).mul_f64(0.75 + random as f64 / 2000.0)
    }
}

/// What `Retry-After` asks for: seconds or a date (RFC 9110 section 10.2.3), from `now` on.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_within_their_bounds() {
        let policy = RetryPolicy { longest_pause: Duration::from_secs(3), ..RetryPolicy::default() };
        for (failed, middle) in [(1, 500), (2, 1000), (3, 2000), (4, 3000), (40, 3000)] {
            let pause = policy.pause(failed).as_millis();
            assert!((middle * 3 / 4..=middle * 5 / 4).contains(&pause), "{failed}: {pause}");
        }
    }

    #[test]
    fn reads_seconds_and_dates() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT").unwrap();
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read(" 0 "), Some(Duration::ZERO));
        assert_eq!(read("Wed, 21 Oct 2015 07:28:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(read("Wed, 21 Oct 2015 07:27:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("-5"), None);
        assert_eq!(read("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
