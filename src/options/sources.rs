//! Where options come from: flags, the environment, a TOML file. Each becomes a layer, with the
//! place of everything said in it; what is not understood is refused with that place.

use std::path::Path;

use toml::de::DeTable;

use super::declare::Said;
use super::value::{in_one_line, meant};
use super::{Layer, SETTINGS, Setting};

/// What our variables begin with.
pub const VARIABLE_PREFIX: &str = "DOORBUSTER_";
/// Variables of ours that are for `doorbuster sale`; a server that has them too is not disturbed.
const CLIENT_VARIABLES: [&str; 3] = ["ADMIN", "CA", "TOKEN"];
/// The longest file of options that is read.
const FILE_BYTES_MAX: usize = 1 << 20;

fn setting(name: &str) -> Result<&'static Setting, String> {
    SETTINGS.iter().find(|setting| setting.name == name).ok_or_else(|| {
        let names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        let meant = meant(name, names.iter().copied());
        let names = names.join("`, `");
        format!("there is no option `{}`; there are `{names}`{meant}", name.escape_debug())
    })
}

impl Layer {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// A sentence with file, line and what is allowed.
    pub fn from_file(path: &Path) -> Result<Layer, String> {
        let shown = path.display();
        let bytes = std::fs::read(path).map_err(|why| format!("{shown}: {why}"))?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(format!("{shown}: longer than {FILE_BYTES_MAX} bytes"));
        }
        let text = String::from_utf8(bytes).map_err(|why| {
            let line = line_of(why.as_bytes(), why.utf8_error().valid_up_to());
            format!("{shown}:{line}: not UTF-8")
        })?;
        let place = |at: usize| format!("{shown}:{}", line_of(text.as_bytes(), at));
        let table = DeTable::parse(&text).map_err(|why| {
            let at = why.span().map_or(0, |span| span.start);
            format!("{}: {}", place(at), in_one_line(why.message()))
        })?;
        let mut layer = Layer::default();
        // In the order of the file: the first fault is the first that is told.
        let mut lines: Vec<_> = table.get_ref().iter().collect();
        lines.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in lines {
            let fault = |at: usize, why: &str| format!("{}: {}", place(at), in_one_line(why));
            let setting = setting(key.get_ref()).map_err(|why| fault(key.span().start, &why))?;
            let name = setting.name;
            layer
                .say(setting, Said::Toml(value.get_ref()), place(key.span().start))
                .map_err(|why| fault(value.span().start, &format!("{name}: {why}")))?;
        }
        Ok(layer)
    }

    /// Reads `DOORBUSTER_*` out of the environment. Lists are separated by commas.
    ///
    /// # Errors
    /// A sentence with the variable and what is allowed.
    pub fn from_environment(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Layer, String> {
        let mut layer = Layer::default();
        for (name, value) in variables {
            let Some(key) = name.strip_prefix(VARIABLE_PREFIX) else { continue };
            if CLIENT_VARIABLES.contains(&key) {
                continue;
            }
            let fault = |why| format!("{name}: {why}");
            let setting = setting(&key.to_ascii_lowercase()).map_err(fault)?;
            let words: Vec<&str> = match setting.is_list {
                true => value.split(',').collect(),
                false => vec![&value],
            };
            layer.say(setting, Said::Words(&words), name.clone()).map_err(fault)?;
        }
        Ok(layer)
    }

    /// Takes in one flag, given with these values.
    ///
    /// # Errors
    /// A sentence with the flag and what is allowed.
    pub fn flag(&mut self, setting: &'static Setting, words: &[&str]) -> Result<(), String> {
        let flag = setting.flag();
        self.say(setting, Said::Words(words), flag.clone()).map_err(|why| format!("{flag}: {why}"))
    }

    fn say(&mut self, setting: &Setting, said: Said<'_>, origin: String) -> Result<(), String> {
        (setting.set)(self, said)?;
        self.origins.insert(setting.name, origin);
        Ok(())
    }
}

/// The line, from 1, of the byte at `at`.
fn line_of(text: &[u8], at: usize) -> usize {
    1 + text[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}
