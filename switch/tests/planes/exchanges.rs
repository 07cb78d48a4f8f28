//! Whether requests are answered: each once at least, and with one final answer only.

use std::collections::BTreeMap;

use sip_control::message::{Admission, Header, Message, Method, Request, Response, admit};

use crate::network::Packet;

/// The requests that have reached the focus, by Call-ID, branch and method.
#[derive(Default)]
pub struct Exchanges(BTreeMap<String, Option<u16>>);

impl Exchanges {
    /// A request reaches the focus, perhaps once more.
    pub fn ask(&mut self, request: &Request) {
        if request.method() != Method::Ack {
            self.0.entry(name(request, request.method_text())).or_default();
        }
    }

    /// The focus answers, perhaps once more. Whether that is the first final answer.
    pub fn answer(&mut self, response: &Response) -> bool {
        let method = response.cseq().unwrap().method().name().to_owned();
        if response.code() < 200 {
            return false;
        }
        let answered = self.0.get_mut(&name(response, &method)).expect("somebody asked");
        let before = answered.replace(response.code());
        assert!(before.is_none_or(|before| before == response.code()), "{before:?}, {response:?}");
        before.is_none()
    }

    /// Every request has its answer.
    pub fn check(&self) {
        for (name, answered) in &self.0 {
            assert!(answered.is_some(), "{name} was never answered");
        }
    }
}

fn name(message: &Message, method: &str) -> String {
    let branch = message.top_via().and_then(|via| via.branch().map(str::to_owned));
    let call_id = message.header(Header::CallId).unwrap();
    format!("{method} {call_id} {}", branch.unwrap())
}

/// What a packet says, which is always sound here.
pub fn read(packet: &Packet) -> Message {
    Message::from_datagram(packet.bytes.clone()).expect("a message")
}

/// One of both kinds of message.
#[allow(clippy::large_enum_variant, reason = "taken apart at once")]
pub enum Said {
    Asks(Request),
    Answers(Response),
}

/// The same, as that.
pub fn admitted(packet: &Packet) -> Said {
    match admit(read(packet), packet.from) {
        Admission::Request(request) => Said::Asks(request),
        Admission::Response(response) => Said::Answers(response),
        Admission::Refused { fault, .. } | Admission::Dropped(fault) => panic!("{fault:?}"),
    }
}
