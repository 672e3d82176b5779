//! `lay build`

mod accepted;
mod annotation;
mod live;
mod metadata;
mod output;
mod progress;
mod publish;
mod values;

use std::fs;
use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::flags::{cgroup_parent, pairs};
use super::limits::LimitFlags;
use super::netflags::of_steps;
use super::output::line;
use super::pull::reference;
use crate::build::context::Request;
use crate::build::export::Output;
use crate::build::plan;
use crate::build::{self, Built, Caching, Error, Options, Progress};
use crate::container::{Environment, Isolation, Security, parse_bytes, parse_ulimit};
use crate::registry::Platform;
use accepted::Accepted;
use progress::{Plain, Quiet, show};
use publish::Sent;
use values::{agent, pairs_from_here, secret};

const EXAMPLES: &str = "Examples:
  lay build -t app .                              an image from ./Containerfile or ./Dockerfile
  lay build -o out --target binaries .            the files of one stage into the directory out
  lay build --push -t registry.example.com/app .  the image in a registry too
  lay build -o type=oci,dest=app.tar -t app .     an archive that Docker, Podman and skopeo read
  tar -c . | lay build -t app -                   the context as an archive";

/// Exit code of a build that was interrupted, as a shell tells SIGINT.
const INTERRUPTED: u8 = 130;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Show {
    /// Live on a terminal, lines elsewhere
    Auto,
    /// Lines
    Plain,
    /// Live
    Tty,
}

/// Build an image from a Containerfile
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Build {
    /// Directory, Git address (URL#ref:directory), or - for an archive or a Containerfile on stdin
    #[arg(value_name = "CONTEXT")]
    context: String,
    /// Name of the image; may be given several times
    #[arg(short, long, value_name = "NAME[:TAG]")]
    tag: Vec<String>,
    /// Containerfile [default: Containerfile or Dockerfile in the context]; - for stdin
    #[arg(short, long)]
    file: Option<String>,
    /// What a name of FROM and --from stands for; may be given several times
    #[arg(long, value_name = "NAME=DIRECTORY|GIT-ADDRESS|docker-image://IMAGE|oci-layout://DIRECTORY")]
    build_context: Vec<String>,
    /// Stage to build, by name or number
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,
    /// Value of an ARG; NAME alone takes it from here
    #[arg(long, value_name = "NAME[=VALUE]")]
    build_arg: Vec<String>,
    /// Add a label
    #[arg(long, value_name = "KEY[=VALUE]")]
    label: Vec<String>,
    /// Add an annotation to the image's manifest
    #[arg(long, value_name = "[manifest:]KEY=VALUE")]
    annotation: Vec<String>,
    /// Platform of the image, such as linux/arm64
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,
    /// Take nothing from earlier builds
    #[arg(long)]
    no_cache: bool,
    /// Stages that take nothing from earlier builds, by name or number
    #[arg(long, value_name = "STAGE[,STAGE]", value_delimiter = ',')]
    no_cache_filter: Vec<String>,
    /// Look for newer base images in their registries
    #[arg(long)]
    pull: bool,
    /// Secret for RUN --mount=type=secret
    #[arg(long, value_name = "id=ID[,src=FILE|,env=VARIABLE]")]
    secret: Vec<String>,
    /// SSH agent for RUN --mount=type=ssh
    #[arg(long, value_name = "default|ID[=SOCKET]")]
    ssh: Vec<String>,
    /// What commands may ask for: network.host, security.insecure
    #[arg(long, value_name = "ENTITLEMENT")]
    allow: Vec<String>,
    /// Network of commands: default, none or host
    #[arg(long, value_name = "MODE", default_value = "default", hide_default_value = true)]
    network: String,
    /// Add a line to /etc/hosts of commands
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<String>,
    /// Where the result goes: a directory, - for an archive of the files on stdout, or
    /// type=local|tar|oci|docker|image|registry
    #[arg(short, long, value_name = "DIRECTORY|-|type=TYPE[,dest=PATH]")]
    output: Vec<String>,
    /// Push the image to the registry of each of its names
    #[arg(long)]
    push: bool,
    /// Put the image into the store, also with an --output to elsewhere
    #[arg(long, action = ArgAction::SetTrue, hide = true)]
    load: bool,
    /// Take results of earlier builds from there too: a name in a registry, or type=local,src=DIRECTORY
    #[arg(long, value_name = "type=registry,ref=NAME|type=local,src=DIRECTORY")]
    cache_from: Vec<String>,
    /// Keep the results of this build's steps there too
    #[arg(long, value_name = "type=registry,ref=NAME|type=local,dest=DIRECTORY")]
    cache_to: Vec<String>,
    /// Make one layer of all that follows the last FROM
    #[arg(long)]
    squash: bool,
    /// Only check the Containerfile
    #[arg(long)]
    check: bool,
    /// Write the image's id to a file
    #[arg(long, value_name = "FILE")]
    iidfile: Option<PathBuf>,
    /// Write the digests of the image to a file, as JSON
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<PathBuf>,
    /// How progress is shown
    #[arg(long, value_enum, default_value = "auto", hide_default_value = true)]
    progress: Show,
    /// Say of each step why it was or was not taken from an earlier build
    #[arg(long)]
    explain: bool,
    /// Print the image's id alone
    #[arg(short, long)]
    quiet: bool,
    /// Control group above those of commands, instead of the one for all containers
    #[arg(long, value_name = "PATH")]
    cgroup_parent: Option<String>,
    /// Size of /dev/shm of commands [default: 64m]
    #[arg(long, value_name = "BYTES")]
    shm_size: Option<String>,
    /// Limit of commands, such as nofile=1024:2048
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    ulimit: Vec<String>,
    /// seccomp=FILE or seccomp=unconfined: system calls that commands may use
    #[arg(long, value_name = "OPTION")]
    security_opt: Vec<String>,
    #[command(flatten)]
    accepted: Accepted,
    #[command(flatten)]
    limits: LimitFlags,
}

impl Build {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let outputs = output::parse(&self.output, self.push, self.load)?;
        let options = self.options(context, &outputs)?;
        let destinations = publish::destinations(&options.tags, &outputs)?;
        let request = Request { context: self.context.clone(), file: self.file.clone() };
        let env = context.environment()?;
        if self.check {
            return self.only_check(&env, &request, &options);
        }
        let form = context.layer_form()?.0.layer();
        self.iidfile.iter().chain(&self.metadata_file).try_for_each(|path| values::forget(path))?;
        let mut progress = self.progress();
        let result = build::build(&env, form, &request, &options, progress.as_mut());
        drop(progress);
        match result {
            Ok(built) => {
                output::write(&env, &built.image, &options.tags, &outputs)?;
                let pushed = publish::push(context, &env.store, &built, &destinations, self.quiet)?;
                self.tell(&built, &outputs, &pushed)
            }
            Err(failure) => {
                let exit = self.failure(failure.error);
                if let Some(scene) = failure.scene {
                    eprintln!("lay: {}", exit.message);
                    eprintln!("lay: a shell where the step failed; 'exit' ends it");
                    scene.shell(&env).tried(|| "cannot open a shell".to_string())?;
                    return Ok(exit.code);
                }
                Err(exit)
            }
        }
    }

    fn progress(&self) -> Box<dyn Progress> {
        if self.quiet {
            return Box::new(Quiet::default());
        }
        match self.progress {
            Show::Plain => Box::new(Plain::new(self.explain)),
            Show::Tty => show(true, self.explain),
            Show::Auto => show(std::io::IsTerminal::is_terminal(&std::io::stderr()), self.explain),
        }
    }

    fn failure(&self, error: Error) -> Failure {
        match error {
            Error::Interrupted => Failure::new("build interrupted").with_code(INTERRUPTED),
            Error::Parse { report } => Failure::new(report),
            // Docker's exit code is the command's only where that fits.
            Error::Step { report, code } => {
                Failure::new(report).with_code(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
            }
            error => Failure::of("cannot build", &error),
        }
    }

    fn tell(&self, built: &Built, outputs: &[Output], pushed: &[Sent]) -> Result<u8, Failure> {
        let id = built.image.id;
        if let Some(path) = &self.iidfile {
            fs::write(path, id.to_string()).tried(|| format!("cannot write {}", path.display()))?;
        }
        if let Some(path) = &self.metadata_file {
            metadata::write(path, &built.image, &self.names(outputs)?, outputs, pushed)?;
        }
        if outputs.iter().any(Output::is_stdout) {
            return Ok(0);
        }
        if self.quiet {
            return line(id.to_string()).map(|()| 0);
        }
        line(format!("image {id}"))?;
        built.names.iter().try_for_each(|name| line(format!("named {name}")))?;
        outputs.iter().filter_map(output::place).try_for_each(|place| line(format!("written to {place}")))?;
        pushed
            .iter()
            .try_for_each(|sent| line(format!("pushed {} {}", sent.to.familiar(), sent.what.digest)))?;
        Ok(0)
    }

    fn only_check(&self, env: &Environment, request: &Request, options: &Options) -> Result<u8, Failure> {
        let found = build::check_file(env, request, options).map_err(|error| self.failure(error))?;
        found.iter().try_for_each(line)?;
        // Words and exit code as Docker's.
        let words = match found.len() {
            0 => "Check complete, no warnings found.".to_owned(),
            1 => "Check complete, 1 warning has been found!".to_owned(),
            count => format!("Check complete, {count} warnings have been found!"),
        };
        line(words)?;
        Ok(u8::from(!found.is_empty()))
    }

    /// Names of the image: as with Docker, those of `-t` count and not those of an output.
    fn names(&self, outputs: &[Output]) -> Result<Vec<String>, Failure> {
        let others = output::names(outputs);
        let names = if self.tag.is_empty() { &others } else { &self.tag };
        names.iter().map(|name| Ok(reference(name)?.familiar())).collect()
    }

    fn caching(&self) -> Caching {
        match (self.no_cache, self.no_cache_filter.is_empty()) {
            (true, _) => Caching::None,
            (false, false) => Caching::Without(self.no_cache_filter.clone()),
            (false, true) => Caching::All,
        }
    }

    fn options(&self, context: &Context, outputs: &[Output]) -> Result<Options, Failure> {
        self.accepted.check()?;
        let tried = || "invalid flag".to_string();
        let args = pairs_from_here(&self.build_arg);
        let epoch = args.get("SOURCE_DATE_EPOCH").cloned().or(std::env::var("SOURCE_DATE_EPOCH").ok());
        let epoch = epoch.filter(|text| !text.is_empty()).map(|text| {
            let number = text.parse::<i64>().ok().filter(|seconds| *seconds >= 0);
            number.ok_or_else(|| {
                Failure::new(format!("invalid SOURCE_DATE_EPOCH '{text}': it is a number of seconds"))
            })
        });
        let platform = match &self.platform {
            Some(text) => text.parse().tried(tried)?,
            None => Platform::host(),
        };
        let shm_size = self.shm_size.as_deref().map(|text| {
            parse_bytes(text).map_err(|e| Failure::new(format!("invalid value '{text}' for --shm-size: {e}")))
        });
        let ulimits =
            self.ulimit.iter().map(|text| parse_ulimit(text)).collect::<Result<_, _>>().tried(tried)?;
        Ok(Options {
            request: plan::Request {
                target: self.target.clone(),
                args,
                build_platform: Platform::host(),
                target_platform: platform.clone(),
                contexts: values::contexts(&self.build_context)?,
            },
            tags: self.names(outputs)?,
            labels: pairs(&self.label),
            annotations: annotation::annotations(&self.annotation, &platform)?,
            caching: self.caching(),
            pull: self.pull,
            network: of_steps(&self.network)?,
            add_hosts: self.add_host.clone(),
            resources: self.limits.resources()?,
            cgroup_parent: self.cgroup_parent.as_deref().map(cgroup_parent).transpose()?,
            isolation: Isolation { shm_size: shm_size.transpose()?, ulimits, ..Isolation::default() },
            security: Security::parse(&self.security_opt).tried(tried)?,
            allow: self.allow.clone(),
            secrets: self.secret.iter().map(|text| secret(text)).collect::<Result<_, _>>()?,
            agents: self.ssh.iter().map(|text| agent(text)).collect::<Result<_, _>>()?,
            epoch: epoch.transpose()?,
            keep_failed: context.debug,
            access: context.access(),
            cache_from: values::places(&self.cache_from, "--cache-from", "src")?,
            cache_to: values::places(&self.cache_to, "--cache-to", "dest")?,
            squash: self.squash,
            nameless: output::is_elsewhere(outputs),
        })
    }
}
