//! What the result of a step depends on.

use lay_store::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::build::copy::Summary;

/// Up to so many files are remembered one by one, to tell later which of them changed.
const MAX_FILES: usize = 4096;

/// Names and values, in an order that is always the same. Values that might be confidential are digests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// What counts.
    pub list: Vec<(String, String)>,
    /// What says the same of the content, and is known sooner.
    alias: Vec<(String, String)>,
    /// Files one by one, for explanations.
    pub files: Vec<(String, String)>,
    /// The root below does not matter.
    linked: bool,
}

impl Inputs {
    /// An instruction and its arguments.
    pub fn new(instruction: &str, text: &str) -> Self {
        let mut inputs = Self::default();
        inputs.add("instruction", &format!("{instruction} {text}"));
        inputs
    }

    /// Adds a value.
    pub fn add(&mut self, name: &str, value: &str) {
        self.list.push((name.to_owned(), value.to_owned()));
    }

    /// Adds a value that is kept as a digest only.
    pub fn secret_free(&mut self, name: &str, value: &str) {
        self.add(name, &Digest::of(value.as_bytes()).to_string());
    }

    /// Says that the root below does not matter (`--link`).
    pub fn link(&mut self) {
        self.linked = true;
    }

    /// Whether the root below does not matter.
    pub fn is_linked(&self) -> bool {
        self.linked
    }

    /// Says the same as what [`Inputs::content`] will say.
    pub fn alias(&mut self, name: &str, value: &str) {
        self.alias = self.list.clone();
        self.alias.push((name.to_owned(), value.to_owned()));
    }

    /// Adds what is copied.
    pub fn content(&mut self, summary: &Summary) {
        self.add("files", &summary.digest().to_string());
        if summary.entries.len() <= MAX_FILES {
            let short = |digest: &Digest| digest.hex().chars().take(12).collect();
            let named = summary.names.iter().zip(&summary.entries);
            self.files = named.map(|(name, (_, digest))| (name.clone(), short(digest))).collect();
        }
    }

    /// What identifies the result on a root.
    pub fn key(&self, chain: Digest) -> Digest {
        key(chain, &self.list)
    }

    /// Another key for the same result.
    pub fn alias_key(&self, chain: Digest) -> Option<Digest> {
        (!self.alias.is_empty()).then(|| key(chain, &self.alias))
    }

    /// What all results of the same instruction have in common, whatever files they read.
    pub fn weak(&self) -> Digest {
        key(Digest::of(b""), &self.list[..self.list.len().min(1)])
    }
}

fn key(chain: Digest, list: &[(String, String)]) -> Digest {
    let mut hash = Sha256::new();
    hash.update(chain.to_string());
    for (name, value) in list {
        // Lengths, so that nothing of one can pass for a part of another.
        for text in [name, value] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
    }
    Digest::from_bytes(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_and_the_root_count() {
        let base = || {
            let mut inputs = Inputs::new("RUN", "make");
            inputs.add("user", "root");
            inputs
        };
        let chain = Digest::of(b"chain");
        let key = base().key(chain);
        assert_eq!(base().key(chain), key);
        assert_ne!(base().key(Digest::of(b"other")), key);
        let mut more = base();
        more.secret_free("variable A", "1");
        assert_ne!(more.key(chain), key);
        assert!(!format!("{more:?}").contains("\"1\""), "values of variables are not kept");
        let joined = Inputs::new("RUN", "makeuser");
        assert_ne!(joined.key(chain), key);
    }
}
