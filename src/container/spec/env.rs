//! The environment of a container's processes.

use super::Facts;
use crate::container::options::Options;

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Docker's order: defaults, the image's, the user's; `HOME` from the passwd file when nobody sets it.
pub fn of(options: &Options, facts: &Facts) -> Vec<String> {
    let mut env = vec![PATH.to_string(), format!("HOSTNAME={}", facts.hostname)];
    if options.tty {
        set(&mut env, "TERM=xterm");
    }
    for entry in facts.config.env().iter().flatten().chain(&options.env) {
        set(&mut env, entry);
    }
    if !env.iter().any(|e| e.starts_with("HOME=")) {
        env.push(format!("HOME={}", facts.identity.home));
    }
    env
}

/// Sets `NAME=VALUE`, in the place of an earlier one; `NAME` alone takes the variable away.
pub fn set(env: &mut Vec<String>, entry: &str) {
    let Some((name, _)) = entry.split_once('=') else {
        env.retain(|e| e.split_once('=').is_none_or(|(n, _)| n != entry));
        return;
    };
    match env.iter_mut().find(|e| e.split_once('=').is_some_and(|(n, _)| n == name)) {
        Some(old) => *old = entry.to_string(),
        None => env.push(entry.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_values_take_the_place_of_earlier_ones() {
        let mut env = vec!["A=1".to_string(), "B=2".to_string()];
        set(&mut env, "A=3");
        set(&mut env, "C=");
        set(&mut env, "B");
        assert_eq!(env, ["A=3", "C="]);
    }
}
