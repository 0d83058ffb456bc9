//! Real servers behind the same report: what is counted adds up, the law holds, nothing is left
//! behind. A test whose server is not installed says so and ends; CI has them all.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

const REDIS: [&str; 3] = ["redis-always", "redis-everysec", "redis-off"];
const POSTGRES: [&str; 3] = ["postgres-row", "postgres-units", "postgres-batch"];
/// For what a busy machine does in its own time.
const PATIENCE: Duration = Duration::from_secs(30);

fn loadgen(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.args(words.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("PGPASSWORD").env_remove("REDIS_PASSWORD").env_remove("PGDATABASE");
    command
}

/// A folder that every user may walk into, as PostgreSQL's must.
fn folder() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().expect("the temporary folder can be written");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    folder
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Drives a rival; `None` if it is not installed.
fn rival(name: &str, words: &str) -> Option<Value> {
    let dir = folder();
    let mut command = loadgen(&format!("rival {name} --json --warmup 0s --timeout 60s {words}"));
    let output = command.arg("--dir").arg(dir.path()).output().expect("it starts");
    let talk = stderr(&output);
    if output.status.code() == Some(69) && talk.contains("is not installed") {
        println!("not tested: {talk}");
        return None;
    }
    assert_eq!(output.status.code(), Some(0), "{name}: {talk}");
    assert_nothing_left(dir.path());
    Some(serde_json::from_slice(&output.stdout).expect("a document"))
}

fn number(report: &Value, pointer: &str) -> u64 {
    report.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// No file in the folder, and no process that works in it.
fn assert_nothing_left(dir: &Path) {
    let files: Vec<PathBuf> =
        fs::read_dir(dir).expect("it is there").flatten().map(|entry| entry.path()).collect();
    assert_eq!(files, Vec::<PathBuf>::new());
    assert_eq!(processes_in(dir), Vec::<PathBuf>::new());
}

fn processes_in(dir: &Path) -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let at_work = processes.filter_map(|process| fs::read_link(process.path().join("cwd")).ok());
    at_work.filter(|cwd| cwd.starts_with(dir)).collect()
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        match look() {
            Some(found) => return found,
            None => assert!(since.elapsed() < PATIENCE, "{what}: not seen"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// A stock that runs out, repeated keys, confirms and releases: every answer has its place.
fn everything_adds_up(name: &str, server: &str) {
    let stock = 400;
    let words = format!(
        "--requests 1200 --connections 6 --pipeline 5 --duplicates 0.2 --confirm 0.3 --release 0.1 \
         --stock {stock}"
    );
    let Some(report) = rival(name, &words) else { return };
    assert_eq!(number(&report, "/counts/sent"), 1200, "{report:#}");
    let given = number(&report, "/outcomes/given/held");
    // A doorbuster says what has become of the order since.
    let replayed: u64 = ["held", "confirmed", "released"]
        .iter()
        .map(|state| number(&report, &format!("/outcomes/replayed/{state}")))
        .sum();
    let sold_out = number(&report, "/outcomes/refused/sold_out");
    assert_eq!(given + replayed + sold_out, 1200, "{report:#}");
    assert!(replayed > 20 && sold_out > 100, "{report:#}");
    let confirmed = number(&report, "/outcomes/confirm/confirmed");
    let released = number(&report, "/outcomes/release/released");
    assert_eq!(confirmed + released, number(&report, "/counts/followed"), "{report:#}");
    assert!(confirmed > 50 && released > 10, "{report:#}");
    // Units that came back may be sold again, and no others.
    assert!((stock..=stock + released).contains(&given), "{report:#}");
    let checks = report["checks"].as_array().expect("a list of checks");
    assert!(checks.iter().all(|check| check["passed"] == true), "{report:#}");
    let mix = &report["run"]["mix"];
    assert_eq!(mix["rival"], name.split(' ').next().unwrap_or(name));
    assert!(mix["server"].as_str().is_some_and(|said| said.starts_with(server)), "{mix}");
    assert!(mix["durability"].as_str().is_some_and(|said| !said.is_empty()), "{mix}");
    assert!(report["cpu"]["server"].as_f64().is_some(), "{report:#}");
}

#[test]
fn everything_adds_up_at_redis() {
    for name in REDIS {
        everything_adds_up(name, "Redis ");
    }
}

#[test]
fn everything_adds_up_at_postgres() {
    for name in POSTGRES {
        everything_adds_up(name, "PostgreSQL ");
    }
}

#[test]
fn everything_adds_up_at_doorbuster() {
    everything_adds_up("doorbuster", "doorbuster ");
    everything_adds_up("doorbuster --protocol resp", "doorbuster ");
}

#[test]
fn what_a_trace_sells_is_on_sale() {
    let dir = folder();
    let trace = dir.path().join("trace.csv");
    fs::write(&trace, "time,buyer,item,units\n0,ann,mug,1\n0.1,bob,cap,2\n0.2,ann,cap,1\n")
        .expect("the folder is ours");
    for name in ["doorbuster", "redis-off"] {
        let words = format!("--connections 2 --trace {}", trace.display());
        let Some(report) = rival(name, &words) else { continue };
        assert_eq!(number(&report, "/orders"), 3, "{name}: {}", report["outcomes"]);
        assert_eq!(report["run"]["items"], serde_json::json!(["mug", "cap"]), "{name}");
    }
}

#[test]
fn a_buyers_limit_is_kept() {
    for name in ["redis-off", "postgres-row", "postgres-units", "postgres-batch"] {
        // 20 buyers who want two units each time, of four; one would not do for a third order.
        let words = "--requests 600 --connections 5 --pipeline 8 --buyers 20 --units 2 --limit 5 \
                     --duplicates 0.1 --item tee,mug --zipf 0 --stock 5000";
        let Some(report) = rival(name, words) else { continue };
        assert_eq!(number(&report, "/orders"), 20 * 2 * 2, "{report:#}");
        let (refused, replayed) = ("/outcomes/refused/limit_reached", "/outcomes/replayed/held");
        let others = number(&report, refused) + number(&report, replayed);
        assert_eq!(80 + others, 600, "{report:#}");
        assert!(number(&report, refused) > 400, "{report:#}");
    }
}

#[test]
fn an_open_loop_is_timed_from_its_schedule() {
    for name in ["redis-everysec", "postgres-batch"] {
        let words = "--rate 500 --duration 1s --connections 2";
        let Some(report) = rival(name, words) else { continue };
        assert_eq!(number(&report, "/counts/scheduled"), 500, "{report:#}");
        assert_eq!(number(&report, "/orders"), 500, "{report:#}");
        let path = "/latency/given/from_intended/count";
        assert_eq!(number(&report, path), 500, "{report:#}");
    }
}

/// A rival that runs for long, and the folder that its server works in.
fn long_run(name: &str, dir: &Path) -> Option<(Child, PathBuf)> {
    let mut command = loadgen(&format!("rival {name} --json --duration 60s --connections 2"));
    let mut child = command.arg("--dir").arg(dir).spawn().expect("it starts");
    wait_for("a server, or why there is none", || {
        if child.try_wait().expect("it is ours").is_some() {
            return Some(());
        }
        // Made before the sale: the run is about to begin.
        let entry = fs::read_dir(dir).expect("it is there").flatten().next()?;
        let made = ["data/postmaster.opts", "appendonlydir", "redis.conf"];
        let files = made.iter().filter(|file| entry.path().join(file).exists()).count();
        (files > 0 && !processes_in(dir).is_empty()).then_some(())
    });
    if child.try_wait().expect("it is ours").is_some() {
        println!("not tested: {}", stderr(&child.wait_with_output().expect("it ended")));
        return None;
    }
    let entry = fs::read_dir(dir).expect("it is there").flatten().next().expect("it was seen");
    Some((child, entry.path()))
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it runs");
}

/// Ends a run, and reads what it says: else it would wait for a reader.
fn end(child: Child) {
    send(&child, Signal::TERM);
    child.wait_with_output().expect("it ends");
}

#[test]
fn a_signal_leaves_nothing_behind() {
    for name in ["redis-always", "postgres-row"] {
        let dir = folder();
        let Some((child, _)) = long_run(name, dir.path()) else { continue };
        send(&child, Signal::INT);
        let output = child.wait_with_output().expect("it ends");
        assert_nothing_left(dir.path());
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("no document: {}", stderr(&output)));
        assert_eq!(report["partial"], true);
    }
}

#[test]
fn a_program_that_is_killed_leaves_nothing_behind() {
    for name in ["redis-always", "postgres-row"] {
        let dir = folder();
        let Some((mut child, server)) = long_run(name, dir.path()) else { continue };
        send(&child, Signal::KILL);
        child.wait().expect("it ends");
        wait_for("the end of the folder", || (!server.exists()).then_some(()));
        assert_nothing_left(dir.path());
    }
}

/// What stands behind a word at the beginning of a line.
fn setting(file: &Path, word: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    Some(line.trim().to_owned())
}

/// Runs at a server that is there already, with a password or none.
fn run_at(words: &str, variable: &str, password: Option<&str>) -> (Option<i32>, String) {
    let common = "run --sale web --item tee --requests 50 --warmup 0s --connections 2";
    let mut command = loadgen(&format!("{common} {words}"));
    if let Some(password) = password {
        command.env(variable, password);
    }
    let output = command.output().expect("it starts");
    (output.status.code(), stderr(&output))
}

/// One line beside the talk, with these words in it.
fn assert_one_line(talk: &str, wanted: &str) {
    assert!(talk.lines().count() == 1 && talk.contains(wanted), "{talk}");
}

#[test]
fn redis_of_others_is_asked_with_the_password_of_the_environment() {
    let dir = folder();
    let Some((child, server)) = long_run("redis-off", dir.path()) else { return };
    let file = server.join("redis.conf");
    let port = setting(&file, "port ").expect("it has one");
    let password = setting(&file, "requirepass ").expect("it has one");
    let words = format!("--protocol redis-lua --target 127.0.0.1:{port}");
    let run = |words: &str, password| run_at(words, "REDIS_PASSWORD", password);
    // It listens soon after it has begun to work in its folder.
    let right = wait_for("an answer", || {
        let right = run(&words, Some(&password));
        (right.0 != Some(69)).then_some(right)
    });
    assert_eq!(right.0, Some(0), "{}", right.1);
    let (code, talk) = run(&words, None);
    assert_eq!(code, Some(1), "{talk}");
    assert_one_line(&talk, "REDIS_PASSWORD");
    let (code, talk) = run(&words, Some("wrong"));
    assert_eq!(code, Some(1), "{talk}");
    assert_one_line(&talk, "WRONGPASS");
    let words = format!("--protocol postgres-row --target 127.0.0.1:{port}");
    let (code, talk) = run(&words, None);
    assert_eq!(code, Some(69), "{talk}");
    assert_one_line(&talk, "no answer");
    end(child);
}

#[test]
fn postgres_of_others_is_asked_with_the_password_of_the_environment() {
    let dir = folder();
    let Some((child, server)) = long_run("postgres-row", dir.path()) else { return };
    let password = fs::read_to_string(server.join("password")).expect("it has one");
    // The file is there a moment before its words are.
    let port = wait_for("its port", || {
        let options = fs::read_to_string(server.join("data/postmaster.opts")).ok()?;
        let (port, _) = options.split_once("port=")?.1.split_once('"')?;
        Some(port.to_owned())
    });
    let words = |user| {
        format!("--protocol postgres-units --target 127.0.0.1:{port} --database {user} --stock 99")
    };
    let run = |words: &str, password| run_at(words, "PGPASSWORD", password);
    let right = wait_for("an answer", || {
        let right = run(&words("loadgen/postgres"), Some(&password));
        let soon = ["refused", "starting up"].iter().any(|why| right.1.contains(why));
        (!soon).then_some(right)
    });
    assert_eq!(right.0, Some(0), "{}", right.1);
    let (code, talk) = run(&words("loadgen/postgres"), None);
    assert_eq!(code, Some(69), "{talk}");
    assert_one_line(&talk, "PGPASSWORD");
    for (user, password, wanted) in [
        ("loadgen/postgres", "wrong", "password authentication failed"),
        ("loadgen/nowhere", password.as_str(), "\"nowhere\" does not exist"),
    ] {
        let (code, talk) = run(&words(user), Some(password));
        assert_eq!(code, Some(1), "{talk}");
        assert_one_line(&talk, wanted);
    }
    let (code, talk) = run(&words("loadgen"), None);
    assert_eq!(code, Some(2), "{talk}");
    end(child);
}

#[test]
fn what_cannot_be_started_is_said_in_a_line() {
    let dir = folder();
    let alone = dir.path().join("loadgen");
    fs::copy(env!("CARGO_BIN_EXE_loadgen"), &alone).expect("there is room for it");
    let output = Command::new(&alone)
        .args(["rival", "doorbuster"])
        .env("PATH", "")
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(69));
    assert!(stderr(&output).contains("doorbuster is not installed: cargo build"));

    let missing = dir.path().join("missing");
    let mut command = loadgen("rival redis-off --dir");
    let output = command.arg(&missing).output().expect("it starts");
    let talk = stderr(&output);
    if !talk.contains("is not installed") {
        assert_eq!(output.status.code(), Some(74), "{talk}");
        let output = loadgen("rival redis-off -- --nonsense 1").output().expect("it starts");
        let talk = stderr(&output);
        assert_eq!(output.status.code(), Some(69), "{talk}");
        assert!(talk.contains("does not start: it ended") && talk.contains("nonsense"), "{talk}");
    }
}
