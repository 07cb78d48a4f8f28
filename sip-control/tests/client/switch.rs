//! A switch of a few lines: it answers every SEND with 200 and passes what has content on to all
//! other connections. It knows no rooms, and reads MSRP as text.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

/// One request, as text.
#[derive(Clone, Debug)]
pub struct Send {
    pub to_path: String,
    pub from_path: String,
    pub body: String,
}

pub struct Switch {
    pub address: SocketAddr,
    /// All requests, in the order in which they came.
    pub seen: broadcast::Receiver<(SocketAddr, Send)>,
}

impl Switch {
    /// Answers each SEND with this status.
    pub async fn answering(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (all, seen) = broadcast::channel(1024);
        let all = Arc::new(all);
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                tokio::spawn(serve(stream, peer, all.clone(), status));
            }
        });
        Self { address, seen }
    }

    pub async fn next(&mut self) -> Send {
        self.seen.recv().await.unwrap().1
    }
}

async fn serve(
    mut stream: TcpStream,
    peer: SocketAddr,
    all: Arc<broadcast::Sender<(SocketAddr, Send)>>,
    status: &'static str,
) {
    stream.set_nodelay(true).unwrap();
    let mut others = all.subscribe();
    let (mut reader, mut writer) = stream.split();
    let mut pending = String::new();
    let mut own_path = None;
    let mut buffer = [0; 4096];
    let mut copies = 0;
    loop {
        tokio::select! {
            size = reader.read(&mut buffer) => {
                let Ok(size @ 1..) = size else { return };
                pending += std::str::from_utf8(&buffer[..size]).unwrap();
                while let Some((id, request, rest)) = cut(&pending) {
                    pending = rest;
                    let Some(request) = request else { continue };
                    let answer = format!(
                        "MSRP {id} {status}\r\nTo-Path: {}\r\nFrom-Path: {}\r\n-------{id}$\r\n",
                        request.from_path, request.to_path
                    );
                    own_path = Some((request.from_path.clone(), request.to_path.clone()));
                    writer.write_all(answer.as_bytes()).await.unwrap();
                    let _ = all.send((peer, request));
                    if status.starts_with("CLOSE") {
                        return;
                    }
                }
            }
            Ok((from, send)) = others.recv() => {
                let Some((to_path, from_path)) = &own_path else { continue };
                if from == peer || send.body.is_empty() {
                    continue;
                }
                copies += 1;
                let size = send.body.len();
                let copy = format!(
                    "MSRP copy{copies} SEND\r\nTo-Path: {to_path}\r\nFrom-Path: {from_path}\r\n\
                     Message-ID: m{copies}\r\nByte-Range: 1-{size}/{size}\r\n\
                     Content-Type: message/cpim\r\n\r\n{}\r\n-------copy{copies}$\r\n",
                    send.body
                );
                writer.write_all(copy.as_bytes()).await.unwrap();
            }
        }
    }
}

/// Cuts one message off: its transaction, what it asks for if it is a SEND, and the rest.
fn cut(text: &str) -> Option<(String, Option<Send>, String)> {
    let id = text.split(' ').nth(1)?.to_owned();
    let end = format!("-------{id}$\r\n");
    let (message, rest) = text.split_once(&end)?;
    let line = |name: &str| {
        let mut lines = message.split("\r\n");
        lines.find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
    };
    let body = message.split_once("Content-Type: message/cpim\r\n\r\n");
    let send = message.contains(" SEND\r\n").then(|| Send {
        to_path: line("To-Path: "),
        from_path: line("From-Path: "),
        body: body.map_or("", |(_, body)| body.strip_suffix("\r\n").unwrap()).to_owned(),
    });
    Some((id, send, rest.to_owned()))
}
