//! Groups of one's own, and conferences begun anew when their session is gone (RFC 5366, RCS-05).

use std::time::Instant;

use super::compose::Privacy;
use super::conversation::Conversation;
use super::event::LegId;
use super::leg::Procedure;
use super::list::is_callable;
use super::outcome::{Failed, Failure, Refusal};
use super::{CannotCall, Client, callable};
use crate::message::Marks;

/// A conference whose session is gone, as a rejoin has found out: there is no other way to come by one,
/// so a rejoin is always tried before a restart.
#[derive(Clone, Debug)]
pub struct Restart(Conversation);

impl Restart {
    /// What is known of the conference, its members among it.
    pub fn conversation(&self) -> &Conversation {
        &self.0
    }
}

impl Failed {
    /// The offer to begin the conference anew, if what failed is a rejoin to a session that is gone. It
    /// is not made to who is told not to be authorised (RCS-06).
    pub fn restart(self) -> Option<Restart> {
        match self.failure {
            Failure::Refused(refused) if refused.refusal == Refusal::SessionGone => {
                Some(Restart(self.conversation))
            }
            _ => None,
        }
    }
}

impl Client {
    /// Makes a group of these users at [`Config::factory`](super::Config::factory), who are called into
    /// it (RFC 5366). The conversation gets names of its own, for clients of GSMA.
    pub fn create(
        &mut self,
        now: Instant,
        members: &[&str],
        subject: Option<&str>,
        privacy: Privacy,
    ) -> Result<LegId, CannotCall> {
        let mark = |client: &mut Self| Some(client.tokens.token());
        let marks = Marks { contribution: mark(self), conversation: mark(self) };
        let conversation = Conversation {
            members: members.iter().map(|&member| member.to_owned()).collect(),
            subject: subject.map(str::to_owned),
            marks,
            ..Conversation::default()
        };
        self.found(now, conversation, privacy)
    }

    /// Begins a conference anew whose session is gone (RCS-05): a group is made of its members, with the
    /// names and the subject that it had. The identity of the session that this makes replaces the one
    /// that is known.
    pub fn restart(
        &mut self,
        now: Instant,
        restart: Restart,
        privacy: Privacy,
    ) -> Result<LegId, CannotCall> {
        self.found(now, restart.0, privacy)
    }

    fn found(
        &mut self,
        now: Instant,
        conversation: Conversation,
        privacy: Privacy,
    ) -> Result<LegId, CannotCall> {
        callable(self.config.factory.as_deref().ok_or(CannotCall::NoFactory)?)?;
        let members = &conversation.members;
        if members.is_empty() || !members.iter().all(|member| is_callable(member)) {
            return Err(CannotCall::NoMember);
        }
        Ok(self.start(now, conversation, Procedure::Create, privacy))
    }
}
