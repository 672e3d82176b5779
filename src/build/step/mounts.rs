//! `RUN --mount=…`.

use std::fs::{self, File, Permissions};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use lay_store::Digest;

use super::Stage;
use super::agent::{Agent, Relay};
use super::bind::{Bind, Shown};
use super::secret::Secret;
use crate::build::containerfile::{Mount, MountKind as Kind, Run, Sharing};
use crate::build::error::StepError;
use crate::build::plan::Origin;
use crate::container::{Given, MountKind, MountRequest};

/// What a command wants to be mounted. Nothing is opened, claimed or made for it yet: a command whose result is known
/// already needs none of it.
#[derive(Default)]
pub struct Wanted {
    /// What the result depends on: names and values; never a secret.
    pub inputs: Vec<(String, String)>,
    mounts: Vec<Want>,
    /// A script: where it is to be, and what it says.
    script: Option<(PathBuf, String)>,
}

struct Want {
    mount: Mount,
    origin: Origin,
    /// Where; secrets and agents without a target find their place later.
    target: Option<PathBuf>,
    /// Of a bind.
    shown: Option<Shown>,
}

impl Wanted {
    /// Adds a script as an executable file.
    pub fn script(&mut self, target: PathBuf, content: String) {
        self.inputs.push(("script".into(), Digest::of(content.as_bytes()).to_string()));
        self.script = Some((target, content));
    }
}

/// The mounts of a command.
#[derive(Default)]
pub struct Mounts {
    /// What the container is to mount.
    pub requests: Vec<MountRequest>,
    /// Where, and whether it is a directory.
    pub points: Vec<(PathBuf, bool)>,
    /// Variables that hold secrets, or tell of an agent.
    pub env: Vec<String>,
    binds: Vec<Bind>,
    secrets: Vec<Secret>,
    agents: Vec<Agent>,
    /// Locks of caches.
    locks: Vec<File>,
}

impl Mounts {
    /// Provides a mount that is no path of the host.
    pub fn given(&self, name: &str, userns: Option<BorrowedFd<'_>>) -> Given {
        let index = |prefix: &str| name.strip_prefix(prefix)?.parse::<usize>().ok();
        if let Some(bind) = index("lay-bind:").and_then(|index| self.binds.get(index)) {
            return bind.mount(userns).map(Some);
        }
        match index("lay-secret:").and_then(|index| self.secrets.get(index)) {
            Some(secret) => secret.mount(userns).map(Some),
            None => Ok(None),
        }
    }

    /// Starts what has to run beside the command.
    pub fn relays(&self) -> Result<Vec<Relay>, StepError> {
        self.agents.iter().map(Agent::relay).collect()
    }

    fn add(&mut self, kind: MountKind, target: PathBuf, read_only: bool, directory: bool) {
        self.points.push((target.clone(), directory));
        self.requests.push(MountRequest { read_only, ..MountRequest::new(kind, target) });
    }
}

impl Stage<'_> {
    /// Reads what a command wants to be mounted.
    pub(super) fn wanted(&mut self, run: &Run, origins: &[Origin]) -> Result<Wanted, StepError> {
        let mut wanted = Wanted::default();
        for (index, request) in run.mounts.iter().enumerate() {
            let failed = std::cell::RefCell::new(None);
            let mount = request.resolve(|word| {
                self.expand(word).unwrap_or_else(|error| {
                    failed.replace(Some(error));
                    String::new()
                })
            });
            if let Some(error) = failed.into_inner() {
                return Err(error);
            }
            let origin = origins.get(index).unwrap_or(&Origin::None).clone();
            let (want, input) = self.want(mount?, origin)?;
            wanted.inputs.push(input);
            wanted.mounts.push(want);
        }
        Ok(wanted)
    }

    /// A mount, and what the result depends on because of it.
    fn want(&mut self, mount: Mount, origin: Origin) -> Result<(Want, (String, String)), StepError> {
        let target = match (&mount.target, mount.kind) {
            (None, Kind::Secret | Kind::Ssh) => None,
            (target, _) => Some(self.target(target.as_deref().unwrap_or_default())?),
        };
        let shown_target = target.as_deref().unwrap_or(Path::new("")).display();
        let mut shown = None;
        let input = match mount.kind {
            Kind::Bind => {
                let source = mount.source.as_deref().unwrap_or("/");
                let bind = shown.insert(self.bind_shown(&origin, source)?);
                let text = format!("{shown_target} {} {}", mount.read_only, bind.content);
                (format!("mount {shown_target}"), text)
            }
            Kind::Cache => (
                format!("cache {shown_target}"),
                mount.id.clone().unwrap_or_else(|| shown_target.to_string()),
            ),
            Kind::Tmpfs => (format!("tmpfs {shown_target}"), format!("{:?}", mount.size)),
            // That it is there, and where, counts; what it says does not.
            Kind::Secret => {
                (format!("secret {}", secret_id(&mount)), format!("{:?} {:?}", mount.target, mount.env))
            }
            Kind::Ssh => (format!("ssh {}", agent_id(&mount)), format!("{:?}", mount.target)),
        };
        Ok((Want { mount, origin, target, shown }, input))
    }

    /// Makes ready what a command wants to be mounted.
    pub(super) fn open_mounts(&mut self, wanted: Wanted) -> Result<Mounts, StepError> {
        let mut mounts = Mounts::default();
        for want in wanted.mounts {
            match want.mount.kind {
                Kind::Bind => self.bind(&mut mounts, want)?,
                Kind::Cache => self.cache(&mut mounts, want)?,
                Kind::Tmpfs => tmpfs(&mut mounts, &want),
                Kind::Secret => self.secret(&mut mounts, want)?,
                Kind::Ssh => self.agent(&mut mounts, want)?,
            }
        }
        if let Some((target, content)) = wanted.script {
            let path = self.dir()?.join("script");
            fs::write(&path, &content).map_err(StepError::file("write", &path))?;
            fs::set_permissions(&path, Permissions::from_mode(0o755))
                .map_err(StepError::file("write", &path))?;
            mounts.add(MountKind::Bind(path), target, true, false);
        }
        Ok(mounts)
    }

    /// An absolute path; a relative one is meant from the working directory.
    fn target(&self, target: &str) -> Result<PathBuf, StepError> {
        let path = Path::new("/").join(self.state.setting("WorkingDir")).join(target);
        let clean: PathBuf = path.components().collect();
        let bad = |problem: &str| {
            let problem = problem.to_owned();
            Err(StepError::Value { what: "the target", value: target.to_owned(), problem })
        };
        if clean.components().any(|part| part == std::path::Component::ParentDir) {
            return bad("it must not contain '..'");
        }
        if clean == Path::new("/") { bad("nothing can be mounted over the root") } else { Ok(clean) }
    }

    fn bind(&mut self, mounts: &mut Mounts, want: Want) -> Result<(), StepError> {
        let Want { mount, origin, target: Some(target), shown: Some(shown) } = want else { return Ok(()) };
        let source = mount.source.as_deref().unwrap_or("/");
        let number = mounts.binds.len();
        let bind = self.bind_source(&origin, source, shown, mount.read_only, number)?;
        let kind = match &bind.host_path {
            Some(path) => MountKind::Bind(path.clone()),
            None => MountKind::Given(format!("lay-bind:{number}")),
        };
        mounts.add(kind, target, mount.read_only, bind.is_directory);
        mounts.binds.push(bind);
        Ok(())
    }

    /// A directory of the store that is there again in the next build.
    fn cache(&mut self, mounts: &mut Mounts, want: Want) -> Result<(), StepError> {
        let Want { mount, origin, target: Some(target), .. } = want else { return Ok(()) };
        let id = mount.id.clone().unwrap_or_else(|| target.display().to_string());
        let root = self.session.env.store.root().join("build/mounts");
        fs::create_dir_all(&root).map_err(StepError::file("create", &root))?;
        let name = Digest::of(id.as_bytes()).hex();
        let (dir, lock) = claim(&root, &name, mount.sharing)?;
        if !dir.is_dir() {
            // Stages that run side by side make it each for itself.
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let new = dir.with_extension(format!("new-{}-{count}", std::process::id()));
            let _ = fs::remove_dir_all(&new);
            fs::create_dir(&new).map_err(StepError::file("create", &new))?;
            if origin != Origin::None {
                self.seed(&new, &origin, mount.source.as_deref().unwrap_or("/"))?;
            }
            chown(&new, Some(mount.uid.unwrap_or(0)), Some(mount.gid.unwrap_or(0)))
                .and_then(|()| fs::set_permissions(&new, Permissions::from_mode(mount.mode.unwrap_or(0o755))))
                .map_err(StepError::file("create", &new))?;
            if fs::rename(&new, &dir).is_err() {
                // Another one was faster.
                let _ = fs::remove_dir_all(&new);
            }
        }
        mounts.locks.push(lock);
        mounts.add(MountKind::Bind(dir), target, mount.read_only, true);
        Ok(())
    }

    fn secret(&mut self, mounts: &mut Mounts, want: Want) -> Result<(), StepError> {
        let Want { mount, target, .. } = want;
        let id = secret_id(&mount);
        let Some(value) = self.session.secret(&id)? else {
            return match mount.required {
                true => Err(StepError::NotGiven(format!(
                    "the secret \"{id}\" is required; give it with --secret id={id},src=FILE"
                ))),
                false => Ok(()),
            };
        };
        if let Some(variable) = &mount.env {
            let text = String::from_utf8(value.clone()).map_err(|_| {
                StepError::NotGiven(format!("the secret \"{id}\" is no text and cannot be a variable"))
            })?;
            mounts.env.push(format!("{variable}={text}"));
            if target.is_none() {
                return Ok(());
            }
        }
        let target = target.map_or_else(|| self.target(&format!("/run/secrets/{id}")), Ok)?;
        let secret = Secret {
            value,
            mode: mount.mode.unwrap_or(0o400),
            owner: (mount.uid.unwrap_or(0), mount.gid.unwrap_or(0)),
        };
        mounts.add(MountKind::Given(format!("lay-secret:{}", mounts.secrets.len())), target, true, false);
        mounts.secrets.push(secret);
        Ok(())
    }

    fn agent(&mut self, mounts: &mut Mounts, want: Want) -> Result<(), StepError> {
        let Want { mount, target, .. } = want;
        let id = agent_id(&mount);
        let Some(agent) = self.session.agent(id) else {
            return match mount.required {
                true => Err(StepError::NotGiven(format!(
                    "the SSH agent \"{id}\" is required; give it with --ssh {id}"
                ))),
                false => Ok(()),
            };
        };
        let default = format!("/run/buildkit/ssh_agent.{}", mounts.requests.len());
        let target = target.map_or_else(|| self.target(&default), Ok)?;
        mounts.env.push(format!("SSH_AUTH_SOCK={}", target.display()));
        let workplace = self.workplace.as_ref().ok_or(StepError::NoPlace)?;
        let socket = workplace.dir().join(format!("agent-{}", mounts.agents.len()));
        mounts.add(MountKind::Bind(socket.clone()), target, false, false);
        mounts.agents.push(Agent {
            agent,
            socket,
            mode: mount.mode.unwrap_or(0o600),
            owner: (mount.uid.unwrap_or(0), mount.gid.unwrap_or(0)),
        });
        Ok(())
    }
}

fn tmpfs(mounts: &mut Mounts, want: &Want) {
    let Some(target) = &want.target else { return };
    let mut options = vec!["exec".to_owned()];
    options.extend(want.mount.size.map(|size| format!("size={size}")));
    mounts.add(MountKind::Tmpfs(options), target.clone(), false, true);
}

/// A secret without an id is called as its file.
fn secret_id(mount: &Mount) -> String {
    let name = |target: &str| target.rsplit('/').next().unwrap_or_default().to_owned();
    mount.id.clone().or(mount.target.as_deref().map(name)).unwrap_or_default()
}

fn agent_id(mount: &Mount) -> &str {
    mount.id.as_deref().unwrap_or("default")
}

/// The directory of a cache, and a lock that says how it is used meanwhile.
fn claim(root: &Path, name: &str, sharing: Sharing) -> Result<(PathBuf, File), StepError> {
    use rustix::fs::FlockOperation as Lock;
    for copy in 0.. {
        let name = if copy == 0 { name.to_owned() } else { format!("{name}-{copy}") };
        let path = root.join(format!("{name}.lock"));
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(StepError::file("open", &path))?;
        let how = match sharing {
            Sharing::Shared => Lock::LockShared,
            Sharing::Locked => Lock::LockExclusive,
            Sharing::Private => Lock::NonBlockingLockExclusive,
        };
        match rustix::fs::flock(&file, how) {
            Ok(()) => return Ok((root.join(name), file)),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
            Err(e) => return Err(StepError::errno("lock", &path)(e)),
        }
    }
    Err(StepError::NotGiven("there is no cache left".to_owned()))
}
