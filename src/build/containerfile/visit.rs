//! What of an instruction takes variables.

use super::{Heredoc, Kind, Source, Transfer, Word};

impl Kind {
    /// All words in which the builder replaces variables. Commands are left to their shells; a trigger has none before
    /// it is carried out.
    pub fn words(&self) -> Vec<&Word> {
        match self {
            Self::Add(add) => transfer_words(&add.transfer).chain(&add.checksum).collect(),
            Self::Copy(copy) => transfer_words(&copy.transfer).collect(),
            Self::Arg(args) => args.iter().filter_map(|arg| arg.default.as_ref()).collect(),
            Self::Env(pairs) | Self::Label(pairs) => {
                pairs.pairs.iter().flat_map(|pair| [&pair.name, &pair.value]).collect()
            }
            Self::Expose(words) | Self::Volume(words) => words.iter().collect(),
            Self::Run(run) => {
                let options = run.mounts.iter().flat_map(|mount| &mount.options);
                options.filter_map(|option| option.value.as_ref()).collect()
            }
            Self::Stopsignal(word) | Self::User(word) | Self::Workdir(word) => vec![word],
            Self::Cmd(_)
            | Self::Entrypoint(_)
            | Self::Healthcheck(_)
            | Self::Maintainer(_)
            | Self::Onbuild(_)
            | Self::Shell(_) => Vec::new(),
        }
    }

    /// The here-documents in which the builder replaces variables. Those of `RUN` are left to its shell.
    pub fn heredocs(&self) -> Vec<&Heredoc> {
        let transfer = match self {
            Self::Add(add) => &add.transfer,
            Self::Copy(copy) => &copy.transfer,
            _ => return Vec::new(),
        };
        let documents = transfer.sources.iter().filter_map(|source| match source {
            Source::Inline(document) => Some(document),
            Source::Path(_) => None,
        });
        documents.filter(|document| document.expand).collect()
    }
}

fn transfer_words(transfer: &Transfer) -> impl Iterator<Item = &Word> {
    let paths = transfer.sources.iter().filter_map(|source| match source {
        Source::Path(word) => Some(word),
        Source::Inline(_) => None,
    });
    paths
        .chain([&transfer.destination])
        .chain(&transfer.chown)
        .chain(&transfer.chmod)
        .chain(&transfer.exclude)
}
