//! A session as its user holds it: what is said, and what is heard.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use msrp::{Host, UriBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep_until, timeout};

use super::run::{Line, Referrer};
use super::{
    CannotSend, ContactMissing, Conversation, Ending, Event, Joined, Media, MediaEvent,
    MediaSession, MessageNumber, Received, Roster, Saying, Unwatched,
};

/// How long a switch may take to accept a connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Messages that wait to be heard, as a count. When they are so many the connection is read no
/// further, and the switch has to hold back.
const HEARD_MAX: usize = 256;
/// Messages that wait to be said, as a count.
const SAID_MAX: usize = 64;
/// Octets read at once.
const READ_SIZE: usize = 16 * 1024;

/// Why a leg has no media.
#[derive(Debug)]
pub enum SessionError {
    /// The switch could not be connected to.
    Connect(io::Error),
    /// The switch did not know the session, or never answered.
    NotBound,
    /// The focus ended the leg before that.
    Ended(Ending),
}

/// What happens in a session.
#[derive(Clone, Debug)]
pub enum Happening {
    /// Somebody said something; perhaps the user itself, elsewhere.
    Heard(Received),
    /// The connection is gone, while the focus still counts the user in. A rejoin brings the media
    /// back (RFC 4975 section 5.4).
    MediaLost,
    /// The focus has told who is in the conference.
    Roster(Roster),
    /// Nothing more will be heard of who is in the conference.
    Unwatched(Unwatched),
    /// The leg is over.
    Ended {
        /// How.
        ending: Ending,
        /// For coming back.
        conversation: Conversation,
    },
}

/// Why something was not said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotSaid {
    /// It was not even sent.
    Cannot(CannotSend),
    /// The room did not take it, with this status. 408 is no answer at all.
    NotTaken(u16),
    /// The connection went away before there was an answer.
    Lost,
}

/// One leg with its media. Dropped, it is left.
#[derive(Debug)]
pub struct Session {
    line: Line,
    conversation: Conversation,
    peer_fault: Option<ContactMissing>,
    voice: Voice,
    heard: mpsc::Receiver<Received>,
    is_media_lost: bool,
    nicknames: bool,
    private_messages: bool,
    /// The URI of our user, if the members of the conference are kept in mind.
    follows: Option<String>,
}

/// What a user speaks to the room with. There may be several.
#[derive(Clone, Debug)]
pub struct Voice(mpsc::Sender<Order>);

/// What the media of a session is told to do.
#[derive(Debug)]
enum Order {
    Say(Saying, oneshot::Sender<Result<(), NotSaid>>),
    Nickname(String, oneshot::Sender<Result<(), NotSaid>>),
    Rename(String),
}

impl Session {
    /// Connects to the switch and binds the session (REJ-11).
    pub(super) async fn open(
        mut line: Line,
        joined: Joined,
        media: &Media,
        from: &str,
    ) -> Result<Self, SessionError> {
        let Joined { conversation, agreement, peer_fault } = joined;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| SessionError::Connect(io::Error::other(error)))?;
        let to = conversation.address().unwrap_or_default();
        let (nicknames, private_messages) = (agreement.nicknames, agreement.private_messages);
        let session = MediaSession::new(agreement, media, from, to, seed);
        let stream = connect(session.peer()).await.map_err(SessionError::Connect)?;
        let (voice, orders) = mpsc::channel(SAID_MAX);
        let (ears, heard) = mpsc::channel(HEARD_MAX);
        let (bound, is_bound) = oneshot::channel();
        let media = Conversing {
            session,
            orders,
            bound: Some(bound),
            unheard: VecDeque::new(),
            unanswered: HashMap::new(),
            is_lost: false,
        };
        tokio::spawn(media.run(stream, ears));
        tokio::select! {
            is_bound = is_bound => is_bound.map_err(|_| SessionError::NotBound)?,
            ending = line.ended() => return Err(SessionError::Ended(ending)),
        }
        let voice = Voice(voice);
        Ok(Self {
            line,
            conversation,
            peer_fault,
            voice,
            heard,
            is_media_lost: false,
            nicknames,
            private_messages,
            follows: None,
        })
    }

    /// Keeps the members of the conference in mind from now on, but for the user of that URI.
    pub(super) fn following(self, own: Option<String>) -> Self {
        Self { follows: own, ..self }
    }

    /// What a rejoin needs. Keep it: it is worth more than the session.
    pub fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// A fault of the focus that did no harm (JOIN-07).
    pub fn peer_fault(&self) -> Option<ContactMissing> {
        self.peer_fault
    }

    /// Whether the room has nicknames.
    pub fn has_nicknames(&self) -> bool {
        self.nicknames
    }

    /// Whether the room passes private messages on.
    pub fn has_private_messages(&self) -> bool {
        self.private_messages
    }

    /// Something to speak with while another listens.
    pub fn voice(&self) -> Voice {
        self.voice.clone()
    }

    /// Something to have others called in with, or put out.
    pub fn referrer(&self) -> Referrer {
        self.line.referrer()
    }

    /// Says something to the room, and waits until the room has taken it. Meanwhile somebody has to
    /// [`receive`](Self::receive), if the room is a busy one: the answer comes behind what others say.
    pub async fn send(&self, content_type: &str, content: &[u8]) -> Result<(), NotSaid> {
        self.voice.send(content_type, content).await
    }

    /// What happens next; `None` when nothing will any more. Dropping the future loses nothing.
    pub async fn receive(&mut self) -> Option<Happening> {
        loop {
            tokio::select! {
                biased;
                heard = self.heard.recv(), if !self.is_media_lost => {
                    self.is_media_lost = heard.is_none();
                    return Some(heard.map_or(Happening::MediaLost, Happening::Heard));
                }
                event = self.line.next() => {
                    match event? {
                        Event::Ended { ending, conversation, .. } => {
                            self.is_media_lost = true;
                            let conversation = *conversation;
                            return Some(Happening::Ended { ending, conversation });
                        }
                        Event::Roster { roster, .. } => {
                            if let Some(own) = &self.follows {
                                self.conversation.take_roster(&roster, own);
                            }
                            return Some(Happening::Roster(*roster));
                        }
                        Event::Unwatched { why, .. } => return Some(Happening::Unwatched(why)),
                        _ => {}
                    }
                }
            }
        }
    }

    /// Leaves the conference. The connection is closed when the focus has heard of it (LEAVE-01).
    pub async fn leave(mut self) -> Conversation {
        let conversation = self.line.leave().await;
        conversation.unwrap_or(self.conversation)
    }

    /// Drops everything without a word, because there is nobody to hear it (LEAVE-01).
    pub fn abandon(mut self) -> Conversation {
        self.line.abandon();
        self.conversation
    }
}

impl Voice {
    /// Says something to the room, and waits until the room has taken it.
    pub async fn send(&self, content_type: &str, content: &[u8]) -> Result<(), NotSaid> {
        self.say(Saying::to_room(content_type, content)).await
    }

    /// Says something, and waits until the room has taken it.
    pub async fn say(&self, saying: Saying) -> Result<(), NotSaid> {
        self.order(|answer| Order::Say(saying, answer)).await
    }

    /// Asks the room for a nickname, and waits until it is given; an empty one gives back what there
    /// is (RFC 7701 section 7).
    pub async fn request_nickname(&self, nickname: &str) -> Result<(), NotSaid> {
        self.order(|answer| Order::Nickname(nickname.to_owned(), answer)).await
    }

    /// Speaks under the alias that the room gave (ID-08).
    pub async fn rename(&self, from: &str) {
        // Without a connection there is nobody to speak to.
        let _ = self.0.send(Order::Rename(from.to_owned())).await;
    }

    async fn order(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<(), NotSaid>>) -> Order,
    ) -> Result<(), NotSaid> {
        let (answer, taken) = oneshot::channel();
        self.0.send(order(answer)).await.map_err(|_| NotSaid::Lost)?;
        taken.await.unwrap_or(Err(NotSaid::Lost))
    }
}

async fn connect(peer: Option<UriBuf>) -> io::Result<TcpStream> {
    let peer = peer.ok_or(io::ErrorKind::InvalidInput)?;
    let port = peer.as_uri().port().ok_or(io::ErrorKind::InvalidInput)?;
    let connecting = async {
        match peer.as_uri().host() {
            Host::V4(address) => TcpStream::connect((address, port)).await,
            Host::V6(address) => TcpStream::connect((address, port)).await,
            Host::Name(name) => TcpStream::connect((name, port)).await,
        }
    };
    let stream = timeout(CONNECT_MAX, connecting).await.map_err(|_| io::ErrorKind::TimedOut)??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The task that a session's connection has.
struct Conversing {
    session: MediaSession,
    orders: mpsc::Receiver<Order>,
    /// To be told when the session is bound; dropped if it never will be.
    bound: Option<oneshot::Sender<()>>,
    /// What was received and found no room among what waits to be heard.
    unheard: VecDeque<Received>,
    unanswered: HashMap<MessageNumber, oneshot::Sender<Result<(), NotSaid>>>,
    is_lost: bool,
}

impl Conversing {
    /// Runs until the connection is gone, or nobody is left to speak or to listen.
    async fn run(mut self, mut stream: TcpStream, ears: mpsc::Sender<Received>) {
        let (mut reader, mut writer) = stream.split();
        let mut buffer = vec![0; READ_SIZE];
        let mut out: Vec<u8> = Vec::new();
        self.session.handle_connected(Instant::now());
        loop {
            if let Some(bytes) = self.session.poll_transmit() {
                out.extend_from_slice(&bytes);
            }
            while let Some(event) = self.session.poll_event() {
                self.tell(event);
            }
            if self.is_lost && self.unheard.is_empty() {
                return;
            }
            let is_here = !self.is_lost;
            let due = self.session.poll_timeout();
            tokio::select! {
                place = ears.reserve(), if !self.unheard.is_empty() => {
                    let Ok(place) = place else { return };
                    if let Some(received) = self.unheard.pop_front() {
                        place.send(received);
                    }
                }
                order = self.orders.recv(), if is_here => {
                    let Some(order) = order else { return };
                    self.obey(order);
                }
                size = reader.read(&mut buffer), if is_here && self.unheard.is_empty() => {
                    match size {
                        Ok(size) if size > 0 => self.session.handle_received(&buffer[..size]),
                        Ok(_) | Err(_) => self.session.handle_closed(),
                    }
                }
                size = writer.write(&out), if is_here && !out.is_empty() => match size {
                    Ok(size) => drop(out.drain(..size)),
                    Err(_) => self.session.handle_closed(),
                },
                () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                    self.session.handle_timeout(Instant::now());
                }
            }
        }
    }

    fn obey(&mut self, order: Order) {
        let now = Instant::now();
        let (asked, answer) = match order {
            Order::Rename(from) => return self.session.rename(&from),
            Order::Say(saying, answer) => (self.session.send(now, &saying), answer),
            Order::Nickname(nickname, answer) => {
                (self.session.request_nickname(now, &nickname), answer)
            }
        };
        match asked {
            Ok(number) => drop(self.unanswered.insert(number, answer)),
            Err(cannot) => tell(Some(answer), Err(NotSaid::Cannot(cannot))),
        }
    }

    fn tell(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::Bound => tell(self.bound.take(), ()),
            MediaEvent::Taken(message) => tell(self.unanswered.remove(&message), Ok(())),
            MediaEvent::NotTaken { message, status } => {
                tell(self.unanswered.remove(&message), Err(NotSaid::NotTaken(status)));
            }
            MediaEvent::Received(received) => self.unheard.push_back(received),
            MediaEvent::Lost => {
                self.is_lost = true;
                self.bound = None;
                self.unanswered.clear();
            }
        }
    }
}

/// Tells whoever waits. That may be nobody any more.
fn tell<T>(waiting: Option<oneshot::Sender<T>>, what: T) {
    if let Some(waiting) = waiting {
        let _ = waiting.send(what);
    }
}
