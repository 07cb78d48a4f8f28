use std::time::Duration;

use super::{
    AdHoc, Additions, Config, ConfigError, Limits, Profile, Room, RoomKind, Rules, Timers, Users,
    Xcap,
};

fn room(uri: &str) -> Room {
    let kind = RoomKind::Public;
    Room { uri: uri.to_owned(), kind, subject: None, rules: Rules::default() }
}

/// OPS-12: a configuration is used as a whole or not at all.
#[test]
fn every_impossible_value_is_named() {
    let check = |change: &dyn Fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        config.check()
    };
    let identity = "sip:s-ffffffffffffffffffffffffffffffff@h";
    assert_eq!(check(&|_| {}), Ok(()));
    for host in ["", "a b", "h;x", "h:5060", "u@h"] {
        let fault = Err(ConfigError::Host(host.to_owned()));
        assert_eq!(check(&|config| config.host = host.to_owned()), fault);
    }
    let fault = Err(ConfigError::NoListener);
    assert_eq!(check(&|config| config.listen = super::Listen::default()), fault);
    for uri in ["lobby", "sip:h", "tel:+1", identity] {
        let fault = Err(ConfigError::RoomUri(uri.to_owned()));
        assert_eq!(check(&|config| config.rooms = vec![room(uri)]), fault);
    }
    let twice = |config: &mut Config| config.rooms = vec![room("sip:a@h"), room("sip:a@H;x")];
    assert_eq!(check(&twice), Err(ConfigError::RoomTwice("sip:a@H;x".to_owned())));
    let users = |config: &mut Config| {
        let anonymity = Users::Only(vec!["bob".to_owned()]);
        config.any_room = Some(Rules { anonymity, ..Rules::default() });
    };
    assert_eq!(check(&users), Err(ConfigError::User("bob".to_owned())));
    let types = |config: &mut Config| config.media.wrapped_types = "text".to_owned();
    assert_eq!(check(&types), Err(ConfigError::WrappedTypes("text".to_owned())));
    let xcap = |config: &mut Config, root: &str, groups: &[&str]| {
        let groups = groups.iter().map(|uri| (*uri).to_owned()).collect();
        config.xcap = Some(Xcap { groups, ..Xcap::new(root) });
    };
    let roots = [
        "",
        "h",
        "/h",
        "ftp://h",
        "http:///x",
        "http://h?a",
        "https://h/x#a",
        "http://h h",
        "sip:h",
        "http://a:b@h",
    ];
    for root in roots {
        let fault = Err(ConfigError::XcapRoot(root.to_owned()));
        assert_eq!(check(&|config| xcap(config, root, &["sip:a@b"])), fault, "{root}");
    }
    for root in ["http://h", "https://[::1]:8080/xcap/", "HTTP://xcap.example.com/a%20b"] {
        assert_eq!(check(&|config| xcap(config, root, &["sip:a@b"])), Ok(()), "{root}");
        assert_eq!(check(&|config| xcap(config, root, &[])), Err(ConfigError::NoDocument));
    }
    for uri in ["h", "sip:h", "tel:+1", identity] {
        let fault = Err(ConfigError::GroupUri(uri.to_owned()));
        assert_eq!(check(&|config| xcap(config, "http://h", &[uri])), fault);
    }
    let short = |config: &mut Config| {
        config.timers.session_interval_min = Duration::from_secs(89);
    };
    assert_eq!(check(&short), Err(ConfigError::Timer("session_interval_min")));
}

/// The row of a requirement: of this plane, or of the media plane as `msrp/ID`.
fn row(id: &str) -> &'static str {
    const OURS: &str = include_str!("../../spec/sip-control.md");
    const MSRP: &str = include_str!("../../../switch/spec/msrp.md");
    let (catalogue, id) = id.strip_prefix("msrp/").map_or((OURS, id), |id| (MSRP, id));
    let start = format!("| {id} |");
    catalogue.lines().find(|line| line.starts_with(&start)).expect("there is such a row")
}

/// OPS-13: what is built in is what the catalogue says, by its own words, and it says all of it. That each
/// has a key is seen to where the file is read.
#[test]
fn defaults_are_those_of_the_catalogue() {
    let Timers {
        t1,
        t2,
        t4,
        queue_delay_max,
        overload_retry_min,
        overload_retry_max,
        rate_retry,
        full_retry,
        media_retry,
        drain_retry,
        install,
        replacement,
        binding,
        ringing,
        preconditions,
        retirement,
        media_grace,
        session_linger,
        // As the profile has it, see below.
        idle_timeout: None,
        restored_session,
        list_refresh,
        list_retry,
        list_timeout,
        document_refresh,
        document_retry,
        document_timeout,
        key_grace,
        recall,
        drain,
        shutdown,
        notify_min_interval,
        session_interval,
        session_interval_min,
        subscription_max,
        subscription_min,
        refer_reports,
        digest_nonce,
        digest_window,
        digest_penalty,
    } = Timers::default()
    else {
        panic!("no time of its own for idle sessions")
    };
    let ms = |time: Duration| time.as_millis().to_string();
    let s = |time: Duration| time.as_secs().to_string();
    for (id, says) in [
        ("DLG-05", format!("T1 {} ms, T2 {} s, T4 {} s by default", ms(t1), s(t2), s(t4))),
        ("OPS-01", format!("> {} ms", ms(queue_delay_max))),
        ("OPS-01", format!("random {}..{} s", s(overload_retry_min), s(overload_retry_max))),
        ("OPS-02", format!("`Retry-After: {}`", s(drain_retry))),
        ("OPS-02", format!("`drain`, default {} s", s(drain))),
        ("OPS-02", format!("`shutdown` (default {} s)", s(shutdown))),
        ("OPS-03", format!("503 + Retry-After {}", s(full_retry))),
        ("OPS-07", format!("Retry-After {}", s(rate_retry))),
        ("FOC-22", format!("within {} ms", ms(install))),
        ("FOC-22", format!("`Retry-After: {}`", s(media_retry))),
        ("FOC-14", format!("or {} s after its 200", s(replacement))),
        ("FOC-33", format!("within {} s after the ACK", s(binding))),
        ("PUB-10", format!("`ringing` (default {} s)", s(ringing))),
        ("msrp/SDP-20", format!("or after {} s", s(retirement))),
        ("OPS-10", format!("`restored_session` (default {} s)", s(restored_session))),
        ("POL-09", format!("`list_refresh` (default {} s)", s(list_refresh))),
        ("POL-09", format!("`list_retry` (default {} s)", s(list_retry))),
        ("POL-09", format!("`list_timeout` (default {} s)", s(list_timeout))),
        ("RCS-08", format!("`recall` (default {} s)", s(recall))),
        ("IMS-08", format!("not met in {} s", s(preconditions))),
        ("POL-17", format!("`document_refresh` (default {} s)", s(document_refresh))),
        ("POL-17", format!("`document_timeout`, default {} s", s(document_timeout))),
        ("POL-17", format!("`document_retry` (default {} s)", s(document_retry))),
        ("LEAVE-04", format!("`media_grace` (default {} s)", s(media_grace))),
        ("LEAVE-06", format!("`session_linger` (default {} s)", s(session_linger))),
        ("LEAVE-07", format!("`key_grace` (default {} s)", s(key_grace))),
        ("NTF-04", format!("`notify_min_interval` (default {} s", s(notify_min_interval))),
        ("TMR-01", format!("asks for {}", s(session_interval))),
        ("TMR-02", format!("(default {}, never lower)", s(session_interval_min))),
        ("SUB-06", format!("absent = {0}; granted = min(request, {0})", s(subscription_max))),
        ("SUB-06", format!("0 < request < {}", s(subscription_min))),
        ("REF-07", format!("at most {} s", s(refer_reports))),
        ("AUTH-02", format!("`digest_nonce` (default {} s)", s(digest_nonce))),
        ("AUTH-02", format!("failures in {} s", s(digest_window))),
        ("AUTH-02", format!("`403` for {} s", s(digest_penalty))),
    ] {
        assert!(row(id).contains(&says), "{id} does not say \"{says}\"");
    }

    let grouped = |number: usize| {
        let digits = number.to_string();
        match digits.len() {
            ..=3 => digits,
            size => format!("{} {}", &digits[..size - 3], &digits[size - 3..]),
        }
    };
    let Limits {
        sessions,
        users_per_room,
        legs,
        legs_per_user,
        subscriptions,
        subscriptions_per_user,
        moved_legs,
        media_load,
        source_requests,
        source_refusals,
        user_invites,
        user_subscribes,
        roster,
        digest_failures,
    } = Limits::default();
    for (id, says) in [
        ("OPS-03", format!("sessions {}", grouped(sessions))),
        ("OPS-03", format!("users per room {}", grouped(users_per_room))),
        ("OPS-03", format!("legs {}", grouped(legs))),
        ("OPS-03", format!("legs per user and room {legs_per_user}")),
        ("OPS-03", format!("subscriptions {}", grouped(subscriptions))),
        ("SUB-09", format!("Limit: {subscriptions_per_user} per user and session")),
        ("OPS-09", format!("< {} legs", grouped(moved_legs))),
        ("OPS-01", format!("> {media_load} % load")),
        ("OPS-07", format!("{source_requests} initial requests/s")),
        ("OPS-07", format!("silent drop after {source_refusals} answers")),
        ("OPS-07", format!("{user_invites} INVITE/s and {user_subscribes} SUBSCRIBE/min")),
        ("EVT-14", format!("(default {roster} connected users)")),
        ("AUTH-02", format!("After {digest_failures} failures")),
    ] {
        assert!(row(id).contains(&says), "{id} does not say \"{says}\"");
    }

    let (rules, ad_hoc) = (Rules::default(), AdHoc::new("sip:factory@h"));
    let max_participants = rules.max_participants.unwrap();
    for (id, says) in [
        ("PUB-05", format!("`max_participants` (default {max_participants}, 0 = nobody)")),
        ("PUB-13", format!("`max_group_size` (default {})", ad_hoc.size_max)),
        ("FOC-05", "when `warn_detail` is on (default on)".to_owned()),
        ("FOC-14", "`one_leg_per_user` (default on".to_owned()),
        ("FOC-16", "the configured `anonymity` (default nobody)".to_owned()),
        ("POL-04", "default: any authenticated user".to_owned()),
        ("REF-03", "every connected participant (switchable to creator only)".to_owned()),
        ("REF-03", "public room: configuration, default off".to_owned()),
        ("EVT-06", "`transient_states` is on (default off)".to_owned()),
        ("SDP-13", "`allow_active` is on (default on)".to_owned()),
        ("RCS-08", "off by default (`recalls_members`)".to_owned()),
    ] {
        assert!(row(id).contains(&says), "{id} does not say \"{says}\"");
    }
    let built_in = Config::default();
    assert!(built_in.warn_detail && built_in.one_leg_per_user && built_in.media.allow_active);
    assert!(!built_in.transient_states && !built_in.recalls_members);
    assert_eq!((&rules.admitted, &rules.blocked.len()), (&Users::Everyone, &0));
    let nobody = Users::nobody();
    assert_eq!([&rules.anonymity, &rules.inviters, &ad_hoc.anonymity], [&nobody; 3]);
    assert_eq!(ad_hoc.additions, Additions::Everyone);

    let of = |profile| Config { profile, ..Config::default() };
    let (oma, rcs) = (of(Profile::Oma), of(Profile::Rcs));
    assert!(row("LEAVE-08").contains("default off, `rcs` 900 s"));
    assert_eq!((oma.idle_timeout(), rcs.idle_timeout()), (None, Some(Duration::from_secs(900))));
    assert!(row("LEAVE-05").contains("(default 0 in `oma`; 2 in `rcs`"));
    assert_eq!((oma.min_participants(), rcs.min_participants()), (0, 2));
    assert!(row("SDP-11").contains("(default on in `rcs`)"));
    assert_eq!((oma.accept_sbc_rewrite(), rcs.accept_sbc_rewrite()), (false, true));
}
