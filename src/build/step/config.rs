//! Instructions that change the configuration alone.

use serde_json::{Map, Value, json};

use super::Stage;
use crate::build::containerfile::{CommandLine, Health, HealthCommand, Kind, Pairs, Ports, Text, Word};
use crate::build::error::StepError;
use crate::container::parse_signal;

impl Stage<'_> {
    /// Carries an instruction out that makes no layer.
    pub(super) fn configure(&mut self, kind: &Kind, text: &Text) -> Result<(), StepError> {
        match kind {
            Kind::Arg(args) => {
                self.scope.declare(args, self.escape())?;
                let words: Vec<String> = args.iter().map(|arg| self.argument(&arg.name)).collect();
                self.state.note(&format!("ARG {}", words.join(" ")), true);
                return Ok(());
            }
            Kind::Cmd(command) => {
                let words = self.command_line(command);
                self.state.settings.insert("Cmd".into(), json!(words));
                self.state.has_cmd = true;
                self.note_command("CMD", &words);
                return Ok(());
            }
            Kind::Entrypoint(command) => {
                let words = self.command_line(command);
                self.state.settings.insert("Entrypoint".into(), json!(words));
                // The base's command belongs to the base's entry point.
                if !self.state.has_cmd {
                    self.state.settings.remove("Cmd");
                }
                self.note_command("ENTRYPOINT", &words);
                return Ok(());
            }
            Kind::Env(pairs) => return self.env(pairs),
            Kind::Label(pairs) => return self.label(pairs),
            Kind::Expose(words) => return self.expose(words),
            Kind::Healthcheck(health) => {
                let value = self.health(health);
                self.state.settings.insert("Healthcheck".into(), value);
            }
            Kind::Maintainer(name) => drop(self.state.config.insert("author".into(), json!(name))),
            Kind::Onbuild(onbuild) => {
                let list = self.state.settings.entry("OnBuild").or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.push(json!(onbuild.text));
                }
            }
            Kind::Shell(words) => drop(self.state.settings.insert("Shell".into(), json!(words))),
            Kind::Stopsignal(word) => {
                let signal = self.expand(word)?;
                parse_signal(&signal)?;
                self.state.settings.insert("StopSignal".into(), json!(signal));
            }
            Kind::User(word) => {
                let user = self.expand(word)?;
                self.state.settings.insert("User".into(), json!(user));
                self.state.note(&format!("USER {user}"), true);
                return Ok(());
            }
            Kind::Volume(words) => {
                for word in words {
                    let path = self.expand(word)?;
                    if path.is_empty() {
                        return Err(value("VOLUME", path, "a mount point cannot be empty"));
                    }
                    set(&mut self.state.settings, "Volumes", &path, json!({}));
                }
            }
            Kind::Add(_) | Kind::Copy(_) | Kind::Run(_) | Kind::Workdir(_) => {}
        }
        self.state.note(&text.line, true);
        Ok(())
    }

    fn argument(&self, name: &str) -> String {
        let value = self.scope.arguments().find(|(other, _)| *other == name).map(|(_, value)| value);
        value.map_or_else(|| name.to_owned(), |value| format!("{name}={value}"))
    }

    fn note_command(&mut self, name: &str, words: &[String]) {
        self.state.note(&format!("{name} {}", json!(words)), true);
    }

    /// The arguments of a command line; a text gets the stage's shell.
    pub(super) fn command_line(&self, command: &CommandLine) -> Vec<String> {
        match command {
            CommandLine::Exec(words) => words.clone(),
            CommandLine::Shell(text) => self.in_shell(text),
        }
    }

    /// A text for the stage's shell.
    pub(super) fn in_shell(&self, text: &str) -> Vec<String> {
        let mut words = self.state.shell();
        words.push(text.to_owned());
        words
    }

    /// Names and values, expanded before any of them is set.
    fn pairs(&self, pairs: &Pairs) -> Result<Vec<(String, String)>, StepError> {
        pairs.pairs.iter().map(|pair| Ok((self.expand(&pair.name)?, self.expand(&pair.value)?))).collect()
    }

    fn env(&mut self, pairs: &Pairs) -> Result<(), StepError> {
        let pairs = self.pairs(pairs)?;
        let mut words = Vec::new();
        // In place: a file may set a hundred thousand, and what is new need not be looked for.
        let list = self.state.settings.entry("Env").or_insert_with(|| json!([]));
        if !list.is_array() {
            *list = json!([]);
        }
        for (name, value) in pairs {
            if name.is_empty() {
                return Err(self::value("ENV", name, "a variable needs a name"));
            }
            let entry = format!("{name}={value}");
            let is_new = self.scope.set_env(name.clone(), value);
            if let Value::Array(list) = list {
                put(list, &name, &entry, is_new);
            }
            words.push(entry);
        }
        self.state.note(&format!("ENV {}", words.join(" ")), true);
        Ok(())
    }

    fn label(&mut self, pairs: &Pairs) -> Result<(), StepError> {
        let mut words = Vec::new();
        for (name, value) in self.pairs(pairs)? {
            words.push(format!("{name}={value}"));
            set(&mut self.state.settings, "Labels", &name, json!(value));
        }
        self.state.note(&format!("LABEL {}", words.join(" ")), true);
        Ok(())
    }

    fn expose(&mut self, words: &[Word]) -> Result<(), StepError> {
        let mut all = Vec::new();
        for word in words {
            for port in word.expand(self.escape(), &self.scope)?.words {
                for port in Ports::parse(&port)?.iter() {
                    set(&mut self.state.settings, "ExposedPorts", &port, json!({}));
                }
                all.push(port);
            }
        }
        self.state.note(&format!("EXPOSE {}", all.join(" ")), true);
        Ok(())
    }

    /// Times are in nanoseconds, as Docker keeps them.
    fn health(&self, health: &Health) -> Value {
        let Health::Command(HealthCommand {
            command,
            interval,
            timeout,
            start_period,
            start_interval,
            retries,
        }) = health
        else {
            return json!({"Test": ["NONE"]});
        };
        let test: Vec<String> = match command {
            CommandLine::Exec(words) => [&["CMD".to_owned()], words.as_slice()].concat(),
            CommandLine::Shell(text) => vec!["CMD-SHELL".into(), text.clone()],
        };
        let mut value = json!({"Test": test});
        let times = [
            ("Interval", interval),
            ("Timeout", timeout),
            ("StartPeriod", start_period),
            ("StartInterval", start_interval),
        ];
        for (name, time) in times {
            if let Some(nanos) = time.and_then(|time| u64::try_from(time.as_nanos()).ok()) {
                value[name] = json!(nanos);
            }
        }
        if let Some(retries) = retries {
            value["Retries"] = json!(retries);
        }
        value
    }
}

fn set(config: &mut Map<String, Value>, field: &str, key: &str, value: Value) {
    let entry = config.entry(field).or_insert_with(|| json!({}));
    match entry.as_object_mut() {
        Some(object) => drop(object.insert(key.to_owned(), value)),
        None => *entry = json!({ key: value }),
    }
}

/// Puts a variable in its old place, or at the end.
fn put(list: &mut Vec<Value>, name: &str, entry: &str, is_new: bool) {
    let named = |other: &&mut Value| {
        other.as_str().and_then(|other| other.split_once('=')).is_some_and(|(other, _)| other == name)
    };
    match if is_new { None } else { list.iter_mut().find(named) } {
        Some(old) => *old = json!(entry),
        None => list.push(json!(entry)),
    }
}

fn value(what: &'static str, value: String, problem: &str) -> StepError {
    StepError::Value { what, value, problem: problem.to_owned() }
}
