//! The door to the DNS.

use std::{io, net::SocketAddr};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts},
    net::runtime::TokioRuntimeProvider,
    proto::rr::{Name, RData, RecordType},
    system_conf,
};

use super::{Answer, Naptr, Question, Srv};

/// Whom to ask, and what they said as long as it holds.
#[derive(Clone, Debug)]
pub struct Dns {
    resolver: TokioResolver,
}

impl Dns {
    /// Asks these servers; without any, those of the host's `resolv.conf`. Names are also looked up in
    /// the host's `hosts`, and never have a search domain appended: in a URI they are whole.
    pub fn new(servers: &[SocketAddr]) -> io::Result<Self> {
        let (config, options) = if servers.is_empty() {
            system_conf::read_system_conf().map_err(io::Error::other)?
        } else {
            let servers = servers.iter().map(name_server).collect();
            (ResolverConfig::from_name_servers(servers), ResolverOpts::default())
        };
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        *builder.options_mut() = options;
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        let resolver = builder.build().map_err(io::Error::other)?;
        Ok(Self { resolver })
    }

    /// Asks, and waits for the answer. Whatever keeps it away is as good as no record.
    pub async fn ask(&self, question: Question) -> Answer {
        match question {
            Question::Naptr(name) => {
                let records = self.records(&name, RecordType::NAPTR).await;
                Answer::Naptr(records.into_iter().filter_map(naptr).collect())
            }
            Question::Srv(name) => {
                let records = self.records(&name, RecordType::SRV).await;
                Answer::Srv(records.into_iter().filter_map(srv).collect())
            }
            Question::Addresses(name) => {
                let Some(name) = whole(&name) else { return Answer::Addresses(Vec::new()) };
                let found = self.resolver.lookup_ip(name).await;
                Answer::Addresses(found.map(|found| found.iter().collect()).unwrap_or_default())
            }
        }
    }

    async fn records(&self, name: &str, kind: RecordType) -> Vec<RData> {
        let Some(name) = whole(name) else { return Vec::new() };
        match self.resolver.lookup(name, kind).await {
            Ok(found) => found.answers().iter().map(|record| record.data.clone()).collect(),
            Err(_) => Vec::new(),
        }
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.to_vec())
}

/// A name with nothing to be appended; `None` if the DNS could have none such.
fn whole(name: &str) -> Option<Name> {
    let mut name = Name::from_utf8(name).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// A name as it is written in a URI.
fn written(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_owned()
}

fn naptr(data: RData) -> Option<Naptr> {
    let RData::NAPTR(rule) = data else { return None };
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    Some(Naptr {
        order: rule.order,
        preference: rule.preference,
        flags: text(&rule.flags),
        services: text(&rule.services),
        has_regexp: !rule.regexp.is_empty(),
        replacement: written(&rule.replacement),
    })
}

fn srv(data: RData) -> Option<Srv> {
    let RData::SRV(server) = data else { return None };
    Some(Srv {
        priority: server.priority,
        weight: server.weight,
        port: server.port,
        host: written(&server.target),
    })
}
