//! A folder for the real program: its sale files, and what it keeps.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Ended, Server, Start, run};

/// A folder with sale files and a data folder.
pub(crate) struct House {
    folder: TempDir,
    sales: Vec<PathBuf>,
}

impl House {
    /// A folder with one file for each sale, in TOML.
    pub(crate) fn new(sales: &[&str]) -> House {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |(index, sale): (usize, &&str)| {
            let path = folder.path().join(format!("sale-{index}.toml"));
            std::fs::write(&path, sale).expect("a sale file");
            path
        };
        let sales = sales.iter().enumerate().map(write).collect();
        House { folder, sales }
    }

    /// Another house, whose data folder is a copy of this one's.
    pub(crate) fn twin(&self) -> House {
        let twin = House { sales: self.sales.clone(), ..House::new(&[]) };
        copy(&self.data(), &twin.data());
        twin
    }

    /// A copy of the data folder, in the folder under this name.
    pub(crate) fn copy(&self, name: &str) -> PathBuf {
        let there = self.path(name);
        copy(&self.data(), &there);
        there
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// The journal's segments, oldest first.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.data().join("journal")).expect("a journal");
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| entry.expect("a folder that can be read").path()).collect();
        paths.retain(|path| path.extension() == Some(OsStr::new("seg")));
        paths.sort();
        paths
    }

    /// A server about to start.
    pub(crate) fn server(&self) -> Start {
        Start {
            wrapper: Vec::new(),
            arguments: Vec::new(),
            variables: Vec::new(),
            data: self.data(),
            sales: self.sales.clone(),
        }
    }

    /// A server that listens.
    pub(crate) fn serve(&self) -> Server {
        self.server().run()
    }

    /// Runs another command of the program on the data folder, to its end.
    pub(crate) fn look(&self, command: &str, options: &[&str]) -> Ended {
        let data = self.data();
        let mut arguments = vec![OsStr::new(command), data.as_os_str()];
        arguments.extend(options.iter().map(OsStr::new));
        run(&arguments)
    }

    /// The journal's records as `log --json` tells them.
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        let log = self.look("log", &["--json"]);
        log.expect_code(0);
        let line = |line: &str| serde_json::from_str(line).expect("one JSON object a line");
        log.stdout.lines().map(line).collect()
    }

    /// What `audit --json` found; it must have passed.
    #[track_caller]
    pub(crate) fn audit(&self) -> serde_json::Value {
        let audit = self.look("audit", &["--json"]);
        audit.expect_code(0);
        let verdict: serde_json::Value = serde_json::from_str(&audit.stdout).expect("JSON");
        assert_eq!(verdict["verdict"], "pass");
        verdict
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("a folder that can be read").path();
        let there = to.join(path.file_name().expect("it has a name"));
        if path.is_dir() {
            copy(&path, &there);
        } else {
            std::fs::copy(&path, &there).expect("copied");
        }
    }
}
