//! Wakes a poll at a moment finer than the whole milliseconds that epoll counts in.
//!
//! On Linux a timer that is a file beside the sockets; elsewhere the poll's own bound is fine
//! enough. Setting it costs a system call, so it is left alone while it has yet to go off.

use std::{io, time::Duration};

use mio::{Registry, Token};

#[cfg(target_os = "linux")]
pub(crate) struct Alarm {
    timer: std::os::fd::OwnedFd,
    /// When it goes off, ns since the start; 0 when it did.
    at: u64,
}

#[cfg(target_os = "linux")]
impl Alarm {
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Alarm> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        use std::os::fd::AsRawFd;
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let source = timer.as_raw_fd();
        registry.register(&mut mio::unix::SourceFd(&source), token, mio::Interest::READABLE)?;
        Ok(Alarm { timer, at: 0 })
    }

    /// Makes the next poll end at `at` or before; returns the bound to give to the poll.
    pub(crate) fn set(&mut self, now: u64, at: u64, longest: Duration) -> io::Result<Duration> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        if self.at > now && self.at <= at {
            return Ok(longest);
        }
        let wait = at.saturating_sub(now).max(1);
        let value = Timespec {
            tv_sec: (wait / 1_000_000_000).cast_signed(),
            tv_nsec: (wait % 1_000_000_000).cast_signed(),
        };
        let once = Itimerspec { it_interval: Timespec::default(), it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        self.at = at;
        Ok(longest)
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) struct Alarm;

#[cfg(not(target_os = "linux"))]
impl Alarm {
    pub(crate) fn new(_: &Registry, _: Token) -> io::Result<Alarm> {
        Ok(Alarm)
    }

    pub(crate) fn set(&mut self, now: u64, at: u64, longest: Duration) -> io::Result<Duration> {
        Ok(Duration::from_nanos(at.saturating_sub(now)).min(longest))
    }
}
