//! Keeping the directory of a room the same on all its cores.

use std::sync::Arc;

use mailbox::{CoreId, DirectoryRelay, News, Presence, Relay};

use crate::{core::Core, room::RoomKey, route::SessionKey};

impl Core {
    /// Lists a session that has become due what its room says, or what has changed of it.
    pub(crate) fn list(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(peer) = session.recipient() else { return };
        let media = &peer.media;
        let presence = Arc::new(Presence {
            session: session.id,
            participant: session.participant,
            core: self.config.id,
            addresses: Arc::clone(&session.identities),
            takes_private: media.takes_private(),
            accept_wrapped: media.accept_wrapped.clone(),
            size_max: media.size_max,
        });
        session.listed = true;
        let key = session.room;
        if let Some(room) = self.rooms.get_mut(key) {
            room.directory.set(Arc::clone(&presence));
        }
        self.publish(key, News::Present([presence].into()));
    }

    /// Strikes a session out, if it was listed.
    pub(crate) fn strike(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if !std::mem::take(&mut session.listed) {
            return;
        }
        let (participant, session, key) = (session.participant, session.id, session.room);
        if let Some(room) = self.rooms.get_mut(key) {
            room.directory.remove(participant, session);
        }
        self.publish(key, News::Absent { participant, session });
    }

    /// Tells the room's other cores, by way of its home.
    pub(crate) fn publish(&mut self, key: RoomKey, news: News) {
        let Some(room) = self.rooms.get(key) else { return };
        let (room, home, from) = (room.terms.id, room.terms.home, self.config.id);
        let relay = DirectoryRelay { room, from, news };
        if home == from {
            self.forward_news(key, &relay);
        } else {
            self.tell(home, Relay::Directory(relay));
        }
    }

    /// What another core has to say of who is in a room.
    pub(crate) fn handle_news(&mut self, relay: &DirectoryRelay) {
        let Some(&key) = self.rooms_by_id.get(&relay.room) else { return };
        let Some(room) = self.rooms.get_mut(key) else { return };
        let is_home = room.terms.home == self.config.id;
        match &relay.news {
            // To a core that the home does not know of yet, `Spread` will tell.
            News::Serving if is_home && room.cores.contains(relay.from) => {
                self.describe(key, relay.from);
                return;
            }
            News::Serving => return,
            News::Present(members) => {
                // Of its own sessions a core knows more than anybody who was told of them.
                for member in members.iter().filter(|it| it.core != self.config.id) {
                    room.directory.set(Arc::clone(member));
                }
            }
            News::Absent { participant, session } => room.directory.remove(*participant, *session),
        }
        if is_home {
            self.forward_news(key, relay);
        }
    }

    /// Tells a core that serves the room from now on who is there.
    pub(crate) fn describe(&mut self, key: RoomKey, to: CoreId) {
        let Some(room) = self.rooms.get(key) else { return };
        let news = News::Present(room.directory.all().into());
        let relay = DirectoryRelay { room: room.terms.id, from: self.config.id, news };
        self.tell(to, Relay::Directory(relay));
    }

    /// On the home core: to all cores of the room but the one the news come from.
    fn forward_news(&mut self, key: RoomKey, relay: &DirectoryRelay) {
        let cores = self.rooms.get(key).map(|room| room.cores).unwrap_or_default();
        for core in cores.without(relay.from).iter() {
            self.tell(core, Relay::Directory(relay.clone()));
        }
    }

    /// Queues what must not be lost, however much waits for that core already: it is little, and no
    /// more of it than the focus orders and the limits of each session allow.
    pub(crate) fn tell(&mut self, core: CoreId, relay: Relay) {
        if let Some(backlog) = self.relays.get_mut(core.index())
            && !self.gone.contains(core)
        {
            backlog.push_back(relay);
        }
    }
}
