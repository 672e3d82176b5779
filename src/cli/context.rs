//! What commands share: configuration, store, containers.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use lay_store::Store;

use super::failure::{Failure, Tried};
use crate::config::{Config, Userns};
use crate::container::{Containers, Environment, IdRange, IdRanges};
use crate::kernel::userns;
use crate::network::Bridge;
use crate::registry::{Access, Credentials};
use crate::rootless;
use crate::runtime::cgroup::delegated;
use crate::snapshot::{Form, Via, preferred_form};

/// Where images and containers are unless told otherwise.
const ROOT: &str = "/var/lib/lay";

/// Configuration and place of the store.
#[derive(Debug)]
pub struct Context {
    /// All settings.
    pub config: Config,
    /// The store's directory.
    pub root: PathBuf,
    /// `--debug`.
    pub debug: bool,
    /// What the kernel was asked once.
    form: OnceCell<(Form, String)>,
}

impl Context {
    /// Reads the configuration. `root` wins over it.
    pub fn new(root: Option<PathBuf>, debug: bool) -> Result<Context, Failure> {
        let config = Config::load().tried(|| "cannot read the configuration".to_string())?;
        let root = root.or_else(|| config.store.root.clone()).unwrap_or_else(default_root);
        let root = std::path::absolute(&root).tried(|| format!("cannot use {}", root.display()))?;
        Ok(Context { config, root, debug, form: OnceCell::new() })
    }

    /// The store, made if it is missing.
    pub fn store(&self) -> Result<Store, Failure> {
        let store = Store::open(&self.root);
        let store = store.tried(|| format!("cannot open the store {}", self.root.display()))?;
        let max = self.config.store.max_layer_size.as_deref().map(|text| {
            let bytes = crate::container::parse_bytes(text).ok().and_then(|bytes| u64::try_from(bytes).ok());
            bytes.ok_or_else(|| Failure::new(format!("[store] max-layer-size: '{text}' is no size")))
        });
        Ok(store.with_max_layer(max.transpose()?))
    }

    /// Store, containers and the machine's part of the configuration.
    pub fn environment(&self) -> Result<Environment, Failure> {
        let store = self.store()?;
        let containers = Containers::open(store.root()).tried(|| "cannot open the containers".to_string())?;
        let network = &self.config.network;
        Ok(Environment {
            store,
            containers,
            bridge: Bridge { name: network.bridge.clone(), mtu: network.mtu, ..Bridge::of(network.subnet) },
            cgroup_parent: self.cgroup_parent(),
            via: self.via()?,
            id_pool: self.id_pool().0,
        })
    }

    /// Host ids for user namespaces, and where it says so: the configuration, `/etc/subuid`, or nowhere.
    pub fn id_pool(&self) -> (IdRanges, String) {
        let of = |ranges: &[rootless::Range]| {
            ranges.iter().map(|&(first, count)| IdRange { first, count }).collect::<Vec<_>>()
        };
        let built_in = Userns::default();
        let (range, reason) = match (self.config.userns, rootless::engine_ranges()) {
            (Some(pool), _) => ((pool.first_id, pool.count), "as configured"),
            (None, Some((name, uids, gids))) => {
                let reason = format!("/etc/subuid and /etc/subgid give them to {name}");
                return (IdRanges { uids: of(&uids), gids: of(&gids) }, reason);
            }
            (None, None) => ((built_in.first_id, built_in.count), "what no distribution gives to users"),
        };
        // The last number of 32 bits is no id.
        let range = (range.0, range.1.min(u32::MAX - range.0));
        (IdRanges { uids: of(&[range]), gids: of(&[range]) }, reason.to_string())
    }

    /// Where control groups are made; empty where this user may make none.
    fn cgroup_parent(&self) -> String {
        if rustix::process::geteuid().is_root() && !userns::nested() {
            return self.config.cgroup.parent.clone();
        }
        let left = delegated().map(|path| Path::new("/").join(path).join("lay"));
        left.map(|path| path.display().to_string()).unwrap_or_default()
    }

    /// How registries are reached.
    pub fn access(&self) -> Access {
        Access {
            registries: self.config.registry.clone(),
            credentials: Credentials::from_env(),
            ..Access::default()
        }
    }

    /// How EROFS files are mounted. Unless a form is forced, a store whose file system cannot have them mounted from the file
    /// (tmpfs) gets loop devices.
    pub fn via(&self) -> Result<Via, Failure> {
        let forced = std::env::var_os("LAY_LAYER_FORM").is_some_and(|text| !text.is_empty());
        match self.layer_form()?.0 {
            Form::File if !forced => Ok(Via::Any),
            form => Ok(form.via()),
        }
    }

    /// How layers are kept and mounted, and why. `LAY_LAYER_FORM` forces it: erofs, loop or directory.
    pub fn layer_form(&self) -> Result<(Form, String), Failure> {
        if let Some(form) = self.form.get() {
            return Ok(form.clone());
        }
        let forced = match std::env::var("LAY_LAYER_FORM") {
            Ok(text) if !text.is_empty() => {
                Some(text.parse().tried(|| "invalid LAY_LAYER_FORM".to_string())?)
            }
            _ => None,
        };
        Ok(self.form.get_or_init(|| preferred_form(forced)).clone())
    }
}

fn default_root() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from(ROOT);
    }
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let data = variable("XDG_DATA_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/share")));
    data.map_or_else(|| PathBuf::from(ROOT), |data| data.join("lay"))
}
