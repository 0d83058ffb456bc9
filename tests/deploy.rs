//! What lies in `deploy/` says what the program is: every option with its default, and no figure
//! that is not there. With `DOORBUSTER_EXAMPLE=rewrite` the example file is written anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use doorbuster::metrics::Metrics;
use doorbuster::options::{Layer, SETTINGS, example};

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(deploy(name)).expect("a file of the repository")
}

/// Without the manifest of one cargo builds none.
#[test]
fn the_image_is_built_from_all_members_of_the_workspace() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    let members = manifest["workspace"]["members"].as_array().expect("members");
    let copied: Vec<String> = text("Containerfile")
        .lines()
        .filter_map(|line| line.strip_prefix("COPY ")?.split(' ').next().map(str::to_owned))
        .collect();
    for member in members.iter().map(|member| member.as_str().expect("a folder")) {
        let folder = member.split('/').next().expect("a name");
        assert!(member == "." || copied.iter().any(|it| it == folder), "{member} of {copied:?}");
    }
}

#[test]
fn the_example_file_has_every_option_with_its_default() {
    if std::env::var("DOORBUSTER_EXAMPLE").is_ok_and(|word| word == "rewrite") {
        fs::write(deploy("doorbuster.toml"), example()).expect("written");
    }
    let text = text("doorbuster.toml");
    assert_eq!(text, example(), "DOORBUSTER_EXAMPLE=rewrite writes it anew");
    let is_option = |line: &&str| !line.starts_with("# ") && !line.ends_with('=');
    let lines = text.lines().filter(is_option).filter_map(|line| line.strip_prefix('#'));
    let lines: Vec<&str> = lines.collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("doorbuster.toml");
    fs::write(&path, lines.join("\n")).expect("written");
    let all = Layer::from_file(&path).expect("it reads back");
    let defaults = Layer { shards: Some(1), ..Layer::default() }.options().expect("allowed");
    assert_eq!(all.options().expect("allowed"), defaults);
    for setting in SETTINGS {
        let begin = format!("#{} =", setting.name);
        assert!(text.lines().any(|line| line.starts_with(&begin)), "{}", setting.name);
    }
}

/// Words in `text` that begin as our figures do.
fn figures(text: &str) -> BTreeSet<String> {
    let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let words = text.split(|char| !is_word(char));
    words.filter(|word| word.starts_with("doorbuster_")).map(str::to_owned).collect()
}

#[test]
fn dashboard_and_alerts_name_only_figures_that_are_there() {
    let metrics = Metrics::new(1);
    drop(metrics.threads.add("matcher"));
    let shown: BTreeSet<String> = metrics
        .render()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next().map(str::to_owned))
        .collect();
    for file in ["grafana.json", "doorbuster.alerts.yml"] {
        let named = figures(&text(file));
        assert!(named.len() > 5, "{file} names {named:?}");
        let missing: Vec<_> = named.difference(&shown).collect();
        assert!(missing.is_empty(), "{file} names {missing:?}; there are {shown:#?}");
    }
    let dashboard: serde_json::Value = serde_json::from_str(&text("grafana.json")).expect("JSON");
    assert!(dashboard["panels"].as_array().is_some_and(|panels| panels.len() > 10));
}

#[test]
fn the_unit_does_not_restart_what_does_not_heal() {
    let unit = text("doorbuster.service");
    let line = unit.lines().find_map(|line| line.strip_prefix("RestartPreventExitStatus="));
    let codes: Vec<&str> = line.expect("a line").split(' ').collect();
    assert_eq!(codes, ["2", "65", "73", "78"]);
    assert!(!codes.contains(&"74"), "a disk may have healed");
}
