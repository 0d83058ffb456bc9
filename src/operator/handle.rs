//! The way to the operator's room from any thread.
//!
//! Invariant: whoever was not told [`Busy`] is answered exactly once, come what may: a command that
//! is dropped on the way answers that the server stops.

use std::sync::{
    Arc,
    mpsc::{SyncSender, TrySendError},
};

use super::words::{OperatorAnswer, OperatorCommand, OperatorError};
use crate::bell::Bell;

/// What the caller hears in the end.
pub type Told = Result<OperatorAnswer, OperatorError>;

/// Too many commands wait already. Nothing was taken; try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many of the operator's commands wait already")]
pub struct Busy;

/// A command and whom to tell.
pub(super) struct Errand {
    pub(super) command: OperatorCommand,
    /// `None` once it was told.
    answer: Option<Box<dyn FnOnce(Told) + Send>>,
}

impl Errand {
    pub(super) fn tell(mut self, told: Told) {
        let answer = self.answer.take().expect("told once, and then it is gone");
        answer(told);
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            answer(Err(OperatorError::Stopping));
        }
    }
}

/// The way in. Copies lead to the same room.
#[derive(Clone)]
pub struct OperatorHandle {
    /// Of the standard library: it drops what lies in it when the room is left, and with that
    /// answers it, while crossbeam's keeps it as long as there are handles.
    inbox: SyncSender<Errand>,
    bell: Arc<Bell>,
}

impl OperatorHandle {
    pub(super) fn new(inbox: SyncSender<Errand>, bell: Arc<Bell>) -> OperatorHandle {
        OperatorHandle { inbox, bell }
    }

    /// Hands in a command. `answer` is called once, on the operator's thread or, if the server
    /// stops, on any; it must not wait for anything, least of all for another command.
    ///
    /// # Errors
    /// [`Busy`]; `answer` is then not called.
    pub fn ask(
        &self,
        command: OperatorCommand,
        answer: impl FnOnce(Told) + Send + 'static,
    ) -> Result<(), Busy> {
        let errand = Errand { command, answer: Some(Box::new(answer)) };
        match self.inbox.try_send(errand) {
            Ok(()) => {
                self.bell.ring();
                Ok(())
            }
            Err(TrySendError::Full(mut errand)) => {
                errand.answer = None;
                Err(Busy)
            }
            // Dropping it tells that the server stops.
            Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }
}
