//! The keys by which somebody leaves a container that goes on (`--detach-keys`).

use super::error::Error;

/// What is typed to detach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachKeys(Vec<u8>);

impl Default for DetachKeys {
    /// Ctrl-P, Ctrl-Q.
    fn default() -> Self {
        DetachKeys(vec![0x10, 0x11])
    }
}

impl DetachKeys {
    /// Reads `ctrl-p,ctrl-q`: characters, or `ctrl-` and one of `a` to `z`, `@`, `[`, `\`, `]`, `^`, `_`. Nothing at all means
    /// that there is no way out.
    ///
    /// # Errors
    /// [`Error::Flag`].
    pub fn parse(text: &str) -> Result<DetachKeys, Error> {
        if text.is_empty() {
            return Ok(DetachKeys(Vec::new()));
        }
        let bad = |key: &str| Error::Flag {
            flag: "--detach-keys",
            value: text.to_string(),
            reason: format!("'{key}' is neither a character nor ctrl- and a letter, @, [, \\, ], ^ or _"),
        };
        let key = |key: &str| match (key.as_bytes(), key.strip_prefix("ctrl-").map(str::as_bytes)) {
            ([byte], _) => Ok(*byte),
            (_, Some([byte @ (b'a'..=b'z')])) => Ok(byte - b'a' + 1),
            (_, Some([byte @ (b'@' | b'[' | b'\\' | b']' | b'^' | b'_')])) => Ok(byte - b'@'),
            _ => Err(bad(key)),
        };
        text.split(',').map(key).collect::<Result<_, _>>().map(DetachKeys)
    }

    /// Looks for the keys in what is typed from now on.
    pub(super) fn reader(&self) -> Typed {
        Typed { keys: self.0.clone(), matched: 0 }
    }
}

/// What was typed so far.
#[derive(Debug)]
pub(super) struct Typed {
    keys: Vec<u8>,
    matched: usize,
}

impl Typed {
    /// What is to be passed on of what was typed, and whether the keys were complete. The beginning of the keys is held back
    /// until something else is typed.
    pub fn take(&mut self, data: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::with_capacity(data.len());
        for byte in data {
            if self.keys.get(self.matched) == Some(byte) {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    return (out, true);
                }
                continue;
            }
            out.extend_from_slice(&self.keys[..self.matched]);
            self.matched = usize::from(self.keys.first() == Some(byte));
            if self.matched == 0 {
                out.push(*byte);
            }
        }
        (out, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_docker_reads_them() {
        assert_eq!(DetachKeys::parse("ctrl-p,ctrl-q").unwrap(), DetachKeys::default());
        assert_eq!(DetachKeys::parse("a,ctrl-\\").unwrap(), DetachKeys(vec![b'a', 0x1c]));
        for text in ["ctrl-P", "ctrl-", "abc", "a,,b", "ctrl-1"] {
            assert!(DetachKeys::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_only_begins_like_the_keys_is_passed_on() {
        let mut typed = DetachKeys::default().reader();
        assert_eq!(typed.take(b"a\x10"), (b"a".to_vec(), false));
        assert_eq!(typed.take(b"b\x10\x10"), (b"\x10b\x10".to_vec(), false));
        assert_eq!(typed.take(b"\x11rest"), (Vec::new(), true));
        let mut none = DetachKeys::parse("").unwrap().reader();
        assert_eq!(none.take(b"\x10\x11"), (b"\x10\x11".to_vec(), false));
    }
}
