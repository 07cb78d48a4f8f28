use std::time::Duration;

use sip_control::digest::{Algorithm, Credentials, Secret};

use super::{Config, Io, Ports};

const EXAMPLE: &str = include_str!("../../msrp-switch.example.toml");

fn parse(text: &str) -> Result<Config, String> {
    Config::parse("switch.toml", text).map_err(|complaint| complaint.to_string())
}

fn complaint(text: &str) -> String {
    parse(text).expect_err("something is wrong with it")
}

fn show(config: &Config) -> String {
    format!("{config:#?}")
}

#[test]
fn the_example_says_what_is_built_in_but_for_the_word_of_a_peer() {
    let example = parse(EXAMPLE).unwrap();
    let mut built_in = Config::default();
    assert!(built_in.sip.identity_from_from_header);
    built_in.sip.identity_from_from_header = false;
    assert_eq!(show(&example), show(&built_in));
    assert_eq!(show(&parse("").unwrap()), show(&built_in));
}

/// URI-18: 2855 is what is listened on, unless somebody has a reason to say something else.
#[test]
fn the_port_is_the_registered_one() {
    assert_eq!(Config::default().listen.port(), 2855);
    let other = parse("[msrp]\nlisten = \"127.0.0.1:2860\"\n").unwrap();
    assert_eq!(other.listen.port(), 2860);
}

/// URI-18: one port for all cores, unless each is to have its own; the others are those that follow.
#[test]
fn cores_share_a_port_unless_told_otherwise() {
    assert_eq!(Config::default().ports, Ports::Shared);
    let apart = "[msrp]\nports = \"per-core\"\n";
    assert_eq!(parse(apart).unwrap().ports, Ports::PerCore);
    let told = parse(&format!("{apart}advertise = \"[2001:db8::1]:7000\"\n")).unwrap();
    let told = told.advertise.unwrap();
    assert_eq!(
        [told.up(0).to_string(), told.up(2).to_string()],
        ["[2001:db8::1]:7000", "[2001:db8::1]:7002"]
    );
    for (key, last) in [("listen", "127.0.0.1:65408"), ("advertise", "h.example:65408")] {
        assert!(parse(&format!("{apart}{key} = \"{last}\"\n")).is_ok());
        let beyond = last.replace("65408", "65409");
        let said = complaint(&format!("{apart}{key} = \"{beyond}\"\n"));
        let expected =
            "switch.toml:2: msrp.ports: expected msrp.listen and msrp.advertise with ports";
        assert!(said.starts_with(expected), "{said}");
        assert!(parse(&format!("[msrp]\n{key} = \"{beyond}\"\n")).is_ok());
    }
}

/// URI-16: sessions are found by their whole URI, unless the operator has them found by session-id.
#[test]
fn how_sessions_are_found_is_the_operators_choice() {
    assert_eq!(Config::default().matching, engine::Match::Uri);
    let lenient = parse("[msrp]\nmatch = \"session-id\"\n").unwrap();
    assert_eq!(lenient.matching, engine::Match::SessionId);
}

/// The names of the fields of plain data, as its debug form has them.
fn fields(data: &impl std::fmt::Debug) -> Vec<String> {
    let shown = format!("{data:?}");
    let inside = shown.split_once('{').map_or("", |(_, inside)| inside);
    let names = inside.split(", ").filter_map(|field| field.split_once(": "));
    names.map(|(name, _)| name.trim().to_owned()).collect()
}

/// The example with another value for a key of that table.
fn otherwise(table: &str, key: &str) -> String {
    let (_, rest) = EXAMPLE.split_once(&format!("\n[{table}]")).expect("there is such a table");
    let inside = rest.split_once("\n[").map_or(rest, |(inside, _)| inside);
    let line = inside.lines().find(|line| line.starts_with(&format!("{key} = ")));
    let line = line.unwrap_or_else(|| panic!("the example does not say what {table}.{key} is"));
    let (_, value) = line.split_once(" = ").unwrap();
    let other = match value.trim_matches('"') {
        "0s" | "profile" => "\"1s\"".to_owned(),
        plain => {
            let unit_at = plain.find(char::is_alphabetic).unwrap_or(plain.len());
            let (number, unit) = plain.split_at(unit_at);
            let double = 2 * number.replace('_', "").parse::<u64>().unwrap();
            if unit.is_empty() { double.to_string() } else { format!("\"{double}{unit}\"") }
        }
    };
    let changed = inside.replacen(&format!("\n{line}\n"), &format!("\n{key} = {other}\n"), 1);
    EXAMPLE.replacen(inside, &changed, 1)
}

/// The lines of one text that are not in another, which differs from it in one place.
fn changed<'a>(before: &'a str, after: &str) -> Vec<&'a str> {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.lines().collect(), after.lines().collect());
    let same = |(one, other): &(&&str, &&str)| one == other;
    let start = before.iter().zip(&after).take_while(same).count();
    let end =
        before[start..].iter().rev().zip(after[start..].iter().rev()).take_while(same).count();
    before[start..before.len() - end].iter().map(|line| line.trim()).collect()
}

/// sip/OPS-13: every limit and every timer has a key by its own name, which stands in the example, and
/// what the file says there is what it is.
#[test]
fn every_limit_and_timer_can_be_configured() {
    let built_in = parse(EXAMPLE).unwrap();
    for (table, names) in [
        ("msrp", fields(&built_in.limits)),
        ("sip.limits", fields(&built_in.sip.limits)),
        ("sip.timers", fields(&built_in.sip.timers)),
    ] {
        assert!(names.len() > 5, "{table}");
        for name in names {
            let (before, after) =
                (show(&built_in), show(&parse(&otherwise(table, &name)).unwrap()));
            let changed = changed(&before, &after);
            let is_it = matches!(changed[..], [line] if line.starts_with(&format!("{name}: ")));
            assert!(is_it, "{table}.{name} changes {changed:?}");
        }
    }
}

/// sip/OPS-13: what the catalogue gives a name and a default can be configured by that name.
#[test]
fn every_name_with_a_default_is_a_key() {
    let catalogue = include_str!("../../../sip-control/spec/sip-control.md");
    let words: Vec<&str> = catalogue.split('`').collect();
    let has_default = |text: &str| {
        [" (default ", ", default ", " is on (default "].iter().any(|start| text.starts_with(start))
    };
    let is_name = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let named: Vec<&str> = words
        .windows(2)
        .filter(|pair| !pair[0].is_empty() && is_name(pair[0]) && has_default(pair[1]))
        .map(|pair| pair[0])
        .collect();
    assert!(named.len() > 15, "{named:?}");
    for name in named {
        let is_key = |line: &str| {
            let line = line.strip_prefix("# ").unwrap_or(line);
            line.starts_with(&format!("{name} = "))
        };
        assert!(EXAMPLE.lines().any(is_key), "there is no key {name}");
    }
}

#[test]
fn the_example_names_every_key() {
    // Every commented-out key is a real one, too.
    let uncommented: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key) if key.contains(" = ") || key.starts_with('[') => key,
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let users = users_file("example", "[[user]]\nname = \"bob\"\npassword = \"x\"\n");
    let uncommented = uncommented.replace("/etc/msrp-switch/users.toml", &users);
    let config = parse(&uncommented).unwrap();
    let digest = config.sip.digest.unwrap();
    let identities = digest.accounts.iter().map(|account| &account.identities[..]);
    let expected: [&[&str]; 2] =
        [&["sip:alice@chat.localhost", "tel:+12125550100"], &["sip:bob@chat.localhost"]];
    assert_eq!(identities.collect::<Vec<_>>(), expected);
    let realms = config.sip.credentials.iter().map(|who| who.realm.as_deref());
    assert_eq!(realms.collect::<Vec<_>>(), [Some("example.com"), Some("example.org")]);
    assert_eq!(config.advertise.unwrap().to_string(), "chat.example.com:2855");
    assert_eq!(config.sip.rooms[0].subject.as_deref(), Some("Gardens"));
    let xcap = config.sip.xcap.unwrap();
    assert_eq!(
        (&*xcap.root, &*xcap.auid),
        ("http://xcap.example.com", "org.openmobilealliance.groups")
    );
    assert_eq!(xcap.groups, ["sip:gardeners@groups.example.com"]);
    assert_eq!(
        (&*xcap.documents[0].owner, &*xcap.documents[0].file),
        ("sip:alice@example.com", "roses.xml")
    );
    let ad_hoc = config.sip.ad_hoc.unwrap();
    let charging = config.sip.charging.unwrap();
    assert_eq!(charging.orig_ioi.as_deref(), Some("chat.localhost"));
    assert_eq!(charging.term_ioi.as_deref(), Some("chat.localhost"));
    assert_eq!((&*ad_hoc.factory, ad_hoc.size_max), ("sip:chat-factory@chat.localhost", 100));
}

/// PEER-02: messages go out whole in every room that does not have it otherwise.
#[test]
fn messages_go_out_whole_unless_a_room_has_it_otherwise() {
    let config = parse(
        "[[rooms.room]]\nuri = \"sip:a@b\"\n\
         [[rooms.room]]\nuri = \"sip:c@d\"\nchat = { whole_messages = false }\n",
    )
    .unwrap();
    let rooms = config.sip.rooms.iter().map(|room| room.rules.chat.whole_messages);
    assert_eq!(rooms.collect::<Vec<_>>(), [true, false]);
    assert!(config.sip.any_room.unwrap().chat.whole_messages);
}

/// A file of its own for each test, which stays no longer than the directory for such files.
fn users_file(test: &str, text: &str) -> String {
    let directory = std::env::temp_dir().join(format!("msrp-switch-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join(format!("{test}.toml"));
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn users_may_stand_in_a_file_of_their_own() {
    let users = users_file("sound", "[[user]]\nname = \"bob\"\npassword = \"x: y\"\n");
    let digest = format!("[sip]\nhost = \"h.example\"\n[sip.digest]\nusers_file = \"{users}\"\n");
    let algorithms = "algorithms = [\"SHA-512-256\", \"MD5\"]\n";
    let config = parse(&format!("{digest}{algorithms}")).unwrap();
    let shown = show(&config);
    assert!(!shown.contains("x: y"), "a password in the log");
    let digest = config.sip.digest.unwrap();
    assert_eq!((digest.realm.as_str(), digest.algorithms.len()), ("h.example", 2));
    assert_eq!(digest.accounts[0].password, "x: y");
    assert_eq!(digest.accounts[0].identities, ["sip:bob@h.example"]);

    let broken = users_file("broken", "[[user]]\nname = \"bob\"\n");
    let of = |file: &str| complaint(&format!("[sip.digest]\nusers_file = \"{file}\"\n"));
    let expected = format!("switch.toml:2: sip.digest.users_file: {broken}:1: user: missing field");
    assert!(of(&broken).starts_with(&expected), "{}", of(&broken));
    let expected = "switch.toml:2: sip.digest.users_file: /nowhere cannot be read: No such file";
    assert!(of("/nowhere").starts_with(expected), "{}", of("/nowhere"));
}

/// Credentials for the switch's own requests: a password, or the hashes of one for some algorithms. Neither
/// is ever shown.
#[test]
fn who_the_switch_is_to_others_is_said_for_each_realm() {
    let hash = "0123456789ABCDEF0123456789ABCDEF";
    let text = format!(
        "[[sip.credentials]]\nrealm = \"a\"\nname = \"chat\"\npassword = \"x: y\"\n\
         [[sip.credentials]]\nrealm = \"b\"\nname = \"chat\"\nha1 = {{ MD5 = \"{hash}\" }}\n"
    );
    let config = parse(&text).unwrap();
    let shown = show(&config);
    assert!(!shown.contains("x: y") && !shown.contains("cdef"), "a secret in the log");
    let [first, second] = &config.sip.credentials[..] else { panic!("two realms") };
    assert_eq!(*first, Credentials::new("chat", "x: y").for_realm("a"));
    let hashes = vec![(Algorithm::Md5, hash.to_ascii_lowercase())];
    assert_eq!(second.secret, Secret::Hashed(hashes));

    let entry = "[[sip.credentials]]\nrealm = \"a\"\nname = \"chat\"\n";
    for (rest, expected) in [
        (
            "",
            "switch.toml:1: sip.credentials: expected either a password or what is made of it, ha1",
        ),
        (
            "password = \"x\"\nha1 = {}",
            "switch.toml:1: sip.credentials: expected either a password",
        ),
        (
            "password = 4711",
            "switch.toml:4: sip.credentials.password: expected a secret between quot",
        ),
        ("ha1 = { SHA = \"4711\" }", "switch.toml:4: sip.credentials.ha1: unknown variant `SHA`"),
        (
            "ha1 = {}",
            "switch.toml:2: sip.credentials.realm: what is there for the realm `a` is no H(A1)",
        ),
        (
            "ha1 = { MD5 = \"4711\" }",
            "switch.toml:2: sip.credentials.realm: what is there for the rea",
        ),
        (
            "password = \"x\"\n[[sip.credentials]]\nrealm = \"a\"\nname = \"b\"\npassword = \"y\"",
            "switch.toml:6: sip.credentials.realm: the realm `a` is there twice",
        ),
    ] {
        let said = complaint(&format!("{entry}{rest}"));
        assert!(said.starts_with(expected), "{rest:?} gives: {said}");
        assert!(!said.contains("4711") && !said.contains('\n'), "{said}");
    }
    let nobody = entry.replace("chat", "a:b") + "password = \"x\"";
    let expected = "switch.toml:3: sip.credentials.name: `a:b` cannot be the name of an account";
    assert_eq!(complaint(&nobody), expected);
}

#[test]
fn what_a_file_says_is_what_is_configured() {
    let config = parse(
        "[node]\ncores = [3, 1]\nio = \"epoll\"\n\
         [msrp]\nlisten = \"[::1]:0\"\nadvertise = \"chat.example.com:2855\"\n\
         connections_max = 10\nsend_stall_max = \"1500ms\"\nplacement = \"spread\"\n\
         [sip]\nhost = \"im.example.com\"\nlisten_tcp = []\n\
         outbound_proxy = \"sip:p.example.com\"\n\
         dns_servers = [\"192.0.2.53\", \"[::1]:5353\", \"2001:db8::53\"]\n\
         [sip.timers]\nt1 = \"10ms\"\n\
         [rooms.any]\nenabled = false\n\
         [[rooms.room]]\nuri = \"sip:staff@im.example.com\"\nkind = \"group\"\n\
         admitted = [\"sip:alice@example.com\"]\n",
    )
    .unwrap();
    assert_eq!(config.cores, Some(vec![3, 1]));
    assert_eq!(config.io, Io::Epoll);
    assert_eq!(config.listen.to_string(), "[::1]:0");
    assert_eq!(config.limits.send_stall_max, Duration::from_millis(1500));
    assert_eq!(config.limits_per_core(3).connections_max, 4);
    assert_eq!(config.sip.host, "im.example.com");
    assert_eq!(config.sip.outbound_proxy.as_deref(), Some("sip:p.example.com"));
    let servers = config.sip.dns_servers.iter().map(ToString::to_string);
    let expected = ["192.0.2.53:53", "[::1]:5353", "[2001:db8::53]:53"];
    assert_eq!(servers.collect::<Vec<_>>(), expected);
    assert!(config.sip.listen.tcp.is_empty() && config.sip.listen.udp.len() == 1);
    assert_eq!(config.sip.timers.t1, Duration::from_millis(10));
    assert!(config.sip.any_room.is_none());
    assert_eq!(config.sip.rooms[0].rules.max_participants, None);
}

#[test]
fn a_complaint_is_one_line_that_tells_where_and_what() {
    for (text, expected) in [
        ("[msrp]\nlisten = \"nowhere\"", "switch.toml:2: msrp.listen: expected ADDRESS:PORT"),
        ("[msrp]\n\nlisten = 2855", "switch.toml:3: msrp.listen: invalid type: integer `2855`"),
        ("[msrp]\nlisten = \"0.0.0.0:1\"", "switch.toml:2: msrp.listen: expected an address that"),
        ("[msrp]\nadvertise = \"chat\"", "switch.toml:2: msrp.advertise: expected HOST:PORT"),
        ("[msrp]\nadvertise = \"chat:0\"", "switch.toml:2: msrp.advertise: expected HOST:PORT"),
        ("[msrp]\nports = \"two\"", "switch.toml:2: msrp.ports: unknown variant `two`, expected"),
        ("[msrp]\nport = 1", "switch.toml:2: msrp.port: unknown field `port`, expected one of"),
        ("[msrp]\nsessions_max = 0", "switch.toml:2: msrp.sessions_max: invalid value: integer"),
        ("[msrp]\nconnections_max = 20000000", "switch.toml:2: msrp.connections_max: expected at"),
        ("[msrp]\nwrapped_types = \";\"", "switch.toml:2: msrp.wrapped_types: `;` is no list of"),
        ("[msrp]\nsend_stall_max = \"60\"", "switch.toml:2: msrp.send_stall_max: expected a time"),
        ("[msrp]\nsend_stall_max = \"0s\"", "switch.toml:2: msrp.send_stall_max: expected a time"),
        ("[node]\ncores = \"all\"", "switch.toml:2: node.cores: expected \"auto\" or a list"),
        ("[node]\ncores = []", "switch.toml:2: node.cores: expected each CPU once"),
        ("[node]\ncores = [1, 1]", "switch.toml:2: node.cores: expected each CPU once"),
        ("[node]\nio = \"kqueue\"", "switch.toml:2: node.io: unknown variant `kqueue`"),
        ("[sip]\nhost = \"a b\"", "switch.toml:2: sip.host: `a b` is no host name"),
        ("[sip]\nlisten_tcp = []\nlisten_udp = []", "switch.toml:3: sip.listen_udp: no address to"),
        (
            "[sip]\ntrusted = [\"::1\", \"here\"]",
            "switch.toml:2: sip.trusted: expected ADDRESS or ADDRESS/PREFIX, as in 192.0.2.0/24; \
             not \"here\"",
        ),
        (
            "[sip]\ndns_servers = [\"ns.example.com\"]",
            "switch.toml:2: sip.dns_servers: expected ADDRESS or ADDRESS:PORT, as in 192.0.2.53; \
             not \"ns.example.com\"",
        ),
        (
            "[sip]\noutbound_proxy = \"sips:p.example.com\"",
            "switch.toml:2: sip.outbound_proxy: `sips:p.example.com` cannot be the outbound proxy: \
             it asks for TLS all the way",
        ),
        ("[sip.timers]\nt2 = \"1ms\"", "switch.toml:2: sip.timers.t2: the timer t2 has an"),
        ("[sip.tls]\nkey = 1", "switch.toml:1: sip.tls: unknown field `tls`"),
        ("[sip.digest]\nalgorithms = []", "switch.toml:2: sip.digest.algorithms: no algorithm to"),
        ("[sip.digest]\nalgorithms = [\"SHA\"]", "switch.toml:2: sip.digest.algorithms: unknown"),
        ("[sip.digest]\nrealm = \"\"", "switch.toml:2: sip.digest.realm: `` cannot be the name of"),
        (
            "[[sip.digest.user]]\nname = \"a:b\"\npassword = \"x\"",
            "switch.toml:2: sip.digest.user.name: `a:b` cannot be the name of an account",
        ),
        (
            "[[sip.digest.user]]\nname = \"a\"\npassword = \"x\"\n\
             [[sip.digest.user]]\nname = \"a\"\npassword = \"y\"",
            "switch.toml:5: sip.digest.user.name: the account `a` is there twice",
        ),
        (
            "[[sip.digest.user]]\nname = \"a\"\npassword = \"x\"\nidentities = []",
            "switch.toml:2: sip.digest.user.name: the account `a` has no identity",
        ),
        (
            "[[sip.digest.user]]\nname = \"a\"\npassword = \"x\"\nidentities = [\"a\"]",
            "switch.toml:4: sip.digest.user.identities: `a` is no address of a user",
        ),
        ("[[rooms.room]]\nkind = \"public\"", "switch.toml:1: rooms.room: missing field `uri`"),
        (
            "[[rooms.room]]\nuri = \"sip:a@b\"\n[[rooms.room]]\nuri = \"sip:a@b\"",
            "switch.toml:4: rooms.room.uri: the room `sip:a@b` is there twice",
        ),
        ("[[rooms.room]]\nuri = \"a@b\"", "switch.toml:2: rooms.room.uri: `a@b` cannot be the URI"),
        ("[rooms.any]\nadmitted = \"all\"", "switch.toml:2: rooms.any.admitted: expected"),
        (
            "[rooms.any]\nblocked = [\"eve\"]",
            "switch.toml:2: rooms.any.blocked: `eve` is no address",
        ),
        ("[rooms.xcap]\nauid = \"a\"", "switch.toml:1: rooms.xcap: missing field `root`"),
        (
            "[rooms.xcap]\ngroups = [\"sip:a@b\"]\nroot = \"xcap.example.com\"",
            "switch.toml:3: rooms.xcap.root: `xcap.example.com` cannot be an XCAP root: expected http",
        ),
        (
            "[rooms.xcap]\nroot = \"http://h\"",
            "switch.toml:2: rooms.xcap.root: no document to ask for: expected groups or documents",
        ),
        (
            "[rooms.xcap]\nroot = \"http://h\"\nauid = \"a/b\"",
            "switch.toml:3: rooms.xcap.auid: `a/b` cannot be the name of an application usage",
        ),
        (
            "[rooms.xcap]\nroot = \"http://h\"\ngroups = [\"sip:a@b\", \"team\"]",
            "switch.toml:3: rooms.xcap.groups: `team` cannot be the URI of a group",
        ),
        (
            "[rooms.xcap]\nroot = \"http://h\"\ndocuments = [{ owner = \"\", file = \"f\" }]",
            "switch.toml:3: rooms.xcap.documents: `` cannot be the owner of a document",
        ),
        (
            "[rooms.xcap]\nroot = \"http://h\"\ndocuments = [{ owner = \"sip:a@b\", file = \"../f\" }]",
            "switch.toml:3: rooms.xcap.documents: `../f` cannot be the name of a document",
        ),
        (
            "[rooms.xcap]\nroot = \"http://h\"\ndocuments = [{ owner = \"sip:a@b\" }]",
            "switch.toml:3: rooms.xcap.documents: missing field `file`",
        ),
        ("[msrp\n", "switch.toml:1: "),
        ("surprise", "switch.toml:1: "),
    ] {
        let said = complaint(text);
        assert!(said.starts_with(expected), "{text:?} gives: {said}");
        assert!(!said.contains('\n'), "one line: {said}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".*") {
        let _ = parse(&text);
        let _ = parse(&format!("[msrp]\nlisten = {text}"));
    }
}
