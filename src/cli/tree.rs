//! Paths as a tree.

use std::collections::BTreeMap;
use std::path::{Component, Path};

/// A directory, or what stands at a path.
#[derive(Debug, Default)]
pub struct Tree {
    label: Option<String>,
    children: BTreeMap<String, Tree>,
}

impl Tree {
    /// Adds a path; `label` stands before its name.
    pub fn add(&mut self, path: &Path, label: String) {
        let names = path.components().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        });
        let node = names.fold(self, |node, name| node.children.entry(name).or_default());
        node.label = Some(label);
    }

    /// Its lines, with `name` at the top.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let mut lines = vec![format!("{}{name}", self.prefix())];
        self.below("", &mut lines);
        lines
    }

    fn prefix(&self) -> String {
        self.label.as_ref().map(|label| format!("{label} ")).unwrap_or_default()
    }

    fn below(&self, indent: &str, lines: &mut Vec<String>) {
        let last = self.children.len().saturating_sub(1);
        for (index, (name, child)) in self.children.iter().enumerate() {
            let (branch, trunk) =
                if index == last { ("└── ", "    ") } else { ("├── ", "│   ") };
            lines.push(format!("{indent}{branch}{}{name}", child.prefix()));
            child.below(&format!("{indent}{trunk}"), lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_share_their_directories() {
        let mut tree = Tree::default();
        tree.add(Path::new("/etc/motd"), "A".to_string());
        tree.add(Path::new("/etc"), "C".to_string());
        tree.add(Path::new("/bin/true"), "D".to_string());
        let expected = ["/", "├── bin", "│   └── D true", "└── C etc", "    └── A motd"];
        assert_eq!(tree.lines("/"), expected);
    }
}
