//! `--security-opt`: which system calls a container may use, and whether it may gain privileges.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::spec::Profile;

const FLAG: &str = "--security-opt";

/// Which system calls a container may use.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Seccomp {
    /// Those of the default profile.
    #[default]
    Default,
    /// All.
    Unconfined,
    /// Those of a profile.
    Profile(Box<Profile>),
}

/// What `--security-opt` says.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Security {
    /// `seccomp=`.
    pub seccomp: Seccomp,
    /// `no-new-privileges`: no exec gives more than the process had, such as by a set-user-ID file (`prctl(2)`,
    /// `PR_SET_NO_NEW_PRIVS`).
    pub no_new_privileges: bool,
    /// `systempaths=unconfined`: nothing of `/proc` and `/sys` is masked or made read-only.
    #[serde(default)]
    pub bare_system_paths: bool,
}

impl Security {
    /// Reads the options, and the profile that they name: `seccomp=FILE`, `seccomp=unconfined`, `seccomp=builtin`,
    /// `no-new-privileges[=true|false]`, `systempaths=unconfined`; `label=disable` and `apparmor=unconfined`, which is so in
    /// any case. The last of a kind counts.
    ///
    /// # Errors
    /// When an option is none of these, or the profile cannot be used.
    pub fn parse(options: &[String]) -> Result<Security, Error> {
        let mut security = Security::default();
        for option in options {
            let bad = |reason: String| Error::Flag { flag: FLAG, value: option.clone(), reason };
            // Docker still takes the colon that it once used.
            let (name, value) = match option.split_once(['=', ':']) {
                Some((name, value)) => (name, Some(value)),
                None => (option.as_str(), None),
            };
            match (name, value) {
                ("no-new-privileges", None | Some("true")) => security.no_new_privileges = true,
                ("no-new-privileges", Some("false")) => security.no_new_privileges = false,
                ("no-new-privileges", Some(_)) => return Err(bad("it is true or false".to_string())),
                ("seccomp", Some("unconfined")) => security.seccomp = Seccomp::Unconfined,
                ("seccomp", Some("builtin")) => security.seccomp = Seccomp::Default,
                ("seccomp", Some(path)) if !path.is_empty() => {
                    security.seccomp = Seccomp::Profile(Box::new(read(Path::new(path)).map_err(bad)?));
                }
                ("systempaths", Some("unconfined")) => security.bare_system_paths = true,
                ("label", Some("disable")) | ("apparmor", Some("unconfined")) => {}
                ("label" | "apparmor", Some(_)) => {
                    return Err(bad("containers are not confined by SELinux or AppArmor".to_string()));
                }
                _ => {
                    let known = "seccomp=FILE, seccomp=unconfined, seccomp=builtin, no-new-privileges or systempaths=unconfined";
                    return Err(bad(format!("expected {known}")));
                }
            }
        }
        Ok(security)
    }
}

fn read(path: &Path) -> Result<Profile, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read the profile: {e}"))?;
    Profile::parse(&text).map_err(|e| format!("not a seccomp profile: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[&str]) -> Result<Security, Error> {
        Security::parse(&options.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_docker_s() {
        assert!(matches!(parse(&[]).unwrap().seccomp, Seccomp::Default));
        assert!(matches!(parse(&["seccomp=unconfined"]).unwrap().seccomp, Seccomp::Unconfined));
        assert!(matches!(parse(&["seccomp:unconfined"]).unwrap().seccomp, Seccomp::Unconfined));
        assert!(matches!(
            parse(&["seccomp=unconfined", "seccomp=builtin"]).unwrap().seccomp,
            Seccomp::Default
        ));
        for on in ["no-new-privileges", "no-new-privileges=true", "no-new-privileges:true"] {
            assert!(parse(&[on]).unwrap().no_new_privileges, "{on}");
        }
        assert!(!parse(&["no-new-privileges", "no-new-privileges=false"]).unwrap().no_new_privileges);
        let others = parse(&["label=disable", "apparmor=unconfined", "systempaths=unconfined"]).unwrap();
        assert!(others.bare_system_paths && !parse(&["label:disable"]).unwrap().bare_system_paths);
    }

    #[test]
    fn what_is_no_option_or_no_profile_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{\"defaultAction\": \"SCMP_ACT_ALOW\"}").unwrap();
        let profile = format!("seccomp={}", file.path().display());
        for (option, part) in [
            (profile.as_str(), "SCMP_ACT_ALOW"),
            ("seccomp=/nowhere", "cannot read"),
            ("seccomp=", "expected"),
            ("seccomp", "expected"),
            ("no-new-privileges=maybe", "true or false"),
            ("color=blue", "expected"),
            ("apparmor=docker-default", "AppArmor"),
            ("systempaths=all", "expected"),
        ] {
            let error = parse(&[option]).unwrap_err().to_string();
            assert!(error.contains(part), "{option}: {error}");
        }
    }
}
