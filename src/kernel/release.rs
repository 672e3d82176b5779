//! Which Linux this is (`uname(2)`).

/// Major and minor number of the kernel that runs, where its release says so.
pub fn version() -> Option<(u32, u32)> {
    parse(&text())
}

/// The kernel's release, as `uname -r` prints it.
pub fn text() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// The same of a release that is given, such as `6.1.0-18-amd64`.
pub fn parse(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_numbers() {
        assert_eq!(parse("6.18.44-fc-v669"), Some((6, 18)));
        assert_eq!(parse("6.1.0-13-cloud-amd64"), Some((6, 1)));
        assert_eq!(parse("7.0-rc1"), Some((7, 0)));
        assert_eq!(parse("unknown"), None);
        assert!(parse("6.9.1") < parse("6.12.0") && parse("10.0") > parse("6.12"));
    }
}
