//! `RUN`: an ordinary container on the layers so far; what it writes is the next layer.

use std::fs;
use std::path::{Path, PathBuf};

use oci_spec::image::{Config, ConfigBuilder};

use super::mounts::{Mounts, Wanted};
use super::{Outcome, Stage, points};
use crate::build::cache::Inputs;
use crate::build::containerfile::{Network, Run, Script, Security};
use crate::build::copy::Root;
use crate::build::error::StepError;
use crate::build::executor::Event;
use crate::build::plan::Step as Planned;
use crate::build::state::Part;
use crate::container::{self, NetworkMode, Options, UsernsMode};
use crate::kernel::userns;
use crate::snapshot::{Files, Snapshot};

/// Host name of all commands, so that none of them can leave another one behind.
const HOSTNAME: &str = "lay-build";

/// What `RUN` is about to start.
struct Command {
    args: Vec<String>,
    config: Config,
    options: Options,
    mounts: Mounts,
}

impl Stage<'_> {
    /// Carries a `RUN` out.
    pub(super) fn run(&mut self, number: usize, run: &Run, step: &Planned<'_>) -> Result<Outcome, StepError> {
        let mut wanted = self.wanted(run, &step.origins)?;
        let args = self.arguments(run, &mut wanted);
        let by = self.history(run, &args);
        let inputs = self.inputs(run, &args, &wanted)?;
        if let Some(made) = self.cached(&inputs) {
            return Ok(self.reuse(number, inputs, made, &by));
        }
        self.in_earnest()?;
        let mounts = self.open_mounts(wanted)?;
        let command = self.prepare(run, args, mounts)?;
        let part = self.execute(number, command)?;
        Ok(self.adopt(number, inputs, part, &by))
    }

    /// What is executed. A script of its own becomes a file.
    fn arguments(&self, run: &Run, wanted: &mut Wanted) -> Vec<String> {
        match run.script() {
            Script::Exec(args) => args,
            Script::Shell(text) => self.in_shell(&text),
            Script::File { name, content } => {
                let target = PathBuf::from("/dev/pipes").join(name.replace('/', "_"));
                let args = vec![target.to_string_lossy().into_owned()];
                wanted.script(target, content);
                args
            }
        }
    }

    /// As BuildKit writes it: `RUN |1 A=b /bin/sh -c make`.
    fn history(&self, run: &Run, args: &[String]) -> String {
        let shown = match run.script() {
            Script::Exec(args) => args.join(" "),
            Script::Shell(_) => args.join(" "),
            Script::File { content, .. } => content,
        };
        let given: Vec<String> =
            self.scope.arguments().map(|(name, value)| format!("{name}={value}")).collect();
        match given.len() {
            0 => format!("RUN {shown}"),
            count => format!("RUN |{count} {} {shown}", given.join(" ")),
        }
    }

    /// All that the result may depend on beside the files below.
    fn inputs(&self, run: &Run, args: &[String], wanted: &Wanted) -> Result<Inputs, StepError> {
        let mut inputs = Inputs::new("RUN", &serde_json::json!(args).to_string());
        for (name, value) in self.scope.environment() {
            inputs.secret_free(&format!("variable {name}"), &value);
        }
        inputs.add("user", self.state.setting("User"));
        inputs.add("working directory", self.state.setting("WorkingDir"));
        let network = match self.network(run)? {
            // However the outside is reached.
            NetworkMode::User | NetworkMode::Pasta => NetworkMode::Bridge,
            network => network,
        };
        inputs.add("network", &format!("{network:?}"));
        inputs.add("security", &format!("{:?}", run.security));
        inputs.add("platform", &self.state.platform().to_string());
        inputs.add("time", &self.state.epoch.to_string());
        for (name, value) in &wanted.inputs {
            inputs.add(name, value);
        }
        Ok(inputs)
    }

    fn network(&self, run: &Run) -> Result<NetworkMode, StepError> {
        let allowed = &self.session.options.allow;
        match run.network {
            Network::Default => Ok(self.session.options.network),
            Network::None => Ok(NetworkMode::None),
            Network::Host
                if self.session.options.network == NetworkMode::Host
                    || allowed.iter().any(|word| word == "network.host") =>
            {
                Ok(NetworkMode::Host)
            }
            Network::Host => Err(not_allowed("--network=host", "network.host")),
        }
    }

    fn prepare(&self, run: &Run, args: Vec<String>, mounts: Mounts) -> Result<Command, StepError> {
        let session = self.session;
        let insecure = run.security == Security::Insecure;
        if insecure && !session.options.allow.iter().any(|word| word == "security.insecure") {
            return Err(not_allowed("--security=insecure", "security.insecure"));
        }
        let own = self.state.environment();
        let arguments = self.scope.arguments().filter(|(name, _)| !own.contains_key(*name));
        let mut env: Vec<String> = arguments.map(|(name, value)| format!("{name}={value}")).collect();
        env.extend(self.scope.proxies().iter().map(|(name, value)| format!("{name}={value}")));
        env.extend(mounts.env.iter().cloned());
        let options = Options {
            env,
            hostname: Some(HOSTNAME.to_owned()),
            network: self.network(run)?,
            // An ordinary user has one namespace for all of its containers.
            userns: if insecure || userns::nested() { UsernsMode::Host } else { UsernsMode::Auto },
            mounts: mounts.requests.clone(),
            add_hosts: session.options.add_hosts.clone(),
            resources: session.options.resources.clone(),
            cgroup_parent: session.options.cgroup_parent.clone(),
            isolation: container::Isolation { privileged: insecure, ..session.options.isolation.clone() },
            security: session.options.security.clone(),
            ..Options::default()
        };
        let list = self.state.list("Env").unwrap_or_default();
        let config = ConfigBuilder::default()
            .env(list)
            .user(self.state.setting("User"))
            .working_dir(self.state.setting("WorkingDir"))
            .build()
            .map_err(container::Error::from)?;
        Ok(Command { args, config, options, mounts })
    }

    /// Runs it; what it wrote, if it wrote something.
    fn execute(&mut self, number: usize, command: Command) -> Result<Option<Part>, StepError> {
        let (layers, files) = self.layers_with_points(&command.mounts)?;
        let Command { args, config, options, mounts } = command;
        let relays = mounts.relays()?;
        let given = |name: &str, userns: Option<std::os::fd::BorrowedFd<'_>>| mounts.given(name, userns);
        let step = container::Step { layers, files, args, config, options, given: &given };
        let (stage, tell) = (self.index, &mut *self.tell);
        let mut output = |error: bool, bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            tell(&Event::Output { stage, number, error, text });
        };
        let workplace = self.workplace.as_deref_mut().ok_or(StepError::NoPlace)?;
        let end = workplace.run(self.session.env, step, &mut output)?;
        drop((mounts, relays));
        if end.code != 0 {
            return Err(StepError::Command { code: end.code, oom: end.oom_killed });
        }
        let Some(path) = workplace.take(&format!("step-{number}"))? else { return Ok(None) };
        let changed = fs::read_dir(&path).map_err(StepError::file("read", &path))?.next().is_some();
        Ok(changed.then_some(Part::Kept { step: (self.index, number), path }))
    }

    /// The layers so far, and the mount points that they lack; the files of the former.
    fn layers_with_points(&self, mounts: &Mounts) -> Result<(Snapshot, Option<Files>), StepError> {
        let mut layers = self.session.snapshot(&self.state)?;
        let files = if layers.layers.is_empty() { None } else { Some(layers.peek()?) };
        let root = files.as_ref().map(|files| Root::of_files(files, "the image".to_owned())).transpose()?;
        let dir: &Path = &self.dir()?.join("points");
        layers.layers.extend(points::make(root.as_ref(), dir, &mounts.points, self.state.epoch)?);
        Ok((layers, files))
    }
}

fn not_allowed(flag: &str, entitlement: &str) -> StepError {
    StepError::NotGiven(format!("RUN {flag} needs 'lay build --allow {entitlement}'"))
}
