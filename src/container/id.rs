//! Ids and names of containers.

use std::io;

use super::error::Error;

const ADJECTIVES: [&str; 48] = [
    "agile", "amber", "bold", "brave", "bright", "brisk", "calm", "civil", "clear", "clever", "cosy",
    "crisp", "eager", "early", "exact", "fair", "fleet", "fond", "fresh", "gentle", "glad", "grand", "happy",
    "hardy", "honest", "jolly", "keen", "kind", "light", "lively", "loyal", "lucid", "mellow", "merry",
    "neat", "noble", "patient", "plain", "polite", "proud", "quick", "quiet", "ready", "sharp", "steady",
    "sunny", "tidy", "warm",
];

const NOUNS: [&str; 48] = [
    "acorn", "alder", "anchor", "aspen", "badger", "beacon", "birch", "bison", "bridge", "brook", "cedar",
    "cliff", "comet", "crane", "delta", "eagle", "falcon", "fern", "finch", "fjord", "gannet", "grove",
    "harbor", "heron", "island", "kestrel", "lagoon", "lantern", "lark", "maple", "marten", "meadow",
    "orchard", "osprey", "otter", "pebble", "pine", "plover", "prairie", "raven", "reef", "robin", "sparrow",
    "spruce", "summit", "thistle", "willow", "wren",
];

/// A new id: 32 random bytes in hexadecimal.
pub fn new_id() -> Result<String, Error> {
    let mut bytes = [0u8; 32];
    fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}

/// A name for a container that was given none, such as `keen_heron`; `attempt` beyond 0 adds a number.
pub fn generated_name(attempt: u32) -> Result<String, Error> {
    let mut bytes = [0u8; 4];
    fill(&mut bytes)?;
    let adjective = ADJECTIVES[usize::from(bytes[0]) % ADJECTIVES.len()];
    let noun = NOUNS[usize::from(bytes[1]) % NOUNS.len()];
    match attempt {
        0 => Ok(format!("{adjective}_{noun}")),
        _ => Ok(format!("{adjective}_{noun}{}", u16::from_le_bytes([bytes[2], bytes[3]]))),
    }
}

/// Checks a name as Docker does: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
pub fn check_name(name: &str) -> Result<(), Error> {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
    let rest = bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if first && rest && name.len() > 1 && name.len() <= 128 {
        Ok(())
    } else {
        Err(Error::InvalidName(name.to_string()))
    }
}

fn fill(buffer: &mut [u8]) -> Result<(), Error> {
    let mut done = 0;
    while done < buffer.len() {
        let flags = rustix::rand::GetRandomFlags::empty();
        done += rustix::rand::getrandom(&mut buffer[done..], flags)
            .map_err(|e| Error::System("get random bytes", io::Error::from(e)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_dockers_rule() {
        for good in ["ab", "a1_.-", "9lives"] {
            check_name(good).unwrap();
        }
        for bad in ["", "a", "-ab", "a/b", "a b", "../x", "ä1"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_are_long_and_differ() {
        let (a, b) = (new_id().unwrap(), new_id().unwrap());
        assert_eq!(a.len(), 64);
        assert_ne!(a, b);
    }
}
