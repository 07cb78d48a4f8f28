//! A node whose groups are on an XCAP server.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use super::{
    caller::Caller,
    figures::{METRICS, figure, page},
    node::{ANYWHERE, NODE, Node, file},
};

const GROUP: &str = "sip:gardeners@chat.localhost";

/// Where its document is.
const REQUEST: &str = "GET /org.openmobilealliance.groups/global/byGroupID/\
                       sip:gardeners@chat.localhost HTTP/1.1\r\n";

/// A server with one document, which the test may change.
#[derive(Clone)]
struct Server {
    root: String,
    state: Arc<Mutex<State>>,
}

struct State {
    /// What it says: a status, and a document.
    says: (&'static str, String),
    /// The number of the document, which is its tag.
    version: u32,
    /// Requests of who knew that version already.
    known: u32,
}

impl Server {
    fn start(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let state = State { says: (status, String::new()), version: 1, known: 0 };
        let server = Self { root, state: Arc::new(Mutex::new(state)) };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                serving.serve(stream.unwrap());
            }
        });
        server
    }

    /// From now on it says something else.
    fn say(&self, status: &'static str, document: String) {
        let mut state = self.state.lock().unwrap();
        state.says = (status, document);
        state.version += 1;
        state.known = 0;
    }

    fn serve(&self, mut stream: TcpStream) {
        let (mut request, mut octet) = (Vec::new(), [0]);
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read(&mut octet) {
                Ok(1) => request.extend(octet),
                // A node that is killed hangs up.
                _ => return,
            }
        }
        let request = String::from_utf8(request).unwrap();
        assert!(request.starts_with(REQUEST), "{request}");
        let mut state = self.state.lock().unwrap();
        let tag = format!("\"{}\"", state.version);
        let is_known = request.to_ascii_lowercase().contains(&format!("if-none-match: {tag}\r\n"));
        state.known += u32::from(is_known);
        let (status, text) =
            if is_known { ("304 Not Modified", "") } else { (state.says.0, &*state.says.1) };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/vnd.oma.poc.groups+xml\r\nETag: {tag}\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        // A node that is killed hangs up.
        let _ = stream.write_all(format!("{head}{text}").as_bytes());
    }

    /// How often it was asked whether its document is still the one it is.
    fn known(&self) -> u32 {
        self.state.lock().unwrap().known
    }
}

/// A document of the group, in which these may begin sessions and join them.
fn admitting(users: &[&str]) -> String {
    let one = |user: &&str| format!("<cp:one id=\"sip:{user}@example.com\"/>");
    let ones: String = users.iter().map(one).collect();
    format!(
        "<?xml version=\"1.0\"?><group xmlns=\"urn:oma:xml:poc:list-service\" \
         xmlns:cp=\"urn:ietf:params:xml:ns:common-policy\"><list-service uri=\"{GROUP}\">\
         <cp:ruleset><cp:rule id=\"named\"><cp:conditions><cp:identity>{ones}</cp:identity>\
         </cp:conditions><cp:actions><join-handling>true</join-handling>\
         <allow-initiate-conference>true</allow-initiate-conference></cp:actions></cp:rule>\
         </cp:ruleset></list-service></group>"
    )
}

fn config(server: &Server) -> String {
    format!(
        "{ANYWHERE}[sip.timers]\ndocument_refresh = \"20ms\"\ndocument_retry = \"20ms\"\n\
         [rooms.xcap]\nroot = \"{}\"\ngroups = [\"{GROUP}\"]\n{METRICS}",
        server.root
    )
}

/// Waits until it is so.
fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        thread::sleep(Duration::from_millis(20));
    }
}

/// sip/POL-17, sip/POL-18, sip/LEAVE-08: nobody is let into a group whose document has never come, then
/// those whom it names; it is followed as it changes, and when it is gone, the session that runs ends.
#[test]
fn a_group_follows_its_document() {
    let server = Server::start("500 Internal Server Error");
    let mut node = Node::start(&config(&server), &[]);
    let [mut alice, mut bob, mut carol] =
        ["alice", "bob", "carol"].map(|name| Caller::new(name, node.sip()));
    assert_eq!(alice.invite(GROUP).status(), 403);
    node.logged("reason=\"document_unavailable\"");

    server.say("200 OK", admitting(&["alice"]));
    until(|| alice.invite(GROUP).status() == 200);
    assert_eq!(bob.invite(GROUP).status(), 403);
    until(|| server.known() > 0);
    server.say("200 OK", admitting(&["bob"]));
    until(|| bob.invite(GROUP).status() == 200);

    server.say("200 OK", "<group".to_owned());
    let line = node.logged("group document not fetched");
    assert!(line.contains("in_force=\"the last sound one\""), "{line}");
    let (_, figures) = page(&node, "/metrics");
    for reason in ["status", "document"] {
        let name = format!("msrp_switch_groups_fetch_failures_total{{reason=\"{reason}\"}}");
        assert!(figure(&figures, &name) > 0, "{figures}");
    }
    until(|| bob.invite(GROUP).status() == 200);
    server.say("404 Not Found", String::new());
    alice.asked("BYE");
    assert_eq!(carol.invite(GROUP).status(), 404);
}

/// sip/POL-17: what the documents of the server grant can be asked from the command line, too.
#[test]
fn the_rule_of_a_document_elsewhere_is_named() {
    let server = Server::start("500 Internal Server Error");
    let config = file(&config(&server));
    let explain = |user: &str| {
        let mut command = Command::new(NODE);
        let output =
            command.args(["policy", "explain", GROUP, user, "--config"]).arg(&config).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let unknown = "denied, for no rule grants it (document_unavailable)";
    assert!(explain("sip:alice@example.com").starts_with(&format!("join: {unknown}\n")));
    server.say("200 OK", admitting(&["alice"]));
    assert!(explain("sip:alice@example.com").starts_with("join: granted by rule \"named\"\n"));
    let stranger = "join: denied, for no rule grants it (not_member)\n";
    assert!(explain("sip:bob@example.com").starts_with(stranger));
}
