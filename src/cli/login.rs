//! `lay login`

use std::io::{self, BufRead, IsTerminal, Read, Write};

use clap::Args;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::context::Context;
use super::failure::{Failure, Tried};
use super::output::line;
use crate::registry::{self, Kept};

/// Log in to a registry
#[derive(Args, Debug)]
pub struct Login {
    /// Registry, with its port
    #[arg(default_value = "docker.io")]
    registry: String,
    /// User name
    #[arg(short, long)]
    username: Option<String>,
    /// Password (others on this machine can see it; prefer --password-stdin)
    #[arg(short, long, conflicts_with = "password_stdin")]
    password: Option<String>,
    /// Read the password from stdin
    #[arg(long)]
    password_stdin: bool,
}

impl Login {
    /// Runs the command.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        let username = match &self.username {
            Some(name) => name.clone(),
            None => ask("Username: ", false)?,
        };
        let password = match &self.password {
            Some(password) => password.clone(),
            None if self.password_stdin => from_stdin()?,
            None => ask("Password: ", true)?,
        };
        let kept = registry::login(&context.access(), &self.registry, &username, &password)
            .tried(|| format!("cannot log in to {}", self.registry))?;
        if let Kept::File(path) = kept {
            eprintln!("The password is kept in {}, readable by you alone but not encrypted.", path.display());
        }
        line("Login Succeeded")?;
        Ok(0)
    }
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).tried(|| "cannot read the password".to_string())?;
    Ok(text.trim_end_matches(['\r', '\n']).to_string())
}

/// Asks on the terminal, without showing what is typed if it is a secret.
fn ask(prompt: &str, secret: bool) -> Result<String, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::new("cannot ask without a terminal: use --username and --password-stdin"));
    }
    let failed = || "cannot read from the terminal".to_string();
    eprint!("{prompt}");
    io::stderr().flush().tried(failed)?;
    let shown = tcgetattr(&stdin).tried(failed)?;
    if secret {
        let mut hidden = shown.clone();
        hidden.local_modes -= LocalModes::ECHO;
        tcsetattr(&stdin, OptionalActions::Flush, &hidden).tried(failed)?;
    }
    let mut text = String::new();
    let read = stdin.lock().read_line(&mut text);
    if secret {
        tcsetattr(&stdin, OptionalActions::Flush, &shown).tried(failed)?;
        eprintln!();
    }
    read.tried(failed)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_string())
}
