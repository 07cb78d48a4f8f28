//! Which of the types on two lists are common to both (RFC 4975 section 8.6).

/// What an answer selects: the types of `room` that `offered` has too, in the room's order of
/// preference. Where one list has a wildcard, the entries of the other that fall under it are
/// selected (FOC-27).
pub fn select(room: &[String], offered: &[&str]) -> Vec<String> {
    let mut selected: Vec<String> = Vec::new();
    for ours in room {
        let narrower = offered.iter().filter(|theirs| covers(ours, theirs)).copied();
        let wider = offered.iter().any(|theirs| covers(theirs, ours)).then_some(ours.as_str());
        for entry in wider.into_iter().chain(narrower) {
            if !selected.iter().any(|known| known.eq_ignore_ascii_case(entry)) {
                selected.push(entry.to_owned());
            }
        }
    }
    selected
}

/// Whether every type of `narrow` is one of `wide`.
fn covers(wide: &str, narrow: &str) -> bool {
    let whole_tree = wide.strip_suffix('*').filter(|tree| tree.ends_with('/'));
    wide == "*"
        || wide.eq_ignore_ascii_case(narrow)
        || whole_tree.is_some_and(|tree| {
            narrow.get(..tree.len()).is_some_and(|start| start.eq_ignore_ascii_case(tree))
        })
}

#[cfg(test)]
mod tests {
    use super::select;

    fn selected(room: &str, offered: &str) -> String {
        let list = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        select(&list(room), &offered.split(' ').collect::<Vec<_>>()).join(" ")
    }

    /// FOC-27: only what the offer named, in the room's order, and concrete under a wildcard.
    #[test]
    fn the_selection_is_what_both_lists_have() {
        assert_eq!(
            selected("text/plain text/html", "text/html text/plain"),
            "text/plain text/html"
        );
        assert_eq!(selected("text/plain text/html", "TEXT/HTML image/png"), "text/html");
        assert_eq!(selected("text/plain image/png", "*"), "text/plain image/png");
        assert_eq!(selected("text/plain image/png", "image/*"), "image/png");
        assert_eq!(selected("*", "text/plain message/imdn+xml"), "text/plain message/imdn+xml");
        assert_eq!(selected("*", "*"), "*");
        assert_eq!(selected("text/* image/png", "text/html text/plain"), "text/html text/plain");
        assert_eq!(selected("text/plain", "image/png"), "");
        assert_eq!(selected("text/plain", "text"), "");
    }
}
