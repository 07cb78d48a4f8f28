//! How members get in: by an INVITE to the focus, or, where there is none, by a connection alone.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::crew::{Place, token};
use crate::peer::sdp::{Answer, Offer};
use crate::peer::sip::{Agent, Dialog, Failure};
use crate::scenario::Scenario;
use crate::tally::Setback;

/// Random octets of a session-id: more than the 80 bits of RFC 4975 section 14.1.
pub const SESSION_ID_ENTROPY: usize = 12;
/// Characters of a session-id at a bare server: those of a session-id of the switch, so that heads
/// are as long as they would be there.
const BARE_SESSION_ID_LEN: usize = 28;

/// The way in.
pub enum Door {
    /// By SIP, like everybody.
    Focus(Rc<Agent>),
    /// A bare fan-out server, which knows no sessions but the names of its groups.
    Bare {
        /// Where it listens.
        address: SocketAddr,
        /// Sets the groups of this run apart from those of every other.
        run: String,
    },
}

/// A member that may connect.
pub struct Admission {
    /// The URI of its session.
    pub own: String,
    /// The path it was answered.
    pub answer: Answer,
    /// What it has to end when it leaves.
    pub dialog: Option<Dialog>,
    /// From the first INVITE sent to the 200.
    pub took: Duration,
}

impl Door {
    /// The way in that a scenario asks for; `run` names this run.
    pub async fn find(scenario: &Scenario, run: &str) -> std::io::Result<Self> {
        Ok(match scenario.bare {
            Some(address) => Self::Bare { address, run: run.into() },
            None => {
                Self::Focus(Agent::start(scenario.sip, scenario.sip_transport, run, None).await?)
            }
        })
    }

    /// Asks for a member to be let in at `target`, a room or an IM Session Identity.
    pub async fn admit(
        &self,
        scenario: &Scenario,
        place: Place,
        target: &str,
        serial: u64,
    ) -> Result<Admission, Setback> {
        match self {
            Self::Focus(agent) => {
                let session_id = token::<SESSION_ID_ENTROPY>().map_err(Setback::told)?;
                let offer = Offer::new(agent.address(), &session_id, serial);
                let uri = scenario.member_uri(place.room, place.member);
                let joined = agent.invite(&uri, target, &offer).await?;
                let took = joined.took();
                match Answer::parse(&joined.answer) {
                    Ok(answer) => {
                        Ok(Admission { own: offer.path, answer, dialog: Some(joined.dialog), took })
                    }
                    Err(why) => {
                        self.bye_unheard(joined.dialog).await;
                        Err(Setback::told(why))
                    }
                }
            }
            Self::Bare { address, run } => {
                // A copy is what its sender wrote, so all members of a room have to share its paths.
                let side = |side: &str| {
                    let name = format!("{run}.{}", place.room);
                    let len = BARE_SESSION_ID_LEN - side.len();
                    format!("msrp://{address}/{name:.<len$}{side};tcp")
                };
                let (own, path) = if place.member < scenario.senders {
                    (side("-hear"), side("-tell"))
                } else {
                    (side("-tell"), side("-hear"))
                };
                let answer = Answer { path, address: *address };
                Ok(Admission { own, answer, dialog: None, took: Duration::ZERO })
            }
        }
    }

    /// Ends a dialog that stands although nothing can be said in it. That the focus is told so is
    /// courtesy; what there is to report is why.
    pub async fn bye_unheard(&self, dialog: Dialog) {
        let _ = self.bye(dialog).await;
    }

    /// Ends a dialog.
    pub async fn bye(&self, dialog: Dialog) -> Result<(), Failure> {
        match self {
            Self::Focus(agent) => agent.bye(&dialog).await,
            Self::Bare { .. } => Ok(()),
        }
    }

    /// A dialog is as good as left: its end is no surprise.
    pub fn leave(&self, dialog: &Dialog) {
        if let Self::Focus(agent) = self {
            agent.leave(dialog);
        }
    }

    /// When the focus ended this dialog, if it has.
    pub fn ended_at(&self, dialog: &Dialog) -> Option<Instant> {
        match self {
            Self::Focus(agent) => agent.ended_at(dialog),
            Self::Bare { .. } => None,
        }
    }

    /// Dialogs that the focus has ended although nobody had left or replaced them.
    pub fn dismissed(&self) -> u64 {
        match self {
            Self::Focus(agent) => agent.dismissed(),
            Self::Bare { .. } => 0,
        }
    }
}
