//! Rules that place containers in groups, and the syntax of `cgrules.conf(5)`.

use serde::{Deserialize, Serialize};

use crate::container::error::Error;

/// What a container must be like for a group to take it; what is absent does not matter.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Name or number of the user on the host who starts it.
    pub user: Option<String>,
    /// Its image, as it was named.
    pub image: Option<String>,
    /// The last part of its command's path.
    pub command: Option<String>,
}

impl Rule {
    /// Whether a container of this image and command is one of those.
    pub fn takes(&self, image: &str, args: &[String]) -> bool {
        let command = args.first().map(String::as_str).unwrap_or_default();
        let base = command.rsplit('/').next().unwrap_or_default();
        let fits = |wanted: &Option<String>, found: &[&str]| match wanted {
            None => true,
            Some(wanted) => found.contains(&wanted.as_str()),
        };
        fits(&self.image, &[image]) && fits(&self.command, &[command, base]) && self.is_user()
    }

    fn is_user(&self) -> bool {
        let Some(wanted) = &self.user else { return true };
        let uid = nix::unistd::getuid();
        let name = nix::unistd::User::from_uid(uid).ok().flatten().map(|user| user.name);
        *wanted == uid.to_string() || name.as_ref() == Some(wanted)
    }
}

/// Reads lines `USER[:COMMAND] [CONTROLLERS] GROUP[/]`; a user or command of `*` is any. The controllers do not matter: a
/// group has them all.
///
/// # Errors
/// [`Error::GroupFile`] with the line.
pub fn parse_rules(text: &str) -> Result<Vec<(String, Rule)>, Error> {
    let mut rules = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        let bad = |reason: &str| Error::GroupFile { line: index + 1, reason: reason.to_string() };
        let (who, group) = match words[..] {
            [] => continue,
            [who, group] | [who, _, group] => (who, group),
            _ => return Err(bad("expected USER[:COMMAND] [CONTROLLERS] GROUP")),
        };
        if who.starts_with('@') {
            return Err(bad("rules for groups of users are not supported"));
        }
        if group.contains('%') {
            return Err(bad("a group's name cannot be a pattern"));
        }
        let (user, command) = who.split_once(':').unwrap_or((who, "*"));
        let some = |text: &str| (text != "*").then(|| text.to_string());
        let rule = Rule { user: some(user), image: None, command: some(command) };
        rules.push((group.trim_matches('/').to_string(), rule));
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_fit() {
        let rules = parse_rules("# comment\n*:while1 demogrp/\nroot cpu,memory other # why\n\n").unwrap();
        assert_eq!(rules[0].0, "demogrp");
        let (args, other) = (["/bin/while1".to_string()], ["/bin/while2".to_string()]);
        assert!(rules[0].1.takes("any", &args) && !rules[0].1.takes("any", &other));
        assert_eq!(rules[1].0, "other");
        assert_eq!(rules[1].1.user.as_deref(), Some("root"));
        let by_image = Rule { image: Some("centos:7".to_string()), ..Rule::default() };
        assert!(by_image.takes("centos:7", &args) && !by_image.takes("busybox", &args));
        for bad in ["@wheel cpu x", "one", "a b c d", "* cpu users/%u"] {
            assert!(parse_rules(bad).is_err(), "{bad}");
        }
    }
}
