//! Profiles as Docker and Podman keep them: an OCI `linux.seccomp`, with conditions on architecture, capabilities and kernel.

use std::path::PathBuf;

use oci_spec::runtime::{
    Arch, Capabilities, Capability, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompBuilder,
    LinuxSeccompFilterFlag, LinuxSyscall, LinuxSyscallBuilder,
};
use serde::{Deserialize, Serialize};

use crate::container::error::Error;
use crate::kernel::release;

/// A profile. What it does not know it refuses, as a condition that is overlooked would allow too much.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    default_action: LinuxSeccompAction,
    default_errno_ret: Option<u32>,
    /// Podman writes the name beside the number.
    #[serde(default, skip_serializing)]
    default_errno: Option<String>,
    architectures: Option<Vec<Arch>>,
    arch_map: Option<Vec<Family>>,
    flags: Option<Vec<LinuxSeccompFilterFlag>>,
    listener_path: Option<PathBuf>,
    listener_metadata: Option<String>,
    syscalls: Option<Vec<Rule>>,
}

/// A machine's architecture, and those whose calls its kernel takes too.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Family {
    architecture: Arch,
    sub_architectures: Option<Vec<Arch>>,
}

/// What is done with some calls, when some things are so and others are not.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    #[serde(default)]
    names: Vec<String>,
    /// One name, as old profiles have it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    action: LinuxSeccompAction,
    errno_ret: Option<u32>,
    /// Podman writes the name beside the number.
    #[serde(default, skip_serializing)]
    errno: Option<String>,
    args: Option<Vec<LinuxSeccompArg>>,
    #[serde(default, skip_serializing)]
    #[allow(dead_code, reason = "for people")]
    comment: Option<String>,
    includes: Option<Condition>,
    excludes: Option<Condition>,
}

/// Facts about machine and container.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Condition {
    /// Capabilities in the bounding set, such as `CAP_SYS_ADMIN`.
    caps: Option<Vec<String>>,
    /// Go's names of architectures, such as `amd64`.
    arches: Option<Vec<String>>,
    /// Version and patch level of the kernel, such as `4.8`.
    min_kernel: Option<String>,
}

/// What conditions are about.
struct Facts<'a> {
    capabilities: &'a Capabilities,
    machine: &'static str,
    kernel: (u32, u32),
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    /// Why it makes no sense.
    pub fn parse(text: &str) -> Result<Profile, String> {
        let profile: Profile = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if profile.architectures.is_some() && profile.arch_map.is_some() {
            return Err("it has both architectures and archMap".to_string());
        }
        if profile.default_errno.is_some() && profile.default_errno_ret.is_none() {
            return Err("it has defaultErrno without defaultErrnoRet".to_string());
        }
        for rule in profile.syscalls.iter().flatten() {
            rule.check()?;
        }
        Ok(profile)
    }

    /// What it says for a container with these capabilities on this machine.
    ///
    /// # Errors
    /// When the kernel's version cannot be read.
    pub fn rules(&self, capabilities: &Capabilities) -> Result<LinuxSeccomp, Error> {
        let kernel = release::version().ok_or_else(|| {
            let source = std::io::Error::new(std::io::ErrorKind::InvalidData, release::text());
            Error::System("read the kernel's version", source)
        })?;
        self.rules_for(&Facts { capabilities, machine: std::env::consts::ARCH, kernel })
    }

    fn rules_for(&self, facts: &Facts<'_>) -> Result<LinuxSeccomp, Error> {
        let syscalls = self.syscalls.iter().flatten().filter(|rule| rule.applies(facts));
        let mut rules = LinuxSeccompBuilder::default()
            .default_action(self.default_action)
            .architectures(self.architectures_of(facts.machine))
            .syscalls(syscalls.map(Rule::syscall).collect::<Result<Vec<_>, _>>()?);
        if let Some(errno) = self.default_errno_ret {
            rules = rules.default_errno_ret(errno);
        }
        if let Some(flags) = &self.flags {
            rules = rules.flags(flags.clone());
        }
        if let Some(path) = &self.listener_path {
            rules = rules.listener_path(path.clone());
        }
        if let Some(metadata) = &self.listener_metadata {
            rules = rules.listener_metadata(metadata.clone());
        }
        Ok(rules.build()?)
    }

    fn architectures_of(&self, machine: &str) -> Vec<Arch> {
        let own = super::architectures(machine).first().copied();
        let family = self.arch_map.iter().flatten().find(|family| Some(family.architecture) == own);
        match family {
            Some(family) => {
                let more = family.sub_architectures.iter().flatten().copied();
                std::iter::once(family.architecture).chain(more).collect()
            }
            None => self.architectures.clone().unwrap_or_default(),
        }
    }
}

impl Rule {
    fn check(&self) -> Result<(), String> {
        let first = self.names.first().unwrap_or(&self.name);
        if self.names.is_empty() == self.name.is_empty() {
            return Err(format!("a rule needs either names or a name (at '{first}')"));
        }
        if self.errno.is_some() && self.errno_ret.is_none() {
            return Err(format!("the rule for '{first}' has errno without errnoRet"));
        }
        for condition in self.includes.iter().chain(&self.excludes) {
            for name in condition.caps.iter().flatten() {
                capability(name).ok_or_else(|| format!("there is no capability '{name}' (at '{first}')"))?;
            }
            if let Some(kernel) = condition.min_kernel.as_ref().filter(|k| release::parse(k).is_none()) {
                return Err(format!("'{kernel}' is not a version of the kernel (at '{first}')"));
            }
        }
        Ok(())
    }

    /// Every condition to be included must hold, and none to be excluded.
    fn applies(&self, facts: &Facts<'_>) -> bool {
        let included = self.includes.as_ref().is_none_or(|includes| {
            includes.caps.iter().flatten().all(|name| facts.has(name))
                && includes.arches.as_deref().is_none_or(|list| list.is_empty() || facts.is_one_of(list))
                && includes.min_kernel.as_deref().is_none_or(|kernel| facts.is_at_least(kernel))
        });
        let excluded = self.excludes.as_ref().is_some_and(|excludes| {
            excludes.caps.iter().flatten().any(|name| facts.has(name))
                || excludes.arches.as_deref().is_some_and(|list| facts.is_one_of(list))
                || excludes.min_kernel.as_deref().is_some_and(|kernel| facts.is_at_least(kernel))
        });
        included && !excluded
    }

    fn syscall(&self) -> Result<LinuxSyscall, Error> {
        let names = if self.names.is_empty() { vec![self.name.clone()] } else { self.names.clone() };
        let mut syscall = LinuxSyscallBuilder::default().names(names).action(self.action);
        if let Some(errno) = self.errno_ret {
            syscall = syscall.errno_ret(errno);
        }
        if let Some(args) = self.args.as_ref().filter(|args| !args.is_empty()) {
            syscall = syscall.args(args.clone());
        }
        Ok(syscall.build()?)
    }
}

impl Facts<'_> {
    fn has(&self, name: &str) -> bool {
        capability(name).is_some_and(|capability| self.capabilities.contains(&capability))
    }

    fn is_one_of(&self, arches: &[String]) -> bool {
        let own = match self.machine {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            machine => machine,
        };
        arches.iter().any(|arch| arch == own)
    }

    fn is_at_least(&self, kernel: &str) -> bool {
        release::parse(kernel).is_some_and(|wanted| self.kernel >= wanted)
    }
}

fn capability(name: &str) -> Option<Capability> {
    name.strip_prefix("CAP_")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Names of the calls that a profile's rules are about, for a container on a machine.
    fn names(rule: Value, capabilities: &[Capability], machine: &'static str, kernel: (u32, u32)) -> usize {
        let profile = json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]});
        let profile = Profile::parse(&profile.to_string()).unwrap();
        let capabilities = capabilities.iter().copied().collect();
        let rules = profile.rules_for(&Facts { capabilities: &capabilities, machine, kernel }).unwrap();
        rules.syscalls().iter().flatten().map(|syscall| syscall.names().len()).sum()
    }

    #[test]
    fn conditions_are_docker_s() {
        use Capability::{SysAdmin, SysChroot};
        let with = |field: &str, condition: Value| {
            let mut rule = json!({"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"});
            rule[field] = condition;
            rule
        };
        let both = json!({"caps": ["CAP_SYS_ADMIN", "CAP_SYS_CHROOT"]});
        type Case = (Value, &'static [Capability], &'static str, (u32, u32), bool);
        let cases: [Case; 12] = [
            (with("includes", both.clone()), &[SysAdmin, SysChroot], "x86_64", (6, 1), true),
            (with("includes", both.clone()), &[SysAdmin], "x86_64", (6, 1), false),
            (with("excludes", both.clone()), &[SysAdmin], "x86_64", (6, 1), false),
            (with("excludes", both), &[], "x86_64", (6, 1), true),
            (with("includes", json!({"arches": ["amd64", "x32"]})), &[], "x86_64", (6, 1), true),
            (with("includes", json!({"arches": ["amd64"]})), &[], "aarch64", (6, 1), false),
            (with("excludes", json!({"arches": ["arm64"]})), &[], "aarch64", (6, 1), false),
            (with("includes", json!({"minKernel": "4.8"})), &[], "x86_64", (4, 8), true),
            (with("includes", json!({"minKernel": "4.8"})), &[], "x86_64", (4, 7), false),
            (with("includes", json!({"minKernel": "4.19"})), &[], "x86_64", (6, 1), true),
            (with("excludes", json!({"minKernel": "4.8"})), &[], "x86_64", (6, 1), false),
            (with("includes", json!({})), &[], "x86_64", (6, 1), true),
        ];
        for (rule, capabilities, machine, kernel, applies) in cases {
            let expected = if applies { 2 } else { 0 };
            assert_eq!(names(rule.clone(), capabilities, machine, kernel), expected, "{rule}");
        }
    }

    #[test]
    fn the_machine_s_family_is_taken_from_the_map() {
        let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "archMap": [
            {"architecture": "SCMP_ARCH_S390X", "subArchitectures": null},
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}]});
        let profile = Profile::parse(&profile.to_string()).unwrap();
        assert_eq!(profile.architectures_of("x86_64"), [Arch::ScmpArchX86_64, Arch::ScmpArchX86]);
        assert_eq!(profile.architectures_of("aarch64"), []);
    }

    #[test]
    fn plain_rules_stay_as_they_are() {
        let plain = json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
            "architectures": ["SCMP_ARCH_X86_64"], "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "listenerPath": "/run/agent", "listenerMetadata": "x", "syscalls": [
                {"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5,
                 "args": [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"}]}]});
        let rules = Profile::parse(&plain.to_string()).unwrap().rules(&Capabilities::new()).unwrap();
        assert_eq!(serde_json::to_value(rules).unwrap(), plain);
    }

    #[test]
    fn a_profile_that_could_be_misread_is_refused() {
        let rule = |field: &str, value: Value| {
            let mut rule = json!({"names": ["read"], "action": "SCMP_ACT_ALLOW"});
            rule[field] = value;
            json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]})
        };
        for (profile, part) in [
            (json!({}), "defaultAction"),
            (json!({"defaultAction": "SCMP_ACT_MAYBE"}), "SCMP_ACT_MAYBE"),
            (json!({"defaultAction": "SCMP_ACT_ALLOW", "sycalls": []}), "sycalls"),
            (json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": [], "archMap": []}), "both"),
            (rule("arguments", json!([])), "arguments"),
            (rule("name", json!("write")), "either names or a name"),
            (rule("errno", json!("EIO")), "errnoRet"),
            (rule("includes", json!({"caps": ["CAP_FLY"]})), "CAP_FLY"),
            (rule("excludes", json!({"minKernel": "new"})), "'new'"),
            (rule("includes", json!({"capabilities": []})), "capabilities"),
        ] {
            let error = Profile::parse(&profile.to_string()).unwrap_err();
            assert!(error.contains(part), "{profile}: {error}");
        }
    }
}
