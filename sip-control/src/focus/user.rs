//! Who somebody is: one user, whatever number of addresses and however they are written.

use std::collections::HashSet;

use crate::{config::Users, message::SipUri};

/// The address of a user in normal form (POL-08): `sip` and `sips` are one, so are a global
/// telephone number and a SIP URI that stands for it; parameters do not count.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct UserKey(String);

impl UserKey {
    /// The normal form of a SIP, SIPS or tel URI; `None` for any other.
    pub fn of(uri: &str) -> Option<Self> {
        if let Some(sip) = SipUri::parse(uri) {
            let is_phone = sip.param("user").is_some_and(|kind| kind.eq_ignore_ascii_case("phone"));
            if is_phone && let Some(number) = sip.user().and_then(global_number) {
                return Some(Self(format!("tel:{number}")));
            }
            sip.user()?;
            let key = sip.key();
            let address = key.split_once(':').map_or("", |(_, address)| address);
            return Some(Self(format!("sip:{address}")));
        }
        let (scheme, number) = uri.split_once(':')?;
        if !scheme.eq_ignore_ascii_case("tel") {
            return None;
        }
        // A local number means nothing without its context, so it is kept whole (RFC 3966
        // section 5).
        let number = global_number(number).unwrap_or_else(|| number.to_ascii_lowercase());
        (!number.is_empty()).then(|| Self(format!("tel:{number}")))
    }

    /// A URI that the user can be called at.
    pub fn uri(&self) -> &str {
        &self.0
    }

    /// Where the user is at home. A telephone number is nowhere.
    pub fn host(&self) -> Option<&str> {
        let (_, address) = self.0.strip_prefix("sip:")?.rsplit_once('@')?;
        // The port of an IPv6 address stands behind its bracket.
        let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
        Some(if port.ends_with(']') { address } else { host })
    }
}

/// `+1 (212) 555-0147;x=y` as `+12125550147`.
fn global_number(text: &str) -> Option<String> {
    let number = text.split(';').next().unwrap_or_default();
    let digits = number.strip_prefix('+')?;
    let bare: String = digits.chars().filter(|c| !"-.()".contains(*c)).collect();
    let is_number = !bare.is_empty() && bare.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| format!("+{bare}"))
}

/// A set of users, as the configuration names them.
#[derive(Clone, Debug)]
pub enum UserSet {
    /// All that have an identity.
    Everyone,
    /// These.
    Only(HashSet<UserKey>),
}

impl UserSet {
    /// The set of these URIs. The configuration was checked: what is no address is in no set.
    pub fn only(uris: &[String]) -> Self {
        Self::Only(uris.iter().filter_map(|uri| UserKey::of(uri)).collect())
    }

    /// Whether the user, who may go by several keys, is in the set.
    pub fn holds(&self, user: &[UserKey]) -> bool {
        match self {
            Self::Everyone => true,
            Self::Only(keys) => user.iter().any(|key| keys.contains(key)),
        }
    }
}

impl From<&Users> for UserSet {
    fn from(users: &Users) -> Self {
        match users {
            Users::Everyone => Self::Everyone,
            Users::Only(uris) => Self::only(uris),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::UserKey;

    /// ID-05, POL-08: one user, however the address is written.
    #[test]
    fn ways_to_write_one_address_have_one_key() {
        let key = |uri| UserKey::of(uri).unwrap();
        assert_eq!(key("sip:bob@example.com"), key("sip:bob@EXAMPLE.com;transport=tcp"));
        assert_eq!(key("sip:bob@example.com"), key("sips:b%6Fb@example.com"));
        assert_ne!(key("sip:bob@example.com"), key("sip:Bob@example.com"));
        assert_ne!(key("sip:bob@example.com"), key("sip:bob@example.com:5070"));
        let number = key("tel:+12125550147");
        assert_eq!(number, key("TEL:+1(212)555-01.47;ext=1"));
        assert_eq!(number, key("sip:+1-212-5550147@gw.example.com;user=phone"));
        assert_ne!(number, key("sip:+12125550147@gw.example.com"));
        assert_ne!(key("tel:911;phone-context=a"), key("tel:911;phone-context=b"));
    }

    #[test]
    fn what_names_no_user_has_no_key() {
        for uri in ["sip:example.com", "im:bob@example.com", "bob", "tel:", ""] {
            assert_eq!(UserKey::of(uri), None, "{uri}");
        }
    }
}
