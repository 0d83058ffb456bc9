//! `doorbuster token`: makes, lists and removes the tokens of a tokens file.
//!
//! A token is told once, on stdout, and nowhere else: not in an argument, not in the file.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use doorbuster::access::{self, NamedToken, Role, Token};
use doorbuster::sale::Name;

use super::{CONFIGURATION, DISK, delivered, failed, talk};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Make a token and print it, once; the file keeps only its digest. A name that is there gets a
    /// second live token, so that the first can be replaced; a third ends the oldest.
    New {
        /// Whose token it is: 1-64 of A-Z a-z 0-9 . _ -
        #[arg(long, value_parser = name)]
        name: Name,
        /// What it may do; may be given more than once. A name that is there keeps its own.
        #[arg(long)]
        role: Vec<Role>,
        #[command(flatten)]
        file: File,
    },
    /// Show names, roles and digests.
    List {
        #[command(flatten)]
        file: File,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Remove a name with all its tokens.
    Remove {
        /// Whose tokens end.
        #[arg(long, value_parser = name)]
        name: Name,
        /// Keep the newest token: ends the change of one token for another.
        #[arg(long)]
        older: bool,
        #[command(flatten)]
        file: File,
    },
}

#[derive(Args)]
struct File {
    /// The tokens file.
    #[arg(
        long = "file",
        value_name = "FILE",
        env = "DOORBUSTER_TOKENS_FILE",
        default_value = "doorbuster-tokens.toml"
    )]
    path: PathBuf,
}

fn name(text: &str) -> Result<Name, String> {
    Name::parse(text.as_bytes())
}

/// Runs the command. Returns the exit code.
pub(super) fn run(arguments: &Arguments) -> i32 {
    match &arguments.command {
        What::New { name, role, file } => make(name, role, &file.path),
        What::List { file, json } => list(&file.path, *json),
        What::Remove { name, older, file } => match access::remove(&file.path, name, *older) {
            Err(why) => failed(CONFIGURATION, &why),
            Ok(ended) => {
                let path = file.path.display();
                talk(&format_args!("{path}: {ended} of the tokens of '{name}' removed; {RELOAD}"));
                super::FINE
            }
        },
    }
}

const RELOAD: &str = "a server counts it once it has read the file again";

fn make(name: &Name, roles: &[Role], path: &Path) -> i32 {
    let token = match Token::new() {
        Ok(token) => token,
        Err(why) => return failed(DISK, &format_args!("no randomness from the system: {why}")),
    };
    let (roles, rotated) = match access::add(path, name, roles, token.digest()) {
        Ok(added) => added,
        Err(why) => return failed(CONFIGURATION, &why),
    };
    let file = path.display();
    talk(&format_args!("{file}: token '{name}' ({roles}) written as a digest; {RELOAD}"));
    if rotated {
        talk(&format_args!(
            "the one before it still counts; end it with: \
             doorbuster token remove --older --name {name} --file {file}"
        ));
    }
    let mut out = std::io::stdout().lock();
    delivered(writeln!(out, "{}", token.reveal()).and_then(|()| out.flush()))
}

fn list(path: &Path, json: bool) -> i32 {
    let tokens = match access::list(path) {
        Ok(tokens) => tokens,
        Err(why) => return failed(CONFIGURATION, &why),
    };
    let mut out = std::io::stdout().lock();
    delivered(show(&tokens, json, &mut out).and_then(|()| out.flush()))
}

fn show(tokens: &[NamedToken], json: bool, out: &mut impl Write) -> std::io::Result<()> {
    if json {
        for token in tokens {
            let line = serde_json::json!({
                "name": token.name.as_str(),
                "roles": token.roles.iter().map(Role::word).collect::<Vec<_>>(),
                "digests": token.digests.iter().map(ToString::to_string).collect::<Vec<_>>(),
            });
            writeln!(out, "{line}")?;
        }
        return Ok(());
    }
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(["name", "roles", "digests"]);
    for token in tokens {
        let digests: Vec<String> = token.digests.iter().map(ToString::to_string).collect();
        let (name, roles) = (token.name.to_string(), token.roles.to_string());
        table.add_row([name, roles, digests.join("\n")]);
    }
    writeln!(out, "{table}")
}
