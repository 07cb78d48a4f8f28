//! Connections that the backend opens: made, refused, given up and lost.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use mailbox::Doorbell;
use rustix::io::Errno;

use super::{
    super::{
        Backend,
        socket::{PATIENCE, listen, outgoing},
    },
    Host, Slices,
};

/// A listening socket whose queue is full, so that the kernel lets who comes next wait, and those
/// who fill it.
fn crowded() -> (OwnedFd, SocketAddr, Vec<OwnedFd>) {
    let (mut listeners, address) = listen("127.0.0.1:0".parse().unwrap(), 1, PATIENCE).unwrap();
    let listener = listeners.remove(0);
    rustix::net::listen(&listener, 0).unwrap();
    let crowd = (0..4).map(|_| {
        let socket = outgoing(address).unwrap();
        rustix::io::ioctl_fionbio(&socket, true).unwrap();
        assert_eq!(rustix::net::connect(&socket, &address), Err(Errno::INPROGRESS));
        socket
    });
    let crowd = crowd.collect();
    (listener, address, crowd)
}

pub fn connects_to_a_peer<B: Backend<Slices>>(make: impl Fn(Doorbell) -> B) {
    let mut host = Host::new(make);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let token = host.reach(listener.local_addr().unwrap());
    host.until("the connection", |host| host.seen(token).connected);
    let (mut peer, _) = listener.accept().unwrap();
    host.send_all(token, Slices::one(b"who is there"));
    peer.read_exact(&mut [0; 12]).unwrap();
    peer.write_all(b"a peer").unwrap();
    host.until("the answer", |host| host.seen(token).received == b"a peer");
    drop(peer);
    host.until("the end", |host| host.seen(token).disconnected);
    host.close(token);
}

pub fn a_refused_connect_is_told_as_an_end<B: Backend<Slices>>(make: impl Fn(Doorbell) -> B) {
    let mut host = Host::new(make);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // Refused by the peer's host, and by our own, which knows no way there.
    for address in [nobody, "255.255.255.255:9".parse().unwrap()] {
        let token = host.reach(address);
        host.until("the refusal", |host| host.seen(token).disconnected);
        assert!(!host.seen(token).connected);
        host.close(token);
    }
}

pub fn close_ends_a_connect_under_way<B: Backend<Slices>>(make: impl Fn(Doorbell) -> B) {
    let mut host = Host::new(make);
    let (_listener, address, _crowd) = crowded();
    let token = host.reach(address);
    for _ in 0..5 {
        host.turn(Some(Instant::now() + Duration::from_millis(5)));
    }
    assert!(!host.seen(token).connected && !host.seen(token).disconnected, "it waits");
    host.close(token);
    // Also when it was never looked at.
    let token = host.reach(address);
    host.close(token);
    let (listener, address, _crowd) = crowded();
    host.reach(address);
    host.turn(Some(Instant::now()));
    drop((listener, host));
}

pub fn a_connect_may_be_lost_at_once<B: Backend<Slices>>(make: impl Fn(Doorbell) -> B) {
    let mut host = Host::new(make);
    let token = host.reach(host.address);
    host.until("the reset", |host| host.seen(token).disconnected);
    assert!(!host.seen(token).connected);
    host.close(token);
}
