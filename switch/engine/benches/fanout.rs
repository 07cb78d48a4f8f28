//! User-space cost of one room message, without a kernel: from the octets of the SEND to the batch
//! of every recipient, and the recipients' 200s back. The kernel's part is measured by msrp-bench.

use std::{hint::black_box, net::Ipv4Addr, time::Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engine::{ConnectionId, Core, CoreConfig, Limits, Operation};
use mailbox::{
    Command, CoreId, Direction, Epoch, Event, ParticipantId, PeerMedia, RoomId, RoomPolicy,
    RoomTerms, Route, SessionId,
};
use msrp::{AcceptTypes, AddressBuf, PathBuf};

struct Room {
    core: Core,
    now: Instant,
    members: Vec<Member>,
    send: Vec<u8>,
}

struct Member {
    connection: ConnectionId,
    /// What its answers have in common.
    paths: Vec<u8>,
    /// To the request it heard last.
    answer: Vec<u8>,
}

impl Member {
    fn hear(&mut self, request: &[u8]) {
        let transaction = request[5..].split(|&octet| octet == b' ').next().unwrap_or_default();
        self.answer.clear();
        for part in [b"MSRP ", transaction, &self.paths, transaction, b"$\r\n"] {
            self.answer.extend_from_slice(part);
        }
    }
}

impl Room {
    fn of(members: u64, body: usize) -> Self {
        let id = CoreId::new(0).expect("the first core");
        let config = CoreConfig { id, cores: 1, authority: "127.0.0.1:2855".to_owned() };
        // One member says all of it.
        let limits = Limits { message_rate_max: 0, ..Limits::default() };
        let mut core = Core::new(config, limits, [1; 32]);
        let now = Instant::now();
        let address = AddressBuf::parse(b"sip:lobby@chat.localhost").expect("valid");
        let addresses = [address].into();
        let terms = RoomTerms {
            id: RoomId(1),
            addresses,
            home: id,
            size_max: 10 << 20,
            policy: RoomPolicy::default(),
        };
        let terms = std::sync::Arc::new(terms);
        let mut joined = Vec::new();
        for number in 0..members {
            let path = format!("msrp://127.0.0.1:9/u{number}0123456789abcdef;tcp");
            let address = format!("sip:u{number}@chat.localhost");
            let route = Box::new(Route {
                room: terms.clone(),
                participant: ParticipantId(number),
                identities: [AddressBuf::parse(address.as_bytes()).expect("valid")].into(),
                is_anonymous: false,
                may_whisper: true,
                nickname: None,
                peer: Some(PeerMedia {
                    path: PathBuf::parse(path.as_bytes()).expect("valid"),
                    accept_wrapped: AcceptTypes::parse(b"text/plain").expect("valid"),
                    size_max: None,
                    direction: Direction::SendReceive,
                    setup: mailbox::Setup::Passive,
                    chatroom: None,
                }),
            });
            let (session, epoch) = (SessionId(number), Epoch(number));
            core.handle_command(now, Command::Install { session, epoch, route });
            core.handle_command(now, Command::Activate { session, epoch });
            let installed =
                std::iter::from_fn(|| core.poll_event()).find_map(|event| match event {
                    Event::Installed { path, .. } => Some(path),
                    _ => None,
                });
            let uri = installed.expect("an install is answered");
            let connection =
                core.handle_accepted(now, Ipv4Addr::LOCALHOST.into()).expect("there is room");
            let bind = format!(
                "MSRP bind0001 SEND\r\nTo-Path: {uri}\r\nFrom-Path: {path}\r\n-------bind0001$\r\n"
            );
            core.handle_received(now, connection, bind.as_bytes());
            joined.push((connection, uri.to_string(), path));
        }
        let (_, uri, path) = &joined[0];
        let wrapper = "To: <sip:lobby@chat.localhost>\r\nFrom: <sip:u0@chat.localhost>\r\n\
            DateTime: 2026-01-15T10:00:00Z\r\n\r\nContent-Type: text/plain\r\n\r\n";
        let size = wrapper.len() + body;
        let send = format!(
            "MSRP a786hjs2Kd0Qw1Er SEND\r\nTo-Path: {uri}\r\nFrom-Path: {path}\r\n\
            Message-ID: 87652491aa\r\nByte-Range: 1-{size}/{size}\r\nContent-Type: message/cpim\r\n\
            \r\n{wrapper}{}\r\n-------a786hjs2Kd0Qw1Er$\r\n",
            "x".repeat(body)
        );
        let member = |(connection, uri, path): (ConnectionId, String, String)| {
            let paths = format!(" 200 OK\r\nTo-Path: {uri}\r\nFrom-Path: {path}\r\n-------");
            Member { connection, paths: paths.into_bytes(), answer: Vec::new() }
        };
        let members = joined.into_iter().map(member).collect();
        let mut room = Self { core, now, members, send: send.into_bytes() };
        room.flush();
        room
    }

    fn flush(&mut self) {
        while let Some(operation) = self.core.poll_operation(self.now) {
            if let Operation::Send { connection, batch } = operation {
                // The first connections of a core get the first slots of its table.
                let slot = connection.to_token() as u32;
                if let (Some(member), Some(sent)) =
                    (self.members.get_mut(slot as usize), batch.slices().next())
                {
                    member.hear(sent);
                }
                let octets = batch.slices().map(<[u8]>::len).sum();
                self.core.handle_sent(self.now, connection, batch, Ok(octets));
            }
        }
        while self.core.poll_event().is_some() {}
    }

    /// One message to all, and an answer from each.
    fn turn(&mut self) {
        self.core.handle_received(self.now, self.members[0].connection, black_box(&self.send));
        self.flush();
        for member in &self.members[1..] {
            self.core.handle_received(self.now, member.connection, black_box(&member.answer));
        }
        self.flush();
    }
}

fn fanout(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("room message");
    for (members, body) in [(2, 300), (10, 300), (100, 300), (1000, 300), (10, 8192)] {
        let mut room = Room::of(members, body);
        group.throughput(Throughput::Elements(members - 1));
        let id = BenchmarkId::from_parameter(format!("{members} members, {body} octets"));
        group.bench_function(id, |bencher| bencher.iter(|| room.turn()));
    }
    group.finish();
}

criterion_group!(benches, fanout);
criterion_main!(benches);
