//! Rules of what stands in stages, with the variables as they are there.

use std::collections::BTreeMap;
use std::path::Path;

use super::from::secret;
use super::secret::looks_secret;
use super::{CheckError, Finding, Knowledge, Rule, note};
use crate::build::containerfile::{
    Arg, CommandLine, Containerfile, Instruction, Kind, Ports, Position, Source, Stage, Transfer, Word,
};
use crate::build::expand::{Expander, Expansion, Mode};
use crate::build::ignore::Ignore;
use crate::build::plan::{Globals, Origin, Scope};

/// What a stage leaves to those that begin with it.
#[derive(Clone)]
struct State<'a> {
    scope: Scope<'a>,
    escape: char,
    /// `SHELL` was said, so shell form is meant.
    shell: bool,
    /// An absolute `WORKDIR` was said.
    workdir: bool,
}

pub(super) fn check(
    file: &Containerfile,
    knowledge: &Knowledge,
    list: &mut Vec<Finding>,
) -> Result<(), CheckError> {
    let globals = Globals::new(file, &knowledge.request, file.stages.len().saturating_sub(1))?;
    let mut states: Vec<State<'_>> = Vec::new();
    for (index, stage) in file.stages.iter().enumerate() {
        let mut state = start(file, index, &globals, knowledge, &states);
        for instruction in &stage.instructions {
            state.undefined(instruction, list);
            state.look(instruction, knowledge.ignore.as_ref(), list);
            state.carry_out(&instruction.kind);
        }
        repeated(stage, list);
        states.push(state);
    }
    Ok(())
}

/// The state of the base.
fn start<'a>(
    file: &Containerfile,
    index: usize,
    globals: &'a Globals,
    knowledge: &Knowledge,
    states: &[State<'a>],
) -> State<'a> {
    let escape = file.directives.escape;
    let image = file.stages[index].from.image.expand(escape, globals);
    let image = image.map(|expansion| expansion.text).unwrap_or_default();
    match Origin::base((file, &knowledge.request.contexts), &image, index) {
        Origin::Stage(base) if base < states.len() => states[base].clone(),
        origin => {
            // Docker gives PATH even to images without files.
            let unknown = || BTreeMap::from([("PATH".to_owned(), String::new())]);
            let known = match &origin {
                Origin::Image(name) => knowledge.environments.get(name),
                _ => None,
            };
            let env = known.cloned().unwrap_or_else(unknown);
            State { scope: Scope::new(globals, env), escape, shell: false, workdir: false }
        }
    }
}

impl State<'_> {
    fn expand(&self, word: &Word) -> Option<Expansion> {
        word.expand(self.escape, &self.scope).ok()
    }

    /// Notes variables that nothing sets. `ARG`s without a value are set by whoever wants.
    fn undefined(&self, instruction: &Instruction, list: &mut Vec<Finding>) {
        let words = instruction.kind.words().into_iter().filter_map(|word| self.expand(word));
        let documents = instruction.kind.heredocs().into_iter().filter_map(|document| {
            Expander::new('\\').mode(Mode::Text).expand(&document.content, &self.scope).ok()
        });
        let missing: std::collections::BTreeSet<String> =
            words.chain(documents).flat_map(|expansion| expansion.missing).collect();
        for name in missing.iter().filter(|name| !self.scope.is_declared(name)) {
            let nearest = self.scope.nearest(name);
            let hint = nearest.map(|other| format!(" (did you mean ${other}?)")).unwrap_or_default();
            let message = format!("nothing sets ${name} before{hint}");
            note(list, Rule::UndefinedVar, instruction.text.span.start, message);
        }
    }

    fn look(&self, instruction: &Instruction, ignore: Option<&Ignore>, list: &mut Vec<Finding>) {
        let (start, name) = (instruction.text.span.start, instruction.kind.name());
        match &instruction.kind {
            Kind::Cmd(CommandLine::Shell(_)) | Kind::Entrypoint(CommandLine::Shell(_)) if !self.shell => {
                let message = format!("{name} in shell form: the shell keeps signals from the command");
                note(list, Rule::JSONArgsRecommended, start, message);
            }
            Kind::Arg(args) => {
                for arg in args.iter().filter(|arg| looks_secret(&arg.name)) {
                    secret(list, name, &arg.name, start);
                }
            }
            Kind::Env(pairs) => {
                let names = pairs.pairs.iter().filter_map(|pair| self.expand(&pair.name));
                for expansion in names.filter(|expansion| looks_secret(&expansion.text)) {
                    secret(list, name, &expansion.text, start);
                }
            }
            Kind::Expose(words) => self.expose(words, start, list),
            Kind::Workdir(word) if !self.workdir => {
                let path = self.expand(word).filter(|path| path.missing.is_empty());
                // What hangs on variables that cannot be known may well be absolute.
                if let Some(path) = path.filter(|path| !path.text.starts_with('/')) {
                    let message = format!("{} depends on the working directory of the base image", path.text);
                    note(list, Rule::WorkdirRelativePath, start, message);
                }
            }
            Kind::Add(add) => self.ignored(&add.transfer, name, ignore, start, list),
            Kind::Copy(copy) if copy.from.is_none() => {
                self.ignored(&copy.transfer, name, ignore, start, list)
            }
            _ => {}
        }
    }

    fn expose(&self, words: &[Word], start: Position, list: &mut Vec<Finding>) {
        for word in words.iter().filter_map(|word| self.expand(word)).flat_map(|expansion| expansion.words) {
            if Ports::parse(&word).is_ok_and(|ports| ports.host) {
                let message =
                    format!("{word} names an address or a port of the host, which an image cannot have");
                note(list, Rule::ExposeInvalidFormat, start, message);
            }
            if word.rsplit_once('/').is_some_and(|(_, protocol)| protocol != protocol.to_lowercase()) {
                note(list, Rule::ExposeProtoCasing, start, format!("the protocol of {word} has capitals"));
            }
        }
    }

    /// Notes sources that the ignore file hides, with all that is below them.
    fn ignored(
        &self,
        transfer: &Transfer,
        name: &str,
        ignore: Option<&Ignore>,
        start: Position,
        list: &mut Vec<Finding>,
    ) {
        let Some(ignore) = ignore else { return };
        for source in &transfer.sources {
            let Source::Path(word) = source else { continue };
            let Some(path) = self.expand(word).map(|expansion| expansion.text) else { continue };
            let remote = path.contains("://") || path.starts_with("git@");
            if !remote && !path.contains(['*', '?', '[']) && ignore.can_skip(Path::new(&path)) {
                let message = format!("{name} wants {path}, which the ignore file hides");
                note(list, Rule::CopyIgnoredFile, start, message);
            }
        }
    }

    /// Takes over what an instruction changes. What cannot be expanded changes nothing.
    fn carry_out(&mut self, kind: &Kind) {
        match kind {
            Kind::Arg(args) => {
                let declared = self.scope.declare(args, self.escape);
                // One that fails still declares its names.
                let bare = |arg: &Arg| Arg { name: arg.name.clone(), default: None };
                let names: Vec<_> = args.iter().filter(|_| declared.is_err()).map(bare).collect();
                // Without defaults nothing is left that may fail.
                drop(self.scope.declare(&names, self.escape));
            }
            Kind::Env(pairs) => {
                let pairs = pairs.pairs.iter();
                let pairs =
                    pairs.filter_map(|pair| Some((self.expand(&pair.name)?.text, self.expand(&pair.value))));
                let pairs: Vec<_> = pairs.collect();
                for (name, value) in pairs {
                    self.scope.set_env(name, value.map(|expansion| expansion.text).unwrap_or_default());
                }
            }
            Kind::Shell(_) => self.shell = true,
            Kind::Workdir(word) => {
                self.workdir |= self.expand(word).is_some_and(|path| path.text.starts_with('/'))
            }
            _ => {}
        }
    }
}

/// Notes all but the last of instructions that take each other's place.
fn repeated(stage: &Stage, list: &mut Vec<Finding>) {
    for name in ["CMD", "ENTRYPOINT", "HEALTHCHECK"] {
        let all: Vec<_> =
            stage.instructions.iter().filter(|instruction| instruction.kind.name() == name).collect();
        let Some((_, earlier)) = all.split_last() else { continue };
        for instruction in earlier {
            let message = format!("a later {name} of the stage takes the place of this one");
            note(list, Rule::MultipleInstructionsDisallowed, instruction.text.span.start, message);
        }
    }
}
