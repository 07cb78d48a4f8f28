//! Those whom the focus calls.

use std::time::Duration;

use mailbox::SessionId;

use super::harness::{Sent, World, path_of, users};

/// What a device answers to our offer.
pub const ANSWER: &str = "v=0
o=- 3900000031 1 IN IP4 192.0.2.22
s=-
c=IN IP4 192.0.2.22
t=0 0
m=message 9 TCP/MSRP *
a=accept-types:message/cpim
a=accept-wrapped-types:text/plain
a=setup:active
a=path:msrp://192.0.2.22:9/dev1ceB2ob3;tcp
";

/// The answer of a device to an INVITE of ours.
pub fn answered(world: &mut World, invite: &Sent, status: &str, tag: &str, content: &str) {
    let to = format!("{};tag={tag}", invite.header("To"));
    let text = format!(
        "SIP/2.0 {status}\nVia: {}\nFrom: {}\nTo: {to}\nCall-ID: {}\nCSeq: {}\n\
         Contact: <sip:device-{tag}@192.0.2.77:5099;transport=tcp>\n{content}",
        invite.header("Via"),
        invite.header("From"),
        invite.header("Call-ID"),
        invite.header("CSeq"),
    );
    world.hear(&text);
}

pub fn accepted(world: &mut World, invite: &Sent, tag: &str) {
    let content = format!("Content-Type: application/sdp\nContent-Length: ?\n\n{ANSWER}");
    answered(world, invite, "200 OK", tag, &content);
}

pub fn declined(world: &mut World, invite: &Sent, status: &str) {
    answered(world, invite, status, "no", "Content-Length: 0\n\n");
}

/// The session that our offer belongs to.
pub fn session_of(invite: &Sent) -> SessionId {
    let path = invite.body().lines().find_map(|line| line.strip_prefix("a=path:")).unwrap();
    let number = path.split("/core-").nth(1).unwrap().strip_suffix(";tcp").unwrap();
    let session = SessionId(number.parse().unwrap());
    assert_eq!(path, path_of(session).as_str());
    session
}

/// The INVITE to `user` among these.
pub fn to(invites: &[Sent], user: &str) -> Sent {
    let start = format!("INVITE {user} SIP/2.0");
    invites.iter().find(|invite| invite.start() == start).expect("invited").clone()
}

/// How a document shows `user`.
pub fn status_of(notify: &Sent, user: &str) -> Vec<String> {
    users(notify).into_iter().find(|(entity, _)| entity == user).expect("listed").1
}

/// What was sent since the last time, NOTIFYs left out, and the last document that the watcher got
/// or gets when one may be sent again.
pub fn heard(world: &mut World) -> (Vec<Sent>, Option<Sent>) {
    let is_notify = |sent: &Sent| sent.start().starts_with("NOTIFY ");
    let (first, others): (Vec<Sent>, Vec<Sent>) = world.take().into_iter().partition(is_notify);
    for notify in &first {
        world.answer(notify, "200 OK");
    }
    world.wait(Duration::from_secs(5));
    let later = world.notified();
    (others, first.into_iter().chain(later).last())
}

/// The next document, at the latest when one may be sent again.
pub fn told(world: &mut World) -> Sent {
    heard(world).1.expect("a NOTIFY")
}

/// The methods of these requests.
pub fn methods(sent: &[Sent]) -> Vec<&str> {
    sent.iter().map(|sent| sent.start().split(' ').next().unwrap()).collect()
}
