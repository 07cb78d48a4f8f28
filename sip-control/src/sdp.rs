//! The door for foreign SDP types: what comes in is turned into ours here, once, and nothing else
//! of this crate names the parser. It drops lines it does not know, which is what an answerer is
//! asked to do (RFC 8866 section 5), and fills in `o=` and `s=` lines that are not there, which an
//! answerer must notice (SDP-06): so those two are looked for here.

/// A session description, as far as an answerer looks at it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Description {
    /// Attributes of the session: what its media lines do not say themselves.
    pub attributes: Attributes,
    /// The `m=` lines, in order. Each has a connection address, its own or the session's.
    pub media: Vec<Media>,
}

/// One `m=` line and what stands below it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Media {
    /// `message`, `audio`, ...
    pub kind: String,
    /// The transport port; 0 is a line that is not offered.
    pub port: u16,
    /// `TCP/MSRP`, `RTP/AVP`, ...
    pub transport: String,
    /// Everything behind the transport.
    pub formats: String,
    /// Where the peer says it is.
    pub connection: Connection,
    /// Attributes of this line.
    pub attributes: Attributes,
}

/// A `c=` line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connection {
    /// What kind of address it is.
    pub family: Family,
    /// The address as written: a number or a name.
    pub address: String,
}

/// The address families of `c=`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    /// `IN IP4`.
    Ip4,
    /// `IN IP6`.
    Ip6,
    /// One that we cannot reach.
    Other,
}

/// The `a=` lines of one section, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Attributes(Vec<(String, Option<String>)>);

impl Attributes {
    /// The values of all lines with this name; a line without value has an empty one.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(given, _)| given.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_deref().unwrap_or_default())
    }

    /// The value of the first line with this name.
    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// Whether there is a line with this name.
    pub fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }
}

/// The text is no session description (SDP-06).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Malformed;

impl Description {
    /// Reads a session description.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        if !session_has(text, b"o=") || !session_has(text, b"s=") {
            return Err(Malformed);
        }
        let session = sdp_types::Session::parse(text).map_err(|_| Malformed)?;
        let default = session.connection.as_ref().map(Connection::from);
        let media = session.medias.iter().map(|media| Media::read(media, default.as_ref()));
        Ok(Self {
            media: media.collect::<Result<_, _>>()?,
            attributes: Attributes::from(session.attributes),
        })
    }
}

/// Whether the session section, which ends at the first `m=`, has a line of this type.
fn session_has(text: &[u8], line_type: &[u8]) -> bool {
    let lines = text.split(|&octet| octet == b'\n');
    lines.take_while(|line| !line.starts_with(b"m=")).any(|line| line.starts_with(line_type))
}

impl Media {
    fn read(media: &sdp_types::Media, default: Option<&Connection>) -> Result<Self, Malformed> {
        let own = media.connections.first().map(Connection::from);
        // The line is repeated in the answer, so nothing in it may break out of a line (OPS-06).
        let echoed = [&media.media, &media.proto, &media.fmt];
        if echoed.iter().any(|text| text.chars().any(char::is_control)) {
            return Err(Malformed);
        }
        Ok(Self {
            kind: media.media.clone(),
            port: media.port,
            transport: media.proto.clone(),
            formats: media.fmt.clone(),
            connection: own.or_else(|| default.cloned()).ok_or(Malformed)?,
            attributes: Attributes::from(media.attributes.clone()),
        })
    }
}

impl From<&sdp_types::Connection> for Connection {
    fn from(line: &sdp_types::Connection) -> Self {
        use sdp_types::{AddrType, NetType};
        let family = match (&line.nettype, &line.addrtype) {
            (NetType::In, AddrType::Ip4) => Family::Ip4,
            (NetType::In, AddrType::Ip6) => Family::Ip6,
            _ => Family::Other,
        };
        Self { family, address: line.connection_address.clone() }
    }
}

impl From<Vec<sdp_types::Attribute>> for Attributes {
    fn from(lines: Vec<sdp_types::Attribute>) -> Self {
        Self(lines.into_iter().map(|line| (line.attribute, line.value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{Description, Family, Malformed};

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.21\r\ns=-\r\nc=IN IP4 192.0.2.21\r\n\
        t=0 0\r\na=setup:active\r\nx=what nobody knows\r\n\
        m=message 9 TCP/MSRP *\r\nc=IN IP6 2001:db8::1\r\na=path:msrp://a:9/s;tcp\r\na=sendrecv\r\n\
        m=audio 4000 RTP/AVP 0 8\r\n";

    /// SDP-06: unknown lines are ignored; a line's own address goes before the session's.
    #[test]
    fn the_lines_an_answerer_needs_are_read_as_they_stand() {
        let offer = Description::parse(OFFER.as_bytes()).unwrap();
        assert_eq!(offer.attributes.first("setup"), Some("active"));
        let [chat, audio] = &offer.media[..] else { panic!("two lines") };
        assert_eq!(
            (chat.kind.as_str(), chat.port, chat.transport.as_str()),
            ("message", 9, "TCP/MSRP")
        );
        assert_eq!(
            (chat.connection.family, chat.connection.address.as_str()),
            (Family::Ip6, "2001:db8::1")
        );
        assert_eq!(chat.attributes.first("path"), Some("msrp://a:9/s;tcp"));
        assert!(chat.attributes.has("sendrecv") && !chat.attributes.has("setup"));
        assert_eq!(
            (audio.formats.as_str(), audio.connection.address.as_str()),
            ("0 8", "192.0.2.21")
        );
    }

    /// SDP-06: a description without v=, o=, s= or c= is none.
    #[test]
    fn a_missing_mandatory_line_is_noticed() {
        for line in
            ["v=0\r\n", "o=- 1 1 IN IP4 192.0.2.21\r\n", "s=-\r\n", "c=IN IP4 192.0.2.21\r\n"]
        {
            let without = OFFER.replacen(line, "", 1);
            assert_eq!(Description::parse(without.as_bytes()), Err(Malformed), "without {line:?}");
        }
        assert_eq!(Description::parse(b""), Err(Malformed));
        assert_eq!(Description::parse(b"\xff\xfe"), Err(Malformed));
    }

    /// OPS-06: nothing that goes back in an answer can end its line early.
    #[test]
    fn a_bare_carriage_return_in_a_media_line_is_malformed() {
        let offer = OFFER.replace("RTP/AVP 0 8", "RTP/AVP 0\ra=path:evil");
        assert_eq!(Description::parse(offer.as_bytes()), Err(Malformed));
    }
}
