//! What a phone says of its media, and what it wants of them.

use std::net::SocketAddr;

use msrp::{AcceptTypes, PathBuf, UriBuf};
use sip_control::{client::Agreement, message::Message};

use super::Phone;
use crate::wire::{Call, Key, Wish};

impl Phone {
    /// A description of ours. Every other session waits to be connected to.
    pub(super) fn description(&self, session: u64, is_held: bool) -> String {
        let ip = self.address.ip();
        let (port, setup) = match port_of(session) {
            Some(port) => (port, "passive"),
            None => (9, "active"),
        };
        let line = if is_held { 0 } else { port };
        format!(
            "v=0\r\no=- {session} {} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
             m=message {line} TCP/MSRP *\r\na=accept-types:message/cpim\r\n\
             a=accept-wrapped-types:*\r\na=setup:{setup}\r\na=path:{}\r\n",
            self.last,
            self.path(session)
        )
    }

    fn path(&self, session: u64) -> String {
        let (ip, port) = (self.address.ip(), port_of(session).unwrap_or(9));
        format!("msrp://{ip}:{port}/phone{}x{session};tcp", self.number)
    }

    pub(super) fn connect(&mut self, session: u64, remote: PathBuf, to: &str) {
        let agreement = Agreement {
            local: UriBuf::parse(self.path(session).as_bytes()).unwrap(),
            remote,
            wrapped_types: AcceptTypes::any(),
            size_max: None,
            may_send: true,
            nicknames: true,
            private_messages: false,
        };
        let ip = self.address.ip();
        let call = Call {
            agreement,
            from: self.user.split(";transport").next().unwrap().to_owned(),
            to: to.to_owned(),
            is_anonymous: false,
            waits_at: port_of(session).map(|port| SocketAddr::new(ip, port)),
        };
        let key = Key { peer: self.number, session };
        self.wishes.push(Wish::Connect { key, call: Box::new(call) });
    }

    pub(super) fn close(&mut self, session: u64) {
        self.wishes.push(Wish::Close { key: Key { peer: self.number, session } });
    }
}

/// Every other session waits to be connected to, each at a port of its own.
fn port_of(session: u64) -> Option<u16> {
    (session % 4 == 3).then(|| 10_000 + session as u16)
}

/// The path that a description names, if there is one that is in use.
pub(super) fn path_in(message: &Message) -> Option<PathBuf> {
    let body = message.body();
    let text = std::str::from_utf8(&body).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("a=path:"))?;
    PathBuf::parse(path.as_bytes())
}
