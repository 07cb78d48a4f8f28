//! The command line.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use clap::Parser;
use sip_control::transport::Protocol;

/// Joins a chat room and lets you talk there. /help in the chat tells what else you can do.
#[derive(Debug, Parser)]
#[command(name = "im-client", version)]
pub struct Args {
    /// The room, a SIP URI.
    #[arg(default_value = "sip:lobby@chat.localhost", value_parser = sip_uri)]
    pub room: String,
    /// Who you are, a SIP URI.
    #[arg(short, long, default_value_t = default_user(), value_parser = sip_uri)]
    pub user: String,
    /// The focus, or the proxy before it: address and port of its SIP.
    #[arg(short, long, default_value = "127.0.0.1:5060")]
    pub focus: SocketAddr,
    /// The transport towards it: UDP, or TCP with this.
    #[arg(long)]
    pub tcp: bool,
    /// The name to show with your address.
    #[arg(long)]
    pub name: Option<String>,
    /// The nickname to ask for in the room.
    #[arg(short, long)]
    pub nick: Option<String>,
    /// Take part under an alias.
    #[arg(long)]
    pub anonymous: bool,
    /// Lines in, lines out: for scripts, and for terminals that cannot do more.
    #[arg(long)]
    pub plain: bool,
    /// The address to be reached at; otherwise the one that leads to the focus.
    #[arg(long)]
    pub local: Option<IpAddr>,
}

/// The variable with the password for a focus that asks for one: a command line is everybody's to
/// read.
const PASSWORD: &str = "IM_PASSWORD";

impl Args {
    /// The transport towards the focus.
    pub fn protocol(&self) -> Protocol {
        if self.tcp { Protocol::Tcp } else { Protocol::Udp }
    }

    /// Where to listen: the address that leads to the focus, and any free port.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        if let Some(local) = self.local {
            return Ok(SocketAddr::new(local, 0));
        }
        let any: IpAddr = if self.focus.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
        // Connecting a datagram socket sends nothing; it only asks the routing table.
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        socket.connect(self.focus)?;
        Ok(SocketAddr::new(socket.local_addr()?.ip(), 0))
    }

    /// The name that goes with it.
    pub fn user_name(&self) -> &str {
        let rest = self.user.split_once(':').map_or(self.user.as_str(), |(_, rest)| rest);
        rest.split('@').next().unwrap_or(rest)
    }
}

/// The password, if there is one.
pub fn password() -> Option<String> {
    std::env::var(PASSWORD).ok().filter(|password| !password.is_empty())
}

fn default_user() -> String {
    let name = std::env::var("USER").unwrap_or_default();
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("sip:{}@example.com", if name.is_empty() { "me" } else { &name })
}

fn sip_uri(value: &str) -> Result<String, String> {
    let parsed = sip_control::message::SipUri::parse(value);
    let is_usable = parsed.is_some() && value.contains('@');
    is_usable.then(|| value.to_owned()).ok_or_else(|| "expected sip:NAME@HOST".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused() {
        let parse = |args: &[&str]| Args::try_parse_from([&["im-client"], args].concat());
        let args = parse(&["sip:team@chat.example.com", "-u", "sip:bob@example.com", "--tcp"]);
        let args = args.unwrap();
        assert_eq!((args.room.as_str(), args.user_name()), ("sip:team@chat.example.com", "bob"));
        assert_eq!(args.protocol(), Protocol::Tcp);
        for wrong in [&["lobby"][..], &["-u", "bob"], &["-f", "localhost"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_way_to_the_focus_tells_the_address() {
        let args = Args::try_parse_from(["im-client", "-f", "127.0.0.1:5060"]).unwrap();
        assert_eq!(args.local_address().unwrap(), "127.0.0.1:0".parse().unwrap());
    }
}
