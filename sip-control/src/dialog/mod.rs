//! SIP dialogs (RFC 3261 section 12): which requests belong together, in which order, and by which
//! way the next one goes.
//!
//! A [`Dialog`] owns no socket, no clock and no transaction. Requests of the peer are checked
//! against it; requests of ours are drafted by it.

use crate::message::{Draft, Header, List, Message, Method, NameAddr, Request, Response, SipUri};

/// The three names that a dialog has on our side (RFC 3261 section 12).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct DialogId {
    /// The Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's; empty when it follows RFC 2543 and has none.
    pub remote_tag: String,
}

impl DialogId {
    /// The dialog that a request of the peer names. `None` when it has no To tag, and so is outside
    /// of any.
    pub fn of_request(request: &Request) -> Option<Self> {
        Some(Self {
            call_id: request.call_id().to_owned(),
            local_tag: request.to_tag()?.to_owned(),
            remote_tag: request.from_tag().unwrap_or_default().to_owned(),
        })
    }

    /// The dialog that a response to a request of ours names. `None` when it has no To tag yet.
    pub fn of_response(response: &Response) -> Option<Self> {
        Some(Self {
            call_id: response.call_id().to_owned(),
            local_tag: response.from_tag().unwrap_or_default().to_owned(),
            remote_tag: response.to_tag()?.to_owned(),
        })
    }
}

/// A request that makes or refreshes a dialog does not say where the peer can be reached: its
/// Contact is missing, or is no single SIP or SIPS URI. To be answered with 400.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ContactUnusable;

/// A request is older than one that was served before it. To be answered with 500 (RFC 3261 section
/// 12.2.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OutOfOrder;

/// One dialog as we see it.
#[derive(Clone, Debug)]
pub struct Dialog {
    id: DialogId,
    /// Our From, or To, with our tag.
    local: String,
    /// The peer's, with its tag if it has one.
    remote: String,
    /// Where the peer itself is.
    remote_target: String,
    /// The proxies on the way, nearest first, each in angle brackets.
    route_set: Vec<String>,
    /// The number of the last request we drafted.
    local_sequence: u32,
    /// The number of the last request the peer sent, if it sent any.
    remote_sequence: Option<u32>,
    is_secure: bool,
}

impl Dialog {
    /// The dialog that our answer to `request` makes. `local_tag` is the To tag of that answer.
    pub fn accept(request: &Request, local_tag: &str) -> Result<Self, ContactUnusable> {
        let contact = contact(request)?.ok_or(ContactUnusable)?;
        let to = request.header(Header::To).unwrap_or_default();
        let local = match request.to_tag() {
            // A NOTIFY may make the dialog that our SUBSCRIBE asked for.
            Some(_) => to.to_owned(),
            None => format!("{to};tag={local_tag}"),
        };
        let local_tag = request.to_tag().unwrap_or(local_tag);
        Ok(Self {
            id: DialogId {
                call_id: request.call_id().to_owned(),
                local_tag: local_tag.to_owned(),
                remote_tag: request.from_tag().unwrap_or_default().to_owned(),
            },
            local,
            remote: request.header(Header::From).unwrap_or_default().to_owned(),
            is_secure: is_sips(request.request_uri()) && is_sips(contact.uri()),
            remote_target: contact.uri().to_owned(),
            route_set: request.list(Header::RecordRoute).map(str::to_owned).collect(),
            local_sequence: 0,
            remote_sequence: Some(request.sequence()),
        })
    }

    /// The dialog that `response` makes of our request to `request_uri`. `None` when it has no To
    /// tag. A response without a usable Contact leaves the Request-URI as the target: it reached the
    /// peer once.
    pub fn begin(request_uri: &str, response: &Response) -> Option<Self> {
        let id = DialogId::of_response(response)?;
        let contact = contact(response).ok().flatten();
        let mut route_set: Vec<_> = response.list(Header::RecordRoute).map(str::to_owned).collect();
        route_set.reverse();
        let remote_target = contact.map_or(request_uri, |contact| contact.uri());
        Some(Self {
            id,
            local: response.header(Header::From).unwrap_or_default().to_owned(),
            remote: response.header(Header::To).unwrap_or_default().to_owned(),
            is_secure: is_sips(request_uri) && is_sips(remote_target),
            remote_target: remote_target.to_owned(),
            route_set,
            local_sequence: response.sequence(),
            remote_sequence: None,
        })
    }

    /// The name of the dialog.
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// Where the peer itself is.
    pub fn remote_target(&self) -> &str {
        &self.remote_target
    }

    /// The peer's URI and tag, as From or To has them.
    pub fn remote(&self) -> &str {
        &self.remote
    }

    /// The URI of the next hop: the nearest proxy, else the peer itself.
    pub fn next_hop(&self) -> &str {
        self.route_set
            .first()
            .and_then(|route| NameAddr::parse(route))
            .map_or(&self.remote_target, |route| route.uri())
    }

    /// Whether all requests have to go by TLS.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The number of the last request of ours.
    pub fn local_sequence(&self) -> u32 {
        self.local_sequence
    }

    /// Says that requests up to this number went out before the dialog was made, as when a NOTIFY
    /// overtakes the 200 of its SUBSCRIBE.
    pub fn continue_from(&mut self, sequence: u32) {
        self.local_sequence = self.local_sequence.max(sequence);
    }

    /// Says that this dialog was an early one before: numbers go on from there, while the way is that of
    /// the 2xx (RFC 3261 section 13.2.2.4).
    pub fn succeed(&mut self, early: &Self) {
        self.local_sequence = self.local_sequence.max(early.local_sequence);
        self.remote_sequence = self.remote_sequence.max(early.remote_sequence);
    }

    /// Takes note of a request of the peer, which its transaction has seen to be new. A gap upwards
    /// is no fault: a proxy may have answered what is missing. ACK and CANCEL have the number of
    /// their INVITE, and are not counted.
    pub fn handle_request(&mut self, request: &Request) -> Result<(), OutOfOrder> {
        if matches!(request.method(), Method::Ack | Method::Cancel) {
            return Ok(());
        }
        let sequence = request.sequence();
        if self.remote_sequence.is_some_and(|last| sequence < last) {
            return Err(OutOfOrder);
        }
        self.remote_sequence = Some(sequence);
        Ok(())
    }

    /// Moves the remote target to the Contact of a request that may do so, once it is served, or of
    /// a 2xx to one. The route set stays (RFC 3261 section 12.2.1.2). A message without Contact
    /// moves nothing.
    pub fn refresh(&mut self, message: &Message) -> Result<(), ContactUnusable> {
        if let Some(contact) = contact(message)? {
            contact.uri().clone_into(&mut self.remote_target);
        }
        Ok(())
    }

    /// Drafts the next request (RFC 3261 section 12.2.1.1). Contact and what the method needs are
    /// for the caller to add.
    pub fn request(&mut self, method: Method) -> Draft {
        self.local_sequence += 1;
        self.draft(method, self.local_sequence)
    }

    /// A request that was refused for what it lacks, as it goes out again (RFC 3261 section 8.1.3.5).
    pub fn renumbered(&mut self, draft: Draft) -> Draft {
        self.local_sequence += 1;
        draft.renumbered(self.local_sequence)
    }

    /// Drafts the ACK of a 2xx to our INVITE of that number.
    pub fn ack(&self, sequence: u32) -> Draft {
        self.draft(Method::Ack, sequence)
    }

    fn draft(&self, method: Method, sequence: u32) -> Draft {
        // A nearest proxy without `lr` wants itself in the Request-URI, and the target last.
        let strict = self
            .route_set
            .first()
            .and_then(|route| NameAddr::parse(route))
            .filter(|first| first.sip_uri().is_none_or(|uri| uri.param("lr").is_none()));
        let target = format!("<{}>", self.remote_target);
        let (uri, routes): (_, Vec<&str>) = match &strict {
            Some(first) => {
                let rest = self.route_set[1..].iter().map(String::as_str);
                (first.uri(), rest.chain([target.as_str()]).collect())
            }
            None => (&*self.remote_target, self.route_set.iter().map(String::as_str).collect()),
        };
        let mut draft = Draft::new(method, uri);
        for route in routes {
            draft = draft.header(Header::Route, route);
        }
        draft
            .header(Header::From, &self.local)
            .header(Header::To, &self.remote)
            .header(Header::CallId, &self.id.call_id)
            .header(Header::CSeq, &format!("{sequence} {}", method.name()))
    }
}

/// The one Contact of a message, which must be a SIP or SIPS URI.
fn contact(message: &Message) -> Result<Option<NameAddr<'_>>, ContactUnusable> {
    let mut contacts = message.lines(Header::Contact).flat_map(List::new);
    let Some(value) = contacts.next() else {
        return Ok(None);
    };
    let contact = NameAddr::parse(value).ok_or(ContactUnusable)?;
    let is_usable = contacts.next().is_none() && contact.sip_uri().is_some();
    if is_usable { Ok(Some(contact)) } else { Err(ContactUnusable) }
}

fn is_sips(uri: &str) -> bool {
    SipUri::parse(uri).is_some_and(|uri| uri.is_secure())
}

#[cfg(test)]
mod tests;
