//! The files of a rotated log, read while it is rotated.
//!
//! A file only ever moves to a higher number, or goes away. So whoever looks from the lowest number up meets every file,
//! some of them twice.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Bytes read at a time when looking for the end of lines, backwards.
const BLOCK: usize = 64 * 1024;

/// How often a search that rotation disturbed is tried again.
const ATTEMPTS: usize = 1000;

/// The log's file of a number; 0 is the newest.
pub fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_path_buf();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Numbers and identities of the files that are there. While they are renamed, one number is missing.
fn present(path: &Path) -> impl Iterator<Item = u32> {
    let mut missing = 0;
    (0..)
        .map_while(move |number| {
            let there = numbered(path, number).exists();
            missing = if there { 0 } else { missing + 1 };
            (missing < 2).then_some(there.then_some(number))
        })
        .flatten()
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn id(meta: &fs::Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

fn id_at(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().as_ref().map(id)
}

/// Opens all files, oldest first. None where there is no log.
pub fn open_all(path: &Path) -> io::Result<Vec<File>> {
    let mut files: Vec<File> = Vec::new();
    for number in present(path) {
        let Some(file) = open(&numbered(path, number))? else { continue };
        let known = files.last().map(|last| last.metadata()).transpose()?;
        if known.as_ref().map(id) != Some(id(&file.metadata()?)) {
            files.push(file);
        }
    }
    files.reverse();
    Ok(files)
}

/// The file that follows this one; none while this is the newest. When this one is gone, the oldest there is.
pub fn next(current: &File, path: &Path) -> io::Result<Option<File>> {
    let wanted = id(&current.metadata()?);
    for _ in 0..ATTEMPTS {
        if id_at(path) == Some(wanted) {
            return Ok(None);
        }
        let Some(number) = present(path).find(|number| id_at(&numbered(path, *number)) == Some(wanted))
        else {
            // An empty chain: the container is gone.
            return Ok(open_all(path)?.into_iter().next());
        };
        let Some(before) = number.checked_sub(1) else { continue };
        let following = open(&numbered(path, before))?;
        // Files move one after the other, this one first: where it was, its successor was too.
        if following.is_some() && id_at(&numbered(path, number)) == Some(wanted) {
            return Ok(following);
        }
        std::thread::yield_now();
    }
    Ok(None)
}

/// Where the last `wanted` complete lines of a file begin, and how many of them there are.
pub fn tail(file: &File, wanted: usize) -> io::Result<(u64, usize)> {
    let (mut position, mut found) = (file.metadata()?.len(), 0);
    let mut block = vec![0; BLOCK];
    while position > 0 {
        let length = BLOCK.min(usize::try_from(position).unwrap_or(BLOCK));
        position -= length as u64;
        file.read_exact_at(&mut block[..length], position)?;
        for at in memchr::memrchr_iter(b'\n', &block[..length]) {
            if found == wanted {
                return Ok((position + at as u64 + 1, found));
            }
            found += 1;
        }
    }
    Ok((0, found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn the_end_of_a_file_is_found_backwards() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("log");
        let line = "x".repeat(30_000);
        fs::write(&path, format!("a\n{line}\n{line}\n{line}\nb\nhalf")).unwrap();
        let file = File::open(&path).unwrap();
        let found = |wanted| {
            let (start, count) = tail(&file, wanted).unwrap();
            (fs::read_to_string(&path).unwrap()[start as usize..].len(), count)
        };
        assert_eq!(found(0), (4, 0));
        assert_eq!(found(1), (6, 1));
        assert_eq!(found(4), (6 + 90_003, 4));
        assert_eq!(found(9), (8 + 90_003, 5));
    }

    #[test]
    fn a_reader_meets_every_file_while_they_are_rotated() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("log");
        fs::write(&path, "0").unwrap();
        const COUNT: u32 = 60;
        let writer = {
            let path = path.clone();
            std::thread::spawn(move || {
                for number in 1..COUNT {
                    for old in (0..number).rev() {
                        fs::rename(numbered(&path, old), numbered(&path, old + 1)).unwrap();
                    }
                    fs::write(tmp.path().join("new"), number.to_string()).unwrap();
                    fs::rename(tmp.path().join("new"), &path).unwrap();
                }
                tmp
            })
        };
        let (mut seen, mut current) = (Vec::new(), open_all(&path).unwrap().remove(0));
        loop {
            let mut text = String::new();
            current.read_to_string(&mut text).unwrap();
            seen.push(text.parse::<u32>().unwrap());
            if seen.last() == Some(&(COUNT - 1)) {
                break;
            }
            current = loop {
                if let Some(file) = next(&current, &path).unwrap() {
                    break file;
                }
            };
        }
        assert_eq!(seen, (0..COUNT).collect::<Vec<_>>());
        drop(writer.join().unwrap());
    }
}
