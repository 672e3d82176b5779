//! From `-u user:group` to numbers, by the image's own passwd(5) and group(5).

use super::error::Error;
use crate::snapshot::Files;

/// A passwd or group file larger than this is no such file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Who a container's process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User id as the container sees it.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Home directory, `/` where the passwd file has none.
    pub home: String,
}

/// Resolves `user`, `user:group`, `uid`, `uid:gid` or nothing (root) as Docker does: names and home come
/// from the image, a number need not be listed, and supplementary groups are those that list the user,
/// unless a group was given. `added` are groups that it has in any case.
///
/// # Errors
/// When a name is unknown or a number out of range.
pub fn resolve(spec: &str, added: &[String], files: &Files) -> Result<Identity, Error> {
    let passwd = read(files, "etc/passwd")?;
    let group = read(files, "etc/group")?;
    let mut identity = resolve_in(spec, &passwd, &group)?;
    add_groups(&mut identity, added, &group)?;
    Ok(identity)
}

fn add_groups(identity: &mut Identity, added: &[String], group: &str) -> Result<(), Error> {
    for wanted in added {
        let gid = find_group(wanted, group)?;
        if !identity.groups.contains(&gid) {
            identity.groups.push(gid);
        }
    }
    Ok(())
}

fn read(files: &Files, path: &str) -> Result<String, Error> {
    let data = files.read(std::path::Path::new(path), MAX_FILE)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&data).into_owned())
}

fn resolve_in(spec: &str, passwd: &str, group: &str) -> Result<Identity, Error> {
    let (user, wanted_group) = match spec.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|g| !g.is_empty())),
        None => (spec, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let entry = find_user(user, passwd);
    let (uid, gid, name, home) = match (entry, parse_id(user)?) {
        (Some(entry), _) => (entry.uid, entry.gid, Some(entry.name), entry.home),
        (None, Some(uid)) => (uid, 0, None, "/"),
        (None, None) => return Err(Error::UnknownUser(user.to_string())),
    };
    let home = if home.is_empty() { "/" } else { home }.to_string();
    let (gid, others) = match wanted_group {
        Some(wanted) => (find_group(wanted, group)?, Vec::new()),
        None => (gid, name.map(|name| groups_of(name, group)).unwrap_or_default()),
    };
    // The primary group is one of them: else what a file forbids to that group could be had by a program that changes
    // its primary group.
    let others = others.into_iter().filter(|other| *other != gid);
    Ok(Identity { uid, gid, groups: std::iter::once(gid).chain(others).collect(), home })
}

struct PasswdEntry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

/// A name wins over a number, as in Docker: a user may be called `1000`.
fn find_user<'a>(user: &str, passwd: &'a str) -> Option<PasswdEntry<'a>> {
    let entries = || passwd.lines().filter_map(passwd_entry);
    entries().find(|e| e.name == user).or_else(|| {
        let uid: u32 = user.parse().ok()?;
        entries().find(|e| e.uid == uid)
    })
}

fn passwd_entry(line: &str) -> Option<PasswdEntry<'_>> {
    let fields: Vec<&str> = line.split(':').collect();
    let id = |i: usize| fields.get(i)?.parse().ok();
    Some(PasswdEntry {
        name: fields.first()?,
        uid: id(2)?,
        gid: id(3)?,
        home: fields.get(5).copied().unwrap_or("/"),
    })
}

fn find_group(wanted: &str, group: &str) -> Result<u32, Error> {
    let by_name = group.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(wanted)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    match by_name {
        Some(gid) => Ok(gid),
        None => parse_id(wanted)?.ok_or_else(|| Error::UnknownGroup(wanted.to_string())),
    }
}

fn groups_of(name: &str, group: &str) -> Vec<u32> {
    let gid_if_member = |line: &str| {
        let mut fields = line.split(':').skip(2);
        let gid = fields.next()?.parse().ok()?;
        fields.next()?.split(',').any(|member| member.trim() == name).then_some(gid)
    };
    group.lines().filter_map(gid_if_member).collect()
}

/// A number from 0 to 2^31-1; larger ones are refused rather than wrapped, since 2^32 would be root.
fn parse_id(text: &str) -> Result<Option<u32>, Error> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<i32>() {
        Ok(id) => Ok(u32::try_from(id).ok()),
        Err(_) => Err(Error::InvalidUser(text.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1001:A:/home/alice:/bin/sh\n1000x:x:7:8::/:\nbroken\n";
    const GROUP: &str =
        "root:x:0:\nalice:x:1001:\nwheel:x:10:root,alice\naudio:x:63:bob, alice\nvideo:x:39:\n";

    fn identity(uid: u32, gid: u32, groups: &[u32], home: &str) -> Identity {
        Identity { uid, gid, groups: groups.to_vec(), home: home.into() }
    }

    #[test]
    fn names_numbers_and_groups() {
        let resolve = |spec| resolve_in(spec, PASSWD, GROUP).unwrap();
        assert_eq!(resolve(""), identity(0, 0, &[0, 10], "/root"));
        assert_eq!(resolve("alice"), identity(1000, 1001, &[1001, 10, 63], "/home/alice"));
        assert_eq!(resolve("1000"), identity(1000, 1001, &[1001, 10, 63], "/home/alice"));
        assert_eq!(resolve("alice:video"), identity(1000, 39, &[39], "/home/alice"));
        assert_eq!(resolve("alice:5"), identity(1000, 5, &[5], "/home/alice"));
        assert_eq!(resolve("4242"), identity(4242, 0, &[0], "/"));
    }

    #[test]
    fn groups_are_added_once() {
        let mut alice = resolve_in("alice", PASSWD, GROUP).unwrap();
        let added = ["wheel", "video", "4242"].map(str::to_string);
        add_groups(&mut alice, &added, GROUP).unwrap();
        assert_eq!(alice.groups, [1001, 10, 63, 39, 4242]);
        assert!(add_groups(&mut alice, &["nogroup".to_string()], GROUP).is_err());
    }

    #[test]
    fn unknown_names_and_ids_that_would_wrap_are_refused() {
        for spec in ["nobodyhere", "alice:nogroup", "2147483648", "4294967296", "0:4294967296", "-1"] {
            assert!(resolve_in(spec, PASSWD, GROUP).is_err(), "{spec}");
        }
    }
}
