//! `--chmod`: octal or symbolic (chmod(1)).

/// A change of permission bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chmod(Vec<Clause>);

/// `who`, what to do, and which bits: `u=rwX`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Clause {
    /// Bits of those who are meant.
    who: u32,
    operation: char,
    /// `r`, `w`, `x` for all.
    bits: u32,
    /// `X`: `x` where it is a directory or someone may execute it already.
    execute_if: bool,
}

impl Chmod {
    /// Reads `0755`, `u=rwx,go=rx`, `+x`, …; none if it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.is_empty() && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
            let bits = u32::from_str_radix(text, 8).ok().filter(|bits| *bits <= 0o7777)?;
            return Some(Self(vec![Clause { who: 0o7777, operation: '=', bits, execute_if: false }]));
        }
        text.split(',').map(clauses).collect::<Option<Vec<_>>>().map(|lists| Self(lists.concat()))
    }

    /// The bits that something with these bits gets.
    pub fn apply(&self, mode: u32, is_directory: bool) -> u32 {
        self.0.iter().fold(mode, |mode, clause| {
            let mut bits = clause.bits;
            if clause.execute_if && (is_directory || mode & 0o111 != 0) {
                bits |= 0o111;
            }
            let bits = bits & clause.who;
            match clause.operation {
                '+' => mode | bits,
                '-' => mode & !bits,
                // A directory keeps its set-id bits unless they are named.
                _ => (mode & !clause.who) | bits,
            }
        })
    }
}

/// One who-list with one or more operations: `ug+r-w`.
fn clauses(text: &str) -> Option<Vec<Clause>> {
    let start = text.find(['+', '-', '='])?;
    let (who, mut rest) = text.split_at(start);
    let mut mask = 0;
    for letter in who.chars() {
        mask |= match letter {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => return None,
        };
    }
    let mask = if who.is_empty() { 0o7777 } else { mask };
    let mut list = Vec::new();
    while let Some(operation) = rest.chars().next() {
        let end = rest[1..].find(['+', '-', '=']).map_or(rest.len(), |at| at + 1);
        let mut clause = Clause { who: mask, operation, bits: 0, execute_if: false };
        for letter in rest[1..end].chars() {
            match letter {
                'r' => clause.bits |= 0o444,
                'w' => clause.bits |= 0o222,
                'x' => clause.bits |= 0o111,
                's' => clause.bits |= 0o6000,
                't' => clause.bits |= 0o1000,
                'X' => clause.execute_if = true,
                _ => return None,
            }
        }
        list.push(clause);
        rest = &rest[end..];
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values: chmod(1) of GNU coreutils on a file of mode 0640 and a directory of mode 0750.
    #[test]
    fn octal_and_symbolic() {
        for (text, file, directory) in [
            ("755", 0o755, 0o755),
            ("04711", 0o4711, 0o4711),
            ("u=rwx,go=rx", 0o755, 0o755),
            ("a+x", 0o751, 0o751),
            ("+x", 0o751, 0o751),
            ("go-r", 0o600, 0o710),
            ("u=rwX,go=rX", 0o644, 0o755),
            ("g+s", 0o2640, 0o2750),
            ("o=", 0o640, 0o750),
            ("ug+rw-x", 0o660, 0o660),
        ] {
            let chmod = Chmod::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((chmod.apply(0o640, false), chmod.apply(0o750, true)), (file, directory), "{text}");
        }
    }

    #[test]
    fn what_is_no_mode() {
        for text in ["", "9", "77777", "x", "u", "u=q", "z+r", "755,"] {
            assert!(Chmod::parse(text).is_none(), "{text}");
        }
    }
}
