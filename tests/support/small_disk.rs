//! A small file system in memory, which can really be full.

use std::path::PathBuf;
use std::process::Command;

use super::tell;

/// One, for as long as the test runs.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of this size, as `mount` writes it. `None`, and it is said, where that is not
    /// allowed.
    pub(crate) fn mount(test: &str, path: PathBuf, size: &str) -> Option<SmallDisk> {
        std::fs::create_dir_all(&path).expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&path);
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(SmallDisk(path));
        }
        tell(&format!("skipped: {test} wants to mount a tmpfs, and may not here"));
        None
    }

    /// Takes all the room there is. Returns the file that has it.
    pub(crate) fn fill(&self) -> PathBuf {
        let ballast = self.0.join("ballast");
        let taken = std::fs::write(&ballast, vec![0; 64 << 20]);
        assert!(taken.is_err(), "the disk is small");
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
