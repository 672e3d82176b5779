//! Any archive: the writer of EROFS images neither panics nor gives different bytes for the same archive; an image begins
//! with a superblock and is of whole blocks.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(image) = lay::layer::fuzzing::write_erofs(data) {
        assert_eq!(image[1024..1028], 0xe0f5_e1e2u32.to_le_bytes());
        assert_eq!(image.len() % 4096, 0);
        assert_eq!(Some(image), lay::layer::fuzzing::write_erofs(data));
    }
});
