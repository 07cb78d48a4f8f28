//! From text to a checked [`Config`]; nothing downstream checks again (sip/OPS-12).
//!
//! [`Config::default`] is the built-in configuration, and every key that a file leaves out has its
//! value there. The one exception is that the built-in configuration believes the From of its
//! peers, which all are programs on this very host: a file has to say so itself.

mod complaint;
mod credentials;
mod file;
mod users;
mod value;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

pub use complaint::Complaint;
use engine::{Limits, Match};
use sip_control::config::ConfigError;
pub use value::{Authority, Io, Ports};

/// Connections of a node that is not told otherwise. With them the node fits into 20 000
/// descriptors, which most hosts allow.
const CONNECTIONS_MAX: u32 = 16_384;

/// All that the node is told by its operator.
#[derive(Clone, Debug)]
pub struct Config {
    /// The CPUs that get a core each; `None` is every CPU of the affinity mask.
    pub cores: Option<Vec<usize>>,
    /// How the cores get at their sockets.
    pub io: Io,
    /// Where MSRP clients connect. Port 0 lets the host choose.
    pub listen: SocketAddr,
    /// Whether that is one port for all cores.
    pub ports: Ports,
    /// What stands in session URIs, when that is not `listen`.
    pub advertise: Option<Authority>,
    /// The Unix socket on which the operator gives orders, if there is one.
    pub control: Option<PathBuf>,
    /// Where figures are served by HTTP, if they are.
    pub metrics: Option<SocketAddr>,
    /// When a To-Path names a session.
    pub matching: Match,
    /// What the whole node may hold.
    pub limits: Limits,
    /// The control plane.
    pub sip: sip_control::config::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cores: None,
            io: Io::Auto,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 2855)),
            ports: Ports::Shared,
            advertise: None,
            matching: Match::Uri,
            control: None,
            metrics: None,
            limits: Limits { connections_max: CONNECTIONS_MAX, ..Limits::default() },
            sip: sip_control::config::Config::default(),
        }
    }
}

impl Config {
    /// Reads the text of the file `name`.
    pub fn parse(name: &str, text: &str) -> Result<Self, Complaint> {
        let file = toml::from_str::<file::File>(text).map_err(|error| {
            Complaint::at(name, text, error.span().unwrap_or_default(), error.message())
        })?;
        let config =
            file.check().map_err(|(span, expected)| Complaint::at(name, text, span, &expected))?;
        match config.sip.check() {
            Ok(()) => Ok(config),
            Err(wrong) => Err(Complaint::about(name, text, subject(&wrong), &wrong.to_string())),
        }
    }

    /// The keys whose values are others in `new`, and stay as they are while the node runs
    /// (sip/OPS-12). Those of the control plane are its own affair.
    pub fn fixed_but_changed(&self, new: &Self) -> Vec<&'static str> {
        let Self {
            cores,
            io,
            listen,
            ports,
            advertise,
            control,
            metrics,
            matching,
            limits,
            sip: _,
        } = self;
        let changes = [
            ("node.cores", *cores != new.cores),
            ("node.io", *io != new.io),
            ("msrp.listen", *listen != new.listen),
            ("msrp.ports", *ports != new.ports),
            ("msrp.advertise", *advertise != new.advertise),
            ("msrp.match", *matching != new.matching),
            ("node.control", *control != new.control),
            ("metrics.listen", *metrics != new.metrics),
            ("the limits of [msrp]", *limits != new.limits),
        ];
        let changed = changes.into_iter().filter(|(_, has_changed)| *has_changed);
        changed.map(|(key, _)| key).collect()
    }

    /// What one of `cores` cores may hold: an equal share.
    pub fn limits_per_core(&self, cores: usize) -> Limits {
        let share = |whole: u32| whole.div_ceil(cores as u32);
        let Limits { connections_max, sessions_max, rooms_max, .. } = self.limits;
        Limits {
            connections_max: share(connections_max),
            sessions_max: share(sessions_max),
            rooms_max: share(rooms_max),
            ..self.limits.clone()
        }
    }
}

/// What stands in the file where it is wrong.
fn subject(wrong: &ConfigError) -> &str {
    match wrong {
        ConfigError::Host(value)
        | ConfigError::RoomUri(value)
        | ConfigError::RoomTwice(value)
        | ConfigError::User(value)
        | ConfigError::Realm(value)
        | ConfigError::RealmTwice(value)
        | ConfigError::Hash(value)
        | ConfigError::AccountTwice(value)
        | ConfigError::AccountName(value)
        | ConfigError::NoAccountIdentity(value)
        | ConfigError::WrappedTypes(value)
        | ConfigError::OutboundProxy(value, _)
        | ConfigError::Factory(value)
        | ConfigError::XcapRoot(value)
        | ConfigError::Auid(value)
        | ConfigError::GroupUri(value)
        | ConfigError::Owner(value)
        | ConfigError::DocumentName(value) => value,
        ConfigError::NoListener => "listen_",
        ConfigError::NoAlgorithm => "algorithms",
        ConfigError::NoDocument => "root",
        ConfigError::Timer(name) => name,
    }
}

#[cfg(test)]
mod tests;
