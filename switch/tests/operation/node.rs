//! A node of its own for each test.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::process::{Pid, Signal, kill_process};

pub const NODE: &str = env!("CARGO_BIN_EXE_msrp-switch");

/// Every port chosen by the host, and one core, so that many nodes can run side by side.
pub const ANYWHERE: &str = "[msrp]\nlisten = \"127.0.0.1:0\"\n\
                        [sip]\nlisten_udp = [\"127.0.0.1:0\"]\nlisten_tcp = [\"127.0.0.1:0\"]\n";

/// A file of one test.
pub fn file(text: &str) -> PathBuf {
    static FILES: AtomicUsize = AtomicUsize::new(0);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let name = format!("start-{}-{number}.toml", std::process::id());
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

/// A node that runs. Killed if its test does not end it.
pub struct Node {
    child: Child,
    output: BufReader<ChildStdout>,
    log: BufReader<ChildStderr>,
    /// What it said when it was ready.
    ready: String,
}

impl Node {
    /// Starts with a configuration of its own.
    pub fn start(config: &str, arguments: &[&str]) -> Self {
        Self::start_with(&file(config), arguments)
    }

    /// Starts with this file.
    pub fn start_with(config: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(NODE)
            .arg("--config")
            .arg(config)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut ready = String::new();
        output.read_line(&mut ready).unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let node = Self { child, output, log, ready };
        assert!(node.ready.starts_with("ready "), "it says: {}", node.ready);
        node
    }

    /// What the ready line has behind `key=`.
    pub fn value(&self, key: &str) -> &str {
        let mut values = self.ready.split_whitespace().filter_map(|word| word.split_once('='));
        values.find(|(name, _)| *name == key).map_or("", |(_, value)| value)
    }

    /// Where it takes SIP datagrams.
    pub fn sip(&self) -> SocketAddr {
        let udp = self.value("sip").split(',').find_map(|sip| sip.strip_prefix("udp:"));
        udp.unwrap().parse().unwrap()
    }

    /// Reads its log until a line that has `words`, and yields that line.
    pub fn logged(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            let count = self.log.read_line(&mut line).unwrap();
            assert_ne!(count, 0, "it has ended, and never said {words}");
            if line.contains(words) {
                return line;
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end: exit status, the rest of standard output, and standard error.
    pub fn end(mut self) -> (Option<i32>, String, String) {
        let (mut said, mut log) = (String::new(), String::new());
        self.output.read_to_string(&mut said).unwrap();
        self.log.read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), said, log)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Gone already, if the test has gone well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
