//! Via: where a response goes (RFC 3261 section 20.42, RFC 3581).

use std::net::{IpAddr, SocketAddr};

use super::lexis::{self, Params};
use super::uri::host_port;

/// What the branch of a client that follows RFC 3261 starts with (section 8.1.1.7).
pub const BRANCH_COOKIE: &str = "z9hG4bK";

/// One Via value.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    transport: &'a str,
    host: &'a str,
    port: Option<u16>,
    params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Parses `SIP/2.0/UDP host:port;params`. Any protocol version is read: what was sent in it
    /// must still be told that it is not ours.
    pub fn parse(value: &'a str) -> Option<Self> {
        let (sent, params) = Params::split(value)?;
        // White space may stand around the slashes, and must stand before the host.
        let (name, rest) = sent.split_once('/')?;
        let (version, rest) = rest.split_once('/')?;
        if !lexis::trim(name).eq_ignore_ascii_case("SIP") || !lexis::is_token(lexis::trim(version))
        {
            return None;
        }
        let (transport, sent_by) = lexis::split_at_space(lexis::trim(rest))?;
        if !lexis::is_token(transport) {
            return None;
        }
        let (host, port) = sent_by_parts(sent_by)?;
        Some(Self { transport, host, port, params })
    }

    /// `UDP`, `TCP`, or whatever else, in the case it came in.
    pub fn transport(&self) -> &'a str {
        self.transport
    }

    /// The host of sent-by; an IPv6 address has its brackets.
    pub fn host(&self) -> &'a str {
        self.host
    }

    /// The port of sent-by, if one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// The branch, whoever made it.
    pub fn branch(&self) -> Option<&'a str> {
        self.params.get("branch").filter(|branch| !branch.is_empty())
    }

    /// The branch, when it alone tells transactions apart: it starts with the cookie and says more
    /// than that. Otherwise the rules of RFC 2543 apply (RFC 3261 section 17.2.3).
    pub fn unique_branch(&self) -> Option<&'a str> {
        self.branch().filter(|branch| {
            branch.strip_prefix(BRANCH_COOKIE).is_some_and(|rest| !rest.is_empty())
        })
    }

    /// Whether the sender asked for the answer at the port it sent from (RFC 3581 section 3).
    pub fn wants_rport(&self) -> bool {
        self.params.get("rport").is_some_and(str::is_empty)
    }

    /// The host of sent-by when it is an address.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }
}

/// Sent-by, where white space may stand around the colon.
fn sent_by_parts(sent_by: &str) -> Option<(&str, Option<u16>)> {
    if !sent_by.contains([' ', '\t']) {
        return host_port(sent_by);
    }
    let (host, port) = sent_by.rsplit_once(':')?;
    let (host, None) = host_port(lexis::trim(host))? else {
        return None;
    };
    Some((host, Some(lexis::number(lexis::trim(port), u32::from(u16::MAX))? as u16)))
}

/// The top Via of a request as its answer repeats it: with `received` when sent-by is not where
/// the request came from, and `rport` filled in when it was asked for (RFC 3261 section 18.2.1,
/// RFC 3581 section 4).
pub(super) fn stamped(value: &str, remote: SocketAddr) -> String {
    let mut stamped = String::with_capacity(value.len() + 48);
    let Some(via) = Via::parse(value) else {
        stamped.push_str(value);
        return stamped;
    };
    let sent_len = value.len() - via.params.as_str().len();
    stamped.push_str(lexis::trim(&value[..sent_len]));
    let mut was_received = false;
    for (name, param) in via.params.iter() {
        // A `received` that came with the request is a lie or a relic; ours replaces it.
        if name.eq_ignore_ascii_case("received") {
            continue;
        }
        stamped.push(';');
        stamped.push_str(name);
        match param {
            None | Some("") if name.eq_ignore_ascii_case("rport") => {
                was_received = true;
                stamped.push('=');
                stamped.push_str(&remote.port().to_string());
            }
            None => {}
            Some(param) => {
                stamped.push('=');
                stamped.push_str(param);
            }
        }
    }
    let address = remote.ip().to_canonical();
    if was_received || via.address() != Some(address) {
        stamped.push_str(";received=");
        stamped.push_str(&address.to_string());
    }
    stamped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_with_and_without_white_space() {
        let via = Via::parse("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKx;rport").unwrap();
        assert_eq!((via.transport(), via.host(), via.port()), ("UDP", "192.0.2.1", Some(5070)));
        assert_eq!(via.unique_branch(), Some("z9hG4bKx"));
        assert!(via.wants_rport());
        let odd =
            Via::parse("SIP  / 2.0 /TCP     spindle.example.com : 5061 ; branch = b1").unwrap();
        assert_eq!(
            (odd.transport(), odd.host(), odd.port()),
            ("TCP", "spindle.example.com", Some(5061))
        );
        assert_eq!((odd.branch(), odd.unique_branch()), (Some("b1"), None));
        let six =
            Via::parse("SIP/2.0/TCP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3")
                .unwrap();
        assert_eq!(six.host(), "[2001:db8::9:1]");
    }

    /// DLG-04: the bare cookie tells nothing apart (RFC 4475 section 3.2.1).
    #[test]
    fn a_branch_of_the_cookie_alone_is_not_unique() {
        let via = Via::parse("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK").unwrap();
        assert_eq!(via.unique_branch(), None);
    }

    #[test]
    fn malformed_values_are_refused() {
        for value in [
            "",
            "garbage",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/2.0 h",
            "HTTP/1.1/TCP h",
            "SIP/2.0/UDP 192.0.2.15;;,;,,",
            "SIP/2.0/UDP h:99999",
            "SIP/2.0/UDP a b",
        ] {
            assert!(Via::parse(value).is_none(), "{value}");
        }
    }

    /// DLG-03: received and rport say where the request came from.
    #[test]
    fn the_answer_says_where_the_request_came_from() {
        let remote = "192.0.2.21:50231".parse().unwrap();
        for (value, stamped_value) in [
            ("SIP/2.0/UDP 192.0.2.21;branch=z9hG4bKa", "SIP/2.0/UDP 192.0.2.21;branch=z9hG4bKa"),
            (
                "SIP/2.0/UDP host.example.com;branch=z9hG4bKa",
                "SIP/2.0/UDP host.example.com;branch=z9hG4bKa;received=192.0.2.21",
            ),
            (
                "SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKa",
                "SIP/2.0/UDP 10.0.0.1:5060;rport=50231;branch=z9hG4bKa;received=192.0.2.21",
            ),
            (
                "SIP/2.0/UDP 192.0.2.21;rport;branch=z9hG4bKa",
                "SIP/2.0/UDP 192.0.2.21;rport=50231;branch=z9hG4bKa;received=192.0.2.21",
            ),
            (
                "SIP/2.0/UDP 10.0.0.1;received=198.51.100.9;branch=z9hG4bKa",
                "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa;received=192.0.2.21",
            ),
        ] {
            assert_eq!(stamped(value, remote), stamped_value);
        }
        let six = stamped("SIP/2.0/UDP h;branch=z9hG4bKa", "[2001:db8::1]:5060".parse().unwrap());
        assert_eq!(six, "SIP/2.0/UDP h;branch=z9hG4bKa;received=2001:db8::1");
    }
}
