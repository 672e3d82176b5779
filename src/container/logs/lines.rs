//! Pieces of a stream to lines.

/// Longest piece of one line in one entry, in bytes; longer lines are split as Docker splits them.
pub const MAX_PIECE: usize = 16 * 1024;

/// The unfinished line of one stream.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// Gives every line that `data` completes to `entry`, with its end; of a line that is too long, parts without one.
    pub fn take(&mut self, mut data: &[u8], entry: &mut impl FnMut(&[u8])) {
        if !self.pending.is_empty() {
            let Some(end) = memchr::memchr(b'\n', data) else {
                self.pending.extend_from_slice(data);
                return self.shorten(entry);
            };
            let (rest_of_line, rest) = data.split_at(end + 1);
            self.pending.extend_from_slice(rest_of_line);
            self.end(entry);
            data = rest;
        }
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', data) {
            pieces(&data[start..=end], entry);
            start = end + 1;
        }
        self.pending.extend_from_slice(&data[start..]);
        self.shorten(entry);
    }

    /// Gives what is left of an unfinished line.
    pub fn end(&mut self, entry: &mut impl FnMut(&[u8])) {
        pieces(&self.pending, entry);
        self.pending.clear();
    }

    /// An endless line is not kept in memory.
    fn shorten(&mut self, entry: &mut impl FnMut(&[u8])) {
        while self.pending.len() >= MAX_PIECE {
            let cut = cut(&self.pending);
            entry(&self.pending[..cut]);
            self.pending.drain(..cut);
        }
    }
}

fn pieces(mut line: &[u8], entry: &mut impl FnMut(&[u8])) {
    while line.len() > MAX_PIECE {
        let (piece, rest) = line.split_at(cut(line));
        entry(piece);
        line = rest;
    }
    if !line.is_empty() {
        entry(line);
    }
}

/// Where a line that is too long is split: not within a character.
fn cut(line: &[u8]) -> usize {
    let continues = |at: &usize| line.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    // A character has at most four bytes; what is no UTF-8 is split anywhere.
    (MAX_PIECE - 3..=MAX_PIECE).rev().find(|at| !continues(at)).unwrap_or(MAX_PIECE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(reads: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut lines, mut all) = (Lines::default(), Vec::new());
        for data in reads {
            lines.take(data, &mut |piece| all.push(piece.to_vec()));
        }
        lines.end(&mut |piece| all.push(piece.to_vec()));
        all
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        let expected = [&b"one\n"[..], b"two\n", b"\n", b"end"];
        assert_eq!(split(&[b"one\ntw", b"o\n", b"\ne", b"nd"]), expected);
        assert_eq!(split(&[b"one\ntwo\n\nend"]), expected);
    }

    #[test]
    fn a_long_line_is_split_between_characters() {
        let long = "ä".repeat(MAX_PIECE) + "x\n";
        let pieces = split(&[&b"z"[..], long.as_bytes()]);
        assert_eq!(pieces.concat(), format!("z{long}").as_bytes());
        assert!(pieces.iter().all(|piece| piece.len() <= MAX_PIECE && std::str::from_utf8(piece).is_ok()));
    }

    proptest! {
        #[test]
        fn no_byte_is_lost(reads in prop::collection::vec(prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..40_000), 0..6)) {
            let reads: Vec<&[u8]> = reads.iter().map(Vec::as_slice).collect();
            let pieces = split(&reads);
            prop_assert_eq!(pieces.concat(), reads.concat());
            prop_assert!(pieces.iter().all(|p| p.len() <= MAX_PIECE && !p[..p.len() - 1].contains(&b'\n')));
        }
    }
}
