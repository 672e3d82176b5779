//! Text of a log entry as a JSON string, byte for byte as Docker writes it: what HTML could mistake is escaped too, and what is
//! no UTF-8 becomes U+FFFD, byte by byte.

/// Bytes that do not stand for themselves; of those above 0x7f only the first one of U+2028 and U+2029.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    let others = [b'"', b'\\', b'<', b'>', b'&', 0xe2];
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

/// Appends the content of a JSON string, without its quotes.
pub fn escape(out: &mut Vec<u8>, piece: &[u8]) {
    for chunk in piece.utf8_chunks() {
        escape_text(out, chunk.valid().as_bytes());
        chunk.invalid().iter().for_each(|_| out.extend_from_slice(b"\\ufffd"));
    }
}

fn escape_text(out: &mut Vec<u8>, mut text: &[u8]) {
    while let Some(at) = text.iter().position(|byte| SPECIAL[*byte as usize]) {
        out.extend_from_slice(&text[..at]);
        let byte = text[at];
        let mut length = 1;
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0xe2 => match text.get(at + 1..at + 3) {
                Some([0x80, last @ (0xa8 | 0xa9)]) => {
                    out.extend_from_slice(if *last == 0xa8 { b"\\u2028" } else { b"\\u2029" });
                    length = 3;
                }
                _ => out.push(byte),
            },
            _ => {
                let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
            }
        }
        text = &text[at + length..];
    }
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn escaped(piece: &[u8]) -> String {
        let mut out = Vec::new();
        escape(&mut out, piece);
        String::from_utf8(out).unwrap()
    }

    /// Expected: lines of a json-file log of Docker 20.10.
    #[test]
    fn as_docker_escapes() {
        assert_eq!(
            escaped(b"a\tb\"c\\d<e>&\x01\x7f\r\n"),
            "a\\u0009b\\\"c\\\\d\\u003ce\\u003e\\u0026\\u0001\x7f\\r\\n"
        );
        assert_eq!(escaped("ä€\u{2028}x\u{2029}".as_bytes()), "ä€\\u2028x\\u2029");
        assert_eq!(escaped(b"\xff\xe2\x82x"), "\\ufffd\\ufffd\\ufffdx");
    }

    proptest! {
        #[test]
        fn a_reader_gets_the_same_text(text in ".*") {
            let read: String = serde_json::from_str(&format!("\"{}\"", escaped(text.as_bytes()))).unwrap();
            prop_assert_eq!(read, text);
        }
    }
}
