//! What `lay prune --filter` leaves.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::cli::failure::Failure;
use crate::cli::filter::has_label;
use crate::cli::moment::moment;
use crate::image::Image;

/// Filters, all of which must fit.
#[derive(Debug, Default)]
pub struct Filter {
    /// Only what was made before.
    until: Option<Timestamp>,
    /// Labels, and whether what fits has them.
    labels: Vec<(String, bool)>,
}

impl Filter {
    /// Reads `until=TIME`, `label=KEY[=VALUE]` and `label!=KEY[=VALUE]`.
    ///
    /// # Errors
    /// For everything else.
    pub fn parse(texts: &[String]) -> Result<Self, Failure> {
        let mut filter = Self::default();
        for text in texts {
            match text.split_once('=') {
                Some(("until" | "unused-for", value)) => {
                    filter.until = moment("--filter until", Some(value))?
                }
                Some(("label", value)) => filter.labels.push((value.to_string(), true)),
                Some(("label!", value)) => filter.labels.push((value.to_string(), false)),
                _ => {
                    return Err(Failure::new(format!(
                        "invalid filter '{text}': known are until=TIME, such as until=24h, label=KEY[=VALUE] and label!=KEY[=VALUE]"
                    )));
                }
            }
        }
        Ok(filter)
    }

    /// Whether only what has, or has not, a label fits.
    pub fn has_labels(&self) -> bool {
        !self.labels.is_empty()
    }

    /// How long nothing may have happened to what fits.
    pub fn age(&self) -> Option<Duration> {
        let passed = Timestamp::now().duration_since(self.until?);
        Some(Duration::try_from(passed).unwrap_or_default())
    }

    /// Whether something fits that was made at a time (RFC 3339) and has labels. What says no time is of no age.
    pub fn fits(&self, created: &str, labels: &BTreeMap<String, String>) -> bool {
        let old = self.until.is_none_or(|until| created.parse::<Timestamp>().is_ok_and(|time| time < until));
        old && self.labels.iter().all(|(label, wanted)| has_label(labels.iter(), label) == *wanted)
    }

    /// Whether an image fits; what is damaged fits only where everything does.
    pub fn fits_image(&self, image: Option<&Image>) -> bool {
        let Some(image) = image else { return self.until.is_none() && self.labels.is_empty() };
        let created = image.config.created().clone().unwrap_or_default();
        let labels = image.config.config().as_ref().and_then(|config| config.labels().clone());
        self.fits(&created, &labels.unwrap_or_default().into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_and_labels_pick() {
        let filter = |texts: &[&str]| {
            Filter::parse(&texts.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
        };
        let labels = BTreeMap::from([("team".to_string(), "a".to_string())]);
        let (old, new) = ("2020-01-01T00:00:00Z", Timestamp::now().to_string());
        for (texts, fits_old, fits_new) in [
            (&[][..], true, true),
            (&["until=24h"], true, false),
            (&["until=2019-12-31T00:00:00Z"], false, false),
            (&["label=team"], true, true),
            (&["label=team=b"], false, false),
            (&["label!=team"], false, false),
            (&["label!=team=b", "until=1h"], true, false),
        ] {
            let filter = filter(texts);
            assert_eq!(
                (filter.fits(old, &labels), filter.fits(&new, &labels)),
                (fits_old, fits_new),
                "{texts:?}"
            );
        }
        assert!(!filter(&["until=1h"]).fits("", &labels));
        assert_eq!(filter(&["until=1h"]).age().map(|age| age.as_secs()), Some(3600));
        for bad in ["until", "until=soon", "colour=red"] {
            assert!(Filter::parse(&[bad.to_string()]).is_err(), "{bad}");
        }
    }
}
