use super::{Config, ConfigError, Room, RoomKind, Rules, Users};

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
    let short = |config: &mut Config| {
        config.timers.session_interval_min = std::time::Duration::from_secs(89);
    };
    assert_eq!(check(&short), Err(ConfigError::Timer("session_interval_min")));
}
