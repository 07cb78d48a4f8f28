//! The node calls somebody by a proxy that wants to know who calls.

use std::{
    fmt::Write,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    caller::Caller,
    node::{ANYWHERE, Node},
};

/// Long enough for anything that works. Reaching it is a failure, never a measurement.
const PATIENCE: Duration = Duration::from_secs(30);

const FACTORY: &str = "sip:chat-factory@chat.localhost";

/// SHA-256 of `chat:proxy.example.com:open sesame`.
const HASH: &str = "50308a39213f13ee4ec0df03b72f5a764cb7e8fc2d6bad9eb796c2b80d61c0fb";

const ANSWER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=accept-wrapped-types:text/plain\r\n\
    a=setup:active\r\na=path:msrp://127.0.0.1:9/bX2vB5nM8kL1jH4gFd;tcp\r\n";

/// A proxy, and who is behind it, in one socket.
struct Proxy(UdpSocket);

/// A request of the node.
struct Asked {
    text: String,
    from: SocketAddr,
}

impl Proxy {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The next request that is not sent for the second time.
    fn next(&self, cseq: &str) -> Asked {
        loop {
            let mut datagram = [0; 8192];
            let (count, from) = self.0.recv_from(&mut datagram).expect(cseq);
            let text = String::from_utf8(datagram[..count].to_vec()).unwrap();
            let asked = Asked { text, from };
            if asked.header("CSeq") == cseq {
                return asked;
            }
        }
    }

    fn answer(&self, asked: &Asked, status: &str, rest: &str) {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "From", "Call-ID", "CSeq"] {
            write!(text, "{name}: {}\r\n", asked.header(name)).unwrap();
        }
        let to = asked.header("To");
        let tag = if to.contains(";tag=") { "" } else { ";tag=bob" };
        let text = format!("{text}To: {to}{tag}\r\n{rest}");
        self.0.send_to(text.as_bytes(), asked.from).unwrap();
    }

    /// Wants proof, under this nonce.
    fn challenge(&self, asked: &Asked, nonce: &str) {
        let fields = format!(
            "Proxy-Authenticate: Digest realm=\"proxy.example.com\", nonce=\"{nonce}\", \
             algorithm=SHA-256\r\nContent-Length: 0\r\n\r\n"
        );
        self.answer(asked, "407 Proxy Authentication Required", &fields);
    }
}

impl Asked {
    fn find(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn header(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("no {name} in\n{}", self.text))
    }

    fn assert_proof(&self, nonce: &str, uri: &str, response: &str) {
        let expected = format!(
            "Digest username=\"chat\", realm=\"proxy.example.com\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm=SHA-256"
        );
        assert_eq!(self.header("Proxy-Authorization"), expected);
    }
}

/// sip/AUTH-07: whoever is called into a group by way of a proxy that asks for proof is called all the same:
/// the INVITE, its ACK and the BYE say who calls. The secret is in no log.
#[test]
fn a_proxy_that_asks_who_calls_is_told() {
    let proxy = Proxy::new();
    let config = format!(
        "{ANYWHERE}outbound_proxy = \"sip:{}\"\ntrusted = [\"127.0.0.1\"]\n\
         [[sip.credentials]]\nrealm = \"proxy.example.com\"\nname = \"chat\"\n\
         ha1 = {{ \"SHA-256\" = \"{HASH}\" }}\n\
         [rooms.ad_hoc]\nfactory = \"{FACTORY}\"\n",
        proxy.address()
    );
    let node = Node::start(&config, &[]);
    let mut alice = Caller::new("alice", node.sip());
    let joined = alice.create(FACTORY, "sip:bob@example.com");
    assert_eq!(joined.status(), 200, "{}", joined.0);

    let invite = proxy.next("1 INVITE");
    assert_eq!(invite.find("Proxy-Authorization"), None);
    proxy.challenge(&invite, "n1");
    let again = proxy.next("2 INVITE");
    assert_eq!(again.header("Call-ID"), invite.header("Call-ID"));
    let response = "284fae242cb18a9cb7f7b85b3da601fa14a1f807fc9bab53d1206e7ff88288ba";
    again.assert_proof("n1", "sip:bob@example.com", response);
    let (address, size) = (proxy.address(), ANSWER.len());
    let fields = format!(
        "Record-Route: <sip:{address};lr>\r\nContact: <sip:bob@device.example.com>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {size}\r\n\r\n{ANSWER}"
    );
    proxy.answer(&again, "200 OK", &fields);
    proxy.next("2 ACK").assert_proof("n1", "sip:bob@example.com", response);
    alice.bye(&joined);

    node.signal(Signal::TERM);
    let bye = proxy.next("3 BYE");
    let response = "ea6bd8be7cef5b91ccd3c56ec7ed3cb4abeb713ab9a17e388c23ab0fc7f6ed7c";
    bye.assert_proof("n1", "sip:bob@device.example.com", response);
    proxy.challenge(&bye, "n2");
    let bye = proxy.next("4 BYE");
    let response = "8160f235fa21c69a2652c3c6cbfb9178acfa574cf8d88f21a899d561ddd3050b";
    bye.assert_proof("n2", "sip:bob@device.example.com", response);
    proxy.answer(&bye, "200 OK", "Content-Length: 0\r\n\r\n");
    let (status, _, log) = node.end();
    assert_eq!(status, Some(0), "{log}");
    assert!(!log.contains(HASH), "{log}");
}
