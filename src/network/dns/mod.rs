//! A small name server for one container: it knows the names of its networks, and asks others for the rest.
//!
//! It listens inside the container's network namespace at 127.0.0.11, on ports of its own; two rules there lead port 53 to
//! them, so that a program in the container can still have port 53 of every address. Questions to others leave from the
//! namespace of the process that serves.

mod message;
mod pending;
mod serve;
mod sockets;
mod tcp;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

pub use self::serve::{Tasks, serve};
pub use self::sockets::Sockets;

/// Where containers find it.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// What a name server knows, asked anew for each question.
pub trait Names {
    /// Addresses of a name in lower case; none if it is not one of ours.
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>>;
    /// The name of one of our addresses.
    fn name(&self, address: IpAddr) -> Option<String>;
    /// Who knows the rest; nobody if nothing may leave.
    fn servers(&self) -> Vec<SocketAddr>;
}
