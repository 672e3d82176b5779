//! Names that look like secrets.

/// Parts of names that tell of a secret.
const SECRETS: [&str; 11] = [
    "apikey",
    "auth",
    "credential",
    "credentials",
    "key",
    "password",
    "pword",
    "passwd",
    "pwd",
    "secret",
    "token",
];

/// Whether a variable's name looks like that of a secret: one of its parts between `_` does, and none says `public`.
pub(super) fn looks_secret(name: &str) -> bool {
    let is = |part: &str, word: &str| part.eq_ignore_ascii_case(word);
    let secret = |part: &str| SECRETS.iter().any(|word| is(part, word));
    name.split('_').any(secret) && !name.split('_').any(|part| is(part, "public"))
}
