//! Any bytes: the reader of archives neither panics nor reads beyond an entry.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    lay::layer::fuzzing::read_archive(data);
});
