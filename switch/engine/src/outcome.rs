//! What becomes of the copies that were sent: answered, refused, reported on, or not answered at all.
//! None of it is any business of the sender's (RPT-12, CHAT-29).

use std::{sync::Arc, time::Instant};

use mailbox::FailureCause;
use msrp::Head;

use crate::{
    chunk::CopyHead,
    connection::{Chunk, ConnectionId},
    core::Core,
    message::Refusal,
    route::{SessionKey, Silence},
};

/// Not answered in time, which a relay may have found out (RESP-14).
const TIMED_OUT: u16 = 408;

impl Core {
    /// The time of what was the oldest request of a connection has come.
    pub(crate) fn check_answers(&mut self, now: Instant, id: ConnectionId) {
        let age = self.limits.answer_max;
        while let Some(connection) = self.connections.get_mut(id)
            && let Some(concluded) = self.transactions.expire(&mut connection.outstanding, now, age)
        {
            self.copy_failed(now, concluded.session, &concluded.about, TIMED_OUT);
        }
        let Some(connection) = self.connections.get_mut(id) else { return };
        let oldest = self.transactions.oldest(&connection.outstanding);
        connection.answers_watched = oldest.is_some();
        if let Some(since) = oldest {
            self.timers.unanswered_connections.set(since, id);
        }
    }

    /// What a recipient answers to its copy. What answers nothing that is outstanding is dropped
    /// (RESP-11).
    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        id: ConnectionId,
        head: &Head<'_>,
        status: u16,
    ) {
        if head.fault.is_some() {
            self.count_malformed(now, id, head);
            return;
        }
        let Some(number) = self.request_answered(id, head) else {
            let is_known = self.answers_binding(now, id, head, status);
            self.counters.answers_unknown += u64::from(!is_known);
            return;
        };
        let Some(connection) = self.connections.get_mut(id) else { return };
        let failed = !is_success(status);
        let about = self.transactions.about(number).filter(|_| failed).cloned();
        let session = self.transactions.conclude(&mut connection.outstanding, number);
        let Some(session) = session else { return };
        if let Some(about) = about {
            self.copy_failed(now, session, &about, status);
        } else if let Some(session) = self.sessions.get_mut(session) {
            session.silence = Silence::default();
        }
    }

    /// The request that a response is to: by its transaction id, on the connection it was sent on,
    /// and as the session that sent it (RESP-10, RESP-11).
    fn request_answered(&self, id: ConnectionId, head: &Head<'_>) -> Option<u32> {
        let (number, session) = self.transactions.find(head.transaction.as_bytes())?;
        let session = self.sessions.get(session)?;
        let to_path = head.to_path?;
        let is_named = || {
            let uri = msrp::Uri::parse(to_path.first());
            to_path.count() == 1 && uri.is_some_and(|uri| session.uri.as_uri() == uri)
        };
        let is_ours = session.connection() == Some(id)
            && (to_path.raw() == session.uri.as_bytes() || is_named());
        is_ours.then_some(number)
    }

    /// A report about a copy ends here: it is never answered (RESP-08) and never goes to the sender
    /// (RPT-12). It means what a response with its code does, and nothing if nobody knows what it is
    /// about (RPT-11, RPT-13).
    pub(crate) fn handle_report(&mut self, now: Instant, session: SessionKey, head: &Head<'_>) {
        let Some(msrp::Status { namespace: 0, code }) = head.status else { return };
        let said = head.message_id.and_then(|message_id| self.said.find(message_id));
        if let Some(about) = said.filter(|_| !is_success(code)).cloned() {
            self.copy_failed(now, session, &about, code);
        }
    }

    /// A recipient did not take its copy. That ends the copy, may end more, and is nothing to the
    /// others (RESP-18, RPT-14).
    fn copy_failed(&mut self, now: Instant, key: SessionKey, about: &Arc<CopyHead>, code: u16) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(connection) = session.connection() else { return };
        let failed = if code == TIMED_OUT {
            self.counters.copies_unanswered += 1;
            // Who reads nothing has time to begin again, and is cut for that alone (FLOW-07).
            let connection = self.connections.get(connection);
            let is_reading = connection.is_some_and(|it| !it.is_stalled(now));
            let lasts = is_reading && session.silence.goes_on(now, self.limits.unanswered_max);
            lasts.then_some(FailureCause::Unresponsive)
        } else {
            self.counters.copies_refused_by_peer += 1;
            session.silence = Silence::default();
            let takes_nothing = match code {
                481 | 506 => true, // SEND-15
                415 => session.refuse(&about.wrapped_type),
                _ => false,
            };
            takes_nothing.then_some(FailureCause::RefusedByPeer)
        };
        if let Some(cause) = failed {
            // Its connection lives on, and with it what was asked on it.
            let of_session = |chunk: &Chunk| chunk.session == key;
            self.answer_unfinished_chunk(key, of_session, Refusal::NoSuchSession);
            self.fail_session(now, key, cause);
        } else {
            self.abort_copy_to(key, about);
        }
    }
}

/// Any 2xx is a 200 (RESP-18).
fn is_success(code: u16) -> bool {
    (200..300).contains(&code)
}
