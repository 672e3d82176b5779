//! "Did you mean …?"

/// The candidate that a name is most likely a slip for, whatever the case; `None` if all are too far away.
///
/// A swap of neighbours, a wrong, a missing or an extra character is one step. Two steps at most, and fewer than half
/// the name.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let limit = 2.min(name.chars().count().saturating_sub(1) / 2);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, candidate)| distance <= limit && candidate != name)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let names = ["RUN", "FROM", "HEALTHCHECK", "CMD"];
        for (name, expected) in [
            ("RUNN", Some("RUN")),
            ("FORM", Some("FROM")),
            ("FRM", Some("FROM")),
            ("run", Some("RUN")),
            ("healtchek", Some("HEALTHCHECK")),
            ("BADCMD", None),
            ("XYZ", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, names), expected, "{name}");
        }
    }
}
