//! `RUN --mount=…`.

use super::Word;
use super::suggest::nearest;
use MountKind::{Bind, Cache, Secret, Ssh, Tmpfs};

/// What a mount shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MountKind {
    /// Files of the context, a stage or an image.
    #[default]
    Bind,
    /// A directory that outlives the build.
    Cache,
    /// Memory.
    Tmpfs,
    /// A secret as a file or a variable.
    Secret,
    /// The socket of an SSH agent.
    Ssh,
}

/// How builds that run at once share a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// All write to it.
    #[default]
    Shared,
    /// Each has one of its own.
    Private,
    /// One waits for the other.
    Locked,
}

/// A mount as written: its values may hold variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountRequest {
    /// The options in their order.
    pub options: Vec<MountOption>,
}

/// One option of a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountOption {
    /// Its name in lowercase.
    pub key: String,
    /// What stands behind the `=`, if there is one.
    pub value: Option<Word>,
}

/// A mount with the values of its options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// What it shows.
    pub kind: MountKind,
    /// Where; a relative path is meant from the working directory. Only secrets and SSH sockets can do without.
    pub target: Option<String>,
    /// The path in [`Self::from`].
    pub source: Option<String>,
    /// A stage, its number or an image; the build context if there is none (a bind) or an empty directory (a cache).
    pub from: Option<String>,
    /// Whether it cannot be written. Binds are so unless they say `rw`.
    pub read_only: bool,
    /// Whether the build fails without the secret or the agent.
    pub required: bool,
    /// The name of the cache, secret or agent.
    pub id: Option<String>,
    /// How a cache is shared.
    pub sharing: Sharing,
    /// The most that a tmpfs holds, in bytes.
    pub size: Option<u64>,
    /// Permission bits of the cache, secret or socket.
    pub mode: Option<u32>,
    /// Its owner.
    pub uid: Option<u32>,
    /// Its group.
    pub gid: Option<u32>,
    /// The variable that holds the secret.
    pub env: Option<String>,
}

/// What is wrong with a mount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MountProblem {
    /// No such type.
    #[error("unknown type \"{0}\": bind, cache, tmpfs, secret or ssh")]
    Kind(String),
    /// No such option.
    #[error("unknown option \"{key}\"{}", .nearest.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default())]
    Key {
        /// As written.
        key: String,
        /// What may have been meant.
        nearest: Option<&'static str>,
    },
    /// The option belongs to another type.
    #[error("a mount of type {kind} has no option \"{key}\"")]
    Foreign {
        /// The option.
        key: String,
        /// The type.
        kind: &'static str,
    },
    /// A value that the option cannot have.
    #[error("{key} needs {wanted}")]
    Value {
        /// The option.
        key: String,
        /// What it takes.
        wanted: &'static str,
    },
    /// An option that the type needs.
    #[error("a mount of type {kind} needs {wanted}")]
    Missing {
        /// The type.
        kind: &'static str,
        /// What is missing.
        wanted: &'static str,
    },
    /// `from` takes no variables, because stages are ordered before anything runs.
    #[error("from cannot hold variables")]
    Variable,
    /// Quotes that are no CSV.
    #[error("a quote is out of place")]
    Quote,
}

const ALL: &[MountKind] = &[Bind, Cache, Tmpfs, Secret, Ssh];
const OWNED: &[MountKind] = &[Cache, Secret, Ssh];

/// All options and the types that have them.
const KEYS: &[(&str, &[MountKind])] = &[
    ("type", ALL),
    ("target", ALL),
    ("dst", ALL),
    ("destination", ALL),
    ("source", &[Bind, Cache, Secret]),
    ("src", &[Bind, Cache, Secret]),
    ("from", &[Bind, Cache]),
    ("readonly", ALL),
    ("ro", ALL),
    ("readwrite", ALL),
    ("rw", ALL),
    ("id", OWNED),
    ("sharing", &[Cache]),
    ("required", &[Secret, Ssh]),
    ("size", &[Tmpfs]),
    ("mode", OWNED),
    ("uid", OWNED),
    ("gid", OWNED),
    ("env", &[Secret]),
];

impl MountKind {
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Bind => "bind",
            Cache => "cache",
            Tmpfs => "tmpfs",
            Secret => "secret",
            Ssh => "ssh",
        }
    }
}

impl MountRequest {
    /// Reads the value of `--mount`. Whatever holds no variable is checked.
    pub(super) fn parse(text: &str) -> Result<Self, MountProblem> {
        let mut options = Vec::new();
        for field in fields(text)? {
            let (key, value) = match field.split_once('=') {
                Some((key, value)) => (key.to_lowercase(), Some(Word::new(value))),
                None => (field.to_lowercase(), None),
            };
            let names = KEYS.iter().map(|&(name, _)| name);
            if !names.clone().any(|name| name == key) {
                return Err(MountProblem::Key { nearest: nearest(&key, names), key });
            }
            if key == "from" && value.as_ref().is_some_and(Word::has_variables) {
                return Err(MountProblem::Variable);
            }
            options.push(MountOption { key, value });
        }
        let request = Self { options };
        let plain = |word: &Word| word.as_str().find(['$', '\'', '"', '\\', '`']).is_none();
        if request.options.iter().all(|option| option.value.as_ref().is_none_or(plain)) {
            request.resolve(|word| word.as_str().to_owned())?;
        }
        Ok(request)
    }

    /// The stage, its number or the image that it takes files from.
    pub fn from(&self) -> Option<&str> {
        self.options
            .iter()
            .rfind(|option| option.key == "from")
            .and_then(|option| option.value.as_ref())
            .map(Word::as_str)
    }

    /// Its type, if that holds no variable.
    pub fn kind(&self) -> Option<MountKind> {
        match self
            .options
            .iter()
            .rfind(|option| option.key == "type")
            .and_then(|option| option.value.as_ref())
        {
            Some(word) => kind(word.as_str().to_owned()).ok(),
            None => Some(Bind),
        }
    }

    /// The mount with the values that `value` gives for the words.
    ///
    /// # Errors
    /// If an option has a value that it cannot have, or does not go with the type.
    pub fn resolve(&self, value: impl Fn(&Word) -> String) -> Result<Mount, MountProblem> {
        let mut mount = Mount::default();
        let mut read_only = None;
        for option in &self.options {
            set(&mut mount, &mut read_only, &option.key, option.value.as_ref().map(&value))?;
        }
        mount.read_only = read_only.unwrap_or(mount.kind == Bind);
        let foreign = |option: &&MountOption| {
            !KEYS.iter().any(|(name, kinds)| *name == option.key && kinds.contains(&mount.kind))
        };
        if let Some(option) = self.options.iter().find(foreign) {
            return Err(MountProblem::Foreign { key: option.key.clone(), kind: mount.kind.name() });
        }
        complete(mount)
    }
}

/// Checks that nothing is missing. A secret's source is another name for its id.
fn complete(mut mount: Mount) -> Result<Mount, MountProblem> {
    let missing = |kind: MountKind, wanted| Err(MountProblem::Missing { kind: kind.name(), wanted });
    match mount.kind {
        Bind | Cache | Tmpfs if mount.target.as_deref().unwrap_or_default().is_empty() => {
            return missing(mount.kind, "a target");
        }
        Secret => {
            if mount.source.is_some() && mount.id.is_some() {
                return missing(Secret, "either id or source, not both");
            }
            mount.id = mount.id.or(mount.source.take());
            if mount.id.is_none() && mount.target.is_none() {
                return missing(Secret, "an id or a target");
            }
        }
        _ => {}
    }
    Ok(mount)
}

/// Takes one option in.
fn set(
    mount: &mut Mount,
    read_only: &mut Option<bool>,
    key: &str,
    value: Option<String>,
) -> Result<(), MountProblem> {
    let problem = |wanted| MountProblem::Value { key: key.to_owned(), wanted };
    // These may stand alone.
    let flag = value.as_deref().map_or(Some(true), parse_bool).ok_or_else(|| problem("true or false"));
    match key {
        "readonly" | "ro" => *read_only = Some(flag?),
        "readwrite" | "rw" => *read_only = Some(!flag?),
        "required" => mount.required = flag?,
        _ => {
            let value = value.ok_or_else(|| problem("a value"))?;
            match key {
                "type" => mount.kind = kind(value)?,
                "target" | "dst" | "destination" => mount.target = Some(value),
                "source" | "src" => mount.source = Some(value),
                "from" => mount.from = Some(value),
                "id" => mount.id = Some(value),
                "env" => mount.env = Some(value),
                "sharing" => {
                    mount.sharing = match value.to_lowercase().as_str() {
                        "shared" => Sharing::Shared,
                        "private" => Sharing::Private,
                        "locked" => Sharing::Locked,
                        _ => return Err(problem("shared, private or locked")),
                    }
                }
                "size" => mount.size = Some(parse_size(&value).ok_or_else(|| problem("a size such as 64m"))?),
                "mode" => {
                    let mode = u32::from_str_radix(&value, 8).ok();
                    mount.mode = Some(mode.ok_or_else(|| problem("an octal number such as 0755"))?);
                }
                "uid" => mount.uid = Some(value.parse().map_err(|_| problem("a number"))?),
                _ => mount.gid = Some(value.parse().map_err(|_| problem("a number"))?),
            }
        }
    }
    Ok(())
}

fn kind(name: String) -> Result<MountKind, MountProblem> {
    let found = ALL.iter().find(|kind| kind.name() == name.to_lowercase());
    found.copied().ok_or(MountProblem::Kind(name))
}

/// What Go's `strconv.ParseBool` takes.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Bytes, with a binary suffix: `512`, `64m`, `1.5GiB`.
fn parse_size(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let end = lower.find(|ch: char| !ch.is_ascii_digit() && ch != '.').unwrap_or(lower.len());
    let (number, suffix) = lower.split_at(end);
    let suffix = suffix.trim_start();
    let unit = suffix.strip_suffix("ib").or(suffix.strip_suffix('b')).unwrap_or(suffix);
    let power = ["", "k", "m", "g", "t", "p"].iter().position(|name| *name == unit)?;
    let bytes = number.parse::<f64>().ok()? * 1024_f64.powi(i32::try_from(power).ok()?);
    // Sizes beyond 2^53 bytes are no memory of any machine.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the bounds are checked")]
    (0.0..9_007_199_254_740_992.0).contains(&bytes).then_some(bytes as u64)
}

/// The fields of one line of CSV (RFC 4180).
fn fields(text: &str) -> Result<Vec<String>, MountProblem> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, next) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_field(quoted)?
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (field, next) = rest.split_at(end);
            if field.contains('"') {
                return Err(MountProblem::Quote);
            }
            (field.to_owned(), next)
        };
        fields.push(field);
        match next.strip_prefix(',') {
            Some(next) => rest = next,
            None if next.is_empty() => return Ok(fields),
            None => return Err(MountProblem::Quote),
        }
    }
}

/// A field behind its opening quote, and what follows its closing one. A doubled quote is a quote.
fn quoted_field(text: &str) -> Result<(String, &str), MountProblem> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, next) = rest.split_once('"').ok_or(MountProblem::Quote)?;
        field.push_str(part);
        let Some(next) = next.strip_prefix('"') else { return Ok((field, next)) };
        field.push('"');
        rest = next;
    }
}
