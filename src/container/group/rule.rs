//! Rules that place containers in groups, and the syntax of `cgrules.conf(5)`.

use serde::{Deserialize, Serialize};

use super::config::{is_no_group, name_of};
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
    /// Group of users on the host, to one of whom it belongs who starts it.
    #[serde(default)]
    pub users: Option<String>,
    /// Place among the rules of all groups: the first that takes a container counts.
    #[serde(default)]
    pub order: u64,
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
        fits(&self.image, &[image])
            && fits(&self.command, &[command, base])
            && self.is_user()
            && self.is_in_group()
    }

    fn is_in_group(&self) -> bool {
        let Some(wanted) = &self.users else { return true };
        let Some(group) = nix::unistd::Group::from_name(wanted).ok().flatten() else { return false };
        let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
        user.is_some_and(|user| user.gid == group.gid || group.mem.contains(&user.name))
    }

    fn is_user(&self) -> bool {
        let Some(wanted) = &self.user else { return true };
        let uid = nix::unistd::getuid();
        let name = nix::unistd::User::from_uid(uid).ok().flatten().map(|user| user.name);
        *wanted == uid.to_string() || name.as_ref() == Some(wanted)
    }
}

/// What a file of rules says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The rules and their groups, in order.
    pub taken: Vec<(String, Rule)>,
    /// Lines that mean nothing here, and why.
    pub ignored: Vec<(usize, &'static str)>,
}

/// Reads lines `USER[:COMMAND] [CONTROLLERS] GROUP[/] [OPTIONS]`; a user or command of `*` is any, `@USERS` a group of users, and a
/// user of `%` the one of the line above. The controllers do not matter: a group has them all.
///
/// # Errors
/// [`Error::GroupFile`] with the line.
pub fn parse_rules(text: &str) -> Result<Rules, Error> {
    let mut rules = Rules::default();
    for (index, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        let (who, group, options) = match words[..] {
            [] => continue,
            [who, group] | [who, _, group] => (who, group, ""),
            [who, _, group, options] => (who, group, options),
            _ => {
                let reason = "expected USER[:COMMAND] [CONTROLLERS] GROUP".to_string();
                return Err(Error::GroupFile { line: index + 1, reason });
            }
        };
        let ignored = match () {
            () if who == "%" => Some("a container is in one group, with all controllers"),
            () if !options.is_empty() => Some("options are not known"),
            () if group.contains('%') => Some("a group's name cannot be a pattern"),
            () if is_no_group(group) => Some("the root of all groups is none"),
            () => None,
        };
        match ignored {
            Some(why) => rules.ignored.push((index + 1, why)),
            None => rules.taken.push((name_of(group), rule(who))),
        }
    }
    Ok(rules)
}

fn rule(who: &str) -> Rule {
    let (user, command) = who.split_once(':').unwrap_or((who, "*"));
    let some = |text: &str| (text != "*").then(|| text.to_string());
    let users = user.strip_prefix('@').map(str::to_string);
    let user = if users.is_some() { None } else { some(user) };
    Rule { user, users, command: some(command), ..Rule::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_fit() {
        let text = "# comment\n*:while1 demogrp/\nroot cpu,memory a/other # why\n\n@root * wheel\n@nosuchgroup cpu x\n";
        let rules = parse_rules(text).unwrap().taken;
        assert_eq!(rules[0].0, "demogrp");
        let (args, other) = (["/bin/while1".to_string()], ["/bin/while2".to_string()]);
        assert!(rules[0].1.takes("any", &args) && !rules[0].1.takes("any", &other));
        assert_eq!(rules[1].0, "a-other");
        assert_eq!(rules[1].1.user.as_deref(), Some("root"));
        assert_eq!((rules[2].1.users.as_deref(), rules[2].1.user.as_deref()), (Some("root"), None));
        assert!(!rules[3].1.takes("any", &args), "nobody is in a group that is not there");
        let by_image = Rule { image: Some("centos:7".to_string()), ..Rule::default() };
        assert!(by_image.takes("centos:7", &args) && !by_image.takes("busybox", &args));
        for bad in ["one", "a b c d e"] {
            assert!(parse_rules(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lines_that_mean_nothing_here_are_told() {
        let rules = parse_rules(
            "peter cpu one/\n% memory two/\n* cpu users/%u\nbob devices /\n@root:cp * x ignore\n",
        );
        let rules = rules.unwrap();
        assert_eq!(rules.taken.len(), 1);
        assert_eq!(rules.ignored.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4, 5]);
    }
}
