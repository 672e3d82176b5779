//! Any bytes: reading, planning and checking a Containerfile neither panic nor point outside of it.
#![no_main]

use lay::build::check::{Knowledge, check};
use lay::build::containerfile::Containerfile;
use lay::build::plan::{Plan, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let lines = data.split(|byte| *byte == b'\n').count();
    match Containerfile::parse("Containerfile", data) {
        Err(error) => {
            assert!((1..=lines).contains(&error.position.line), "{error}");
            assert!(!error.report(data).is_empty());
        }
        Ok(file) => {
            let request = Request::default();
            let _ = Plan::new(&file, &request);
            for finding in check(&file, &Knowledge::default()).into_iter().flat_map(|found| found.list) {
                assert!((1..=lines).contains(&finding.position.line), "{finding:?}");
            }
        }
    }
});
