//! Networks that users make: who is on them, what they are called, and what they keep apart.

mod drivers;
mod isolation;
mod localhost;
mod manage;
mod names;
mod ports;
