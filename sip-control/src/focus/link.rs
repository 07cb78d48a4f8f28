//! A dialog, and the way by which its peer is reached.

use super::{charging::Vector, refusal::Refusal};
use crate::{
    dialog::{Dialog, DialogId},
    locate::Destination,
    message::{Draft, Header, Method, Request, Response},
    transport::{Source, Target},
};

/// A dialog, and where its peer was met last: that is where requests go, as long as the peer names
/// no other address. Nothing is looked up: a focus that waited for the DNS would make everybody
/// wait (DLG-22).
#[derive(Clone, Debug)]
pub struct Link {
    dialog: Dialog,
    /// Where the peer's last request came from, or where our INVITE to it went.
    met: Target,
    /// Whether the Call-ID is ours.
    is_ours: bool,
    /// By what an IMS core knows it.
    vector: Option<Vector>,
}

impl Link {
    /// The dialog that our answer to a request makes, by which the To tag is `tag`. The request has
    /// to say where its sender is (DLG-09).
    pub fn accept(request: &Request, tag: &str, source: Source) -> Result<Self, Refusal> {
        let dialog = Dialog::accept(request, tag);
        let dialog = dialog.map_err(|_| Refusal::Malformed(Header::Contact))?;
        Ok(Self { dialog, met: back_to(source), is_ours: false, vector: None })
    }

    /// The dialog that a 2xx makes of our INVITE to `uri`, which went to `met`. `None` when the
    /// answer names none.
    pub fn begin(uri: &str, answer: &Response, met: Target) -> Option<Self> {
        Some(Self { dialog: Dialog::begin(uri, answer)?, met, is_ours: true, vector: None })
    }

    /// The same, with what an IMS core knows it by.
    #[must_use]
    pub fn charged(self, vector: Option<Vector>) -> Self {
        Self { vector, ..self }
    }

    /// By what an IMS core knows it.
    pub fn vector(&self) -> Option<&Vector> {
        self.vector.as_ref()
    }

    /// The name of the dialog.
    pub fn id(&self) -> &DialogId {
        self.dialog.id()
    }

    /// Takes note of a request of the peer.
    pub fn handle_request(&mut self, request: &Request, source: Source) -> Result<(), Refusal> {
        self.dialog.handle_request(request).map_err(|_| Refusal::OutOfOrder)?;
        self.met = back_to(source);
        Ok(())
    }

    /// Moves the remote target to where the request says that its sender is now (DLG-13).
    pub fn refresh(&mut self, request: &Request) -> Result<(), Refusal> {
        self.dialog.refresh(request).map_err(|_| Refusal::Malformed(Header::Contact))
    }

    /// Moves the remote target to where a 2xx to a refresh of ours says that its sender is now. One
    /// that cannot be used moves nothing.
    pub fn refreshed(&mut self, answer: &Response) {
        let _ = self.dialog.refresh(answer);
    }

    /// Whether it was us who made the Call-ID (RFC 3261 section 14.1).
    pub fn owns_call_id(&self) -> bool {
        self.is_ours
    }

    /// The next request to the peer, and where it goes.
    pub fn request(&mut self, method: Method) -> (Draft, Target) {
        let draft = self.dialog.request(method);
        let draft = match &self.vector {
            Some(vector) => draft.header(Header::PChargingVector, &vector.in_request()),
            None => draft,
        };
        (draft, self.target())
    }

    /// A request to the peer that goes out again, under the next number.
    pub fn renumbered(&mut self, draft: Draft) -> Draft {
        self.dialog.renumbered(draft)
    }

    /// The ACK of the 2xx to our INVITE of that number, and where it goes.
    pub fn ack(&self, sequence: u32) -> (Draft, Target) {
        (self.dialog.ack(sequence), self.target())
    }

    /// An address in the URI of the next hop is taken; of a name, it is only known that the peer was
    /// met there. A connection is used as long as it lasts, whatever the address.
    fn target(&self) -> Target {
        let met = self.met;
        let hop = Destination::parse(self.dialog.next_hop()).ok();
        let Some((remote, hop)) = hop.and_then(|hop| Some((hop.address()?, hop))) else {
            return met;
        };
        let protocol = hop.protocol().unwrap_or(met.protocol);
        let is_same = protocol == met.protocol;
        Target {
            protocol,
            remote,
            local: met.local.filter(|_| is_same),
            connection: met.connection.filter(|_| is_same),
        }
    }
}

fn back_to(source: Source) -> Target {
    let Source { local, remote, protocol, connection } = source;
    Target { protocol, remote, local: Some(local), connection }
}

#[cfg(test)]
mod tests {
    use super::Link;
    use crate::{
        message::{Admission, Message, Method, admit},
        transport::{Protocol, Source},
    };

    fn target(lines: &str, protocol: Protocol) -> (Protocol, String) {
        let text = format!(
            "INVITE sip:garden@im.example.com SIP/2.0\r\n\
             Via: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:g@h>\r\n\
             Call-ID: 1\r\nCSeq: 1 INVITE\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        let remote = "192.0.2.1:50999".parse().unwrap();
        let local = "192.0.2.100:5060".parse().unwrap();
        let message = Message::from_datagram(text.into()).unwrap();
        let Admission::Request(request) = admit(message, remote) else { panic!("a request") };
        let source = Source { local, remote, protocol, connection: None };
        let mut link = Link::accept(&request, "f", source).unwrap();
        let (_, target) = link.request(Method::Bye);
        (target.protocol, target.remote.to_string())
    }

    /// NTF-01: the next hop is the nearest proxy, else the peer's Contact; a name is where the
    /// request came from.
    #[test]
    fn requests_go_to_the_next_hop() {
        use Protocol::{Tcp, Udp};
        let contact = "Contact: <sip:a@192.0.2.21:50231>\r\n";
        assert_eq!(target(contact, Udp), (Udp, "192.0.2.21:50231".to_owned()));
        assert_eq!(target(contact, Tcp), (Tcp, "192.0.2.21:50231".to_owned()));
        let contact = "Contact: <sip:a@192.0.2.21;transport=tcp>\r\n";
        assert_eq!(target(contact, Udp), (Tcp, "192.0.2.21:5060".to_owned()));
        let named = "Contact: <sip:a@a.example.com:7000;transport=tcp>\r\n";
        assert_eq!(target(named, Udp), (Udp, "192.0.2.1:50999".to_owned()));
        let routed = format!("Record-Route: <sip:[2001:db8::1];lr>\r\n{contact}");
        assert_eq!(target(&routed, Udp), (Udp, "[2001:db8::1]:5060".to_owned()));
    }
}
