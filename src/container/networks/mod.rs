//! Networks that containers join: what they are, who is on them, and how a container comes and goes.
//!
//! A network is a file, `networks/<name>.json` in the store. Beside it, `networks/<bridge>/` holds one link an address,
//! which says whose it is, and `names`, the lines that containers on it find in `/etc/hosts`.

mod definition;
mod files;
mod join;
mod links;
mod live;
mod lookup;
mod names;
mod pool;
mod ports;
mod request;
mod resolver;
mod store;

pub use definition::{Driver, Network};
pub use join::Join;
pub use links::Attached;
pub use live::{connect, disconnect};
pub use request::NetworkRequest;
pub use resolver::names_main;
pub use store::{Networks, User};

pub(super) use files::{hosts, resolv};
pub(super) use links::{attach_all, claim, detach_all, may_have_names};
pub(super) use names::renamed;
pub(super) use ports::{hold, leads, name_holder, published};
pub(super) use resolver::ensure as ensure_names;
