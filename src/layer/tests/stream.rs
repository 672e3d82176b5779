//! Compression, digests, and what is visible after a failure.

use std::io::{self, Read, Write};

use flate2::write::GzEncoder;
use lay_store::{Digest, LayerForm};

use super::super::Compression;
use super::{Archive, Bench, Error, list, skip, unpack};

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn archive() -> Vec<u8> {
    let big = "x".repeat(300_000);
    Archive::new().file("a", "1").file("big", &big).bytes()
}

#[test]
fn every_compression_gives_the_same() {
    if skip() {
        return;
    }
    let plain = archive();
    let zstd = |data: &[u8]| zstd::encode_all(data, 1).unwrap();
    let (left, right) = plain.split_at(plain.len() / 3);
    let skippable = b"\x50\x2a\x4d\x18\x04\0\0\0skip".to_vec();
    let blobs = [
        plain.clone(),
        gzip(&plain),
        [gzip(left), gzip(b""), gzip(right)].concat(),
        zstd(&plain),
        [skippable.clone(), zstd(left), zstd(right), skippable].concat(),
    ];
    for blob in blobs {
        let bench = Bench::new();
        let layer = bench.unpack(&blob, &Digest::of(&plain)).unwrap();
        assert_eq!(list(&layer.path)["big"].size, 300_000);
        assert_eq!(layer.path, bench.store.layer(&layer.diff_id).unwrap().path);
    }
}

#[test]
fn a_wrong_digest_is_refused_and_both_are_named() {
    if skip() {
        return;
    }
    let (plain, expected) = (archive(), Digest::of(b"something else"));
    let error = Bench::new().unpack(&gzip(&plain), &expected).unwrap_err();
    let actual = Digest::of(&plain);
    assert_eq!(error.to_string(), format!("the layer's content is {actual}, but the image says {expected}"));
}

#[test]
fn what_follows_the_archive_is_part_of_the_digest() {
    if skip() {
        return;
    }
    let plain = archive();
    let longer = [plain.as_slice(), &[7; 200_000]].concat();
    assert!(matches!(Bench::new().unpack(&gzip(&longer), &Digest::of(&plain)), Err(Error::DiffId { .. })));
    Bench::new().unpack(&gzip(&longer), &Digest::of(&longer)).unwrap();
    // Two blocks of zeros end an archive, but so does the end of the stream.
    let bare = &plain[..plain.len() - 1024];
    Bench::new().unpack(bare, &Digest::of(bare)).unwrap();
}

#[test]
fn a_broken_stream_leaves_nothing() {
    if skip() {
        return;
    }
    let plain = archive();
    let mut flipped = gzip(&plain);
    let at = flipped.len() - 6;
    flipped[at] ^= 1;
    let whole = gzip(&plain);
    let garbage = [whole.as_slice(), b"garbage"].concat();
    for (blob, what) in
        [(&flipped[..], "checksum"), (&whole[..whole.len() - 9], "cut"), (&garbage, "garbage")]
    {
        let bench = Bench::new();
        assert!(matches!(bench.unpack(blob, &Digest::of(&plain)), Err(Error::Read(_))), "{what}");
        assert_eq!(std::fs::read_dir(bench.store.root().join("layers")).unwrap().count(), 0);
    }
    let cut = &plain[..plain.len() / 2];
    assert!(matches!(Bench::new().unpack(cut, &Digest::of(cut)), Err(Error::Read(_))));
}

#[test]
fn the_blob_is_read_to_its_end() {
    if skip() {
        return;
    }
    struct Fails(bool);
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            match std::mem::replace(&mut self.0, false) {
                true => Err(io::ErrorKind::Interrupted.into()),
                false => Err(io::Error::other("connection lost")),
            }
        }
    }
    let (plain, bench) = (archive(), Bench::new());
    let blob = gzip(&plain);
    let error =
        unpack(&bench.store, blob.chain(Fails(true)), &Digest::of(&plain), LayerForm::Directory).unwrap_err();
    assert!(matches!(&error, Error::Read(e) if e.to_string() == "connection lost"), "{error:?}");
}

#[test]
fn compressions_are_told_by_media_type_and_magic() {
    for (media_type, expected) in [
        ("application/vnd.oci.image.layer.v1.tar", Some(Compression::Plain)),
        ("application/vnd.oci.image.layer.v1.tar+gzip", Some(Compression::Gzip)),
        ("application/vnd.oci.image.layer.v1.tar+zstd", Some(Compression::Zstd)),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", Some(Compression::Gzip)),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", Some(Compression::Gzip)),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", Some(Compression::Gzip)),
        ("application/vnd.oci.image.config.v1+json", None),
        ("application/vnd.oci.image.layer.v1.tar+encrypted", None),
        ("", None),
    ] {
        assert_eq!(Compression::of_media_type(media_type), expected, "{media_type}");
    }
    assert_eq!(Compression::of_magic(b""), Compression::Plain);
    assert_eq!(Compression::of_magic(b"BZh91AY"), Compression::Bzip2);
    let error = Compression::of_layer(b"BZh91AY").unwrap_err();
    assert_eq!(error.to_string(), "layers compressed with bzip2 are not supported");
}

#[test]
fn a_stream_that_inflates_to_more_than_allowed_is_refused() {
    if skip() {
        return;
    }
    // A thousand times smaller than what it holds.
    let zeros = "\0".repeat(64 << 20);
    let bomb = Archive::new().file("zeros", &zeros).bytes();
    let blobs = [gzip(&bomb), zstd::encode_all(bomb.as_slice(), 1).unwrap(), bomb.clone()];
    for form in [LayerForm::Erofs, LayerForm::Directory] {
        for blob in &blobs {
            let temp = tempfile::tempdir().unwrap();
            let store = lay_store::Store::open(&temp.path().join("store")).unwrap();
            let diff_id = Digest::of(&bomb);
            let bounded = store.clone().with_max_layer(Some(bomb.len() as u64 - 1));
            let error = unpack(&bounded, blob.as_slice(), &diff_id, form).unwrap_err();
            assert!(matches!(error, Error::TooLarge { limit } if limit == bomb.len() as u64 - 1), "{error}");
            assert_eq!(std::fs::read_dir(temp.path().join("store/layers")).unwrap().count(), 0);
            let bounded = store.with_max_layer(Some(bomb.len() as u64));
            unpack(&bounded, blob.as_slice(), &diff_id, form).unwrap();
        }
    }
}
