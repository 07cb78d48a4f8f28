//! The records that lead to SIP servers, and the order in which they are used.

use crate::{transaction::Tokens, transport::Protocol};

/// A rule of how a domain is reached (RFC 3403 section 4).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Naptr {
    /// Lower ones go first; what follows the first that can be used is not looked at.
    pub order: u16,
    /// Among those of one order, lower ones go first.
    pub preference: u16,
    /// `s` if the replacement is the name of SRV records.
    pub flags: String,
    /// What it is for, such as `SIP+D2T`.
    pub services: String,
    /// Whether the name is made by a regular expression, which for SIP it never is.
    pub has_regexp: bool,
    /// The name to go on with, without the dot at its end.
    pub replacement: String,
}

impl Naptr {
    /// The transport it leads to, if that is one of ours (RFC 3263 section 4.1).
    fn protocol(&self) -> Option<Protocol> {
        let leads_on = self.flags.eq_ignore_ascii_case("s") && !self.has_regexp;
        if !leads_on || self.replacement.is_empty() {
            return None;
        }
        match self.services.to_ascii_uppercase().as_str() {
            "SIP+D2U" => Some(Protocol::Udp),
            "SIP+D2T" => Some(Protocol::Tcp),
            _ => None,
        }
    }
}

/// The transport that a domain prefers among ours, and the name of the SRV records for it.
pub(super) fn preferred(mut rules: Vec<Naptr>, ours: &[Protocol]) -> Option<(Protocol, String)> {
    rules.sort_by_key(|rule| (rule.order, rule.preference));
    rules.into_iter().find_map(|rule| {
        let protocol = rule.protocol().filter(|protocol| ours.contains(protocol))?;
        Some((protocol, rule.replacement))
    })
}

/// A server of a service (RFC 2782).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Srv {
    /// Lower ones go first.
    pub priority: u16,
    /// Among those of one priority, its share.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The name of the host, without the dot at its end. Empty: there is no such service.
    pub host: String,
}

/// The order in which servers are to be tried: by priority, and by lot within one, where the weight
/// is the number of tickets ("Usage rules" of RFC 2782).
pub(super) fn arranged(mut servers: Vec<Srv>, lots: &mut Tokens) -> Vec<Srv> {
    servers.retain(|server| !server.host.is_empty());
    // Without a weight there is but a small chance to be drawn before one that has some.
    servers.sort_by_key(|server| (server.priority, server.weight > 0));
    let mut arranged = Vec::with_capacity(servers.len());
    while let Some(first) = servers.first() {
        let priority = first.priority;
        let rivals = servers.iter().take_while(|server| server.priority == priority);
        let sum: u32 = rivals.map(|server| u32::from(server.weight)).sum();
        let mut lot = lots.below(sum + 1);
        let is_drawn = |server: &Srv| {
            let weight = u32::from(server.weight);
            let is_drawn = lot <= weight;
            lot = lot.saturating_sub(weight);
            is_drawn
        };
        let drawn = servers.iter().position(is_drawn).unwrap_or(0);
        arranged.push(servers.remove(drawn));
    }
    arranged
}
