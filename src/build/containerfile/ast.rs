//! What a Containerfile says, typed.

use std::time::Duration;

use super::{Heredoc, MountRequest, Span};
use crate::build::expand::{ExpandError, Expander, Expansion, Variables};

/// A word as written, with its quotes, escapes and variables.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Word(String);

impl Word {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is something that may be a variable.
    pub fn has_variables(&self) -> bool {
        self.0.contains('$')
    }

    /// Replaces variables and removes quotes; `escape` is the file's escape character.
    ///
    /// # Errors
    /// If a `${name:?}` finds its variable unset, or the result gets too long.
    pub fn expand(&self, escape: char, variables: &dyn Variables) -> Result<Expansion, ExpandError> {
        Expander::new(escape).expand(&self.0, variables)
    }
}

/// Where an instruction stands and what it looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The name of the instruction as written.
    pub keyword: String,
    /// The instruction with continued lines joined, without comments and here-documents: as history shows it.
    pub line: String,
    /// From its first line to its last.
    pub span: Span,
    /// The first empty line among those that continue it, which will be an error some day.
    pub empty_line: Option<usize>,
}

/// An instruction inside a stage, or an `ARG` before all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What it asks for.
    pub kind: Kind,
    /// How it is written.
    pub text: Text,
}

/// A stage: `FROM` and what follows up to the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its `FROM`.
    pub from: From,
    /// How its `FROM` is written.
    pub text: Text,
    /// Its instructions.
    pub instructions: Vec<Instruction>,
}

/// `FROM [--platform=…] image [AS name]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From {
    /// The image, an earlier stage or `scratch`.
    pub image: Word,
    /// The platform to take it for, such as `linux/arm64`.
    pub platform: Option<Word>,
    /// The stage's name as written; names are alike whatever their case.
    pub name: Option<String>,
    /// The word `AS` as written.
    pub as_keyword: Option<String>,
}

/// What an instruction asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `ADD`.
    Add(Add),
    /// `ARG`: declares variables of the build.
    Arg(Vec<Arg>),
    /// `CMD`: the default command, or arguments of the entry point.
    Cmd(CommandLine),
    /// `COPY`.
    Copy(Copy),
    /// `ENTRYPOINT`.
    Entrypoint(CommandLine),
    /// `ENV`: variables of the build and the containers.
    Env(Pairs),
    /// `EXPOSE`: each word may become several, each of which [`super::Ports`] reads.
    Expose(Vec<Word>),
    /// `HEALTHCHECK`.
    Healthcheck(Health),
    /// `LABEL`.
    Label(Pairs),
    /// `MAINTAINER`: the author; variables mean nothing.
    Maintainer(String),
    /// `ONBUILD`.
    Onbuild(Onbuild),
    /// `RUN`.
    Run(Run),
    /// `SHELL`: what runs commands in shell form.
    Shell(Vec<String>),
    /// `STOPSIGNAL`: a name or number.
    Stopsignal(Word),
    /// `USER`: `user[:group]`.
    User(Word),
    /// `VOLUME`: mount points.
    Volume(Vec<Word>),
    /// `WORKDIR`.
    Workdir(Word),
}

/// A name and a value of `ENV` or `LABEL`; both take variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The name.
    pub name: Word,
    /// The value.
    pub value: Word,
}

/// The arguments of `ENV` or `LABEL`.
///
/// All values take the variables as they were before the instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairs {
    /// At least one.
    pub pairs: Vec<Pair>,
    /// Whether it is the old form `ENV name value`.
    pub legacy: bool,
}

/// One argument of `ARG`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arg {
    /// The variable.
    pub name: String,
    /// Its value if the user gives none. The arguments before it are already declared there.
    pub default: Option<Word>,
}

/// A command of `RUN`, `CMD`, `ENTRYPOINT` or `HEALTHCHECK`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// The arguments (a JSON array); nothing in them is expanded.
    Exec(Vec<String>),
    /// A text for the shell.
    Shell(String),
}

/// `RUN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What to run. With here-documents, [`Self::script`] tells.
    pub command: CommandLine,
    /// The here-documents that the command names.
    pub heredocs: Vec<Heredoc>,
    /// `--mount`, in their order.
    pub mounts: Vec<MountRequest>,
    /// `--network`.
    pub network: Network,
    /// `--security`.
    pub security: Security,
}

/// The network of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// The build's.
    #[default]
    Default,
    /// Loopback only.
    None,
    /// The host's.
    Host,
}

/// The confinement of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// That of any container.
    #[default]
    Sandbox,
    /// None: all privileges.
    Insecure,
}

/// How a [`Run`] is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script {
    /// These arguments.
    Exec(Vec<String>),
    /// This text, by the shell of the stage.
    Shell(String),
    /// A file of this name and content, which begins with `#!` and is made executable.
    File {
        /// The name of the here-document.
        name: String,
        /// Its content.
        content: String,
    },
}

impl Run {
    /// What to run: a command that is nothing but one here-document is that document's text; other here-documents
    /// are left for the shell to read.
    pub fn script(&self) -> Script {
        let line = match &self.command {
            CommandLine::Exec(arguments) => return Script::Exec(arguments.clone()),
            CommandLine::Shell(line) => line,
        };
        if let [document] = self.heredocs.as_slice()
            && Heredoc::head(line).is_some()
        {
            let content = document.text();
            if content.starts_with("#!") {
                return Script::File { name: document.name.clone(), content };
            }
            return Script::Shell(content);
        }
        let mut text = line.clone();
        for document in &self.heredocs {
            text.push('\n');
            text.push_str(&document.content);
            text.push_str(&document.name);
        }
        Script::Shell(text)
    }
}

/// Where a file to copy comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A path with wildcards, or for `ADD` an address.
    Path(Word),
    /// The content itself; the file's name is the document's.
    Inline(Heredoc),
}

/// What `COPY` and `ADD` have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// At least one.
    pub sources: Vec<Source>,
    /// The destination; a directory if it ends in `/`.
    pub destination: Word,
    /// `--chown`: `user[:group]`.
    pub chown: Option<Word>,
    /// `--chmod`: octal or symbolic.
    pub chmod: Option<Word>,
    /// `--link`: the layer does not depend on those below.
    pub link: bool,
    /// `--exclude`: patterns of what to leave out.
    pub exclude: Vec<Word>,
}

/// `COPY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// What to copy where.
    pub transfer: Transfer,
    /// `--from`: a stage, its number or an image; the context if there is none.
    pub from: Option<String>,
    /// `--parents`: directories of the source path are kept.
    pub parents: bool,
}

/// `ADD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    /// What to add where.
    pub transfer: Transfer,
    /// `--checksum` of what is downloaded.
    pub checksum: Option<Word>,
    /// `--keep-git-dir`.
    pub keep_git_dir: bool,
    /// `--unpack`: archives are unpacked or not; unset, local ones are and downloads are not.
    pub unpack: Option<bool>,
}

/// `HEALTHCHECK`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// `NONE`: the base image's check is switched off.
    None,
    /// A command.
    Command(HealthCommand),
}

/// A health check. What is not given is the engine's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCommand {
    /// What to run.
    pub command: CommandLine,
    /// Between two checks.
    pub interval: Option<Duration>,
    /// How long one may take.
    pub timeout: Option<Duration>,
    /// While failures do not count.
    pub start_period: Option<Duration>,
    /// Between two checks in the start period.
    pub start_interval: Option<Duration>,
    /// Failures in a row that make the container unhealthy.
    pub retries: Option<u32>,
}

/// `ONBUILD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Onbuild {
    /// The trigger with its here-documents, as images keep it.
    pub text: String,
    /// The trigger.
    pub trigger: Box<Kind>,
}

impl Kind {
    /// The instruction's name in capitals.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "ADD",
            Self::Arg(_) => "ARG",
            Self::Cmd(_) => "CMD",
            Self::Copy(_) => "COPY",
            Self::Entrypoint(_) => "ENTRYPOINT",
            Self::Env(_) => "ENV",
            Self::Expose(_) => "EXPOSE",
            Self::Healthcheck(_) => "HEALTHCHECK",
            Self::Label(_) => "LABEL",
            Self::Maintainer(_) => "MAINTAINER",
            Self::Onbuild(_) => "ONBUILD",
            Self::Run(_) => "RUN",
            Self::Shell(_) => "SHELL",
            Self::Stopsignal(_) => "STOPSIGNAL",
            Self::User(_) => "USER",
            Self::Volume(_) => "VOLUME",
            Self::Workdir(_) => "WORKDIR",
        }
    }
}
