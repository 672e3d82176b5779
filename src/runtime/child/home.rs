//! `HOME`, where the specification says nothing of it: the user's, as runc has it.

use std::ffi::CString;
use std::io::{BufRead, BufReader, Read};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};

/// How much of `/etc/passwd` is read: it is the container's, and may be anything.
const MOST: u64 = 1 << 20;

/// The environment, and `HOME` of this user if it lacks it.
pub(super) fn with_home(env: &[CString], uid: u32) -> Vec<CString> {
    let mut env = env.to_vec();
    let value = |entry: &CString| entry.to_bytes().strip_prefix(b"HOME=").map(<[u8]>::len);
    if !env.iter().filter_map(value).any(|length| length > 0) {
        env.retain(|entry| value(entry).is_none());
        let home = passwd().and_then(|file| find(file, uid)).unwrap_or_else(|| c"/".to_owned());
        env.extend(CString::new([b"HOME=", home.to_bytes()].concat()));
    }
    env
}

/// `/etc/passwd`, if it is a file: a pipe would be waited for.
fn passwd() -> Option<impl Read> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat2(CWD, "/etc/passwd", flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS);
    let file = opened.ok()?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&file).ok()?.st_mode);
    kind.is_file().then(|| std::fs::File::from(file).take(MOST))
}

/// The sixth field of the line with this user id (passwd(5)).
fn find(file: impl Read, uid: u32) -> Option<CString> {
    let wanted = uid.to_string();
    let lines = BufReader::new(file).split(b'\n').map_while(Result::ok);
    let mut homes = lines.filter_map(|line| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        let is_user = fields.get(2).is_some_and(|id| *id == wanted.as_bytes());
        fields.get(5).filter(|home| is_user && !home.is_empty()).and_then(|home| CString::new(*home).ok())
    });
    homes.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_found_by_number() {
        let text = "root:x:0:0:root:/root:/bin/sh\nshort:x:7\nempty:x:8:8:::\nalice:x:1000:1000::/home/alice:/bin/sh";
        let home = |uid| find(text.as_bytes(), uid);
        assert_eq!(home(0).as_deref(), Some(c"/root"));
        assert_eq!(home(1000).as_deref(), Some(c"/home/alice"));
        assert_eq!((home(7), home(8), home(9)), (None, None, None));
    }

    #[test]
    fn what_is_set_stays() {
        let env = [c"HOME=/elsewhere".to_owned()];
        assert_eq!(with_home(&env, 0), env);
    }
}
