//! Word to a control plane that serves, from whatever thread: what it is to do otherwise from now
//! on, and the question what it has counted.

use mailbox::CoreId;
use tokio::sync::{mpsc, oneshot};

use crate::{config::Config, focus, group, store, transaction, transport};

/// Instructions that wait. There are as many as people who give them.
const WAITING_MAX: usize = 16;

/// All that the control plane counts.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// What the focus has counted.
    pub focus: focus::Counters,
    /// What there is in the focus.
    pub gauges: focus::Gauges,
    /// What the transactions have counted.
    pub transactions: transaction::Counters,
    /// What the transports have counted.
    pub transport: transport::Counters,
    /// What came of fetching documents of groups, and lists.
    pub groups: group::Counters,
    /// What the store has counted, if there is one.
    pub store: Option<store::Counters>,
}

/// Where a control plane takes instructions.
#[derive(Clone, Debug)]
pub struct Desk {
    instructions: mpsc::Sender<Instruction>,
}

/// What may be said there.
#[derive(Debug)]
pub(super) enum Instruction {
    /// Say what was counted.
    Count(oneshot::Sender<Census>),
    /// Go by this configuration from now on (OPS-12).
    Reconfigure(Box<Config>),
    /// That core of the media plane is gone (OPS-09).
    Lose(CoreId),
    /// End the session of that URI, and say whether there was one (LEAVE-08).
    End(String, oneshot::Sender<bool>),
}

/// The desk, and the end of who sits there.
pub(super) fn desk() -> (Desk, mpsc::Receiver<Instruction>) {
    let (instructions, given) = mpsc::channel(WAITING_MAX);
    (Desk { instructions }, given)
}

impl Desk {
    /// What was counted until now; `None` when the control plane has ended.
    pub async fn census(&self) -> Option<Census> {
        let (answer, census) = oneshot::channel();
        self.instructions.send(Instruction::Count(answer)).await.ok()?;
        census.await.ok()
    }

    /// Tells that a core of the media plane is gone, while others serve (OPS-09).
    pub async fn lose(&self, core: CoreId) {
        // One that has ended has lost all of them.
        let _ = self.instructions.send(Instruction::Lose(core)).await;
    }

    /// Ends the session that runs in this room, or has this identity (LEAVE-08). Whether there was
    /// one; `None` when the control plane has ended.
    pub async fn end(&self, uri: String) -> Option<bool> {
        let (answer, was_there) = oneshot::channel();
        self.instructions.send(Instruction::End(uri, answer)).await.ok()?;
        was_there.await.ok()
    }

    /// Has the control plane go by another configuration, one that was checked. What cannot change
    /// while it serves stays as it is: [`Config::amended`] tells what that is.
    pub async fn reconfigure(&self, config: Config) {
        // One that has ended goes by no configuration at all.
        let _ = self.instructions.send(Instruction::Reconfigure(Box::new(config))).await;
    }
}
