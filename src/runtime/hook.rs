//! Programs of the one who drives the runtime, run at six points of a container's life (runtime-spec, "POSIX-platform Hooks").

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use oci_spec::runtime::{Hook, Spec};
use serde_json::json;

use super::error::Error;

/// How often it is looked whether a hook has ended.
const POLL: Duration = Duration::from_millis(2);

/// What hooks are told of the container.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its id.
    pub id: String,
    /// Its bundle.
    pub bundle: PathBuf,
    /// Annotations of its specification.
    pub annotations: std::collections::HashMap<String, String>,
}

impl Subject {
    /// A container of this specification.
    pub fn new(id: &str, bundle: &Path, spec: &Spec) -> Subject {
        Subject {
            id: id.to_string(),
            bundle: bundle.to_path_buf(),
            annotations: spec.annotations().clone().unwrap_or_default(),
        }
    }

    /// Runs hooks in order, each with the container's state on its stdin, until one fails.
    ///
    /// # Errors
    /// [`Error::Hook`].
    pub fn run(&self, hooks: Option<&Vec<Hook>>, status: &str, pid: i32) -> Result<(), Error> {
        let state = json!({
            "ociVersion": super::SPEC_VERSION, "id": self.id, "status": status, "pid": pid,
            "bundle": self.bundle, "annotations": self.annotations,
        });
        hooks.into_iter().flatten().try_for_each(|hook| {
            run(hook, state.to_string().as_bytes())
                .map_err(|reason| Error::Hook { path: hook.path().clone(), reason })
        })
    }
}

fn run(hook: &Hook, state: &[u8]) -> Result<(), String> {
    let args = hook.args().as_deref().unwrap_or_default();
    let mut command = Command::new(hook.path());
    if let Some((name, rest)) = args.split_first() {
        command.arg0(name).args(rest);
    }
    let variables = hook.env().iter().flatten().filter_map(|entry| entry.split_once('='));
    command.env_clear().envs(variables).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| e.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read is no error.
        let _ = stdin.write_all(state);
    }
    let limit = hook.timeout().and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    let started = Instant::now();
    while limit.is_some() && child.try_wait().map_err(|e| e.to_string())?.is_none() {
        if limit.is_some_and(|limit| started.elapsed() > limit) {
            let _ = child.kill();
            let _ = child.wait();
            return Err("it took longer than its time limit".to_string());
        }
        std::thread::sleep(POLL);
    }
    let out = child.wait_with_output().map_err(|e| e.to_string())?;
    match out.status.success() {
        true => Ok(()),
        false => Err(format!("{}: {}", out.status, String::from_utf8_lossy(&out.stderr).trim())),
    }
}
