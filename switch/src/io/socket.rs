//! Listening sockets, and what every connection has: accepted ones inherit it from them.

use std::{
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt},
};

/// Silence on a connection before the kernel asks whether the peer is still there (LIM-09).
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
/// Between two such questions (LIM-09).
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Unanswered questions that end a connection (LIM-09).
const KEEPALIVE_PROBES: u32 = 4;
/// Data unacknowledged for this long ends a connection (LIM-09).
const UNACKNOWLEDGED_MAX: Duration = Duration::from_mins(2);

/// Connections that wait to be accepted. The kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// How long a port that is taken may still become free: a process that died with an io_uring keeps
/// its listening socket for some hundred milliseconds, and a prompt restart would meet it.
pub const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(50);

/// Where a connection comes from. Fails when it is gone already.
pub fn peer(connection: impl AsFd) -> rustix::io::Result<IpAddr> {
    let address = rustix::net::getpeername(connection)?.ok_or(Errno::NOTCONN)?;
    Ok(SocketAddr::try_from(address)?.ip())
}

/// One listening socket per core on the same address, so that the kernel deals out connections.
/// With port 0 the first chooses the port and the others share it. The address they have comes
/// with them. Tries for as long as `patience` while the port is taken.
pub fn listen(
    address: SocketAddr,
    sockets: usize,
    patience: Duration,
) -> rustix::io::Result<(Vec<OwnedFd>, SocketAddr)> {
    let give_up = Instant::now() + patience;
    let first = loop {
        match bind(address, Sharing::Alone) {
            Err(Errno::ADDRINUSE) if Instant::now() < give_up => thread::sleep(PAUSE),
            bound => break bound?,
        }
    };
    let bound: SocketAddr = rustix::net::getsockname(&first)?.try_into()?;
    // Only now: with the option set, binding would succeed beside another process of the same
    // user that has set it too, and the two would share out the connections.
    sockopt::set_socket_reuseport(&first, true)?;
    let mut listeners = vec![first];
    while listeners.len() < sockets {
        listeners.push(bind(bound, Sharing::Port)?);
    }
    for listener in &listeners {
        rustix::net::listen(listener, BACKLOG)?;
    }
    Ok((listeners, bound))
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Sharing {
    Alone,
    Port,
}

/// A socket to connect to `address` with, timed as accepted ones are.
pub fn outgoing(address: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let socket = stream(address)?;
    tune(&socket)?;
    Ok(socket)
}

fn stream(address: SocketAddr) -> rustix::io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, Some(ipproto::TCP))
}

fn bind(address: SocketAddr, sharing: Sharing) -> rustix::io::Result<OwnedFd> {
    let socket = stream(address)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, sharing == Sharing::Port)?;
    tune(&socket)?;
    rustix::net::bind(&socket, &address)?;
    Ok(socket)
}

/// Sets what every connection has. Accepted ones get it from the socket that accepted them, so that
/// accepting needs no further system call.
fn tune(socket: impl AsFd) -> rustix::io::Result<()> {
    let socket = socket.as_fd();
    sockopt::set_tcp_nodelay(socket, true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(socket, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(socket, KEEPALIVE_PROBES)?;
    sockopt::set_tcp_user_timeout(socket, UNACKNOWLEDGED_MAX.as_millis() as u32)
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        time::Duration,
    };

    use rustix::{io::Errno, net::sockopt};

    use super::{PATIENCE, listen};

    const ANY_PORT: &str = "127.0.0.1:0";

    /// LIM-09: keep-alive after 60 s, 4 probes 15 s apart, 120 s for unacknowledged data.
    #[test]
    fn an_accepted_connection_inherits_the_timers() {
        let (mut listeners, address) = listen(ANY_PORT.parse().unwrap(), 1, PATIENCE).unwrap();
        let listener = TcpListener::from(listeners.remove(0));
        let _peer = TcpStream::connect(address).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(sockopt::socket_keepalive(&accepted).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&accepted), Ok(Duration::from_mins(1)));
        assert_eq!(sockopt::tcp_keepintvl(&accepted), Ok(Duration::from_secs(15)));
        assert_eq!(sockopt::tcp_keepcnt(&accepted), Ok(4));
        assert_eq!(sockopt::tcp_user_timeout(&accepted), Ok(120_000));
        assert!(sockopt::tcp_nodelay(&accepted).unwrap());
    }

    #[test]
    fn several_cores_share_one_port_and_nobody_else_gets_it() {
        let (listeners, address) = listen(ANY_PORT.parse().unwrap(), 3, PATIENCE).unwrap();
        assert_eq!(listeners.len(), 3);
        assert_eq!(listen(address, 1, Duration::ZERO).unwrap_err(), Errno::ADDRINUSE);
        assert_eq!(listen(address, 3, Duration::ZERO).unwrap_err(), Errno::ADDRINUSE);
    }

    #[test]
    fn a_predecessor_that_lets_go_is_waited_for() {
        let (predecessor, address) = listen(ANY_PORT.parse().unwrap(), 2, PATIENCE).unwrap();
        let successor = std::thread::spawn(move || listen(address, 2, PATIENCE));
        drop(predecessor);
        assert_eq!(successor.join().unwrap().unwrap().1, address);
    }
}
