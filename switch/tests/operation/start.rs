//! How the node starts, what it says when it does not, how it ends.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    process::{Command, Output},
};

use rustix::process::Signal;

use super::node::{ANYWHERE, NODE, Node, file};

fn run(arguments: &[&str]) -> Output {
    Command::new(NODE).args(arguments).output().unwrap()
}

pub fn with_config(config: &str) -> Output {
    run(&["--config", file(config).to_str().unwrap()])
}

/// The one line about why it did not start, for the operator to act on.
pub fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "it must not say that it is ready");
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("msrp-switch: ")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    lines[0].to_owned()
}

#[test]
fn it_says_where_everything_is_and_ends_when_told_to() {
    for signal in [Signal::TERM, Signal::INT] {
        let node = Node::start(ANYWHERE, &[]);
        TcpStream::connect(node.value("msrp")).unwrap();
        for sip in node.value("sip").split(',') {
            match sip.split_once(':').unwrap() {
                ("tcp", address) => drop(TcpStream::connect(address).unwrap()),
                (_, address) => assert!(address.starts_with("127.0.0.1:"), "{sip}"),
            }
        }
        node.signal(signal);
        let (status, said, _) = node.end();
        assert_eq!((status, said.as_str()), (Some(0), ""));
    }
}

#[test]
fn it_answers_sip_and_msrp() {
    let node = Node::start(ANYWHERE, &[]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let from = socket.local_addr().unwrap();
    let options = format!(
        "OPTIONS sip:chat.localhost SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK1\r\n\
         From: <sip:a@example.com>;tag=1\r\nTo: <sip:chat.localhost>\r\nCall-ID: 1\r\n\
         CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nP-Asserted-Identity: <sip:a@example.com>\r\n\
         Content-Length: 0\r\n\r\n"
    );
    socket.send_to(options.as_bytes(), node.sip()).unwrap();
    let mut answer = [0; 2048];
    let count = socket.recv(&mut answer).unwrap();
    assert!(answer[..count].starts_with(b"SIP/2.0 200 "));

    let mut msrp = TcpStream::connect(node.value("msrp")).unwrap();
    let (to, from) = ("msrp://127.0.0.1:2855/nobody;tcp", "msrp://127.0.0.1:9/me;tcp");
    let send = format!(
        "MSRP 8cA1stray SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: 1\r\n\
         Byte-Range: 1-0/0\r\n-------8cA1stray$\r\n"
    );
    msrp.write_all(send.as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(msrp).read_line(&mut answer).unwrap();
    assert!(answer.starts_with("MSRP 8cA1stray 481"), "{answer}");
}

#[test]
fn the_slower_way_is_said_and_works() {
    let node = Node::start(ANYWHERE, &["--io", "epoll"]);
    assert_eq!(node.value("io"), "epoll");
    TcpStream::connect(node.value("msrp")).unwrap();
    node.signal(Signal::TERM);
    let (status, _, log) = node.end();
    assert_eq!(status, Some(0));
    assert_eq!(log.lines().filter(|line| line.contains("epoll")).count(), 1, "{log}");
}

#[test]
fn a_successor_gets_the_port_of_one_that_was_killed() {
    let first = Node::start(ANYWHERE, &[]);
    let address = first.value("msrp").to_owned();
    let _client = TcpStream::connect(&address).unwrap();
    first.signal(Signal::KILL);
    // Not waited for: its sockets may still be there.
    let second =
        Node::start(&ANYWHERE.replace("127.0.0.1:0\"\n[", &format!("{address}\"\n[")), &[]);
    assert_eq!(second.value("msrp"), address);
}

#[test]
fn a_port_in_use_is_said_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let msrp = ANYWHERE.replacen("127.0.0.1:0", &address, 1);
    let line = refusal(&with_config(&msrp));
    assert!(line.contains(&address) && line.contains("msrp.listen"), "{line}");

    let sip =
        ANYWHERE.replace("listen_tcp = [\"127.0.0.1:0", &format!("listen_tcp = [\"{address}"));
    let line = refusal(&with_config(&sip));
    assert!(line.contains(&address) && line.contains("sip.listen_tcp"), "{line}");
}

#[test]
fn two_nodes_never_share_a_port() {
    let first = Node::start(ANYWHERE, &[]);
    let address = first.value("msrp").to_owned();
    let config = ANYWHERE.replacen("127.0.0.1:0", &address, 1);
    assert!(refusal(&with_config(&config)).contains(&address));
}

#[test]
fn a_configuration_that_cannot_be_read_is_said_in_one_line() {
    let line = refusal(&run(&["--config", "/nonexistent/switch.toml"]));
    assert!(line.contains("/nonexistent/switch.toml"), "{line}");
    let broken = file("[msrp]\nlisten = \"nowhere\"\n");
    let broken = broken.to_str().unwrap();
    for flag in ["--config", "--check"] {
        let line = refusal(&run(&[flag, broken]));
        assert!(line.contains(&format!("{broken}:2: msrp.listen: expected")), "{line}");
    }
}

#[test]
fn a_sound_configuration_passes_the_check_in_silence() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/msrp-switch.example.toml");
    let output = run(&["--check", example]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty() && output.stderr.is_empty());
}

#[test]
fn too_few_descriptors_are_said_in_one_line() {
    let config = file(ANYWHERE);
    let command = format!("ulimit -n 2000 && exec {NODE} --config {}", config.display());
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    let line = refusal(&output);
    assert!(line.contains("2000") && line.contains("msrp.connections_max"), "{line}");
}

#[test]
fn a_cpu_that_is_not_ours_is_said_in_one_line() {
    let line = refusal(&with_config(&format!("[node]\ncores = [1023]\n{ANYWHERE}")));
    assert!(line.contains("CPU 1023") && line.contains("node.cores"), "{line}");
}
