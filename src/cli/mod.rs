//! The command line: one file a command; flags, calls, printing.
