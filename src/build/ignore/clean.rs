//! Paths in their shortest form.

/// The path without `.`, `..` where they can be resolved, doubled slashes, and slashes at both ends; `.` if nothing is
/// left. `None` for an empty text.
pub(in crate::build) fn clean(path: &str) -> Option<String> {
    if path.is_empty() {
        return None;
    }
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|&last| last != "..") => {
                parts.pop();
            }
            // The root is its own parent.
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return Some(if rooted { "/" } else { "." }.to_owned());
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are those of Go's `filepath.Clean`, without the slash that Docker takes from the start.
    #[test]
    fn paths_are_made_short() {
        for (path, expected) in [
            ("a/b", "a/b"),
            ("/a/b/", "a/b"),
            ("./a//b/.", "a/b"),
            ("a/../b", "b"),
            ("a/..", "."),
            ("../a", "../a"),
            ("a/../../b", "../b"),
            ("/../a", "a"),
            ("/", "/"),
            ("**/", "**"),
        ] {
            assert_eq!(clean(path).as_deref(), Some(expected), "{path}");
        }
        assert_eq!(clean(""), None);
    }
}
