//! Two ends of a link that loses, doubles, delays and reorders, over virtual time. All chance comes
//! from one seed, which a failure prints.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use sip_control::message::{Draft, Header, Message, Method, Reply};
use sip_control::transaction::{
    ClientId, Config, Event, Failure, ServerId, Timers, Tokens, Transactions,
};
use sip_control::transport::{Protocol, Source, Target, Transmit};

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// What a link does to what is sent, in percent; on a stream nothing.
#[derive(Clone, Copy, Debug)]
struct Weather {
    protocol: Protocol,
    loss: u32,
    duplication: u32,
    /// Of the same bytes, never lose two in a row.
    is_fair: bool,
}

/// The end that asks, and the end that answers.
const ASKS: usize = 0;
const ANSWERS: usize = 1;

fn address(end: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, end as u8 + 1], 5060))
}

/// How one request went.
#[derive(Debug, Default)]
struct Story {
    is_invite: bool,
    is_cancelled: bool,
    /// Times the answering end saw it.
    seen: u32,
    /// Final responses the asking end saw.
    finals: Vec<u16>,
    failures: Vec<Failure>,
    settled: u32,
    /// Times its 2xx was acknowledged, and given up.
    acknowledged: u32,
    unacknowledged: u32,
}

/// What comes about at some time.
#[derive(Debug, Eq, PartialEq)]
enum Act {
    Arrive { at_end: usize, bytes: Bytes },
    Ask { number: usize },
    Answer { transaction: ServerId, status: u16 },
    Cancel { transaction: ClientId },
}

struct World {
    ends: [Transactions; 2],
    now: Instant,
    chance: Tokens,
    weather: Weather,
    /// Acts by time, then by the order they were planned in.
    agenda: BinaryHeap<Reverse<(Instant, u64)>>,
    acts: HashMap<u64, Act>,
    planned: u64,
    lost_last: HashMap<Bytes, bool>,
    clients: HashMap<ClientId, usize>,
    servers: HashMap<ServerId, usize>,
    stories: BTreeMap<usize, Story>,
}

impl World {
    fn new(seed: u64, weather: Weather) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let end = |nth: usize| {
            let config = Config {
                timers: Timers { proceeding_max: ms(60_000), ..Timers::default() },
                sent_by_udp: address(nth).to_string(),
                sent_by_tcp: address(nth).to_string(),
                servers_max: 1000,
            };
            Transactions::new(config, [nth as u8; 32])
        };
        Self {
            ends: [end(ASKS), end(ANSWERS)],
            now: Instant::now(),
            chance: Tokens::new(bytes),
            weather,
            agenda: BinaryHeap::new(),
            acts: HashMap::new(),
            planned: 0,
            lost_last: HashMap::new(),
            clients: HashMap::new(),
            servers: HashMap::new(),
            stories: BTreeMap::new(),
        }
    }

    fn plan(&mut self, after: Duration, act: Act) {
        self.planned += 1;
        self.agenda.push(Reverse((self.now + after, self.planned)));
        self.acts.insert(self.planned, act);
    }

    fn some_ms(&mut self, bound: u32) -> Duration {
        ms(u64::from(self.chance.below(bound)))
    }

    fn happens(&mut self, percent: u32) -> bool {
        self.chance.below(100) < percent
    }

    /// Runs until nothing is left to happen.
    fn run(&mut self) {
        for step in 0.. {
            assert!(step < 100_000, "it never ends");
            let timers = self.ends.iter().filter_map(Transactions::poll_timeout);
            let acts = self.agenda.peek().map(|Reverse((at, _))| *at);
            let Some(next) = timers.chain(acts).min() else {
                return;
            };
            assert!(next >= self.now, "time runs backwards");
            self.now = next;
            for end in &mut self.ends {
                end.handle_timeout(next);
            }
            self.drain();
            if let Some(&Reverse((at, number))) = self.agenda.peek()
                && at <= self.now
            {
                self.agenda.pop();
                let act = self.acts.remove(&number).unwrap();
                self.act(act);
                self.drain();
            }
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Arrive { at_end, bytes } => {
                let source = Source {
                    local: address(at_end),
                    remote: address(1 - at_end),
                    protocol: self.weather.protocol,
                    connection: None,
                };
                let message = Message::from_datagram(bytes).unwrap();
                self.ends[at_end].handle_message(self.now, source, message);
            }
            Act::Ask { number } => self.ask(number),
            Act::Answer { transaction, status } => {
                self.ends[ANSWERS].respond(self.now, transaction, &Reply::new(status));
            }
            Act::Cancel { transaction } => {
                self.stories.get_mut(&self.clients[&transaction]).unwrap().is_cancelled = true;
                self.ends[ASKS].cancel(self.now, transaction);
            }
        }
    }

    fn ask(&mut self, number: usize) {
        let is_invite = self.happens(60);
        let method = if is_invite { Method::Invite } else { Method::Options };
        let draft = Draft::new(method, "sip:b@192.0.2.2")
            .header(Header::From, "<sip:a@192.0.2.1>;tag=a")
            .header(Header::To, "<sip:b@192.0.2.2>")
            .header(Header::CallId, &number.to_string())
            .header(Header::CSeq, &format!("1 {}", method.name()));
        let target = Target::new(self.weather.protocol, address(ANSWERS));
        let id = self.ends[ASKS].request(self.now, &draft, target);
        self.clients.insert(id, number);
        self.stories.insert(number, Story { is_invite, ..Story::default() });
        if is_invite && self.happens(30) {
            let after = self.some_ms(4000);
            self.plan(after, Act::Cancel { transaction: id });
        }
    }

    fn drain(&mut self) {
        for end in [ASKS, ANSWERS] {
            while let Some(transmit) = self.ends[end].poll_transmit() {
                self.carry(1 - end, transmit);
            }
            while let Some(event) = self.ends[end].poll_event() {
                self.tell(event);
            }
            // What the events led to.
            while let Some(transmit) = self.ends[end].poll_transmit() {
                self.carry(1 - end, transmit);
            }
        }
    }

    fn carry(&mut self, at_end: usize, transmit: Transmit) {
        assert_eq!(transmit.target.remote, address(at_end));
        let bytes = transmit.bytes;
        if self.weather.protocol == Protocol::Tcp {
            return self.plan(ms(20), Act::Arrive { at_end, bytes });
        }
        let was_lost = self.lost_last.get(&bytes).copied().unwrap_or(false);
        let is_lost = self.happens(self.weather.loss) && !(self.weather.is_fair && was_lost);
        self.lost_last.insert(bytes.clone(), is_lost);
        let copies =
            if is_lost { 0 } else { 1 + u32::from(self.happens(self.weather.duplication)) };
        for _ in 0..copies {
            let delay = self.some_ms(300);
            self.plan(delay, Act::Arrive { at_end, bytes: bytes.clone() });
        }
    }

    fn tell(&mut self, event: Event) {
        match event {
            Event::Request { transaction, request, is_merged, .. } => {
                assert!(!is_merged);
                let number = request.call_id().parse().unwrap();
                self.servers.insert(transaction, number);
                self.stories.get_mut(&number).unwrap().seen += 1;
                if self.happens(30) && request.method() == Method::Invite {
                    self.plan(ms(0), Act::Answer { transaction, status: 180 });
                }
                let status = if self.happens(50) { 200 } else { 486 };
                let delay = self.some_ms(3000);
                self.plan(delay, Act::Answer { transaction, status });
            }
            Event::Cancelled { transaction } => {
                self.plan(ms(0), Act::Answer { transaction, status: 487 });
            }
            Event::Acknowledged { transaction, .. } => {
                self.story_of(transaction).acknowledged += 1;
            }
            Event::Unacknowledged { transaction } => {
                self.story_of(transaction).unacknowledged += 1;
            }
            Event::Response { transaction, response } if response.code() >= 200 => {
                let number = self.clients[&transaction];
                let story = self.stories.get_mut(&number).unwrap();
                story.finals.push(response.code());
                if story.is_invite && response.code() < 300 {
                    let ack = Draft::new(Method::Ack, "sip:b@192.0.2.2")
                        .header(Header::From, "<sip:a@192.0.2.1>;tag=a")
                        .header(Header::To, response.header(Header::To).unwrap())
                        .header(Header::CallId, &number.to_string())
                        .header(Header::CSeq, "1 ACK");
                    let target = Target::new(self.weather.protocol, address(ANSWERS));
                    self.ends[ASKS].acknowledge(transaction, &ack, target);
                }
            }
            Event::Response { .. } => {}
            Event::Failed { transaction, failure } => {
                let number = self.clients[&transaction];
                self.stories.get_mut(&number).unwrap().failures.push(failure);
            }
            Event::Settled { transaction } => {
                let number = self.clients[&transaction];
                self.stories.get_mut(&number).unwrap().settled += 1;
            }
        }
    }

    fn story_of(&mut self, transaction: ServerId) -> &mut Story {
        self.stories.get_mut(&self.servers[&transaction]).unwrap()
    }
}

/// Some requests through that weather, to their ends.
fn stories(seed: u64, weather: Weather, count: usize) -> BTreeMap<usize, Story> {
    let mut world = World::new(seed, weather);
    for number in 0..count {
        let after = world.some_ms(10_000);
        world.plan(after, Act::Ask { number });
    }
    world.run();
    assert_eq!(world.ends[ASKS].len(), (0, 0), "something is still asked");
    assert_eq!(world.ends[ANSWERS].len(), (0, 0), "something is still answered");
    world.stories
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// DLG-04, DLG-06, DLG-07: whatever is lost, a request is seen once at most, ends once, and
    /// nothing of it stays.
    #[test]
    fn every_request_ends_once(
        seed in any::<u64>(), loss in 0..100_u32, duplication in 0..50_u32, count in 1..6_usize,
    ) {
        let weather = Weather { protocol: Protocol::Udp, loss, duplication, is_fair: false };
        for (number, story) in stories(seed, weather, count) {
            prop_assert!(story.seen <= 1, "{number}: {story:?}");
            prop_assert_eq!(story.finals.len() + story.failures.len(), 1, "{}: {:?}", number, story);
            let succeeded = u32::from(story.is_invite && story.finals == [200]);
            prop_assert_eq!(story.settled, succeeded, "{}: {:?}", number, story);
            let answered = story.acknowledged + story.unacknowledged;
            // A 200 that no copy of arrived was given up unseen.
            prop_assert!(answered >= succeeded && answered <= 1, "{number}: {story:?}");
        }
    }

    /// DLG-05, FOC-30: where no message is lost twice in a row, every request gets its answer, and
    /// every 2xx its ACK.
    #[test]
    fn a_fair_link_loses_nothing_for_good(
        seed in any::<u64>(), loss in 0..100_u32, duplication in 0..50_u32, count in 1..6_usize,
    ) {
        let weather = Weather { protocol: Protocol::Udp, loss, duplication, is_fair: true };
        for (number, story) in stories(seed, weather, count) {
            prop_assert_eq!(story.seen, 1, "{}: {:?}", number, story);
            prop_assert_eq!(story.finals.len(), 1, "{}: {:?}", number, story);
            prop_assert_eq!(story.unacknowledged, 0, "{}: {:?}", number, story);
            let succeeded = u32::from(story.is_invite && story.finals == [200]);
            prop_assert_eq!(story.acknowledged, succeeded, "{}: {:?}", number, story);
            prop_assert!(story.finals != [487] || story.is_cancelled, "{number}: {story:?}");
        }
    }

    /// DLG-05, DLG-06: a stream needs no repetition but of the 2xx, and gets the same ends.
    #[test]
    fn a_stream_brings_every_answer(seed in any::<u64>(), count in 1..6_usize) {
        let weather =
            Weather { protocol: Protocol::Tcp, loss: 0, duplication: 0, is_fair: false };
        for (number, story) in stories(seed, weather, count) {
            prop_assert_eq!((story.seen, story.finals.len()), (1, 1), "{}: {:?}", number, story);
            prop_assert_eq!(story.unacknowledged, 0, "{}: {:?}", number, story);
        }
    }
}
