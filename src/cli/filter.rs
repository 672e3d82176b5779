//! `--filter KEY=VALUE`.

use super::failure::Failure;

/// Filters by key; a row must fit one value of each key.
#[derive(Debug, Default)]
pub struct Filters(Vec<(String, String)>);

impl Filters {
    /// Reads filters, of which only some keys are known.
    pub fn parse(texts: &[String], known: &[&str]) -> Result<Filters, Failure> {
        let mut filters = Vec::new();
        for text in texts {
            let Some((key, value)) = text.split_once('=') else {
                return Err(Failure::new(format!("invalid filter '{text}': expected KEY=VALUE")));
            };
            if !known.contains(&key) {
                let known = known.join(", ");
                return Err(Failure::new(format!("invalid filter '{key}': known are {known}")));
            }
            filters.push((key.to_string(), value.to_string()));
        }
        Ok(Filters(filters))
    }

    /// Whether a row fits; `test` tells it for one key and value.
    pub fn fit(&self, test: impl Fn(&str, &str) -> bool) -> bool {
        let fits_key = |key: &str| self.0.iter().filter(|(k, _)| k == key).any(|(k, v)| test(k, v));
        self.0.iter().all(|(key, _)| fits_key(key))
    }
}

/// Whether labels hold `KEY` or `KEY=VALUE`.
pub fn has_label<'a>(mut labels: impl Iterator<Item = (&'a String, &'a String)>, wanted: &str) -> bool {
    let (key, value) = wanted.split_once('=').map_or((wanted, None), |(k, v)| (k, Some(v)));
    labels.any(|(k, v)| k == key && value.is_none_or(|value| v == value))
}

/// Whether a text fits a pattern in which `*` stands for anything.
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(earlier) = last.replace(part) {
            match rest.find(earlier) {
                Some(at) => rest = &rest[at + str::len(earlier)..],
                None => return false,
            }
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(fits("centos*", "centos:7") && fits("*:7", "centos:7") && fits("c*o*7", "centos:7"));
        assert!(!fits("centos", "centos:7") && !fits("c*x*7", "centos:7") && !fits("*8", "centos:7"));
    }
}
