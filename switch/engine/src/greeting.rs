//! What a participant is told by the switch itself: where it is, and who else is there, if it does not
//! know chat rooms (CHAT-32); and what it missed (FLOW-08).

use std::{collections::HashSet, time::Instant};

use mailbox::Presence;
use msrp::{ByteRange, FailureReport, MediaType, SendHead, TransactionId, cpim};

use crate::{
    chunk::prefix_for, connection::Phase, core::Core, limits::GREETING_NAMES_MAX,
    mint::write_transaction, room::Room, route::SessionKey,
};

/// The type of the texts.
const TEXT: MediaType<'static> = MediaType { main: "text", sub: "plain" };

impl Core {
    /// Tells those who have begun to take part since the last time.
    pub(crate) fn inform(&mut self, now: Instant) {
        for key in std::mem::take(&mut self.uninformed) {
            let Some(session) = self.sessions.get(key) else { continue };
            let Some(room) = self.rooms.get(session.room) else { continue };
            let texts = [
                "This is a chat room: what you write goes to everybody in it.".to_owned(),
                room.list_of_names(),
            ];
            for text in texts {
                self.tell_text(now, key, &text);
            }
        }
    }

    /// Tells a session that keeps up again how many messages it missed, once a minute at most
    /// (FLOW-08).
    pub(crate) fn tell_missed(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.missed == 0 || session.told_of_missed || session.backlog.is_congested() {
            return;
        }
        let connection = session.connection().and_then(|id| self.connections.get(id));
        if connection.is_some_and(|it| it.outbox.is_within_message(key)) {
            self.watch.tell_later(key);
            return;
        }
        session.told_of_missed = true;
        let text = match std::mem::take(&mut session.missed) {
            1 => "You missed a message: too much was on its way to you.".to_owned(),
            missed => format!("You missed {missed} messages: too much was on its way to you."),
        };
        self.timers.told_sessions.set(now, key);
        self.tell_text(now, key, &text);
    }

    /// Sends one session a text in the name of its room, if it reads text (CHAT-33).
    pub(crate) fn tell_text(&mut self, now: Instant, key: SessionKey, text: &str) {
        let Some(session) = self.sessions.get(key) else { return };
        let Some(room) = self.rooms.get(session.room) else { return };
        let (Some(id), Some(peer)) = (session.connection(), session.recipient()) else { return };
        let Some(address) = room.terms.addresses.first() else { return };
        let date_time = self.clock.map(|clock| clock.utc(now).to_string());
        let mut body = Vec::new();
        cpim::Message {
            from: address.as_str(),
            to: address.as_str(),
            date_time: date_time.as_deref(),
            headers: "",
            content_type: "text/plain;charset=UTF-8",
            content_disposition: None,
            content: text.as_bytes(),
        }
        .write(&mut body);
        let size = body.len() as u64;
        let media = &peer.media;
        let reads = media.accept_wrapped.includes(TEXT) && media.direction.to_peer();
        if !reads || media.size_max.is_some_and(|max| size > max) {
            return;
        }
        let Some(connection) = self.connections.get_mut(id) else { return };
        if !matches!(connection.phase, Phase::Open) {
            return;
        }
        let mut transaction = Vec::with_capacity(16);
        let prefix = prefix_for(&mut self.mint, &body, msrp::has_hyphens(&body));
        write_transaction(&mut transaction, &prefix, 0);
        let Some(transaction) = TransactionId::parse(&transaction) else { return };
        let out = connection.outbox.reports(&mut self.spares);
        SendHead {
            transaction: &transaction,
            to_path: media.path.as_bytes(),
            from_path: session.uri.as_bytes(),
            message_id: &self.mint.message_id(),
            range: ByteRange { start: 1, end: Some(size), total: Some(size) },
            success_report: false,
            failure_report: FailureReport::No,
            content_headers: b"Content-Type: message/cpim\r\n",
        }
        .write(out);
        out.extend_from_slice(&body);
        msrp::write_end(out, &transaction, msrp::Flag::End, true);
        self.mark_dirty(id);
    }
}

impl Room {
    /// Who is here, each under the one address that all may know (CHAT-34).
    fn list_of_names(&self) -> String {
        let mut members = self.directory.all();
        let mut seen = HashSet::new();
        members.retain(|it| seen.insert(it.participant));
        let name = |it: &Presence| it.addresses.first().map(|it| it.as_str().to_owned());
        let names: Vec<String> =
            members.iter().filter_map(|it| name(it)).take(GREETING_NAMES_MAX).collect();
        let list = format!("In this room: {}", names.join(", "));
        match members.len().saturating_sub(names.len()) {
            0 => list,
            more => format!("{list}, and {more} more"),
        }
    }
}
