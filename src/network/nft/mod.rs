//! nf_tables over netlink (`include/uapi/linux/netfilter/nf_tables.h`): as much of it as the rules here need.

mod attribute;
mod batch;
mod expression;

pub use batch::{Batch, Chain, Hook};
pub use expression::{Address, Rule, Verdict};
