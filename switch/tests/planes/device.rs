//! A user's device with the IM Client on it, the one that this project ships.

use std::{collections::BTreeMap, time::Instant};

use sip_control::{
    client::{Client, Config, Conversation, Event, LegId, Privacy, Roster},
    transport::{Protocol, Target},
};

use crate::{
    dice::Dice,
    wire::{Call, Key, Wish},
    world::{FOCUS, ROOMS, address_of},
};

/// Legs that a device has at one time.
const LEGS_MAX: usize = 3;

pub struct Device {
    number: usize,
    pub user: String,
    pub client: Client,
    /// Legs that are joined, or are to be.
    pub legs: BTreeMap<LegId, Leg>,
    /// Where it was, and might come back to.
    left: Vec<(Conversation, Privacy)>,
    pub wishes: Vec<Wish>,
    last: u64,
}

pub struct Leg {
    pub number: u64,
    /// The IM Session Identity, once it is joined.
    pub identity: Option<String>,
    pub is_anonymous: bool,
    /// What it has last been told, and whether it still is told.
    pub roster: Option<Roster>,
    conversation: Option<Conversation>,
}

impl Device {
    pub fn new(number: usize, user: &str, protocol: Protocol, dice: &mut Dice) -> Self {
        let hop = Target::new(protocol, FOCUS.parse().unwrap());
        let mut config = Config::new(user, address_of(number), hop);
        config.session_interval = 90;
        config.watches = dice.chance(80);
        config.refers_within = dice.chance(50);
        config.instance = Some(format!("urn:uuid:00000000-0000-0000-0000-{number:012}"));
        let mut seed = [number as u8; 32];
        seed[..8].copy_from_slice(&dice.roll().to_le_bytes());
        let client = Client::new(config, seed);
        let user = user.to_owned();
        let (legs, left, wishes) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { number, user, client, legs, left, wishes, last: 0 }
    }

    /// Its user does something.
    pub fn act(&mut self, now: Instant, dice: &mut Dice, callable: &[String]) {
        let some: Option<LegId> = (!self.legs.is_empty())
            .then(|| *self.legs.keys().nth(dice.below(self.legs.len())).unwrap());
        match (dice.below(10), some) {
            (0..3, _) if self.legs.len() < LEGS_MAX => {
                let privacy = if dice.chance(25) { Privacy::Anonymous } else { Privacy::None };
                let room = dice.one_of(&ROOMS);
                let leg = self.client.join(now, room, privacy).unwrap();
                self.note(leg, privacy);
            }
            (3..6, _) if self.legs.len() < LEGS_MAX && !self.left.is_empty() => {
                let at = dice.below(self.left.len());
                let (conversation, privacy) = self.left.swap_remove(at);
                if let Ok(leg) = self.client.rejoin(now, conversation, privacy) {
                    self.note(leg, privacy);
                }
            }
            (6 | 7, Some(leg)) => self.client.leave(now, leg),
            // Its network is gone, and nobody is told.
            (8, Some(leg)) => {
                self.client.abandon(leg);
                self.forget(leg);
            }
            (9, Some(leg)) if !callable.is_empty() => {
                let whom = &callable[dice.below(callable.len())];
                // A leg that is not joined yet has nobody to ask.
                let _ = self.client.refer(now, leg, &[whom]);
            }
            _ => {}
        }
        self.heed();
    }

    fn note(&mut self, id: LegId, privacy: Privacy) {
        self.last += 1;
        let leg = Leg {
            number: self.last,
            identity: None,
            is_anonymous: privacy != Privacy::None,
            roster: None,
            conversation: None,
        };
        self.legs.insert(id, leg);
    }

    /// The MSRP session of one of its legs is dead. Its user may want to come back.
    pub fn lose(&mut self, session: u64) {
        if let Some(leg) = self.legs.values().find(|leg| leg.number == session)
            && let Some(conversation) = leg.conversation.clone()
        {
            self.left.push((conversation, leg.privacy()));
        }
    }

    /// It wants no leg any more.
    pub fn leave_all(&mut self, now: Instant) {
        self.left.clear();
        for leg in self.legs.keys().copied().collect::<Vec<_>>() {
            self.client.leave(now, leg);
        }
        self.heed();
    }

    /// Takes in what the client has to tell.
    pub fn heed(&mut self) {
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Joined { leg, joined } => {
                    let Some(known) = self.legs.get_mut(&leg) else { continue };
                    known.identity.clone_from(&joined.conversation.identity);
                    known.conversation = Some(joined.conversation.clone());
                    let to = joined.conversation.address().unwrap_or_default().to_owned();
                    let key = Key { peer: self.number, session: known.number };
                    let call = Call {
                        agreement: joined.agreement,
                        from: self.user.clone(),
                        to,
                        is_anonymous: known.is_anonymous,
                        waits_at: None,
                    };
                    self.wishes.push(Wish::Connect { key, call: Box::new(call) });
                }
                Event::Failed { leg, .. } => self.forget(leg),
                Event::Ended { leg, conversation, .. } => {
                    if let Some(known) = self.legs.get(&leg) {
                        self.left.push((*conversation, known.privacy()));
                        self.left.truncate(4);
                    }
                    self.forget(leg);
                }
                Event::Roster { leg, roster } => {
                    if let Some(known) = self.legs.get_mut(&leg) {
                        known.roster = Some(*roster);
                    }
                }
                Event::Unwatched { leg, .. } => {
                    if let Some(known) = self.legs.get_mut(&leg) {
                        known.roster = None;
                    }
                }
                Event::Progress { .. }
                | Event::Deferred { .. }
                | Event::Referred { .. }
                | Event::Concluded { .. } => {}
            }
        }
    }

    fn forget(&mut self, leg: LegId) {
        if let Some(leg) = self.legs.remove(&leg) {
            let key = Key { peer: self.number, session: leg.number };
            self.wishes.push(Wish::Close { key });
        }
    }
}

impl Leg {
    fn privacy(&self) -> Privacy {
        if self.is_anonymous { Privacy::Anonymous } else { Privacy::None }
    }
}
