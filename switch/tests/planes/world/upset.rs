//! What an operator and a host may do to a node that serves: other rules, other groups, a core that is
//! lost, and a process that dies and is started again.

use std::{collections::VecDeque, mem, sync::Arc};

use engine::Commons;
use sip_control::{
    config::{Config, Room},
    group::{GroupDocument, Groups},
    store::Remembered,
};

use super::{FOCUS, Node, TEAM, World, configuration, core_id};
use crate::{dice::Dice, documents::Documents, exchanges::Exchanges};

impl World {
    pub(super) fn upset(&mut self) {
        match self.dice.below(20) {
            0..6 => self.reload(),
            6..11 => self.regroup(),
            11..17 => self.lose_core(),
            _ => self.restart(),
        }
    }

    /// The configuration is read again, and says something else (sip/OPS-12).
    fn reload(&mut self) {
        let Config { media, persist_sessions, .. } = mem::take(&mut self.config);
        let mut config = configuration(&mut self.dice);
        (config.media, config.persist_sessions) = (media, persist_sessions);
        let seats = 1 + self.dice.below(5);
        let change = |room: Room| Room {
            rules: sip_control::config::Rules { max_participants: Some(seats), ..room.rules },
            ..room
        };
        config.rooms = config.rooms.into_iter().map(change).collect();
        if self.dice.chance(40) {
            config.rooms.remove(self.dice.below(config.rooms.len()));
        }
        if self.dice.chance(20) {
            config.ad_hoc = None;
        }
        self.tell(|| format!("{seats} seats in {} rooms from now on", config.rooms.len()));
        self.config = config.clone();
        self.agent.handle_config(self.now, config);
    }

    /// The documents of the groups change.
    fn regroup(&mut self) {
        self.groups = groups(&mut self.dice, &self.users);
        self.tell(|| "the groups are others from now on".to_owned());
        self.agent.handle_groups(self.now, &self.groups);
    }

    /// A core breaks, with all its connections. That is told later.
    fn lose_core(&mut self) {
        let live = self.live_cores();
        if live.len() < 2 {
            return;
        }
        let lost = self.dice.one_of(&live);
        self.tell(|| format!("core {lost} breaks"));
        self.is_lost[lost] = true;
        self.untold.push_back(lost);
        self.cut(|core| core == lost);
        // In its place is one that nobody is connected to.
        let apart = Arc::new(Commons::new([0; 32]));
        self.cores[lost] = self.plan.core(self.process, lost, apart);
    }

    /// The focus hears of a core that is lost.
    pub(super) fn tell_loss(&mut self) {
        if let Some(core) = self.untold.pop_front() {
            self.agent.handle_core_lost(core_id(core));
        }
    }

    /// The process dies, and is started again with what was on disk (sip/OPS-10).
    fn restart(&mut self) {
        self.tell(|| "the process dies".to_owned());
        self.process += 1;
        self.cut(|_| true);
        let Node { agent, commands, events, cores, commons } =
            Node::start(self.plan, self.process, &self.config);
        (self.agent, self.commands, self.events) = (agent, commands, events);
        (self.cores, self.commons) = (cores, commons);
        self.is_lost.fill(false);
        self.untold.clear();
        self.lookups.clear();
        self.network.forget(FOCUS.parse().unwrap());
        self.exchanges = Exchanges::default();
        self.documents = Documents::default();
        self.crowds.clear();
        let is_kept = self.config.persist_sessions.is_some();
        let remembered = if is_kept { self.disk.survive(&mut self.dice) } else { Vec::new() };
        self.tell(|| {
            let named = |it: &Remembered| format!("{} of {}", it.session, it.room);
            let sessions: Vec<String> = remembered.iter().map(named).collect();
            format!("it begins again with {sessions:?}")
        });
        self.agent.handle_groups(self.now, &self.groups);
        self.agent.handle_remembered(self.now, remembered);
        assert_eq!(self.agent.gauges().legs, 0, "dialogs do not survive");
    }

    /// Everything that some cores hold is gone, and their peers see that.
    fn cut(&mut self, is_gone: impl Fn(usize) -> bool) {
        let mut gone: Vec<_> = self.links.keys().copied().filter(|it| is_gone(it.core)).collect();
        gone.sort_unstable_by_key(|link| (link.core, link.id.to_token()));
        for link in gone {
            if let Some(wire) = self.wire_of(link) {
                wire.closed();
                self.lose(link);
            }
            self.links.remove(&link);
        }
        self.sends.retain(|(link, _)| !is_gone(link.core));
        self.closing.retain(|link| !is_gone(link.core));
        self.detaching.retain(|link| !is_gone(link.core));
        self.connecting.retain(|(link, _)| !is_gone(link.core));
        let cores = self.cores.len();
        for (way, relays) in self.relays.iter_mut().enumerate() {
            if is_gone(way / cores) || is_gone(way % cores) {
                relays.clear();
            }
        }
        for (_, said) in self.said.iter_mut().enumerate().filter(|(core, _)| is_gone(*core)) {
            VecDeque::clear(said);
        }
    }

    pub(super) fn live_cores(&self) -> Vec<usize> {
        (0..self.cores.len()).filter(|core| !self.is_lost[*core]).collect()
    }
}

/// A team that most users belong to, or nobody.
pub(super) fn groups(dice: &mut Dice, users: &[String]) -> Groups {
    if dice.chance(30) {
        return Groups::default();
    }
    let mut entries = String::new();
    for user in users.iter().filter(|_| dice.chance(80)) {
        entries = format!("{entries}<entry uri=\"{user}\"/>");
    }
    let (calls, seats) = (dice.chance(30), 1 + dice.below(5));
    let (hides, watches) = (dice.chance(50), dice.chance(80));
    let document = format!(
        "<?xml version=\"1.0\"?>\n\
         <group xmlns=\"urn:oma:xml:poc:list-service\" \
         xmlns:cp=\"urn:ietf:params:xml:ns:common-policy\">\
         <list-service uri=\"{TEAM}\"><list>{entries}</list>\
         <invite-members>{calls}</invite-members>\
         <max-participant-count>{seats}</max-participant-count>\
         <cp:ruleset><cp:rule id=\"members\">\
         <cp:conditions><is-list-member/></cp:conditions>\
         <cp:actions><join-handling>true</join-handling>\
         <allow-initiate-conference>true</allow-initiate-conference>\
         <allow-anonymity>{hides}</allow-anonymity>\
         <allow-conference-state>{watches}</allow-conference-state>\
         </cp:actions></cp:rule></cp:ruleset></list-service></group>"
    );
    GroupDocument::parse(document.as_bytes())
        .expect("a sound document")
        .groups
        .into_iter()
        .collect()
}
