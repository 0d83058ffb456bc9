//! Ours, started like the others: the program beside this one, durable by default.

use std::{
    fmt::Write,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use super::find;
use super::keeper::{Plan, Program};
use super::server::{Server, folder};
use crate::Failure;
use crate::options::{Spoken, Target};

const HOW: &str = "cargo build --release puts it beside loadgen";
/// Orders that it has room for: of some runs in turn.
const ORDERS_MAX: u32 = 8_000_000;

/// Starts it with a sale of the items.
pub(super) fn start(
    dir: Option<&Path>,
    target: &mut Target,
    more: &[String],
) -> Result<(Server, Vec<(String, String)>), Failure> {
    let beside = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.to_owned()));
    let program = find("doorbuster", &Vec::from_iter(beside), HOW)?;
    let folder = folder(dir)?;
    let file = folder.join("sale.toml");
    fs::write(&file, sale(target)).map_err(|error| {
        let _ = fs::remove_dir_all(&folder);
        Failure::new(Failure::DISK, format!("{}: {error}", file.display()))
    })?;
    let data = folder.join("data");
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let words = [
        "serve",
        "--data",
        &text(data.clone()),
        "--sale",
        &text(file),
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--durability",
        "fsync",
        "--orders-max",
        &ORDERS_MAX.to_string(),
    ];
    // The last of an option given twice would be refused: what the user says replaces ours.
    let given = |word: &str| more.iter().any(|more| more.split('=').next() == Some(word));
    let mut arguments = vec![words[0].to_owned()];
    for pair in words[1..].chunks(2).filter(|pair| !given(pair[0])) {
        arguments.extend(pair.iter().map(|word| (*word).to_owned()));
    }
    arguments.extend_from_slice(more);
    let version = Command::new(&program).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let server = Program { path: program, arguments, user: None };
    let server = Server::start(&Plan { folder, before: Vec::new(), server, quit: false })?;
    let (buyers, operators) = server.wait(|| {
        let talk = server.talk();
        let told = |what: &str| -> Option<SocketAddr> {
            let rest = talk.lines().find_map(|line| line.split(what).nth(1))?;
            rest.split_whitespace().next()?.parse().ok()
        };
        told("listening on ")
            .zip(told("operators connect to "))
            .ok_or_else(|| Failure::new(Failure::UNAVAILABLE, "it does not say where it listens"))
    })?;
    target.address = buyers.into();
    target.admin = Some(operators.into());
    target.journal = Some(data);
    let durability = if given("--durability") { more.join(" ") } else { "fsync".to_owned() };
    let conditions = [
        ("server", version.unwrap_or_else(|_| "doorbuster".to_owned())),
        ("durability", durability),
        ("stock", target.setup.stock(Spoken::Binary).to_string()),
        ("limit", target.setup.limit.to_string()),
    ];
    Ok((server, conditions.map(|(name, value)| (name.to_owned(), value)).to_vec()))
}

/// The sale file: as much as a rival gets.
fn sale(target: &Target) -> String {
    let stock = target.setup.stock(Spoken::Binary);
    let mut text = format!("name = \"{}\"\nhold_ms = 3600000\n", target.sale);
    for item in &target.item {
        let limit = target.setup.limit;
        write!(
            text,
            "\n[[items]]\nsku = \"{item}\"\nstock = {stock}\nprice = 1\nlimit = {limit}\n"
        )
        .expect("writing into memory cannot fail");
    }
    text
}
