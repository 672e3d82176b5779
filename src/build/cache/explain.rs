//! Why a step was carried out although an earlier build had carried one out in its place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Inputs;

/// At most so many changes are named.
const NAMED: usize = 3;

/// What the last build of a stage depended on, step by step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// By the step's number.
    pub steps: BTreeMap<usize, Inputs>,
}

/// Says in a few words what is not as it was.
pub fn explain(last: Option<&Inputs>, now: &Inputs, settled: bool) -> String {
    if !settled {
        return "a step before it was carried out".to_owned();
    }
    let Some(last) = last else { return "it was not built before".to_owned() };
    let mut changes: Vec<String> = Vec::new();
    if last.list.first() != now.list.first() {
        changes.push("the instruction changed".to_owned());
    }
    compare(&last.list[1.min(last.list.len())..], &now.list[1.min(now.list.len())..], &mut changes);
    if changes.iter().any(|change| change == "files changed")
        && !last.files.is_empty()
        && !now.files.is_empty()
    {
        changes.retain(|change| change != "files changed");
        compare(&last.files, &now.files, &mut changes);
    }
    let more = changes.len().saturating_sub(NAMED);
    changes.truncate(NAMED);
    let mut text = changes.join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    if text.is_empty() { "the files below it changed, or its layer is gone".to_owned() } else { text }
}

fn compare(before: &[(String, String)], after: &[(String, String)], changes: &mut Vec<String>) {
    let map = |list: &[(String, String)]| list.iter().cloned().collect::<BTreeMap<String, String>>();
    let (before, after) = (map(before), map(after));
    for (name, value) in &after {
        match before.get(name) {
            None => changes.push(format!("{name} is new")),
            Some(old) if old != value => changes.push(format!("{name} changed")),
            Some(_) => {}
        }
    }
    changes.extend(
        before.keys().filter(|name| !after.contains_key(*name)).map(|name| format!("{name} is gone")),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named() {
        let inputs = |text: &str, more: &[(&str, &str)]| {
            let mut inputs = Inputs::new("RUN", text);
            more.iter().for_each(|(name, value)| inputs.add(name, value));
            inputs
        };
        let last = inputs("make", &[("variable A", "1"), ("variable B", "1")]);
        let why = |now: &Inputs| explain(Some(&last), now, true);
        assert_eq!(
            why(&inputs("make all", &[("variable A", "1"), ("variable B", "1")])),
            "the instruction changed"
        );
        assert_eq!(why(&inputs("make", &[("variable A", "2"), ("variable B", "1")])), "variable A changed");
        assert_eq!(why(&inputs("make", &[("variable A", "1")])), "variable B is gone");
        assert_eq!(why(&last), "the files below it changed, or its layer is gone");
        assert_eq!(explain(None, &last, true), "it was not built before");
        assert_eq!(explain(Some(&last), &last, false), "a step before it was carried out");
    }
}
