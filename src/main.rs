//! Starts `lay`: parses, dispatches, turns an error into a message and an exit code.

fn main() {}
