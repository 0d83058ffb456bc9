//! Changed options on their way into force, without a restart: everyone who can follow a change
//! gets ready first, and only when all are ready does any of them change.
//!
//! It reads no file and knows no signal.

use crate::live::{Live, Values};
use crate::options::Options;

/// Gets a change of options ready, so that it can no more fail when all others are ready too.
pub type Hook = Box<dyn Fn(&Options) -> Result<Apply, String>>;
/// Brings into force what a [`Hook`] got ready.
pub type Apply = Box<dyn FnOnce()>;

/// All who follow changes.
pub struct Reload {
    hooks: Vec<Hook>,
}

impl Reload {
    /// With the rooms that look at `live`.
    pub fn new(live: Live) -> Reload {
        let live = std::sync::Arc::new(live);
        let hook: Hook = Box::new(move |options| {
            let (live, values) = (std::sync::Arc::clone(&live), live_values(options));
            Ok(Box::new(move || live.set(values)))
        });
        Reload { hooks: vec![hook] }
    }

    /// Lets someone else follow.
    pub fn follow(&mut self, hook: Hook) {
        self.hooks.push(hook);
    }

    /// Brings into force what of these options can change while the server runs: all or nothing.
    ///
    /// # Errors
    /// What is wrong, by the first who cannot follow; nothing has changed then.
    pub fn apply(&self, options: &Options) -> Result<(), String> {
        let ready: Result<Vec<Apply>, String> =
            self.hooks.iter().map(|hook| hook(options)).collect();
        ready?.into_iter().for_each(|apply| apply());
        Ok(())
    }
}

/// What the rooms look at.
pub fn live_values(options: &Options) -> Values {
    Values {
        shard_connections_max: options.connections_max.div_ceil(options.shards),
        idle_ms: options.idle_ms,
        request_ms: options.request_ms,
        write_stall_ms: options.write_stall_ms,
        shed_after_ms: options.shed_after_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Layer;

    #[test]
    fn nothing_changes_unless_all_can_follow() {
        let live = Live::new(Values::default());
        let mut follower = live.follow();
        follower.news();
        let mut reload = Reload::new(live);
        reload.follow(Box::new(|options| match options.idle_ms {
            7 => Err("not seven".to_owned()),
            _ => Ok(Box::new(|| {})),
        }));
        let options = |idle_ms| {
            let layer = Layer { idle_ms: Some(idle_ms), ..Layer::default() };
            layer.options().expect("good options")
        };
        assert_eq!(reload.apply(&options(7)), Err("not seven".to_owned()));
        assert_eq!(follower.news(), None);
        assert_eq!(reload.apply(&options(8)), Ok(()));
        assert_eq!(follower.news().map(|values| values.idle_ms), Some(8));
    }
}
