//! `# check=skip=Rule,Rule;error=true`.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::Rule;

/// Which rules count, and how much.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSet {
    /// No rule counts.
    all_skipped: bool,
    skipped: BTreeSet<Rule>,
    /// Whether findings make the build fail.
    pub fatal: bool,
}

/// What is wrong with the options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// Something that is no option.
    #[error("\"{0}\" is no option of # check=: skip=…, error=… or experimental=…")]
    Option(String),
    /// `error=` with something else than true or false.
    #[error("error= needs true or false, not \"{0}\"")]
    Bool(String),
}

impl RuleSet {
    /// Whether a rule counts.
    pub fn includes(&self, rule: Rule) -> bool {
        !self.all_skipped && !self.skipped.contains(&rule)
    }
}

impl FromStr for RuleSet {
    type Err = OptionsError;

    /// Reads the value of the directive. Names of rules that are unknown here may be known elsewhere.
    fn from_str(text: &str) -> Result<Self, OptionsError> {
        let mut rules = Self::default();
        for option in text.split(';').map(str::trim).filter(|option| !option.is_empty()) {
            let (key, value) =
                option.split_once('=').ok_or_else(|| OptionsError::Option(option.to_owned()))?;
            let value = value.trim();
            match key.trim() {
                "skip" if value == "all" => rules.all_skipped = true,
                "skip" => {
                    rules.skipped.extend(value.split(',').filter_map(|name| name.trim().parse::<Rule>().ok()))
                }
                "error" => {
                    rules.fatal = value.parse().map_err(|_| OptionsError::Bool(value.to_owned()))?;
                }
                // All rules here are stable.
                "experimental" => {}
                _ => return Err(OptionsError::Option(option.to_owned())),
            }
        }
        Ok(rules)
    }
}
