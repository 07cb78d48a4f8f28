//! A core is gone (OPS-09): where its rooms go, and whose sessions are lost with it.

use std::{mem, sync::Arc};

use mailbox::{Command, CoreId, CoreSet, RoomId, RoomTerms, SessionId};

use super::{Placement, Session, State};
use crate::focus::Report;

impl Placement {
    /// That core does not serve any more. The others hear of it first, so that none of them waits for
    /// it. A room whose home it was has another from now on: nobody is left who has all its messages
    /// in one order, so it begins anew on every core, and all its sessions are lost.
    pub fn lose(&mut self, core: CoreId) {
        let Some(lost) = self.cores.get_mut(core.index()).filter(|core| !core.is_lost) else {
            return;
        };
        lost.is_lost = true;
        lost.kept.clear();
        for other in self.cores.iter_mut().filter(|other| !other.is_lost) {
            other.tell(Command::Forsake { core });
        }
        let mut rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        rooms.sort_unstable();
        let mut moved = Vec::new();
        for id in rooms {
            let Some(room) = self.rooms.get_mut(&id) else { continue };
            room.aware = room.aware.without(core);
            if let Some(closing) = &mut room.closing {
                *closing = closing.without(core);
                self.forget_closed(id);
            } else if room.terms.home == core {
                self.move_home(id);
                moved.push(id);
            }
        }
        let sessions = self.forget_lost(core, &moved);
        let mut rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        rooms.sort_unstable();
        for id in rooms {
            let Some(room) = self.rooms.get(&id) else { continue };
            if room.closing.is_none() && room.spread.0.contains(core) {
                self.spread(id);
            }
        }
        self.reports.push_back(Report::CoreLost { sessions, rooms: moved });
    }

    /// Closes a room wherever it is, and gives it another home.
    fn move_home(&mut self, id: RoomId) {
        let home = self.next_core();
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let survivors = mem::replace(&mut room.aware, CoreSet::EMPTY);
        room.terms = Arc::new(RoomTerms { home, ..RoomTerms::clone(&room.terms) });
        room.spread = (CoreSet::EMPTY, room.epoch);
        room.spread_answered = room.epoch;
        room.waiting.clear();
        for core in survivors.iter() {
            self.tell(core, id, |epoch| Command::Close { room: id, epoch });
        }
    }

    /// Strikes out the sessions that are gone, and reports those that were still to come as refused.
    /// The others.
    fn forget_lost(&mut self, core: CoreId, moved: &[RoomId]) -> Vec<SessionId> {
        let is_lost = |session: &Session| session.core == core || moved.contains(&session.room);
        let gone = self.sessions.iter().filter(|(_, session)| is_lost(session));
        let mut gone: Vec<SessionId> = gone.map(|(id, _)| *id).collect();
        gone.sort_unstable();
        let mut served = Vec::new();
        for id in gone {
            self.reached(id);
            let Some(session) = self.sessions.remove(&id) else { continue };
            if let Some(room) = self.rooms.get_mut(&session.room) {
                room.waiting.retain(|waiting| *waiting != id);
                let left = room.members.entry(session.core).or_default();
                *left = left.saturating_sub(1);
            }
            match session.state {
                State::Installing { .. } => {
                    self.reports.push_back(Report::Refused { session: id });
                }
                State::Installed => served.push(id),
                State::Removing => {}
            }
        }
        served
    }
}
