//! A wall clock that can be set while a server runs, by libfaketime; the monotonic one stays true.
//!
//! Without the library such a test is skipped with one line; under `CI=true` it fails instead.

use std::path::{Path, PathBuf};

use super::is_to_be_had;
use super::server::Start;

/// Where Debian and its like put it, before the name of the machine is put in.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
const FOLDERS: [&str; 4] =
    ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];

/// A clock.
pub(crate) struct WallClock {
    library: PathBuf,
    setting: PathBuf,
}

impl WallClock {
    /// A clock that shows the true time, kept in this folder. `None`, and it is said, where there
    /// can be none.
    pub(crate) fn new(test: &str, folder: &Path) -> Option<WallClock> {
        let places = FOLDERS.iter().map(|folder| Path::new(folder).join(LIBRARY));
        let library = places.into_iter().find(|path| path.exists());
        let how = format!("{test} wants libfaketime: apt-get install libfaketime");
        if !is_to_be_had(library.is_some(), &how) {
            return None;
        }
        let clock = WallClock { library: library?, setting: folder.join("wall-clock") };
        clock.step(0);
        Some(clock)
    }

    /// From now on it shows so many seconds more than the true time.
    pub(crate) fn step(&self, seconds: i64) {
        // Replaced whole: the server may look at any moment.
        let unfinished = self.setting.with_extension("tmp");
        std::fs::write(&unfinished, format!("{seconds:+}\n")).expect("a file");
        std::fs::rename(&unfinished, &self.setting).expect("a file");
    }

    /// A server that goes by it.
    pub(crate) fn give(&self, start: Start) -> Start {
        let text = |path: &Path| path.to_str().expect("text").to_owned();
        start
            .variable("LD_PRELOAD", &text(&self.library))
            .variable("FAKETIME_TIMESTAMP_FILE", &text(&self.setting))
            .variable("FAKETIME_NO_CACHE", "1")
            .variable("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .variable("DONT_FAKE_MONOTONIC", "1")
    }
}
