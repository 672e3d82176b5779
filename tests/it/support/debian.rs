//! A real Debian with a compiler, made by debootstrap from this machine's mirror and kept in target/.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// An archive of its root file system; none, saying so, where it cannot be made.
pub fn debian() -> Option<&'static Path> {
    static MADE: OnceLock<Option<PathBuf>> = OnceLock::new();
    MADE.get_or_init(|| match make() {
        Ok(path) => Some(path),
        Err(why) => {
            eprintln!("skipped: there is no Debian image: {why}");
            None
        }
    })
    .as_deref()
}

fn make() -> Result<PathBuf, String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/it");
    std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let archive = dir.join("debian.tar");
    // Another run of the suite may be at it.
    let lock = File::create(dir.join("debian.lock")).map_err(|e| e.to_string())?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).map_err(|e| e.to_string())?;
    if archive.exists() {
        return Ok(archive);
    }
    let script = "set -e
        suite=$(. /etc/os-release && echo \"$VERSION_CODENAME\")
        mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -1)
        trap 'rm -rf \"$1/debian\"' EXIT
        rm -rf \"$1/debian\"
        debootstrap --variant=minbase --include=gcc,libc6-dev \"$suite\" \"$1/debian\" \"$mirror\" >\"$1/debian.log\" 2>&1 ||
            { tail -2 \"$1/debian.log\" >&2; exit 1; }
        rm -rf \"$1\"/debian/var/cache/apt/archives/*.deb \"$1\"/debian/var/lib/apt/lists/*
        tar -C \"$1/debian\" --one-file-system -cf \"$1/debian.part\" .
        mv \"$1/debian.part\" \"$1/debian.tar\"";
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let out = Command::new("sh").args(["-c", script, "sh"]).arg(&dir).env("PATH", path).output();
    let out = out.map_err(|e| e.to_string())?;
    match out.status.success() {
        true => Ok(archive),
        false => Err(String::from_utf8_lossy(&out.stderr).trim().to_string()),
    }
}
