//! What tells transactions apart.

use crate::message::{Header, Method, Request, Response};

/// A transaction by its name on the wire. Built of peer octets, so tables over it must be keyed
/// with a hash the peer cannot predict, which the default one is.
pub(super) type Key = Box<[u8]>;

/// Joins parts with an octet that none of them can hold.
fn join(parts: &[&str]) -> Key {
    parts.join("\0").into_bytes().into()
}

/// The server transaction a request belongs to, when its method is taken to be `method` (an ACK and
/// a CANCEL belong to an INVITE; RFC 3261 sections 17.2.3 and 9.2).
pub(super) fn server(request: &Request, method: &str) -> Key {
    let via = request.top_via();
    if let Some(via) = &via
        && let Some(branch) = via.unique_branch()
    {
        let host = via.host().to_ascii_lowercase();
        let port = via.port().map(|port| port.to_string()).unwrap_or_default();
        return join(&["3261", branch, &host, &port, method]);
    }
    of_rfc_2543(request, method, request.to_tag().unwrap_or_default())
}

/// The rules before there were unique branches. `to_tag` is given, because an ACK has the tag of
/// the answer where the INVITE had none.
fn of_rfc_2543(request: &Request, method: &str, to_tag: &str) -> Key {
    join(&[
        "2543",
        request.request_uri(),
        to_tag,
        request.from_tag().unwrap_or_default(),
        request.call_id(),
        &request.sequence().to_string(),
        method,
        request.list(Header::Via).next().unwrap_or_default(),
    ])
}

/// The other key under which an ACK of a client that follows RFC 2543 may find its INVITE: the one
/// that had no To tag. `None` when the branch is unique and there is no other key.
pub(super) fn server_before_tag(ack: &Request) -> Option<Key> {
    let is_unique = ack.top_via().is_some_and(|via| via.unique_branch().is_some());
    (!is_unique).then(|| of_rfc_2543(ack, Method::Invite.name(), ""))
}

/// What is equal in two copies of one request that came by different paths (RFC 3261 section
/// 8.2.2.2). `None` inside a dialog, where copies cannot be.
pub(super) fn merge(request: &Request) -> Option<Key> {
    if request.to_tag().is_some() {
        return None;
    }
    let from_tag = request.from_tag().unwrap_or_default();
    let sequence = request.sequence().to_string();
    Some(join(&[request.call_id(), from_tag, &sequence, request.method_text()]))
}

/// The 2xx that an ACK acknowledges: one dialog, one INVITE in it.
pub(super) fn acknowledged(request: &Request, to_tag: &str) -> Key {
    let from_tag = request.from_tag().unwrap_or_default();
    join(&[request.call_id(), from_tag, to_tag, &request.sequence().to_string()])
}

/// The client transaction of a branch and method of ours.
pub(super) fn client(branch: &str, method: &str) -> Key {
    join(&[branch, method])
}

/// The client transaction a response belongs to. `None` when it has more than one Via: it went
/// astray (RFC 3261 section 8.1.3.3).
pub(super) fn answered(response: &Response) -> Option<Key> {
    if response.list(Header::Via).nth(1).is_some() {
        return None;
    }
    let via = response.top_via()?;
    Some(client(via.branch()?, response.cseq()?.method))
}
