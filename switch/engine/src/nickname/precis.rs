//! Which nicknames are the same: the Nickname profile of PRECIS (RFC 8266) and, where a room wants it,
//! the skeletons of Unicode TS 39.

use std::borrow::Cow;

use msrp::NICKNAME_SIZE_MAX;
use precis_core::profile::{Profile, Rules, stabilize};
use precis_profiles::Nickname;

/// A nickname as it is shown: spaces put right, compatibility forms replaced. `None` when nothing is
/// left of it, when it has characters no nickname may have, or when it has grown too long (NICK-06).
pub(super) fn enforced(nickname: &str) -> Option<Cow<'_, str>> {
    let enforced = Nickname::new().enforce(nickname).ok()?;
    (enforced.len() <= NICKNAME_SIZE_MAX).then_some(enforced)
}

/// The same for all nicknames that count as equal to this one, and for no other (NICK-06). Never
/// shown.
pub(super) fn key(nickname: &str) -> Box<str> {
    let profile = Nickname::new();
    let key = stabilize(nickname, |text| {
        let text = profile.additional_mapping_rule(text)?;
        let text = profile.case_mapping_rule(text)?;
        profile.normalization_rule(text)
    });
    // What does not settle is equal to nothing but itself.
    key.unwrap_or(Cow::Borrowed(nickname)).into()
}

/// The same for all nicknames that look alike to a hasty reader (NICK-16).
pub(super) fn skeleton(nickname: &str) -> Box<str> {
    let skeleton: String = unicode_security::skeleton(nickname).collect();
    key(&skeleton)
}

#[cfg(test)]
mod tests {
    use super::{enforced, key, skeleton};

    /// NICK-06: the examples of RFC 8266 section 3, and where it draws the line.
    #[test]
    fn nicknames_are_prepared_as_precis_says() {
        for (nickname, shown) in [
            ("Foo", "Foo"),
            ("Foo Bar", "Foo Bar"),
            ("  Foo  \u{a0} Bar\u{3000}", "Foo Bar"),
            ("\u{3c3}", "\u{3c3}"),
            ("\u{265a}", "\u{265a}"),
            ("Richard \u{2163}", "Richard IV"),
            ("e\u{301}", "\u{e9}"),
            ("Carol the \"Cat\"", "Carol the \"Cat\""),
        ] {
            assert_eq!(enforced(nickname).as_deref(), Some(shown), "{nickname:?}");
        }
        for nickname in
            ["", " ", "\u{a0}\u{3000}", "a\u{7}", "a\tb", "\u{ad}a", "\u{e000}", "\u{378}"]
        {
            assert_eq!(enforced(nickname), None, "{nickname:?}");
        }
        // One character that is eighteen.
        assert_eq!(enforced(&"\u{fdfa}".repeat(300)), None);
    }

    /// NICK-06: equal is what is the same but for case, spaces and compatibility.
    #[test]
    fn nicknames_are_compared_as_precis_says() {
        let equal = |a: &str, b: &str| key(a) == key(b);
        assert!(equal("Foo Bar", "  foo   BAR "));
        assert!(equal("Richard \u{2163}", "richard iv"));
        assert!(equal("\u{c9}LAN", "e\u{301}lan"));
        assert!(equal("\u{3a3}", "\u{3c3}") && !equal("\u{3c3}", "\u{3c2}"));
        assert!(!equal("Dopey", "D0pey") && !equal("ab", "a b"));
    }

    /// NICK-16: alike is what Unicode says looks alike, whatever its case.
    #[test]
    fn nicknames_look_alike_as_unicode_says() {
        let alike = |a: &str, b: &str| skeleton(a) == skeleton(b);
        assert!(alike("BOY", "B0Y") && alike("boy", "b0y"));
        assert!(alike("paypal", "p\u{430}yp\u{430}l"));
        assert!(!alike("BOY", "GIRL"));
    }
}
