//! The user agent of all members: it joins them, answers the focus, and takes them out again
//! (RFC 3261, RFC 4579).

mod message;
mod timer;
mod transport;
mod watch;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rsip::headers::{self, Header, UntypedHeader as _};
use rsip::message::HeadersExt as _;
use rsip::{Method, Request, Response, SipMessage, StatusCode};
use tokio::sync::mpsc;

use self::message::Outline;
use self::timer::Retransmission;
use self::watch::Watch;
use crate::peer::sdp::Offer;
use crate::scenario::SipTransport;

/// How long a BYE is waited for: longer than a busy focus needs, short enough to end a run.
const BYE_PATIENCE: Duration = Duration::from_secs(10);
/// Responses of one transaction that wait to be read: the focus sends a few at most.
const RESPONSES_MAX: usize = 16;

/// When an attempt to join got how far.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    /// The INVITE was handed to the transport.
    pub sent: Instant,
    /// The first provisional response was read, if there was one.
    pub provisional: Option<Instant>,
    /// The final response was read.
    pub answered: Instant,
    /// The ACK was handed to the transport.
    pub acknowledged: Instant,
}

/// One user agent, on one socket, for any number of members.
#[derive(Debug)]
pub struct Agent {
    transport: transport::Sender,
    /// Sets the identifiers of this run apart from those of every other.
    run: String,
    serial: Cell<u64>,
    /// Who waits for responses, by branch.
    transactions: RefCell<HashMap<String, mpsc::Sender<Response>>>,
    /// The ACK for each final response to an INVITE, by branch: it is due again whenever the
    /// response comes again.
    acks: RefCell<HashMap<String, Vec<u8>>>,
    /// Dialogs by Call-ID, as far as the focus may ask something in them.
    standings: RefCell<HashMap<String, Standing>>,
    /// Subscriptions by Call-ID.
    watches: RefCell<HashMap<String, Watch>>,
    /// `Session-Expires` in seconds, if sessions are to be kept alive by us.
    session_interval: Option<u32>,
    dismissed: Cell<u64>,
}

/// What is needed to answer the focus.
#[derive(Debug)]
struct Standing {
    local_tag: String,
    contact: String,
    offer: String,
    life: Life,
}

/// Whether a BYE of the focus is a surprise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Life {
    Open,
    /// We have left it, or it has been replaced: a BYE is due, or at least no wonder.
    Left,
    /// The focus has ended it, at that time.
    Ended(Instant),
}

/// A dialog with the focus, from our side.
#[derive(Debug)]
pub struct Dialog {
    call_id: String,
    from: String,
    to: String,
    target: String,
    routes: Vec<String>,
    contact: String,
    /// The number of the last request in it.
    number: Cell<u32>,
}

impl Dialog {
    /// The Contact of the focus: the IM Session Identity, to be kept for a rejoin.
    pub fn session_identity(&self) -> &str {
        &self.target
    }
}

/// An INVITE that was answered 200.
#[derive(Debug)]
pub struct Joined {
    /// The dialog.
    pub dialog: Dialog,
    /// The SDP answer, as it came.
    pub answer: Vec<u8>,
    /// When it got how far.
    pub moments: Moments,
}

impl Joined {
    /// From the first INVITE sent to the 200.
    pub fn took(&self) -> Duration {
        self.moments.answered - self.moments.sent
    }
}

/// Why a request came to nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Failure {
    /// A final response other than 2xx, in words.
    Refused(String),
    /// No final response in time.
    Silence,
    /// A response from which no dialog can be made.
    Malformed(&'static str),
    /// The transport failed.
    Transport(io::ErrorKind),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Silence => write!(f, "no answer"),
            Self::Malformed(what) => write!(f, "malformed answer: {what}"),
            Self::Transport(kind) => write!(f, "SIP transport: {kind}"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Transport(error.kind())
    }
}

impl Agent {
    /// Opens the way to the focus and begins to listen to it. `run` must be a token that no other
    /// run has used. With a `session_interval`, in seconds, it is for us to refresh sessions; without
    /// one the focus does.
    pub async fn start(
        focus: SocketAddr,
        transport: SipTransport,
        run: &str,
        session_interval: Option<u32>,
    ) -> io::Result<Rc<Self>> {
        let (sender, receiver) = transport::open(focus, transport).await?;
        let agent = Rc::new(Self {
            transport: sender,
            run: run.into(),
            serial: Cell::new(0),
            transactions: RefCell::default(),
            acks: RefCell::default(),
            standings: RefCell::default(),
            watches: RefCell::default(),
            session_interval,
            dismissed: Cell::new(0),
        });
        tokio::task::spawn_local(Rc::clone(&agent).listen(receiver));
        Ok(agent)
    }

    /// The address that members share.
    pub fn address(&self) -> IpAddr {
        self.transport.local().ip()
    }

    /// Dialogs that the focus ended although nobody had left or replaced them.
    pub fn dismissed(&self) -> u64 {
        self.dismissed.get()
    }

    /// Invites `target`, a room or an IM Session Identity, into a session with `member`.
    pub async fn invite(
        &self,
        member: &str,
        target: &str,
        offer: &Offer,
    ) -> Result<Joined, Failure> {
        let serial = self.next_serial();
        let local = self.transport.local();
        let user = member.trim_start_matches("sip:").split('@').next().unwrap_or_default();
        let parameter = if self.transport.is_reliable() { ";transport=tcp" } else { "" };
        let contact = format!("<sip:{user}@{local}{parameter}>;+g.oma.sip-im");
        let call_id = format!("{}-{serial}@{}", self.run, local.ip());
        let local_tag = format!("t{serial}");
        let from = format!("<{member}>;tag={local_tag}");
        let (branch, via) = self.new_branch();
        let invite = Outline {
            method: Method::Invite,
            target,
            via: &via,
            from: &from,
            to: &format!("<{target}>"),
            call_id: &call_id,
            number: 1,
            routes: &[],
        };
        let other = |name: &str, value: String| Header::Other(name.into(), value);
        let mut fields = vec![
            Header::Contact(headers::Contact::new(contact.clone())),
            other("P-Asserted-Identity", format!("<{member}>")),
            other("Accept-Contact", "*;+g.oma.sip-im".into()),
            Header::Allow(headers::Allow::new(message::ALLOW)),
        ];
        if let Some(seconds) = self.session_interval {
            fields.push(Header::Supported(headers::Supported::new("timer")));
            fields.push(other("Session-Expires", seconds.to_string()));
        }
        let request = invite.write(fields, Some(&offer.text));

        let sent = Instant::now();
        let timer = Retransmission::invite(sent, self.transport.is_reliable());
        let (response, provisional) = self.transact(&branch, &request, timer).await?;
        let answered = Instant::now();
        let to = response.to_header().map_err(|_| Failure::Malformed("no To"))?.value().to_owned();
        let status = response.status_code().code();
        if status >= 300 {
            // This ACK belongs to the transaction: same branch, same Request-URI.
            let ack = Outline { method: Method::Ack, to: &to, ..invite }.write(vec![], None);
            self.acknowledge(branch, ack).await?;
            return Err(Failure::Refused(message::refusal(&response)));
        }
        let identity = message::contact_uri(&response).ok_or(Failure::Malformed("no Contact"))?;
        let dialog = Dialog {
            target: identity.into(),
            routes: message::route_set(&response),
            call_id: call_id.clone(),
            from: from.clone(),
            to,
            contact: contact.clone(),
            number: Cell::new(1),
        };
        // This one belongs to the dialog: a branch of its own, the remote target, the route set.
        let (_, via) = self.new_branch();
        let ack = dialog.outline(Method::Ack, 1, &via).write(vec![], None);
        let standing = Standing { local_tag, contact, offer: offer.text.clone(), life: Life::Open };
        self.standings.borrow_mut().insert(call_id, standing);
        self.acknowledge(branch, ack).await?;
        let acknowledged = Instant::now();
        let moments = Moments { sent, provisional, answered, acknowledged };
        Ok(Joined { dialog, answer: response.body, moments })
    }

    /// Leaves. The dialog is over whatever comes back.
    pub async fn bye(&self, dialog: &Dialog) -> Result<(), Failure> {
        self.leave(dialog);
        let (branch, via) = self.new_branch();
        let reason = Header::Other("Reason".into(), "SIP;cause=200;text=\"Call completed\"".into());
        let number = dialog.next_number();
        let request = dialog.outline(Method::Bye, number, &via).write(vec![reason], None);
        let reliable = self.transport.is_reliable();
        let timer = Retransmission::request(Instant::now(), reliable, BYE_PATIENCE);
        let (response, _) = self.transact(&branch, &request, timer).await?;
        if response.status_code().code() >= 300 {
            return Err(Failure::Refused(message::refusal(&response)));
        }
        Ok(())
    }

    /// From now on the focus may end this dialog without surprising anybody.
    pub fn leave(&self, dialog: &Dialog) {
        if let Some(standing) = self.standings.borrow_mut().get_mut(&dialog.call_id)
            && standing.life == Life::Open
        {
            standing.life = Life::Left;
        }
    }

    /// When the focus ended this dialog, if it has.
    pub fn ended_at(&self, dialog: &Dialog) -> Option<Instant> {
        match self.standings.borrow().get(&dialog.call_id)?.life {
            Life::Ended(at) => Some(at),
            Life::Open | Life::Left => None,
        }
    }

    fn next_serial(&self) -> u64 {
        self.serial.set(self.serial.get() + 1);
        self.serial.get()
    }

    /// A new branch, and the Via that names it.
    fn new_branch(&self) -> (String, String) {
        let branch = format!("z9hG4bK{}{}", self.run, self.next_serial());
        let transport = if self.transport.is_reliable() { "TCP" } else { "UDP" };
        let via = format!("SIP/2.0/{transport} {};branch={branch};rport", self.transport.local());
        (branch, via)
    }

    /// Sends a request until its final response is there. Also tells when something was there before.
    async fn transact(
        &self,
        branch: &str,
        request: &[u8],
        mut timer: Retransmission,
    ) -> Result<(Response, Option<Instant>), Failure> {
        let (sender, mut responses) = mpsc::channel(RESPONSES_MAX);
        self.transactions.borrow_mut().insert(branch.into(), sender);
        let mut provisional = None;
        let outcome = async {
            self.transport.send(request).await?;
            loop {
                match tokio::time::timeout_at(timer.wake().into(), responses.recv()).await {
                    Ok(Some(response)) if response.status_code().code() < 200 => {
                        provisional.get_or_insert_with(Instant::now);
                        timer.settle();
                    }
                    Ok(Some(response)) => return Ok((response, provisional)),
                    Ok(None) => return Err(Failure::Transport(io::ErrorKind::ConnectionRefused)),
                    Err(_) => match timer.handle_timeout(Instant::now()) {
                        Some(true) => self.transport.send(request).await?,
                        Some(false) => {}
                        None => return Err(Failure::Silence),
                    },
                }
            }
        };
        let outcome = outcome.await;
        self.transactions.borrow_mut().remove(branch);
        outcome
    }

    async fn acknowledge(&self, branch: String, ack: Vec<u8>) -> io::Result<()> {
        let sent = self.transport.send(&ack).await;
        self.acks.borrow_mut().insert(branch, ack);
        sent
    }

    async fn listen(self: Rc<Self>, mut receiver: transport::Receiver) {
        loop {
            let reply = match receiver.receive().await.map(SipMessage::try_from) {
                Ok(Ok(SipMessage::Response(response))) => self.handle_response(response),
                Ok(Ok(SipMessage::Request(request))) => self.handle_request(&request),
                // Nothing that could be answered.
                Ok(Err(_)) => None,
                Err(_) => {
                    // Nobody is there: whoever waits for a response waits in vain.
                    self.transactions.borrow_mut().clear();
                    if self.transport.is_reliable() {
                        return;
                    }
                    None
                }
            };
            if let Some(reply) = reply {
                self.transport.reply(reply);
            }
        }
    }

    /// Hands a response to who waits for it. Returns the ACK, if one is due again.
    fn handle_response(&self, response: Response) -> Option<Vec<u8>> {
        let branch = message::branch(&response)?.to_owned();
        if let Some(waiting) = self.transactions.borrow().get(&branch) {
            // A reader that is behind has all it needs.
            let _ = waiting.try_send(response);
            return None;
        }
        let is_final = response.status_code().code() >= 200;
        self.acks.borrow().get(&branch).filter(|_| is_final).cloned()
    }

    /// The answer to a request of the focus. Repeating it does no harm, so a repeated request
    /// needs no transaction to recognize it.
    fn handle_request(&self, request: &Request) -> Option<Vec<u8>> {
        if request.method == Method::Ack {
            return None;
        }
        if request.method == Method::Notify
            && let Some(answer) = self.notified(request)
        {
            return Some(answer);
        }
        let mut standings = self.standings.borrow_mut();
        let tag = request.to_header().ok().and_then(|to| message::tag(to.value()));
        let standing = message::call_id(request)
            .and_then(|call_id| standings.get_mut(call_id))
            .filter(|standing| tag == Some(&standing.local_tag));
        let Some(standing) = standing else {
            let unknown = StatusCode::CallTransactionDoesNotExist;
            return Some(message::answer(request, &unknown, vec![], None));
        };
        let contact = || Header::Contact(headers::Contact::new(standing.contact.clone()));
        let allow = || Header::Allow(headers::Allow::new(message::ALLOW));
        let (status, headers, sdp) = match request.method {
            Method::Bye => {
                if standing.life == Life::Open {
                    self.dismissed.set(self.dismissed.get() + 1);
                }
                if !matches!(standing.life, Life::Ended(_)) {
                    standing.life = Life::Ended(Instant::now());
                }
                (StatusCode::OK, vec![], None)
            }
            // A refresh: nothing about our side ever changes.
            Method::Invite => (StatusCode::OK, vec![contact(), allow()], Some(&*standing.offer)),
            Method::Update => (StatusCode::OK, vec![contact(), allow()], None),
            Method::Options => (StatusCode::OK, vec![allow()], None),
            Method::Notify => (StatusCode::OK, vec![], None),
            _ => (StatusCode::MethodNotAllowed, vec![allow()], None),
        };
        Some(message::answer(request, &status, headers, sdp))
    }
}

impl Dialog {
    /// The number of one more request in it.
    fn next_number(&self) -> u32 {
        self.number.set(self.number.get() + 1);
        self.number.get()
    }

    /// A request inside the dialog.
    fn outline<'a>(&'a self, method: Method, number: u32, via: &'a str) -> Outline<'a> {
        Outline {
            method,
            target: &self.target,
            via,
            from: &self.from,
            to: &self.to,
            call_id: &self.call_id,
            number,
            routes: &self.routes,
        }
    }
}
