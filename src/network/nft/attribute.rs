//! Netlink attributes: length, type, value, padding to four bytes.

/// Mark of an attribute that holds others.
const NESTED: u16 = 0x8000;
/// Bytes of an attribute's head.
const HEAD: usize = 4;

/// A growing message body.
#[derive(Debug, Default)]
pub struct Body(pub Vec<u8>);

impl Body {
    /// Adds an attribute.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.0.extend(((HEAD + value.len()) as u16).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.pad();
    }

    /// Adds text, with the zero byte at its end.
    pub fn string(&mut self, kind: u16, value: &str) {
        self.bytes(kind, &[value.as_bytes(), &[0]].concat());
    }

    /// Adds a number in network order, as nf_tables has all of its own numbers.
    pub fn number(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// Adds an attribute that holds what `fill` adds.
    pub fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Body)) {
        let start = self.0.len();
        self.0.extend([0; HEAD]);
        fill(self);
        let length = (self.0.len() - start) as u16;
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.0[start + 2..start + 4].copy_from_slice(&(kind | NESTED).to_ne_bytes());
        self.pad();
    }

    fn pad(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_nested_lengths_are_right() {
        let mut body = Body::default();
        body.nested(1, |b| b.string(2, "ab"));
        let mut expected = vec![12, 0, 1, 0x80, 7, 0, 2, 0];
        expected.extend(b"ab\0\0");
        if cfg!(target_endian = "little") {
            assert_eq!(body.0, expected);
        }
    }
}
