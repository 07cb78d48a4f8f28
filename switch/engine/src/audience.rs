//! Whom a message is for: the room, one participant, or nobody. Decided when the wrapper's head is
//! complete, at the core of the sender, in the order of RFC 7701 sections 6.1 and 6.2 (PRIV-07).

use std::sync::Arc;

use mailbox::{Addressee, Audience, Class, CoreSet, Presence};
use msrp::{AddressBuf, MediaType, cpim::Wrapper};

use crate::{core::Core, message::Refusal, room::Room, route::SessionKey};

/// Where a message goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Destination {
    /// There.
    To(Audience, Class),
    /// Nowhere, and its sender is answered as if it did.
    Nowhere,
}

impl Core {
    /// Where a message of `announced` octets, as far as is known, goes.
    pub(crate) fn destination(
        &self,
        key: SessionKey,
        wrapper: &Wrapper<'_>,
        announced: u64,
    ) -> Result<Destination, Refusal> {
        let session = self.sessions.get(key).ok_or(Refusal::NoSuchSession)?;
        let room = self.rooms.get(session.room).ok_or(Refusal::NoSuchSession)?;
        if is_heartbeat(wrapper.content_type) {
            return Ok(Destination::Nowhere); // PEER-05
        }
        if !session.identities.iter().any(|own| wrapper.from == *own) {
            return Err(Refusal::Forbidden); // CHAT-03, CHAT-04
        }
        if wrapper.to_count > 1 {
            return Err(Refusal::Forbidden); // CHAT-05
        }
        let class = class(wrapper);
        if room.terms.addresses.iter().any(|address| wrapper.to == *address) {
            return match class {
                Class::Disposition => Err(Refusal::Forbidden), // IMDN-05
                _ => Ok(Destination::To(Audience::Room, class)),
            };
        }
        let class = if class == Class::Room { Class::Private } else { class };
        let policy = &room.terms.policy;
        match class {
            Class::Disposition if session.is_anonymous && !policy.anonymous_notifications => {
                Ok(Destination::Nowhere) // IMDN-07
            }
            Class::Disposition => self.addressee(room, wrapper, class, announced),
            _ if !policy.private_messages || !session.may_whisper => Err(Refusal::Forbidden), // PRIV-03
            _ => self.addressee(room, wrapper, class, announced),
        }
    }

    /// The one participant a message is for, if any session of it takes the message.
    fn addressee(
        &self,
        room: &Room,
        wrapper: &Wrapper<'_>,
        class: Class,
        announced: u64,
    ) -> Result<Destination, Refusal> {
        let listed = room.directory.find(&AddressBuf::from(wrapper.to));
        let participant = listed.first().ok_or(Refusal::NoSuchRecipient)?.participant; // PRIV-02
        let willing = |it: &&Arc<Presence>| class == Class::Disposition || it.takes_private;
        let reading = |it: &&Arc<Presence>| it.accept_wrapped.includes(wrapper.content_type);
        let roomy = |it: &&Arc<Presence>| it.size_max.is_none_or(|max| announced <= max);
        let mut willing = listed.iter().filter(willing).peekable();
        willing.peek().ok_or(Refusal::NoPrivateMessages)?; // PRIV-04
        let mut reading = willing.filter(reading).peekable();
        if reading.peek().is_none() {
            return match class {
                Class::Disposition | Class::Composing => Ok(Destination::Nowhere), // IMDN-04, COMP-02
                Class::Private | Class::Room => Err(Refusal::UnsupportedType),     // PRIV-10
            };
        }
        let cores: CoreSet = reading.filter(roomy).map(|it| it.core).collect();
        if cores.is_empty() {
            return Err(Refusal::StopSending); // PRIV-10
        }
        let addressee = Addressee { participant, cores, sender: self.config.id };
        Ok(Destination::To(Audience::Participant(addressee), class))
    }
}

/// Whether content of this type, wrapped or not, only shows that its sender is alive (PEER-05).
pub(crate) fn is_heartbeat(content_type: MediaType<'_>) -> bool {
    content_type.is("text", "x-msrp-heartbeat")
}

/// How urgent a message is, by what is in its wrapper, as if it were for the room.
fn class(wrapper: &Wrapper<'_>) -> Class {
    let of = wrapper.content_type;
    // An aggregate of notifications is one as well (IMDN-03).
    let may_notify = of.is("message", "imdn+xml") || of.is("multipart", "mixed");
    let disposition = wrapper.content_disposition.unwrap_or_default();
    let disposition = disposition.split(';').next().unwrap_or_default().trim();
    if may_notify && disposition.eq_ignore_ascii_case("notification") {
        Class::Disposition
    } else if of.is("application", "im-iscomposing+xml") {
        Class::Composing
    } else {
        Class::Room
    }
}
