//! What a network is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::network::{Bridge, Wire};

/// How a network is made.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// A bridge of its own.
    #[default]
    Bridge,
    /// One veth pair that joins two containers.
    Ptp,
    /// Links on top of one of the host's.
    Macvlan,
    /// The host's own network.
    Host,
    /// Nothing but loopback.
    Null,
}

impl Driver {
    /// Reads the name of one that networks can be made with.
    pub fn parse(text: &str) -> Option<Driver> {
        Some(match text {
            "bridge" => Driver::Bridge,
            "ptp" => Driver::Ptp,
            "macvlan" => Driver::Macvlan,
            _ => return None,
        })
    }
}

impl std::fmt::Display for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Driver::Bridge => "bridge",
            Driver::Ptp => "ptp",
            Driver::Macvlan => "macvlan",
            Driver::Host => "host",
            Driver::Null => "null",
        })
    }
}

/// A network (`networks/<name>.json`).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Network {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Unique name.
    pub name: String,
    /// When it was made (RFC 3339, UTC); empty for those that are always there.
    pub created: String,
    /// How it is made.
    pub driver: Driver,
    /// Its addresses; the name is the bridge's link, or only that of the directory of its addresses. None for the host's
    /// network and for none.
    pub bridge: Option<Bridge>,
    /// How endpoints hang on it.
    #[serde(default)]
    pub wire: Wire,
    /// `--attachable`, which is told again and changes nothing.
    #[serde(default)]
    pub attachable: bool,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `--opt`, as given.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

impl Network {
    /// The names of those that are always there.
    pub const PREDEFINED: [&'static str; 3] = ["bridge", "host", "none"];

    /// One that is always there.
    pub(super) fn predefined(name: &str, driver: Driver, bridge: Option<Bridge>) -> Network {
        use sha2::{Digest, Sha256};
        Network {
            // Always the same.
            id: hex::encode(Sha256::digest(format!("lay network {name}"))),
            name: name.to_string(),
            created: String::new(),
            driver,
            bridge,
            wire: Wire::Bridge,
            attachable: false,
            labels: BTreeMap::new(),
            options: BTreeMap::new(),
        }
    }

    /// Whether it is always there.
    pub fn is_predefined(&self) -> bool {
        Self::PREDEFINED.contains(&self.name.as_str())
    }

    /// Whether nothing leads out of it.
    pub fn is_internal(&self) -> bool {
        self.driver == Driver::Ptp || self.bridge.as_ref().is_some_and(|bridge| bridge.internal)
    }

    /// The id as people see it: 12 digits.
    pub fn short_id(&self) -> &str {
        &self.id[..12.min(self.id.len())]
    }
}
