//! Another core is gone for good (sip/OPS-09): nothing more is said to it, and nothing of it is waited
//! for. Rooms whose home it was are the focus's affair, which closes them here and opens them anew.

use std::time::Instant;

use mailbox::{CoreId, CoreSet, FailureCause};

use crate::{
    connection::{Connection, ConnectionId},
    core::Core,
    fanout::Portion,
    room::{FlightId, RoomKey},
};

/// What this core has counted among all cores goes with it: they go on without what it held.
impl Drop for Core {
    fn drop(&mut self) {
        self.memory.give_up(&self.commons);
        let strangers = self.connections.iter().filter_map(|(_, it)| it.stranger_from);
        for from in strangers {
            self.commons.strangers.forget(from);
        }
    }
}

impl Core {
    pub(crate) fn forsake(&mut self, now: Instant, core: CoreId) {
        if core == self.config.id || core.index() >= self.config.cores || self.gone.contains(core) {
            return;
        }
        self.gone = self.gone.with(core);
        self.relays[core.index()].clear();
        let rooms: Vec<RoomKey> = self.rooms_by_id.values().copied().collect();
        for room in rooms {
            self.forsake_members(now, room, core);
        }
        let mut cut: Vec<(CoreId, u64)> =
            self.branches.keys().filter(|(trunk, _)| *trunk == core).copied().collect();
        cut.sort_unstable();
        for branch in cut {
            if let Some(id) = self.branches.remove(&branch) {
                self.fail_connection(now, id, FailureCause::ConnectionLost);
                self.vacate(id);
            }
        }
        let has_branch = |connection: &Connection| {
            connection.branches.as_ref().is_some_and(|branches| branches.lead_to(core))
        };
        let trunks = self.connections.iter().filter(|(_, connection)| has_branch(connection));
        let trunks: Vec<ConnectionId> = trunks.map(|(id, _)| id).collect();
        for id in trunks {
            self.branch_ended(now, id, core, (u64::MAX, 0));
        }
    }

    /// Strikes out whoever was on that core, and ends here what they were in the middle of saying.
    fn forsake_members(&mut self, now: Instant, key: RoomKey, core: CoreId) {
        let Some(room) = self.rooms.get_mut(key) else { return };
        room.cores = room.cores.without(core);
        // Theirs for a while, for they may come back by another core.
        if room.nicknames.as_mut().is_some_and(|it| it.forsake(now, core)) {
            self.timers.quarantines.set(now, key);
        }
        let mut begun: Vec<FlightId> = Vec::new();
        for presence in room.directory.all().iter().filter(|presence| presence.core == core) {
            room.directory.remove(presence.participant, presence.session);
            begun.extend(room.flights.keys().filter(|(origin, _)| *origin == presence.session));
        }
        for flight in begun {
            self.deliver(key, flight, &mut Portion::Abort, CoreSet::EMPTY);
        }
    }
}
