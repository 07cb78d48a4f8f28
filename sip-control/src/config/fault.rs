//! Why a configuration cannot be used.

use std::fmt;

use crate::locate::NoWay;

/// Why a configuration cannot be used. Each says which value, as the operator wrote it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ConfigError {
    /// The conference host is no host name.
    Host(String),
    /// There is no address to listen on.
    NoListener,
    /// A room's URI is no SIP URI with a user part, or looks like a session identity.
    RoomUri(String),
    /// Two rooms have the same URI.
    RoomTwice(String),
    /// The Factory URI is no SIP URI with a user part, or is that of a room or a session.
    Factory(String),
    /// A user's URI is neither a SIP URI with a user part nor a telephone number.
    User(String),
    /// The realm of digest authentication is empty, or does not fit into a quoted string.
    Realm(String),
    /// There are two credentials for the same realm.
    RealmTwice(String),
    /// The hashes for a realm are none, or not of their algorithms.
    Hash(String),
    /// Nothing is asked for in digest authentication.
    NoAlgorithm,
    /// Two accounts have the same name.
    AccountTwice(String),
    /// An account has no name, or one that no client could send.
    AccountName(String),
    /// An account has no identity.
    NoAccountIdentity(String),
    /// The media types cannot be read.
    WrappedTypes(String),
    /// The outbound proxy cannot be gone by.
    OutboundProxy(String, NoWay),
    /// Documents cannot be asked for below that URI.
    XcapRoot(String),
    /// No application usage can have that name.
    Auid(String),
    /// No group can have that URI.
    GroupUri(String),
    /// Nobody has a home directory by that name.
    Owner(String),
    /// No document has that name.
    DocumentName(String),
    /// There is an XCAP server, and nothing to ask it for.
    NoDocument,
    /// A timer has a value that cannot work; this is its name.
    Timer(&'static str),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "`{host}` is no host name"),
            Self::NoListener => f.write_str("no address to listen for SIP on"),
            Self::RoomUri(uri) => write!(f, "`{uri}` cannot be the URI of a room"),
            Self::RoomTwice(uri) => write!(f, "the room `{uri}` is there twice"),
            Self::Factory(uri) => write!(f, "`{uri}` cannot be the URI where groups are made"),
            Self::User(uri) => write!(f, "`{uri}` is no address of a user"),
            Self::Realm(realm) => write!(f, "`{realm}` cannot be the name of a realm"),
            Self::RealmTwice(realm) => write!(f, "the realm `{realm}` is there twice"),
            Self::Hash(realm) => {
                write!(f, "what is there for the realm `{realm}` is no H(A1) in hexadecimal digits")
            }
            Self::NoAlgorithm => f.write_str("no algorithm to ask for"),
            Self::AccountTwice(name) => write!(f, "the account `{name}` is there twice"),
            Self::AccountName(name) => write!(f, "`{name}` cannot be the name of an account"),
            Self::NoAccountIdentity(name) => write!(f, "the account `{name}` has no identity"),
            Self::WrappedTypes(types) => write!(f, "`{types}` is no list of media types"),
            Self::OutboundProxy(uri, why) => {
                write!(f, "`{uri}` cannot be the outbound proxy: {why}")
            }
            Self::XcapRoot(root) => write!(
                f,
                "`{root}` cannot be an XCAP root: expected http or https, a host, perhaps a path, and \
                 nothing behind it"
            ),
            Self::Auid(auid) => write!(f, "`{auid}` cannot be the name of an application usage"),
            Self::GroupUri(uri) => write!(f, "`{uri}` cannot be the URI of a group"),
            Self::Owner(owner) => write!(f, "`{owner}` cannot be the owner of a document"),
            Self::DocumentName(file) => write!(f, "`{file}` cannot be the name of a document"),
            Self::NoDocument => f.write_str("no document to ask for: expected groups or documents"),
            Self::Timer(name) => write!(f, "the timer {name} has an impossible value"),
        }
    }
}

impl std::error::Error for ConfigError {}
