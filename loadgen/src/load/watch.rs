//! The thread that waits for the drivers and watches meanwhile: seconds as they end, CPU time.
//!
//! It only reads what the drivers tell, so that watching changes nothing of what is measured.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use doorbuster::message::outcome;

use super::arrivals::Profile;
use super::connect::Sampler;
use super::scrape::{Page, between};
use super::slice::Slice;
use super::{Cpu, Show};
use crate::clock::{Clock, cpu_seconds};
use crate::options::Target;
use crate::report::document::{Interval, Server};
use crate::report::figures;

/// How long to wait for a second to end before looking at the clock.
const NAP: Duration = Duration::from_millis(20);

pub(crate) struct Watch {
    slices: Receiver<Slice>,
    clock: Clock,
    profile: Option<Profile>,
    measured_from: u64,
    server_pid: Option<u32>,
    admin: Option<SocketAddr>,
    sampler: Option<Sampler>,
    /// Seconds that not all threads have told of, with how many have.
    gathering: BTreeMap<u64, (usize, Slice)>,
    pub(crate) intervals: Vec<Interval>,
    /// CPU time and clock when the measured time began.
    before: Option<(Option<f64>, Option<f64>, u64)>,
    /// The server's figures then.
    page: Option<Page>,
}

impl Watch {
    pub(crate) fn new(
        slices: Receiver<Slice>,
        clock: Clock,
        profile: Option<Profile>,
        measured_from: u64,
        target: &Target,
        sampler: Option<Sampler>,
    ) -> Watch {
        Watch {
            slices,
            clock,
            profile,
            measured_from,
            server_pid: target.server_pid,
            admin: target.admin.as_ref().map(|admin| admin.socket),
            sampler,
            gathering: BTreeMap::new(),
            intervals: Vec::new(),
            before: None,
            page: None,
        }
    }

    /// Watches until the last driver has ended.
    pub(crate) fn watch(&mut self, threads: usize, show: Show<'_>) {
        loop {
            if self.before.is_none() && self.clock.now() >= self.measured_from {
                self.before = Some(self.cpu_now());
                self.page = self.look();
            }
            match self.slices.recv_timeout(NAP) {
                Ok(slice) => self.gather(slice),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            // What all have told of is over, and so is all before it.
            let whole =
                |(index, (told, _)): (&u64, &(usize, _))| (*told >= threads).then_some(*index);
            if let Some(last) = self.gathering.iter().rev().find_map(whole) {
                let later = self.gathering.split_off(&(last + 1));
                let over = std::mem::replace(&mut self.gathering, later);
                over.into_values().for_each(|(_, slice)| self.end(slice, show));
            }
        }
        let rest = std::mem::take(&mut self.gathering);
        rest.into_values().for_each(|(_, slice)| self.end(slice, show));
    }

    /// CPU time since the measured time began.
    pub(crate) fn cpu(&self) -> Cpu {
        let (generator, server, now) = self.cpu_now();
        let before = self.before.unwrap_or((generator, server, now));
        let spent = |before: Option<f64>, after: Option<f64>| Some((after? - before?).max(0.0));
        Cpu {
            generator: spent(before.0, generator),
            server: spent(before.1, server),
            wall: now.saturating_sub(before.2) as f64 / 1e9,
        }
    }

    /// What the server's figures say of the measured time.
    pub(crate) fn server(&self) -> Option<Server> {
        let (before, after) = (self.page.as_ref()?, self.look()?);
        let seconds = self.clock.now().saturating_sub(self.measured_from) as f64 / 1e9;
        Some(between(before, &after, seconds))
    }

    fn look(&self) -> Option<Page> {
        let page = Page::fetch(self.admin?, None);
        page.map_err(|sentence| eprintln!("loadgen: {sentence}")).ok()
    }

    fn cpu_now(&self) -> (Option<f64>, Option<f64>, u64) {
        let server = self.server_pid.and_then(|id| cpu_seconds(Some(id)));
        (cpu_seconds(None), server, self.clock.now())
    }

    fn gather(&mut self, slice: Slice) {
        match self.gathering.get_mut(&slice.index) {
            Some((told, sum)) => {
                *told += 1;
                sum.merge(slice);
            }
            None => {
                self.gathering.insert(slice.index, (1, slice));
            }
        }
    }

    fn end(&mut self, slice: Slice, show: Show<'_>) {
        let began = self.intervals.last().map_or(0.0, |last: &Interval| last.at_seconds);
        let at_seconds = slice.ended as f64 / 1e9;
        let count = |seconds: f64| {
            self.profile.as_ref().map(|profile| profile.count_before((seconds * 1e9) as u64))
        };
        let due = count(at_seconds).zip(count(began)).map(|(to, from)| (to - from).round() as u64);
        let refused = (0..=u8::MAX)
            .zip(slice.refused)
            .filter(|(_, count)| *count > 0)
            .map(|(number, count)| (outcome::word(number).to_owned(), count));
        let interval = Interval {
            at_seconds,
            seconds: at_seconds - began,
            measured: began >= self.measured_from as f64 / 1e9,
            due,
            sent: slice.sent,
            given: slice.given,
            replayed: slice.replayed,
            waiting: slice.waiting,
            refused: refused.collect(),
            failed: slice.failed,
            followed: slice.followed,
            outstanding: slice.outstanding,
            intended: figures(&slice.intended),
            from_sent: figures(&slice.from_sent),
            stock: self.sampler.as_mut().and_then(Sampler::sample),
        };
        show(&interval, &slice.intended);
        self.intervals.push(interval);
    }
}
