//! An HTTP server that knows its answers by heart.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

/// A server that gives each answer to one request, over a connection of its own.
pub struct Server {
    /// Where it is: `http://HOST:PORT`.
    pub root: String,
    served: thread::JoinHandle<Vec<String>>,
}

impl Server {
    /// One that gives these, byte for byte. What does not end by itself, ends when the client gives up.
    pub fn with(answers: Vec<Vec<u8>>) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let root = format!("http://{}", server.local_addr().unwrap());
        let served = thread::spawn(move || {
            let serve = |answer: Vec<u8>| {
                let (mut stream, _) = server.accept().unwrap();
                let mut request = Vec::new();
                let mut octet = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read_exact(&mut octet).is_ok() {
                    request.extend(octet);
                }
                // Who has read enough may have hung up.
                let _ = stream.write_all(&answer);
                let _ = stream.read_to_end(&mut Vec::new());
                String::from_utf8(request).unwrap()
            };
            answers.into_iter().map(serve).collect()
        });
        Self { root, served }
    }

    /// The requests it had, as soon as it has had all.
    pub fn requests(self) -> Vec<String> {
        self.served.join().unwrap()
    }
}
