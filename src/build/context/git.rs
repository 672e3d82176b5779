//! Contexts and sources that are Git repositories, by the program git.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether an address is one of a repository, by Docker's rules.
pub fn is_repository(address: &str) -> bool {
    let base = address.split('#').next().unwrap_or_default();
    let by_http = base.starts_with("http://") || base.starts_with("https://");
    base.starts_with("git://")
        || base.starts_with("git@")
        || base.starts_with("ssh://")
        || base.starts_with("github.com/")
        || ((by_http || base.starts_with("file://")) && base.ends_with(".git"))
}

/// Clones `URL#ref:directory` into `dir`, without history where the server allows that; gives the directory that is meant.
///
/// # Errors
/// With git's last words when it fails.
pub fn clone(address: &str, dir: &Path, keep_git_dir: bool) -> Result<PathBuf, String> {
    let (url, fragment) = address.split_once('#').unwrap_or((address, ""));
    let (reference, inside) = fragment.split_once(':').unwrap_or((fragment, ""));
    let url = match url.strip_prefix("github.com/") {
        Some(path) => format!("https://github.com/{path}"),
        None => url.to_owned(),
    };
    if reference.starts_with('-') || url.starts_with('-') {
        return Err("neither the address nor the reference can begin with -".to_owned());
    }
    fs::create_dir_all(dir).map_err(|e| e.to_string())?;
    git(dir, &["init", "-q", "."])?;
    git(dir, &["remote", "add", "origin", &url])?;
    let wanted = if reference.is_empty() { "HEAD" } else { reference };
    // Not every server gives away a single commit, or cuts the history off.
    let shallow = git(dir, &["fetch", "-q", "--depth", "1", "origin", wanted]);
    match shallow {
        Ok(()) => git(dir, &["checkout", "-q", "FETCH_HEAD"])?,
        Err(_) => {
            git(dir, &["fetch", "-q", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"])?;
            let branch = format!("refs/remotes/origin/{wanted}");
            git(dir, &["checkout", "-q", &branch]).or_else(|_| git(dir, &["checkout", "-q", wanted]))?;
        }
    }
    if dir.join(".gitmodules").exists() {
        git(dir, &["submodule", "--quiet", "update", "--init", "--recursive", "--depth", "1"])?;
    }
    if !keep_git_dir {
        fs::remove_dir_all(dir.join(".git")).map_err(|e| e.to_string())?;
    }
    below(dir, inside)
}

/// A directory of the repository; symlinks in it lead nowhere.
fn below(dir: &Path, inside: &str) -> Result<PathBuf, String> {
    let mut path = dir.to_path_buf();
    for part in Path::new(inside.trim_start_matches('/')).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => continue,
            _ => return Err(format!("the directory \"{inside}\" leads out of the repository")),
        }
        if !path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
            return Err(format!("there is no directory \"{inside}\" in the repository"));
        }
    }
    Ok(path)
}

fn git(dir: &Path, args: &[&str]) -> Result<(), String> {
    let mut command = Command::new("git");
    command.args(args).current_dir(dir).env("GIT_TERMINAL_PROMPT", "0").stdin(Stdio::null());
    // A repository's own hooks and filters must not run here, and it must not lead to files of this machine.
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_LFS_SKIP_SMUDGE", "1");
    let output = command.output().map_err(|e| format!("cannot run git: {e} (is it installed?)"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it failed without a word");
    Err(format!("git {}: {last}", args.first().unwrap_or(&"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_by_their_addresses() {
        for yes in [
            "https://h/x.git",
            "https://h/x.git#main:docker",
            "git@h:x/y",
            "git://h/x",
            "ssh://git@h/x",
            "github.com/a/b",
        ] {
            assert!(is_repository(yes), "{yes}");
        }
        for no in ["https://h/x.tar.gz", ".", "dir.git", "/x/y.git", "-"] {
            assert!(!is_repository(no), "{no}");
        }
    }

    #[test]
    fn directories_stay_in_the_repository() {
        let tmp = tempfile::tempdir().unwrap();
        fs::create_dir_all(tmp.path().join("a/b")).unwrap();
        std::os::unix::fs::symlink("/", tmp.path().join("out")).unwrap();
        assert_eq!(below(tmp.path(), "a/b").unwrap(), tmp.path().join("a/b"));
        assert_eq!(below(tmp.path(), "").unwrap(), tmp.path());
        for bad in ["../x", "a/../..", "out", "out/etc", "missing"] {
            assert!(below(tmp.path(), bad).is_err(), "{bad}");
        }
    }
}
