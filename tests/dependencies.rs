//! What others wrote and we build on: under which licences, from where, and what may not come in.
//! Each rule is a function from packages to their faults, run over the lock file (or, for licences,
//! over what cargo knows of the packages built here) and over a bad sample.
//!
//! `DOORBUSTER_FEATURES=kafka` looks at what comes with that feature too, once it was fetched.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use spdx::{Expression, ParseMode};

/// A package as a lock file or cargo tells of it.
#[derive(Debug, Default)]
struct Package {
    name: String,
    version: String,
    /// Where it comes from; `None` for one of ours.
    source: Option<String>,
    licence: Option<String>,
}

/// `name version: what is wrong, and what is allowed`.
type Fault = String;

/// All of these let us give the program to anybody under our own licence.
const LICENCES: [&str; 9] = [
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "Zlib",
    // The tables of characters in the icu crates.
    "Unicode-3.0",
    // The list of root certificates.
    "CDLA-Permissive-2.0",
];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What may not come in, not even behind somebody else, and why.
const BANNED: [(&str, &str); 5] = [
    ("openssl", "TLS is rustls: one library, in Rust"),
    ("openssl-sys", "TLS is rustls: one library, in Rust"),
    ("native-tls", "TLS is rustls: one library, in Rust"),
    ("aws-lc-sys", "ring is the one provider of cryptography, and wants no cmake"),
    ("serde_yaml", "it is not kept any more; files are TOML and JSON"),
];

/// What is there in two versions that do not go together, and who still wants the older one.
const TWICE: [(&str, &str); 19] = [
    ("base64", "0.23: the writer of certificates in tests"),
    ("bit-vec", "0.9: the writer of certificates in tests"),
    ("block-buffer", "0.10: sha2 of nats's keys"),
    ("const-oid", "0.9: the same"),
    ("cpufeatures", "0.2: the same"),
    ("crypto-common", "0.1: the same"),
    ("digest", "0.10: the same"),
    ("getrandom", "0.2: ring, nats's keys"),
    ("nom", "7: the parser of certificates in tests"),
    ("rand", "0.8: nats's keys"),
    ("rand_core", "0.6: the same"),
    ("sha2", "0.10: nats's keys"),
    ("syn", "2: most derives; 3: some"),
    ("synstructure", "0.13: derives of certificates' parser"),
    ("thiserror", "1: a rival ring in the benches"),
    ("thiserror-impl", "1: the same"),
    ("wasi", "getrandom, on a system that is not ours"),
    ("windows-link", "a system that is not ours"),
    ("windows-sys", "a system that is not ours"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All that may ever be built, on any system and with any feature.
fn locked() -> Vec<Package> {
    let text = std::fs::read_to_string(root().join("Cargo.lock")).expect("there is a lock file");
    let lock: toml::Table = text.parse().expect("it is TOML");
    let text = |package: &toml::Value, key| package.get(key)?.as_str().map(str::to_owned);
    let packages = lock["package"].as_array().expect("a list of packages").iter();
    let package = |it| Package {
        name: text(it, "name").expect("a name"),
        version: text(it, "version").expect("a version"),
        source: text(it, "source"),
        licence: None,
    };
    packages.map(package).collect()
}

/// What is built on this system, with what cargo knows of it.
fn built() -> Vec<Package> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["metadata", "--locked", "--offline", "--format-version", "1"]);
    cargo.args(["--filter-platform", &format!("{}-unknown-linux-gnu", std::env::consts::ARCH)]);
    if let Ok(features) = std::env::var("DOORBUSTER_FEATURES") {
        cargo.args(["--features", &format!("doorbuster/{features}")]);
    }
    let told = cargo.output().expect("cargo runs");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("cargo writes JSON");
    let text = |package: &serde_json::Value, key: &str| package[key].as_str().map(str::to_owned);
    let package = |it| Package {
        name: text(it, "name").expect("a name"),
        version: text(it, "version").expect("a version"),
        source: text(it, "source"),
        licence: text(it, "license"),
    };
    told["packages"].as_array().expect("a list of packages").iter().map(package).collect()
}

/// Runs a rule over packages and over a bad sample, in which it must find `faults` faults.
fn check(
    rule: impl Fn(&[Package]) -> Vec<Fault>,
    packages: &[Package],
    sample: &[Package],
    faults: usize,
) {
    assert!(packages.len() > 100, "the rule looks at nothing");
    let found = rule(sample);
    assert_eq!(found.len(), faults, "the rule is blind, or sees ghosts, in its sample: {found:#?}");
    let found = rule(packages);
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

fn fault(package: &Package, what: &str) -> Fault {
    format!("{} {}: {what}", package.name, package.version)
}

fn foreign(name: &str, version: &str) -> Package {
    let source = Some(CRATES_IO.to_owned());
    Package { name: name.into(), version: version.into(), source, licence: None }
}

fn licensed(licence: &str) -> Package {
    let licence = (!licence.is_empty()).then(|| licence.to_owned());
    Package { licence, ..foreign("a", "1.0.0") }
}

fn licence_faults(packages: &[Package]) -> Vec<Fault> {
    let fault_of = |package: &Package| {
        let Some(text) = &package.licence else {
            return Some(fault(package, "it names no licence"));
        };
        // Older packages write a slash for "or".
        let expression = match Expression::parse_mode(text, ParseMode::LAX) {
            Ok(expression) => expression,
            Err(why) => return Some(fault(package, &format!("`{text}`: {why}"))),
        };
        let is_allowed = expression.evaluate(|wanted| {
            let id = wanted.license.id();
            wanted.addition.is_none() && id.is_some_and(|id| LICENCES.contains(&id.name))
        });
        (!is_allowed).then(|| fault(package, &format!("`{text}`: allowed are {LICENCES:?}")))
    };
    packages.iter().filter_map(fault_of).collect()
}

#[test]
fn every_licence_lets_us_give_the_program_to_anybody() {
    let sample = [
        licensed("GPL-3.0-only"),
        licensed("MIT AND GPL-2.0-or-later"),
        licensed("Apache-2.0 WITH LLVM-exception"),
        licensed("MIT OR"),
        licensed(""),
    ];
    check(licence_faults, &built(), &sample, sample.len());
    let good = [
        licensed("MIT"),
        licensed("GPL-3.0-only OR MIT"),
        licensed("MIT/Apache-2.0"),
        licensed("(MIT OR GPL-3.0-only) AND Unicode-3.0"),
        licensed("LGPL-3.0 OR (ISC AND BSD-3-Clause)"),
    ];
    assert_eq!(licence_faults(&good), Vec::<Fault>::new());
}

fn source_faults(packages: &[Package]) -> Vec<Fault> {
    const OURS: [&str; 4] = ["doorbuster", "fuzz", "interleavings", "loadgen"];
    let fault_of = |package: &Package| match &package.source {
        None if OURS.contains(&package.name.as_str()) => None,
        None => Some(fault(package, &format!("a path; of paths there are only {OURS:?}"))),
        Some(source) if source == CRATES_IO => None,
        Some(source) => Some(fault(package, &format!("from {source}; only crates.io is allowed"))),
    };
    packages.iter().filter_map(fault_of).collect()
}

#[test]
fn all_comes_from_crates_io_or_is_ours() {
    let from = |source: &str| Package { source: Some(source.into()), ..foreign("a", "1.0.0") };
    let sample = [
        from("git+https://github.com/a/a?rev=1#1"),
        from("registry+https://crates.example/index"),
        Package { source: None, ..foreign("serde", "1.0.0") },
        foreign("serde", "1.0.0"),
    ];
    check(source_faults, &locked(), &sample, 3);
}

fn ban_faults(packages: &[Package]) -> Vec<Fault> {
    let fault_of = |package: &Package| {
        let banned = BANNED.iter().find(|(name, _)| *name == package.name);
        banned.map(|(_, why)| fault(package, &format!("banned: {why}")))
    };
    packages.iter().filter_map(fault_of).collect()
}

#[test]
fn what_is_banned_does_not_come_in() {
    let sample = [foreign("openssl-sys", "0.9.1"), foreign("openssl-probe", "0.2.0")];
    check(ban_faults, &locked(), &sample, 1);
}

/// What semver holds to be one: the first number that is not zero.
fn major(version: &str) -> String {
    let mut parts = version.split('.');
    match (parts.next(), parts.next()) {
        (Some("0"), Some(minor)) => format!("0.{minor}"),
        (Some(major), _) => major.to_owned(),
        _ => version.to_owned(),
    }
}

/// Packages in more than one version that do not go together.
fn twice(packages: &[Package]) -> BTreeMap<&str, Vec<String>> {
    let mut majors: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for package in packages {
        let versions = majors.entry(&package.name).or_default();
        if !versions.contains(&major(&package.version)) {
            versions.push(major(&package.version));
        }
    }
    majors.retain(|_, versions| versions.len() > 1);
    majors
}

fn twice_faults(packages: &[Package]) -> Vec<Fault> {
    let is_excused = |name: &str| TWICE.iter().any(|(excused, _)| *excused == name);
    let fault_of = |(name, versions): (&str, Vec<String>)| {
        let what = format!("{name}: {}; one will do, or a reason in TWICE", versions.join(" and "));
        (!is_excused(name) || versions.len() > 2).then_some(what)
    };
    twice(packages).into_iter().filter_map(fault_of).collect()
}

#[test]
fn nothing_is_there_twice_without_a_reason() {
    let sample = [
        foreign("serde", "1.0.0"),
        foreign("serde", "2.1.0"),
        foreign("toml", "0.8.1"),
        foreign("toml", "0.9.0"),
        foreign("bytes", "1.0.0"),
        foreign("bytes", "1.9.0"),
        foreign("sha2", "0.10.0"),
        foreign("sha2", "0.11.0"),
        foreign("sha2", "0.9.0"),
    ];
    check(twice_faults, &locked(), &sample, 3);
    let locked = locked();
    let twice = twice(&locked);
    for (name, _) in TWICE {
        assert!(twice.contains_key(name), "{name} is there once: strike it from TWICE");
    }
}
