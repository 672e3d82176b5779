use std::io::{Read, Write};
use std::process::{Command, Stdio};

use super::pipeline::BLOCK;
use super::*;

/// Text that compresses, noise that does not, and a repetition across the blocks' borders.
fn sample(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut data = Vec::with_capacity(length);
    while data.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match (data.len() >> 18) % 3 {
            0 => data.extend_from_slice(b"the same words again and again, "),
            1 => data.extend_from_slice(&state.to_le_bytes()),
            _ => data.extend_from_slice(format!("{:x} ", state >> 20).as_bytes()),
        }
    }
    data.truncate(length);
    data
}

fn compressed(threads: usize, data: &[u8], method: Method, level: Option<u32>) -> Vec<u8> {
    let mut out = Vec::new();
    let digest = compress_on(threads, data, &mut out, Settings::new(method, level).unwrap()).unwrap();
    assert_eq!(digest, Digest::of(data));
    out
}

/// What a program makes of its input.
fn filtered(program: &str, args: &[&str], data: &[u8]) -> Vec<u8> {
    let mut child =
        Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, data) = (child.stdin.take().unwrap(), data.to_vec());
    let writer = std::thread::spawn(move || stdin.write_all(&data));
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(out.status.success(), "{program} {args:?}");
    out.stdout
}

#[test]
fn what_was_compressed_comes_back_whatever_its_length() {
    for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 12_345] {
        let data = sample(length);
        for (method, level) in [(Method::Gzip, 1), (Method::Gzip, 6), (Method::Gzip, 9), (Method::Zstd, 3)] {
            let packed = compressed(3, &data, method, Some(level));
            let mut back = Vec::new();
            crate::layer::inflate(&packed[..]).unwrap().read_to_end(&mut back).unwrap();
            assert!(back == data, "{method} {level} of {length} bytes");
        }
    }
}

#[test]
fn the_number_of_processors_does_not_show() {
    let data = sample(5 * BLOCK + 777);
    for method in [Method::Gzip, Method::Zstd] {
        let alone = compressed(1, &data, method, None);
        assert!(alone.len() < data.len() / 3 * 2, "{method}: {}", alone.len());
        for threads in [2, 3, 8] {
            assert!(compressed(threads, &data, method, None) == alone, "{method} on {threads}");
        }
    }
}

/// Expected bytes are those of an earlier run: who changes them changes the digests of layers that were pushed, and must
/// change `VERSION` with them.
#[test]
fn the_result_stays_what_it_is() {
    let data = sample(2 * BLOCK + 99);
    let digest = |method| Digest::of(&compressed(2, &data, method, None)).to_string();
    assert_eq!(
        (digest(Method::Gzip).as_str(), digest(Method::Zstd).as_str()),
        (
            "sha256:a95381e132d25e0541c1d462c38da53f900bf0053cc84c63731ad263747ef258",
            "sha256:c092d6632369b3c7dadcbfdbc34bfe910b5f90d5cc3a6f331d7e99304d2e265a"
        )
    );
}

#[test]
fn gnu_gzip_reads_it() {
    let data = sample(2 * BLOCK + 99);
    assert!(filtered("gzip", &["-dc"], &compressed(2, &data, Method::Gzip, None)) == data);
    filtered("gzip", &["-t"], &compressed(2, &data, Method::Gzip, Some(1)));
}

#[test]
fn a_level_must_be_one() {
    for (method, level) in [(Method::Gzip, 0), (Method::Gzip, 10), (Method::Zstd, 0), (Method::Zstd, 20)] {
        let error = Settings::new(method, Some(level)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{method} has the levels 1 to ")), "{error}");
    }
}

#[test]
fn what_cannot_be_read_or_written_ends_it() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::TimedOut.into())
        }
    }
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let settings = Settings::new(Method::Gzip, None).unwrap();
    let data = sample(9 * BLOCK);
    assert_eq!(compress(Broken, &mut Vec::new(), settings).unwrap_err().kind(), io::ErrorKind::TimedOut);
    let late = data.as_slice().chain(Broken);
    assert_eq!(compress(late, &mut Vec::new(), settings).unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(compress(&data[..], &mut Full, settings).unwrap_err().kind(), io::ErrorKind::StorageFull);
}
