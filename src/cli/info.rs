//! `lay info`

use clap::Args;
use serde_json::json;

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::{Format, line, rows};
use crate::kernel::userns;
use crate::runtime::cgroup::{Hierarchies, Version};

/// Show how this machine and lay fit together
#[derive(Args, Debug)]
pub struct Info {
    /// json, or a template such as '{{.LayerForm}}'
    #[arg(short, long)]
    format: Option<String>,
}

impl Info {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let env = context.environment()?;
        let tried = || "cannot look at the store".to_string();
        let (form, why) = context.layer_form()?;
        let system = rustix::system::uname();
        let mirrors: serde_json::Map<_, _> = context
            .config
            .registry
            .iter()
            .map(|(name, registry)| {
                (
                    name.to_string(),
                    json!(registry.mirrors.iter().map(ToString::to_string).collect::<Vec<_>>()),
                )
            })
            .collect();
        let facts = [
            ("Version", json!(env!("CARGO_PKG_VERSION"))),
            ("Root", json!(context.root)),
            ("Images", json!(env.store.images().tried(tried)?.len())),
            ("Containers", json!(env.containers.list().tried(tried)?.len())),
            ("LayerForm", json!(format!("{form:?}").to_lowercase())),
            ("LayerFormReason", json!(why)),
            ("Kernel", json!(system.release().to_string_lossy())),
            ("Architecture", json!(system.machine().to_string_lossy())),
            ("Cgroups", json!(cgroups()?)),
            ("CgroupParent", json!(env.cgroup_parent)),
            ("Rootless", json!(!rustix::process::geteuid().is_root() || userns::nested())),
            ("Bridge", json!(env.bridge.name)),
            ("Subnet", json!(env.bridge.subnet.to_string())),
            ("UsernsPool", json!(env.id_pool.to_string())),
            ("UsernsPoolReason", json!(context.id_pool().1)),
            ("Mirrors", json!(mirrors)),
        ];
        if self.format.is_some() {
            let object = facts.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
            rows(&Format::parse(self.format.as_deref())?, &[], &[serde_json::Value::Object(object)])?;
            return Ok(0);
        }
        let show = |(name, value)| line(format!("{name}: {}", super::output::text(&value)));
        facts.into_iter().try_for_each(show)?;
        Ok(0)
    }
}

fn cgroups() -> Result<&'static str, Failure> {
    let found = Hierarchies::detect().tried(|| "cannot find the control groups".to_string())?;
    let v2 = found.iter().any(|h| h.version == Version::V2);
    let v1 = found.iter().any(|h| h.version == Version::V1);
    Ok(match (v1, v2) {
        (true, true) => "hybrid",
        (true, false) => "v1",
        _ => "v2",
    })
}
