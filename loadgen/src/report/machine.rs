//! Where a run took place: processor, memory, system. What cannot be told is left out.

use std::fs;

use super::document::Machine;

/// The machine that this program runs on.
pub(crate) fn machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let uname = rustix::system::uname();
    let word = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let kernel = format!("{} {}", word(uname.sysname()), word(uname.release()));
    let system =
        [distribution(&read("/etc/os-release")), Some(kernel), Some(word(uname.machine()))];
    Machine {
        processor: field(&read("/proc/cpuinfo"), "model name", ':'),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: memory_bytes(&read("/proc/meminfo")),
        system: system.into_iter().flatten().collect::<Vec<_>>().join(", "),
    }
}

/// The first line with this name before `sign`: what stands behind it.
fn field(text: &str, name: &str, sign: char) -> Option<String> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(sign));
    let (_, value) = pairs.find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn distribution(os_release: &str) -> Option<String> {
    let name = field(os_release, "PRETTY_NAME", '=')?;
    Some(name.trim_matches(['"', '\'']).to_owned())
}

fn memory_bytes(meminfo: &str) -> Option<u64> {
    let total = field(meminfo, "MemTotal", ':')?;
    let kib: u64 = total.strip_suffix(" kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_system_are_understood() {
        let info = "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nmodel name\t: other\n";
        assert_eq!(field(info, "model name", ':').as_deref(), Some("Some CPU @ 2.00GHz"));
        assert_eq!(memory_bytes("MemTotal:        8126464 kB\n"), Some(8_321_499_136));
        let release = "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        assert_eq!(distribution(release).as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!((memory_bytes(""), distribution(""), field("a", "a", ':')), (None, None, None));
    }

    #[test]
    fn this_machine_has_processors_and_a_system() {
        let machine = machine();
        assert!(machine.processors > 0 && !machine.system.is_empty(), "{machine:?}");
    }
}
