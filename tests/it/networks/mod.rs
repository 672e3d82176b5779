//! Networks that users make: who is on them, what they are called, and what they keep apart.

mod isolation;
mod manage;
mod names;
mod ports;
