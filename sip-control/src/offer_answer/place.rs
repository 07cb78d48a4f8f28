//! Whether a c/m address and a URI mean the same place (RFC 6714 section 4.4).
//!
//! Numbers say it themselves. Names have to be looked up, which is not done here: what was found is
//! given, and what is missing is said ([`Unresolved`]). Names of which nothing is found prove nothing
//! against anybody, so they count as equal (msrp/JC-12).

use std::{collections::HashMap, net::IpAddr};

use msrp::{Host, Uri};

use super::setup::DISCARD_PORT;
use crate::sdp::Media;

/// Octets of the longest name that is looked up (RFC 1035 section 2.3.4).
const NAME_SIZE_MAX: usize = 253;

/// What was looked up.
#[derive(Clone, Debug, Default)]
pub struct Names {
    known: HashMap<Box<str>, Box<[IpAddr]>>,
}

impl Names {
    /// These are the addresses of `name`, in lower case; none if none were found in time.
    pub fn add(&mut self, name: Box<str>, addresses: Box<[IpAddr]>) {
        self.known.insert(name, addresses);
    }
}

/// Names, in lower case, that have to be looked up before a description can be judged. Until then it
/// is taken for one that fits.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Unresolved(pub Vec<Box<str>>);

impl Unresolved {
    /// Whether nothing has to be looked up.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The address of a line is that of none of the URIs.
pub(super) struct Elsewhere;

/// Holds the address of a line against `uris`: it has to be that of one of them.
pub(super) fn meet<'a>(
    media: &Media,
    uris: impl Iterator<Item = Uri<'a>>,
    names: &Names,
) -> Result<Unresolved, Elsewhere> {
    let told = Address::told(&media.connection.address);
    let mut unresolved = Vec::new();
    let mut may_fit = false;
    for uri in uris.filter(|uri| media.port == DISCARD_PORT || uri.port() == Some(media.port)) {
        let hop = Address::of(uri.host());
        if told == hop {
            return Ok(Unresolved::default());
        }
        match (told.numbers(names), hop.numbers(names)) {
            (Ok(told), Ok(hop)) => {
                let is_known = !told.is_empty() && !hop.is_empty();
                if !is_known || told.iter().any(|it| hop.contains(it)) {
                    return Ok(Unresolved::default());
                }
            }
            (told, hop) => {
                may_fit = true;
                unresolved.extend(told.err().into_iter().chain(hop.err()));
            }
        }
    }
    unresolved.sort();
    unresolved.dedup();
    if may_fit { Ok(Unresolved(unresolved)) } else { Err(Elsewhere) }
}

/// A host as somebody wrote it.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Address {
    Number(IpAddr),
    /// In lower case.
    Name(Box<str>),
}

impl Address {
    /// The address of a `c=` line.
    fn told(text: &str) -> Self {
        let number = text.parse().map(|number: IpAddr| Self::Number(number.to_canonical()));
        number.unwrap_or_else(|_| Self::Name(text.to_ascii_lowercase().into()))
    }

    fn of(host: Host<'_>) -> Self {
        match host {
            Host::V4(number) => Self::Number(number.into()),
            Host::V6(number) => Self::Number(IpAddr::from(number).to_canonical()),
            Host::Name(name) => Self::Name(name.to_ascii_lowercase().into()),
        }
    }

    /// The numbers behind it, in one spelling for each; or the name that has to be looked up first.
    fn numbers(&self, names: &Names) -> Result<Vec<IpAddr>, Box<str>> {
        match self {
            Self::Number(number) => Ok(vec![*number]),
            Self::Name(name) if !can_be_found(name) => Ok(Vec::new()),
            Self::Name(name) => {
                let found = names.known.get(name).ok_or_else(|| name.clone())?;
                Ok(found.iter().map(IpAddr::to_canonical).collect())
            }
        }
    }
}

/// Whether there is any use in asking for a name. Under `invalid` there is nothing (RFC 6761).
fn can_be_found(name: &str) -> bool {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    !name.is_empty()
        && name.len() <= NAME_SIZE_MAX
        && name.bytes().all(is_plain)
        && !name.trim_end_matches('.').ends_with(".invalid")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Names, Unresolved, meet};
    use crate::sdp::{Description, Media};
    use msrp::PathBuf;

    fn told(address: &str, port: u16) -> Media {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
             m=message {port} TCP/MSRP *\r\n"
        );
        Description::parse(text.as_bytes()).unwrap().media.remove(0)
    }

    fn names() -> Names {
        let mut names = Names::default();
        for (name, addresses) in [
            ("one.example.com", &["192.0.2.1"][..]),
            ("both.example.com", &["203.0.113.7", "2001:db8::1", "192.0.2.1"]),
            ("mapped.example.com", &["::ffff:192.0.2.1"]),
            ("other.example.com", &["198.51.100.9"]),
            ("silent.example.com", &[]),
        ] {
            let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            names.add(name.into(), addresses);
        }
        names
    }

    /// The verdict, and what has to be known for it.
    fn verdict(address: &str, port: u16, path: &str, names: &Names) -> Result<Vec<Box<str>>, ()> {
        let path = PathBuf::parse(path.as_bytes()).unwrap();
        meet(&told(address, port), path.uris(), names).map(|it| it.0).map_err(|_| ())
    }

    fn is_same(address: &str, host: &str) -> bool {
        let found = verdict(address, 7654, &format!("msrp://{host}:7654/s;tcp"), &names());
        assert_eq!(found.as_ref().map_or(0, Vec::len), 0, "{address} {host}: all is known");
        found.is_ok()
    }

    /// msrp/CEMA-09: names on either side stand for all their addresses, of which any may be the
    /// one; numbers are compared, not their spellings.
    #[test]
    fn two_addresses_are_one_place_if_any_number_behind_them_is() {
        for (address, host) in [
            ("192.0.2.1", "192.0.2.1"),
            ("2001:0DB8:0:0::1", "[2001:db8::1]"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("192.0.2.1", "One.Example.com"),
            ("ONE.example.com", "192.0.2.1"),
            ("192.0.2.1", "both.example.com"),
            ("2001:DB8:0::1", "both.example.com"),
            ("both.example.com", "[2001:db8:0:0:0:0:0:1]"),
            ("one.example.com", "both.example.com"),
            ("mapped.example.com", "one.example.com"),
            // Nobody has to be asked whether a name is itself.
            ("unasked.example.com", "Unasked.EXAMPLE.com"),
        ] {
            assert!(is_same(address, host), "{address} {host}");
        }
        for (address, host) in [
            ("192.0.2.1", "192.0.2.2"),
            ("2001:db8::1", "[2001:db8::2]"),
            ("192.0.2.1", "[2001:db8::1]"),
            ("192.0.2.1", "other.example.com"),
            ("other.example.com", "192.0.2.1"),
            ("other.example.com", "both.example.com"),
        ] {
            assert!(!is_same(address, host), "{address} {host}");
        }
    }

    /// msrp/JC-12: where nothing is found, nothing is proved.
    #[test]
    fn a_name_without_addresses_is_nobody_elses() {
        for host in ["silent.example.com", "x7.invalid", "x7.invalid.", "a,b"] {
            let path = format!("msrp://{host}:7654/s;tcp");
            if PathBuf::parse(path.as_bytes()).is_some() {
                assert!(is_same("192.0.2.1", host), "{host}");
            }
            assert!(is_same(host, "192.0.2.1"), "{host}");
        }
        assert!(is_same(&"a".repeat(254), "192.0.2.1"));
    }

    /// msrp/CEMA-09: the port is a part of the address; what another port has told already is not
    /// asked for, and what is asked for is asked once.
    #[test]
    fn names_are_asked_for_only_where_they_decide() {
        let nothing = Names::default();
        let asked = |address, port, path| verdict(address, port, path, &nothing);
        let one: Box<str> = "one.example.com".into();
        assert_eq!(
            asked("192.0.2.1", 7654, "msrp://One.example.com:7654/s;tcp"),
            Ok(vec![one.clone()])
        );
        assert_eq!(asked("192.0.2.1", 7655, "msrp://one.example.com:7654/s;tcp"), Err(()));
        // Port 9 says that nobody is there.
        assert_eq!(
            asked("192.0.2.1", 9, "msrp://one.example.com:7654/s;tcp"),
            Ok(vec![one.clone()])
        );
        let path = "msrp://one.example.com:7654/r;tcp msrp://192.0.2.1:7654/s;tcp";
        assert_eq!(asked("192.0.2.1", 7654, path), Ok(vec![]));
        assert_eq!(
            asked("two.example.com", 7654, path),
            Ok(vec![one, "two.example.com".into()]),
            "each name once"
        );
        assert_eq!(verdict("other.example.com", 7654, path, &names()), Err(()));
    }

    proptest! {
        /// msrp/CEMA-09: once every name that was asked for is known, nothing more is asked for.
        #[test]
        fn one_round_of_questions_is_enough(
            address in "[a-c]\\.example|192\\.0\\.2\\.[1-3]",
            hosts in prop::collection::vec("[a-c]\\.example|192\\.0\\.2\\.[1-3]", 1..4),
            found in prop::collection::vec(prop::option::of(1u8..4), 3),
        ) {
            let uris = hosts.iter().map(|host| format!("msrp://{host}:7/s;tcp"));
            let path = uris.collect::<Vec<_>>().join(" ");
            let mut names = Names::default();
            let Ok(asked) = verdict(&address, 7, &path, &names) else { return Ok(()) };
            for name in asked {
                let number = found[usize::from(name.as_bytes()[0] - b'a')];
                let number = number.map(|last| [192, 0, 2, last].into());
                names.add(name, number.into_iter().collect());
            }
            let again = verdict(&address, 7, &path, &names);
            prop_assert!(again.map_or(true, |unresolved| unresolved.is_empty()));
        }

        /// An address and its own name need no question at all.
        #[test]
        fn what_is_written_alike_is_alike(host in "[a-z0-9]{1,9}(\\.[a-z0-9]{1,9}){0,3}") {
            let path = format!("msrp://{host}:7/s;tcp");
            let same = verdict(&host, 7, &path, &Names::default());
            prop_assert_eq!(same, Ok(Unresolved::default().0));
        }
    }
}
