//! The front end of a build: reads a Containerfile and a `.containerignore`, and plans what has to be done.
//!
//! Nothing here reads a file, asks the network or runs anything: text and values go in, typed values come out.

pub mod check;
pub mod containerfile;
pub mod expand;
pub mod ignore;
pub mod plan;
