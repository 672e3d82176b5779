//! `HostConfig` of a container, as `lay inspect` shows it.

use serde_json::{Map, Value, json};

use super::container_view::bindings;
use crate::container::{
    IdMap, Isolation, LogConfig, LogDriver, MountKind, MountRequest, Options, Rate, Resources, RestartPolicy,
    Running, Seccomp, Share, UsernsMode,
};

/// Size of `/dev/shm` without `--shm-size`, in bytes.
const SHM_SIZE: i64 = 64 << 20;

/// What the machine is to do for it.
pub fn config(options: &Options, running: Option<&Running>) -> Value {
    let mut all = general(options, running);
    let parts = [limits(&options.resources), isolation(&options.isolation)];
    for (name, value) in parts.into_iter().flatten() {
        all.insert(name, value);
    }
    Value::Object(all)
}

fn general(options: &Options, running: Option<&Running>) -> Map<String, Value> {
    let size = options.storage_size.map(|size| json!({"size": size.to_string()}));
    let tmpfs = options.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Tmpfs(told) => Some((mount.target.display().to_string(), json!(told.join(",")))),
        _ => None,
    });
    object(json!({
        "NetworkMode": super::netflags::mode(options),
        "UsernsMode": options.userns.to_string(),
        "IDMappings": id_maps(options, running),
        "AutoRemove": options.auto_remove,
        "RestartPolicy": restart_policy(options.restart),
        "ReadonlyRootfs": options.read_only,
        "Init": options.init,
        "Binds": options.mounts.iter().filter_map(bind).collect::<Vec<_>>(),
        "Tmpfs": tmpfs.collect::<Map<_, _>>(),
        "VolumesFrom": options.volumes_from,
        "PortBindings": bindings(&options.ports),
        "PublishAllPorts": options.publish_all,
        "ExtraHosts": options.add_hosts,
        "Dns": options.dns,
        "DnsSearch": options.dns_search,
        "DnsOptions": options.dns_options,
        "LogConfig": log(&options.log),
        "GroupAdd": options.group_add,
        "CapAdd": options.cap_add,
        "CapDrop": options.cap_drop,
        "SecurityOpt": security(options),
        "StorageOpt": size,
        "Annotations": (!options.annotations.is_empty()).then_some(&options.annotations),
        "CgroupParent": options.cgroup_parent.as_deref().unwrap_or_default(),
        "ContainerIDFile": options.cidfile.as_deref().unwrap_or(std::path::Path::new("")),
    }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// `-v` as it was given.
fn bind(mount: &MountRequest) -> Option<String> {
    let source = match &mount.kind {
        MountKind::Bind(path) => path.display().to_string(),
        MountKind::Volume(name) if !mount.anonymous => name.clone(),
        _ => return None,
    };
    let read_only = mount.read_only.then_some("ro");
    let words: Vec<&str> = read_only.into_iter().chain(mount.propagation.as_deref()).collect();
    let flags = if words.is_empty() { String::new() } else { format!(":{}", words.join(",")) };
    Some(format!("{source}:{}{flags}", mount.target.display()))
}

fn log(log: &LogConfig) -> Value {
    let mut told = Map::new();
    let size = log.max_size.map(|size| size.to_string());
    let files = log.max_file.map(|files| files.to_string());
    for (key, value) in [("max-size", size), ("max-file", files), ("tag", log.tag.clone())] {
        told.extend(value.map(|value| (key.to_string(), json!(value))));
    }
    let driver: LogDriver = log.driver;
    json!({"Type": driver.name(), "Config": told})
}

fn security(options: &Options) -> Vec<String> {
    let mut all = Vec::new();
    match &options.security.seccomp {
        Seccomp::Default => {}
        Seccomp::Unconfined => all.push("seccomp=unconfined".to_string()),
        Seccomp::Profile(_) => all.push("seccomp=profile".to_string()),
    }
    if options.security.no_new_privileges {
        all.push("no-new-privileges".to_string());
    }
    if options.security.bare_paths {
        all.push("systempaths=unconfined".to_string());
    }
    all
}

fn limits(limits: &Resources) -> Map<String, Value> {
    // `--cpus` is a quota over the usual period.
    let cpus = limits.cpu_quota.filter(|quota| *quota > 0 && limits.cpu_period.is_none());
    let period = limits.cpu_period.unwrap_or(limits.cpu_quota.map_or(0, |_| Resources::CPU_PERIOD));
    let mut all = object(json!({
        "Memory": limits.memory.unwrap_or(0),
        "MemoryReservation": limits.memory_reservation.unwrap_or(0),
        "MemorySwap": limits.memory_swap.unwrap_or(0),
        "MemorySwappiness": limits.memory_swappiness,
        "NanoCpus": cpus.map_or(0, |quota| quota.saturating_mul(10_000)),
        "CpuQuota": limits.cpu_quota.unwrap_or(0),
        "CpuPeriod": period,
        "CpuShares": limits.cpu_shares.unwrap_or(0),
        "CpusetCpus": limits.cpuset_cpus.as_deref().unwrap_or_default(),
        "CpusetMems": limits.cpuset_mems.as_deref().unwrap_or_default(),
        "PidsLimit": limits.pids_limit,
        "OomKillDisable": limits.oom_kill_disable,
        "BlkioWeight": limits.blkio_weight.unwrap_or(0),
    }));
    for (name, kind) in [
        ("BlkioDeviceReadBps", Rate::ReadBps),
        ("BlkioDeviceWriteBps", Rate::WriteBps),
        ("BlkioDeviceReadIOps", Rate::ReadIops),
        ("BlkioDeviceWriteIOps", Rate::WriteIops),
    ] {
        let these = limits.throttles.iter().filter(|throttle| throttle.kind == kind);
        let these: Vec<Value> = these.map(|t| json!({"Path": t.device, "Rate": t.rate})).collect();
        all.insert(name.to_string(), json!(these));
    }
    all
}

fn isolation(isolation: &Isolation) -> Map<String, Value> {
    let share = |share: &Share| match share {
        Share::Private => "private".to_string(),
        Share::Host => "host".to_string(),
        Share::Container(name) => format!("container:{name}"),
    };
    // Docker leaves these empty where the container has its own.
    let or_empty = |one: &Share| if *one == Share::Private { String::new() } else { share(one) };
    let devices = isolation.devices.iter().map(|device| {
        json!({
            "PathOnHost": device.source,
            "PathInContainer": device.target,
            "CgroupPermissions": device.access,
        })
    });
    let ulimits = isolation.ulimits.iter().map(|(name, soft, hard)| {
        // Without a bound: -1, as it is given.
        let number = |n: u64| i64::try_from(n).unwrap_or(-1);
        json!({"Name": name, "Soft": number(*soft), "Hard": number(*hard)})
    });
    object(json!({
        "Privileged": isolation.privileged,
        "Devices": devices.collect::<Vec<_>>(),
        "DeviceCgroupRules": isolation.device_rules,
        "Ulimits": ulimits.collect::<Vec<_>>(),
        "Sysctls": isolation.sysctls.iter().map(|(k, v)| (k.clone(), json!(v))).collect::<Map<_, _>>(),
        "ShmSize": isolation.shm_size.unwrap_or(SHM_SIZE),
        "OomScoreAdj": isolation.oom_score_adj.unwrap_or(0),
        "IpcMode": share(&isolation.ipc),
        "PidMode": or_empty(&isolation.pid),
        "UTSMode": or_empty(&isolation.uts),
        "CgroupnsMode": share(&isolation.cgroupns),
    }))
}

/// As Podman's: of a running container, or those that it was told to have.
fn id_maps(options: &Options, running: Option<&Running>) -> Option<Value> {
    let told = match &options.userns {
        UsernsMode::Mapped(maps) => Some(maps),
        _ => None,
    };
    let maps = running.and_then(|running| running.maps.as_ref()).or(told)?;
    let list = |maps: &[IdMap]| maps.iter().map(ToString::to_string).collect::<Vec<_>>();
    Some(json!({"UidMap": list(&maps.uids), "GidMap": list(&maps.gids)}))
}

/// As Docker's.
fn restart_policy(policy: RestartPolicy) -> Value {
    let text = policy.to_string();
    let (name, count) = text.split_once(':').unwrap_or((&text, "0"));
    json!({"Name": name, "MaximumRetryCount": count.parse().unwrap_or(0)})
}
