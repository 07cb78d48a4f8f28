//! Users: who joins, watches and leaves, and what rosters tell them.

use mailbox::SessionId;

use super::{Sent, World};

/// An offer that every room takes.
pub const OFFER: &str = "v=0
o=- 3900000006 1 IN IP4 192.0.2.22
s=-
c=IN IP4 192.0.2.22
t=0 0
m=message 9 TCP/MSRP *
a=accept-types:message/cpim
a=accept-wrapped-types:text/plain
a=setup:active
a=path:msrp://192.0.2.22:9/cX2vB5nM8kL1jH4gFd;tcp
";

/// An offer that no room takes.
pub const AUDIO: &str = "v=0
o=- 1 1 IN IP4 192.0.2.22
s=-
c=IN IP4 192.0.2.22
t=0 0
m=audio 4000 RTP/AVP 0 8
";

/// A dialog that the focus has accepted, as its caller sees it.
#[derive(Clone, Debug)]
pub struct Call {
    pub ok: Sent,
    cseq: u32,
}

impl Call {
    /// The dialog that this 200 to the first INVITE made.
    pub fn of(ok: Sent) -> Self {
        Self { ok, cseq: 1 }
    }

    pub fn identity(&self) -> String {
        self.ok.contact().to_owned()
    }

    /// The session in the media plane, by the path that the fake core made of it.
    pub fn session(&self) -> SessionId {
        let path = self.ok.body().lines().find_map(|line| line.strip_prefix("a=path:")).unwrap();
        let number = path.split("/core-").nth(1).unwrap().strip_suffix(";tcp").unwrap();
        SessionId(number.parse().unwrap())
    }

    /// The URI the caller's own dialog requests go to, and who it is.
    fn request(&self, method: &str, cseq: u32, branch: u32, rest: &str) -> String {
        let (from, to) = (self.ok.header("From"), self.ok.header("To"));
        let (call_id, uri) = (self.ok.header("Call-ID"), self.ok.contact());
        format!(
            "{method} {uri} SIP/2.0\n\
             Via: SIP/2.0/TCP proxy.example.com:5060;branch=z9hG4bKd{branch}\n\
             Max-Forwards: 69\n\
             From: {from}\n\
             To: {to}\n\
             Call-ID: {call_id}\n\
             CSeq: {cseq} {method}\n\
             {rest}"
        )
    }

    /// A request inside the dialog. `rest` is header lines, the blank line and the body.
    pub fn next(&mut self, world: &mut World, method: &str, rest: &str) -> String {
        self.cseq += 1;
        self.request(method, self.cseq, world.serial(), rest)
    }

    pub fn ack(&self, world: &mut World) {
        self.ack_with(world, "Content-Length: 0\n\n");
    }

    /// Acknowledges the last INVITE. `rest` is header lines, the blank line and the body.
    pub fn ack_with(&self, world: &mut World, rest: &str) {
        let text = self.request("ACK", self.cseq, world.serial(), rest);
        world.hear(&text);
    }

    /// Acknowledges the INVITE that got this answer.
    pub fn ack_of(&self, world: &mut World, ok: &Sent, rest: &str) {
        let cseq = ok.header("CSeq").split(' ').next().unwrap().parse().unwrap();
        let text = self.request("ACK", cseq, world.serial(), rest);
        world.hear(&text);
    }

    /// As [`ack_with`](Self::ack_with), but the INVITE that made the dialog.
    pub fn ack_first(&self, world: &mut World, rest: &str) {
        let text = self.request("ACK", 1, world.serial(), rest);
        world.hear(&text);
    }

    /// Offers `body` in a request inside the dialog, and takes the answer.
    pub fn offer(&mut self, world: &mut World, method: &str, lines: &str, body: &str) -> Sent {
        let request = self.offering(world, method, lines, body);
        world.ask_for("SIP/2.0", &request)
    }

    /// A request inside the dialog that offers `body`, or nothing.
    pub fn offering(&mut self, world: &mut World, method: &str, lines: &str, body: &str) -> String {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
        let contact = "Contact: <sip:again@192.0.2.22:50300;transport=tcp>\n";
        self.next(world, method, &format!("{contact}{lines}{kind}Content-Length: ?\n\n{body}"))
    }

    pub fn bye(&mut self, world: &mut World) -> Sent {
        let bye = self.next(world, "BYE", "Content-Length: 0\n\n");
        world.ask_for("SIP/2.0", &bye)
    }
}

/// An INVITE by which `user` joins or rejoins `uri`.
pub fn invite(world: &mut World, uri: &str, user: &str, lines: &str, body: &str) -> String {
    let n = world.serial();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
    format!(
        "INVITE {uri} SIP/2.0\n\
         Via: SIP/2.0/TCP proxy.example.com:5060;branch=z9hG4bKi{n}\n\
         Record-Route: <sip:proxy.example.com;transport=tcp;lr>\n\
         Max-Forwards: 69\n\
         From: <sip:whoever@example.org>;tag=t{n}\n\
         To: <{uri}>\n\
         Call-ID: call-{n}@192.0.2.22\n\
         CSeq: 1 INVITE\n\
         Contact: <sip:u{n}@192.0.2.22:50300;transport=tcp>\n\
         P-Asserted-Identity: <{user}>\n\
         {lines}{kind}Content-Length: ?\n\
         \n\
         {body}"
    )
}

/// A SUBSCRIBE to `uri` by `user`.
pub fn subscribe(world: &mut World, uri: &str, user: &str, lines: &str) -> String {
    let n = world.serial();
    format!(
        "SUBSCRIBE {uri} SIP/2.0\n\
         Via: SIP/2.0/TCP proxy.example.com:5060;branch=z9hG4bKs{n}\n\
         Record-Route: <sip:proxy.example.com;transport=tcp;lr>\n\
         Max-Forwards: 69\n\
         From: <{user}>;tag=s{n}\n\
         To: <{uri}>\n\
         Call-ID: watch-{n}@192.0.2.22\n\
         CSeq: 1 SUBSCRIBE\n\
         Contact: <sip:w{n}@192.0.2.22:50300;transport=tcp>\n\
         P-Asserted-Identity: <{user}>\n\
         {lines}Content-Length: 0\n\
         \n"
    )
}

impl World {
    /// Sends `text` and takes the one message among what follows whose start line starts so.
    pub fn ask_for(&mut self, start: &str, text: &str) -> Sent {
        self.take();
        self.hear(text);
        let mut found = self.sent.iter().filter(|sent| sent.start().starts_with(start));
        let first = found.next().expect("an answer").clone();
        assert!(found.next().is_none(), "one {start}");
        self.sent.retain(|sent| !sent.start().starts_with(start));
        first
    }

    /// `user` joins `uri`, and the 200 is acknowledged.
    pub fn join(&mut self, uri: &str, user: &str) -> Call {
        self.join_with(uri, user, "")
    }

    pub fn join_with(&mut self, uri: &str, user: &str, lines: &str) -> Call {
        let call = self.join_unacknowledged(uri, user, lines);
        call.ack(self);
        call
    }

    pub fn join_unacknowledged(&mut self, uri: &str, user: &str, lines: &str) -> Call {
        let invite = invite(self, uri, user, lines, OFFER);
        let ok = self.ask_for("SIP/2.0", &invite);
        assert_eq!(ok.status(), 200, "{}", ok.text);
        Call { ok, cseq: 1 }
    }

    /// `user` watches `uri`: the dialog, and the first NOTIFY, which is answered.
    pub fn watch(&mut self, uri: &str, user: &str) -> (Call, Sent) {
        let subscribe = subscribe(self, uri, user, "Event: conference\n");
        let ok = self.ask_for("SIP/2.0", &subscribe);
        assert_eq!(ok.status(), 200, "{}", ok.text);
        let notify = self.take_requests("NOTIFY").pop().expect("a NOTIFY at once");
        self.answer(&notify, "200 OK");
        (Call { ok, cseq: 1 }, notify)
    }

    /// The NOTIFYs since the last time, each answered.
    pub fn notified(&mut self) -> Vec<Sent> {
        let notifies = self.take_requests("NOTIFY");
        for notify in &notifies {
            self.answer(notify, "200 OK");
        }
        notifies
    }
}

/// The `<user>` entities of a document, each with its statuses.
pub fn users(notify: &Sent) -> Vec<(String, Vec<String>)> {
    let between = |text: &str, open: &str, close: &str| {
        let parts = text.split(open).skip(1);
        parts.map(|part| part.split(close).next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let users = between(notify.body(), "<user ", "</user>");
    let user = |user: &String| {
        let entity = between(user, "entity=\"", "\"").remove(0);
        (entity, between(user, "<status>", "</status>"))
    };
    users.iter().map(user).collect()
}

/// The users that a document shows as connected.
pub fn connected(notify: &Sent) -> Vec<String> {
    let users = users(notify).into_iter();
    users.filter(|(_, status)| status.contains(&"connected".to_owned())).map(|(u, _)| u).collect()
}

pub fn version(notify: &Sent) -> u32 {
    let version = notify.body().split("state=\"full\" version=\"").nth(1).unwrap();
    version.split('"').next().unwrap().parse().unwrap()
}
