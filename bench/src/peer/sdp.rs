//! The offer of a member and the answer to it (RFC 4975 section 8). The foreign SDP types stop at
//! this door.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use sdp_rs::lines::common::{Addrtype, Nettype};
use sdp_rs::lines::media::{MediaType, ProtoType};
use sdp_rs::lines::{Active, Attribute, Connection, Media, Origin, SessionName, Version};
use sdp_rs::{MediaDescription, SessionDescription, Time};

/// What the tool writes where a port would tell nothing: it connects, and nobody connects to it
/// (RFC 6135 section 4.2.2).
const DISCARD_PORT: u16 = 9;

/// One member's side of a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Offer {
    /// The session's own URI.
    pub path: String,
    /// The whole description.
    pub text: String,
}

impl Offer {
    /// An offer from `address` under a session-id never used before.
    pub fn new(address: IpAddr, session_id: &str, version: u64) -> Self {
        let host = match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let path = format!("msrp://{host}:{DISCARD_PORT}/{session_id};tcp");
        let addrtype = if address.is_ipv4() { Addrtype::Ip4 } else { Addrtype::Ip6 };
        let attribute = |name: &str, value: &str| Attribute::Other(name.into(), Some(value.into()));
        let description = SessionDescription {
            version: Version::V0,
            origin: Origin {
                username: "-".into(),
                sess_id: version.to_string(),
                sess_version: version.to_string(),
                nettype: Nettype::In,
                addrtype: addrtype.clone(),
                unicast_address: address,
            },
            session_name: SessionName::new("-".into()),
            session_info: None,
            uri: None,
            emails: Vec::new(),
            phones: Vec::new(),
            connection: Some(Connection {
                nettype: Nettype::In,
                addrtype,
                connection_address: address.into(),
            }),
            bandwidths: Vec::new(),
            times: vec![Time {
                active: Active { start: 0, stop: 0 },
                repeat: Vec::new(),
                zone: None,
            }]
            .try_into()
            .expect("there is one"),
            key: None,
            attributes: Vec::new(),
            media_descriptions: vec![MediaDescription {
                media: Media {
                    media: MediaType::Message,
                    port: DISCARD_PORT,
                    num_of_ports: None,
                    proto: ProtoType::Other("TCP/MSRP".into()),
                    fmt: "*".into(),
                },
                info: None,
                connections: Vec::new(),
                bandwidths: Vec::new(),
                key: None,
                attributes: vec![
                    attribute("accept-types", "message/cpim"),
                    attribute("accept-wrapped-types", "text/plain"),
                    attribute("path", &path),
                    attribute("setup", "active"),
                    // Says that its owner knows what a chat room is, so that nothing is explained
                    // to it by messages (RFC 7701 sections 8 and 11).
                    Attribute::Other("chatroom".into(), None),
                ],
            }],
        };
        let text = description.to_string();
        Self { path, text }
    }
}

/// Where the answer sends us.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The complete path, for To-Path.
    pub path: String,
    /// Where its first URI is reached.
    pub address: SocketAddr,
}

impl Answer {
    /// Checks the answer to one of our offers (RFC 3264 section 7, RFC 6135 section 4.2). The
    /// error says what is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|_| "the answer is not UTF-8")?;
        let description = SessionDescription::try_from(text)
            .map_err(|error| format!("the answer does not parse: {error}"))?;
        let [media] = description.media_descriptions.as_slice() else {
            return Err("the answer has not one m= line, as the offer has".into());
        };
        let line = media.media.to_string();
        if media.media.port == 0 {
            return Err("the answer refuses the media".into());
        }
        if !line.starts_with("message ") || !line.ends_with(" TCP/MSRP *") {
            return Err(format!("the answer is for other media: m={line}"));
        }
        let attribute = |name: &str| {
            media.attributes.iter().find_map(|attribute| match attribute {
                Attribute::Other(key, value) if key == name => Some(value.as_deref().unwrap_or("")),
                _ => None,
            })
        };
        if attribute("setup") != Some("passive") {
            return Err("the answer does not wait for our connection".into());
        }
        if attribute("accept-types") != Some("message/cpim") {
            return Err("the answer does not ask for message/cpim alone".into());
        }
        let path = attribute("path").ok_or("the answer has no path")?;
        let first = path.split(' ').next().unwrap_or_default();
        Ok(Self { path: path.into(), address: resolve(first)? })
    }
}

/// The address in an MSRP URI: host and port as they stand, A and AAAA records for a name
/// (RFC 4975 section 6.2).
fn resolve(uri: &str) -> Result<SocketAddr, String> {
    let authority = uri
        .strip_prefix("msrp://")
        .and_then(|rest| rest.split(['/', ';']).next())
        .ok_or_else(|| format!("no MSRP URI over TCP: {uri}"))?;
    authority
        .to_socket_addrs()
        .ok()
        .and_then(|mut addresses| addresses.next())
        .ok_or_else(|| format!("nowhere to connect to: {uri}"))
}

#[cfg(test)]
mod tests {
    use super::{Answer, Offer};

    const ANSWER: &str = "v=0\r\no=- 7 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
        m=message 2855 TCP/MSRP *\r\na=accept-types:message/cpim\r\n\
        a=accept-wrapped-types:text/plain *\r\na=path:msrp://127.0.0.1:2855/sA9x+=;tcp\r\n\
        a=setup:passive\r\na=max-size:10485760\r\na=chatroom\r\n";

    #[test]
    fn an_offer_is_one_message_line_of_an_active_endpoint() {
        let offer = Offer::new("127.0.0.1".parse().unwrap(), "aL4c8V", 7);
        assert_eq!(
            offer.text,
            "v=0\r\no=- 7 7 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim\r\n\
             a=accept-wrapped-types:text/plain\r\na=path:msrp://127.0.0.1:9/aL4c8V;tcp\r\n\
             a=setup:active\r\na=chatroom\r\n"
        );
        assert_eq!(offer.path, "msrp://127.0.0.1:9/aL4c8V;tcp");
    }

    #[test]
    fn an_answer_says_where_to_connect_and_what_to_put_into_to_path() {
        let answer = Answer::parse(ANSWER.as_bytes()).unwrap();
        assert_eq!(answer.path, "msrp://127.0.0.1:2855/sA9x+=;tcp");
        assert_eq!(answer.address, "127.0.0.1:2855".parse().unwrap());
    }

    #[test]
    fn a_path_of_several_uris_is_kept_and_the_first_is_connected_to() {
        let path = "msrp://127.0.0.1:2900/r;tcp msrp://127.0.0.1:2855/sA9x+=;tcp";
        let text = ANSWER.replace("msrp://127.0.0.1:2855/sA9x+=;tcp", path);
        let answer = Answer::parse(text.as_bytes()).unwrap();
        assert_eq!(answer.path, path);
        assert_eq!(answer.address, "127.0.0.1:2900".parse().unwrap());
    }

    #[test]
    fn an_answer_that_does_not_fit_the_offer_is_refused() {
        for (part, instead) in [
            ("message 2855", "message 0"),
            ("TCP/MSRP", "TCP/TLS/MSRP"),
            ("setup:passive", "setup:active"),
            ("accept-types:message/cpim", "accept-types:text/plain"),
            ("a=path:msrp://127.0.0.1:2855/sA9x+=;tcp\r\n", ""),
            ("path:msrp:", "path:msrps:"),
            ("127.0.0.1:2855/", "127.0.0.1/"),
            ("v=0\r\n", ""),
        ] {
            assert!(Answer::parse(ANSWER.replace(part, instead).as_bytes()).is_err(), "{part}");
        }
        assert!(Answer::parse(b"\xff").is_err());
    }
}
