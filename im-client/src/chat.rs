//! One chat, kept alive: it joins, and whenever the network takes the session away it rejoins, until
//! the user leaves or the focus says that there is nothing to come back to.
//!
//! ```text
//! joining --yes--> conversing --media or dialog lost--> waiting --> rejoining --yes--> conversing
//!    \--no--> over      \--user leaves, chat is over--> over            \--gone--> joining
//! ```

use std::time::Duration;

use sip_control::client::{
    CallError, CannotRefer, CannotSend, Conversation, Ending, Failure, Happening, NotReferred,
    NotSaid, Privacy, Received, Referred, Referrer, Refusal, Roster, Saying, Session, User, Voice,
};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::{composing, imdn};

/// How long to wait before a rejoin: at first, and at most.
const WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// What waits to be said, as a count.
const WAITING_MAX: usize = 64;

/// A message of ours, as this program counts them.
pub type MessageId = u64;

/// What the user wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Order {
    /// Say it to the room, or to one member.
    Say {
        /// Which message of ours.
        id: MessageId,
        /// The one member, a URI.
        to: Option<String>,
        /// What.
        text: String,
        /// Whether readers are asked to tell us of its delivery.
        wants_delivery: bool,
    },
    /// Tell the room whether the user is typing.
    Compose(composing::State),
    /// Take this nickname; empty gives back what there is.
    Nickname(String),
    /// Have somebody called in, a URI.
    Add(String),
    /// Have a member put out, a URI.
    Remove(String),
    /// Leave.
    Leave,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum News {
    /// The chat is being joined, or rejoined.
    Calling {
        /// Whether it was joined before.
        again: bool,
    },
    /// The session stands.
    Joined {
        /// Whether there are nicknames.
        nicknames: bool,
        /// Whether there are private messages.
        private_messages: bool,
    },
    /// The session is gone, and will be rejoined after this time.
    Lost {
        /// Why, for reading.
        why: String,
        /// When.
        wait: Duration,
    },
    /// Nothing will happen any more.
    Over(String),
    /// Somebody said something.
    Heard(Received),
    /// The room took a message of ours, or did not and says why.
    Said(MessageId, Result<(), String>),
    /// A message of ours arrived at somebody's.
    Delivered {
        /// Which.
        id: MessageId,
        /// At whose.
        at: String,
    },
    /// Somebody is typing, or has stopped.
    Composing {
        /// Who.
        who: String,
        /// What was said of it.
        status: composing::Status,
    },
    /// The nickname is ours, or why not.
    Nickname(String, Result<(), String>),
    /// Somebody was called in, or why not.
    Added(String, Result<(), String>),
    /// A member was put out, or why not.
    Removed(String, Result<(), String>),
    /// Who is in the chat.
    Roster(Roster),
}

/// Who chats where.
#[derive(Debug)]
pub struct Chat {
    /// The user's SIP side.
    pub user: User,
    /// The user's address.
    pub address: String,
    /// The Public Conference URI.
    pub room: String,
    /// The nickname to take; empty is none.
    pub nickname: String,
    /// Whether the others may know the address.
    pub privacy: Privacy,
    /// What the user wants.
    pub orders: mpsc::UnboundedReceiver<Order>,
    /// Who wants to know.
    pub news: mpsc::UnboundedSender<News>,
}

/// How a session ended.
enum Outcome {
    /// The user left.
    Left,
    /// It is gone and may be rejoined.
    Lost { why: String, conversation: Conversation },
    /// It is over for good.
    Over(String),
}

impl Chat {
    /// Runs the chat to its end.
    pub async fn run(mut self) {
        let mut conversation: Option<Conversation> = None;
        let mut wait = WAIT.0;
        let end = loop {
            self.tell(News::Calling { again: conversation.is_some() });
            let call = call(&self.user, &self.room, self.privacy, conversation.as_ref());
            let called = tokio::select! {
                called = call => called,
                () = left(&mut self.orders, &self.news) => break "Left.".to_owned(),
            };
            let why = match called {
                Ok(session) => {
                    wait = WAIT.0;
                    match self.converse(session).await {
                        Outcome::Left => break "Left.".to_owned(),
                        Outcome::Over(why) => break why,
                        Outcome::Lost { why, conversation: kept } => {
                            conversation = Some(kept);
                            why
                        }
                    }
                }
                // The session may be gone while the room is not: it is joined anew.
                Err(error) if conversation.is_some() && is_gone(&error) => {
                    conversation = None;
                    explain(&error)
                }
                Err(error) if !is_passing(&error) => break explain(&error),
                Err(error) => explain(&error),
            };
            self.tell(News::Lost { why, wait });
            tokio::select! {
                () = sleep(wait) => wait = (wait * 2).min(WAIT.1),
                () = left(&mut self.orders, &self.news) => break "Left.".to_owned(),
            }
        };
        self.tell(News::Over(end));
    }

    fn tell(&self, news: News) {
        // Whoever does not listen any more is on the way out.
        let _ = self.news.send(news);
    }

    /// One session, from its beginning to its end.
    async fn converse(&mut self, mut session: Session) -> Outcome {
        self.tell(News::Joined {
            nicknames: session.has_nicknames(),
            private_messages: session.has_private_messages(),
        });
        let (speaker, sayings) = mpsc::channel(WAITING_MAX);
        tokio::spawn(speak(session.voice(), sayings, self.news.clone()));
        if session.has_nicknames() && !self.nickname.is_empty() {
            // A nickname ends with its session (RFC 7701 section 7.1).
            let _ = speaker.try_send(Order::Nickname(self.nickname.clone()));
        }
        loop {
            tokio::select! {
                happening = session.receive() => match happening {
                    Some(Happening::Heard(received)) => self.hear(received, &session.voice()),
                    Some(Happening::Roster(roster)) => self.tell(News::Roster(roster)),
                    Some(Happening::Unwatched(_)) => {}
                    Some(Happening::MediaLost) => {
                        // The focus may still count us in; a rejoin takes our place (FOC-14).
                        let why = "The connection to the switch is gone.".to_owned();
                        return Outcome::Lost { why, conversation: session.abandon() };
                    }
                    Some(Happening::Ended { ending, conversation }) => {
                        let why = describe(ending);
                        return if ending.may_rejoin() {
                            Outcome::Lost { why, conversation }
                        } else {
                            Outcome::Over(why)
                        };
                    }
                    None => return Outcome::Over("The client has stopped.".to_owned()),
                },
                order = self.orders.recv() => match order {
                    Some(Order::Leave) | None => {
                        session.leave().await;
                        return Outcome::Left;
                    }
                    Some(order @ (Order::Add(_) | Order::Remove(_))) => {
                        // It may take a minute, in which others are to be heard.
                        tokio::spawn(refer(session.referrer(), order, self.news.clone()));
                    }
                    Some(order) => {
                        if let Order::Nickname(asked) = &order {
                            self.nickname.clone_from(asked);
                        }
                        if let Err(error) = speaker.try_send(order) {
                            refuse(&self.news, error.into_inner(), "Too much waits to be said.");
                        }
                    }
                },
            }
        }
    }

    fn hear(&self, received: Received, voice: &Voice) {
        let from = received.sender.as_ref().map(|sender| sender.from.clone());
        let of_type = |kind: &str| received.content_type.eq_ignore_ascii_case(kind);
        match from {
            Some(at) if of_type(imdn::CONTENT_TYPE) => {
                let read = imdn::Notification::read(&received.content);
                let read = read.filter(|it| it.is_delivered);
                if let Some(id) = read.and_then(|it| it.message_id.parse().ok()) {
                    self.tell(News::Delivered { id, at });
                }
            }
            Some(who) if of_type(composing::CONTENT_TYPE) => {
                if let Some(status) = composing::Status::read(&received.content) {
                    self.tell(News::Composing { who, status });
                }
            }
            from => {
                if let (Some(from), Some(id), true) =
                    (from, &received.imdn_id, received.wants_delivery)
                {
                    let saying = notification(&from, id, &self.address);
                    let voice = voice.clone();
                    // Nobody waits for what becomes of it.
                    tokio::spawn(async move { voice.say(saying).await });
                }
                self.tell(News::Heard(received));
            }
        }
    }
}

/// Joins, or rejoins what there was.
async fn call(
    user: &User,
    room: &str,
    privacy: Privacy,
    conversation: Option<&Conversation>,
) -> Result<Session, CallError> {
    match conversation {
        Some(conversation) if conversation.identity.is_some() => {
            user.rejoin(conversation.clone(), privacy).await
        }
        _ => user.join(room, privacy).await,
    }
}

/// Waits until the user leaves, and refuses everything else that he wants meanwhile.
async fn left(orders: &mut mpsc::UnboundedReceiver<Order>, news: &mpsc::UnboundedSender<News>) {
    loop {
        match orders.recv().await {
            Some(Order::Leave) | None => return,
            Some(order) => refuse(news, order, "Not connected."),
        }
    }
}

/// Tells the user that an order was not carried out.
fn refuse(news: &mpsc::UnboundedSender<News>, order: Order, why: &str) {
    let refused = match order {
        Order::Say { id, .. } => News::Said(id, Err(why.to_owned())),
        Order::Nickname(name) => News::Nickname(name, Err(why.to_owned())),
        Order::Add(who) => News::Added(who, Err(why.to_owned())),
        Order::Remove(who) => News::Removed(who, Err(why.to_owned())),
        Order::Compose(_) | Order::Leave => return,
    };
    let _ = news.send(refused);
}

/// Says one thing after the other, so that all arrives in the order in which it was written.
async fn speak(voice: Voice, mut orders: mpsc::Receiver<Order>, news: mpsc::UnboundedSender<News>) {
    while let Some(order) = orders.recv().await {
        let heard = match order {
            Order::Say { id, to, text, wants_delivery } => {
                let saying = Saying {
                    to,
                    date_time: Some(jiff::Timestamp::now().to_string()),
                    imdn_id: wants_delivery.then(|| id.to_string()),
                    ..Saying::to_room("text/plain", text.as_bytes())
                };
                News::Said(id, voice.say(saying).await.map_err(not_said))
            }
            Order::Nickname(name) => {
                let taken = voice.request_nickname(&name).await.map_err(not_said);
                News::Nickname(name, taken)
            }
            Order::Compose(state) => {
                let document = composing::Status::of(state).write();
                // A room that does not want to hear of it loses nothing.
                let _ = voice.send(composing::CONTENT_TYPE, document.as_bytes()).await;
                continue;
            }
            Order::Add(_) | Order::Remove(_) | Order::Leave => continue,
        };
        if news.send(heard).is_err() {
            return;
        }
    }
}

/// Has the focus call somebody in or put a member out, and tells what came of it.
async fn refer(referrer: Referrer, order: Order, news: mpsc::UnboundedSender<News>) {
    let told = match order {
        Order::Add(who) => {
            let outcome = referrer.add(&who).await;
            News::Added(who, referred(outcome))
        }
        Order::Remove(who) => {
            let outcome = referrer.expel(&who).await;
            News::Removed(who, referred(outcome))
        }
        _ => return,
    };
    // Whoever does not listen any more is on the way out.
    let _ = news.send(told);
}

/// What came of it, for reading.
fn referred(outcome: Result<Referred, NotReferred>) -> Result<(), String> {
    Err(match outcome {
        Ok(Referred::Done) => return Ok(()),
        Ok(Referred::Tried) => "the focus tries, and says no more".to_owned(),
        Ok(Referred::Unheard) => "nothing was heard of it".to_owned(),
        Ok(Referred::Refused(403)) => "you may not do that here".to_owned(),
        Ok(Referred::Refused(404)) => "there is nobody of this address".to_owned(),
        Ok(Referred::Refused(status)) => format!("the focus refused ({status})"),
        Ok(Referred::Failed(486 | 600)) => "busy".to_owned(),
        Ok(Referred::Failed(408 | 480)) => "no answer".to_owned(),
        Ok(Referred::Failed(603)) => "declined".to_owned(),
        Ok(Referred::Failed(status)) => format!("not reached ({status})"),
        Err(NotReferred::Cannot(CannotRefer::NotServed)) => {
            "the focus does no such thing".to_owned()
        }
        Err(NotReferred::Cannot(CannotRefer::NoTarget)) => "that is no address".to_owned(),
        Err(NotReferred::Cannot(CannotRefer::NotJoined)) => "not connected".to_owned(),
        Err(NotReferred::Stopped) => "the client has stopped".to_owned(),
    })
}

/// Tells the author of a message that we have it.
fn notification(author: &str, message_id: &str, own: &str) -> Saying {
    let now = jiff::Timestamp::now().to_string();
    Saying {
        to: Some(author.to_owned()),
        disposition: Some(imdn::DISPOSITION.to_owned()),
        date_time: Some(now.clone()),
        ..Saying::to_room(imdn::CONTENT_TYPE, imdn::delivered(message_id, own, &now).as_bytes())
    }
}

/// Whether the focus knows the session no more, so that only a new join helps (REJ-14).
fn is_gone(error: &CallError) -> bool {
    let CallError::Failed(failed) = error else { return false };
    let Failure::Refused(refused) = &failed.failure else { return false };
    refused.refusal == Refusal::SessionGone
}

/// Whether it may go better later.
fn is_passing(error: &CallError) -> bool {
    match error {
        CallError::Cannot(_) | CallError::Stopped => false,
        CallError::Media(_) => true,
        CallError::Failed(failed) => match &failed.failure {
            Failure::Refused(refused) => {
                matches!(refused.refusal, Refusal::Unavailable | Refusal::ServerFault)
            }
            Failure::Timeout | Failure::Unreachable => true,
            Failure::Unusable(_) | Failure::Withdrawn => false,
        },
    }
}

/// Says why there is no session, for reading.
fn explain(error: &CallError) -> String {
    match error {
        CallError::Cannot(cannot) => format!("Cannot call: {cannot:?}."),
        CallError::Media(error) => format!("The switch cannot be reached: {error:?}."),
        CallError::Stopped => "The client has stopped.".to_owned(),
        CallError::Failed(failed) => match &failed.failure {
            Failure::Timeout => "The focus does not answer.".to_owned(),
            Failure::Unreachable => "The focus cannot be reached.".to_owned(),
            Failure::Unusable(why) => format!("The focus gave an unusable answer: {why:?}."),
            Failure::Withdrawn => "Withdrawn.".to_owned(),
            Failure::Refused(refused) => {
                let said = refused.warnings.first().map(|warning| warning.text.as_str());
                let meaning = match refused.refusal {
                    Refusal::Forbidden | Refusal::NotAuthorised => "not allowed",
                    Refusal::SessionGone => "the chat is gone",
                    Refusal::NotFound => "there is no such room",
                    Refusal::Full => "the room is full",
                    Refusal::MediaUnacceptable => "no media in common",
                    Refusal::CredentialsWanted => "a password is needed, or it was wrong",
                    Refusal::Unavailable => "the focus is busy",
                    _ => "the focus refused",
                };
                let status = refused.status;
                match said {
                    Some(said) => format!("{status}: {meaning} (\"{said}\")."),
                    None => format!("{status}: {meaning}."),
                }
            }
        },
    }
}

fn describe(ending: Ending) -> String {
    match ending {
        Ending::Left => "Left.".to_owned(),
        Ending::Over => "The chat is over.".to_owned(),
        Ending::Removed => "Somebody removed you from the chat.".to_owned(),
        Ending::Dismissed { cause: Some(cause) } => format!("The focus hung up ({cause})."),
        Ending::Dismissed { cause: None } => "The focus hung up.".to_owned(),
        Ending::Lost => "The focus has lost the session.".to_owned(),
    }
}

fn not_said(why: NotSaid) -> String {
    match why {
        NotSaid::Lost => "the connection went away first".to_owned(),
        NotSaid::Cannot(CannotSend::NoPrivateMessages) => {
            "the room passes no private messages on".to_owned()
        }
        NotSaid::Cannot(CannotSend::NoNicknames) => "the room has no nicknames".to_owned(),
        NotSaid::Cannot(CannotSend::Muted) => "you may only listen".to_owned(),
        NotSaid::Cannot(CannotSend::TooLarge) => "too long for this room".to_owned(),
        NotSaid::Cannot(CannotSend::Malformed) => "that is no address".to_owned(),
        NotSaid::Cannot(why) => format!("{why:?}"),
        NotSaid::NotTaken(404) => "there is nobody of this address".to_owned(),
        NotSaid::NotTaken(425) => "somebody else has this nickname".to_owned(),
        NotSaid::NotTaken(424) => "no such nickname is possible".to_owned(),
        NotSaid::NotTaken(428) => "they take no private messages".to_owned(),
        NotSaid::NotTaken(status) => {
            format!("{status} {}", msrp::status::comment(status))
        }
    }
}
