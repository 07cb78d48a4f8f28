//! A DNS server of literal packets on loopback.

use std::collections::HashMap;
use std::net::SocketAddr;

use tokio::net::UdpSocket;

/// Record types, as a question has them.
pub const A: u16 = 1;
pub const SRV: u16 = 33;
pub const NAPTR: u16 = 35;

/// What there is: names, types, and the data of each record.
#[derive(Default)]
pub struct Zone(HashMap<(&'static str, u16), Vec<Vec<u8>>>);

impl Zone {
    pub fn with(mut self, name: &'static str, kind: u16, data: &[u8]) -> Self {
        self.0.entry((name, kind)).or_default().push(data.to_vec());
        self
    }

    /// A host on loopback.
    pub fn host(self, name: &'static str) -> Self {
        self.with(name, A, &[127, 0, 0, 1])
    }

    /// A server of priority `priority` at a host, whose name is given as it is on the wire.
    pub fn server(self, name: &'static str, priority: u8, port: u16, host: &[u8]) -> Self {
        let [high, low] = port.to_be_bytes();
        self.with(name, SRV, &[&[0, priority, 0, 0, high, low], host].concat())
    }

    /// Answers by it from now on, and says where.
    pub async fn serve(self) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((size, from)) = socket.recv_from(&mut query).await {
                socket.send_to(&self.answer(&query[..size]), from).await.unwrap();
            }
        });
        address
    }

    fn answer(&self, query: &[u8]) -> Vec<u8> {
        let (mut at, mut labels) = (12, Vec::new());
        while query[at] != 0 {
            let end = at + 1 + usize::from(query[at]);
            labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_ascii_lowercase());
            at = end;
        }
        let question = &query[12..at + 5];
        let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
        let name = labels.join(".");
        let found = self.0.iter().find(|((known, of), _)| *known == name && *of == kind);
        let records = found.map(|(_, records)| &records[..]).unwrap_or_default();
        let count = u8::try_from(records.len()).unwrap();
        // An answer of the one who knows: one question, so many records, and nothing else.
        let head = [0x84, 0x00, 0, 1, 0, count, 0, 0, 0, 0];
        let mut answer = [&query[..2], &head, question].concat();
        for data in records {
            let [high, low] = kind.to_be_bytes();
            let size = u8::try_from(data.len()).unwrap();
            // The name of the question, class IN, for a minute.
            answer.extend([0xc0, 0x0c, high, low, 0, 1, 0, 0, 0, 60, 0, size]);
            answer.extend(data);
        }
        answer
    }
}
