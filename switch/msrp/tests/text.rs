//! What is parsed can be shown again as it was written, and says what it says.

use msrp::{AcceptTypes, AddressBuf, MediaType, URI_SIZE_MAX, Uri, UriBuf, status};

/// A URI is kept as it is written, however it is asked for.
#[test]
fn a_uri_is_shown_as_it_is_written() {
    let text = "MSRP://Alice@H.example.com:07654/aBc;TCP;x=1";
    let (uri, owned) =
        (Uri::parse(text.as_bytes()).unwrap(), UriBuf::parse(text.as_bytes()).unwrap());
    assert_eq!((uri.as_str(), uri.as_bytes()), (text, text.as_bytes()));
    assert_eq!((owned.as_str(), owned.as_bytes()), (text, text.as_bytes()));
    assert_eq!((uri.to_string(), owned.to_string()), (text.to_owned(), text.to_owned()));
}

/// A URI has 1024 octets at most, and may have as many.
#[test]
fn a_uri_may_be_as_long_as_it_may() {
    let with =
        |size: usize| format!("msrp://h:1/{};tcp", "a".repeat(size - "msrp://h:1/;tcp".len()));
    assert!(Uri::parse(with(URI_SIZE_MAX).as_bytes()).is_some());
    assert!(Uri::parse(with(URI_SIZE_MAX + 1).as_bytes()).is_none());
}

#[test]
fn an_address_is_shown_in_its_normal_form() {
    let address = AddressBuf::parse(b"SIP:Alice@H.Example.com;transport=tcp").unwrap();
    assert_eq!(address.to_string(), address.as_str());
    assert!(address.as_str().contains("Alice@h.example.com"));
}

/// A port is digits; that a number may have a sign elsewhere is no reason to take one here.
#[test]
fn a_port_is_digits() {
    for (text, is_one) in [
        ("sip:a@h:5060", true),
        ("sip:a@h:+5060", false),
        ("sip:a@h:", false),
        ("sip:a@h:x", false),
    ] {
        assert_eq!(AddressBuf::parse(text.as_bytes()).is_some(), is_one, "{text}");
    }
}

#[test]
fn a_type_is_what_it_is_called() {
    let parse = |text: &'static str| MediaType::parse(text.as_bytes()).unwrap();
    assert!(parse("Message/CPIM;x=y").is_cpim());
    assert!(!parse("text/cpim").is_cpim() && !parse("message/plain").is_cpim());
    assert_eq!(parse("Text/Plain"), parse("text/PLAIN;charset=utf-8"));
    assert_ne!(parse("text/plain"), parse("text/html"));
    assert_ne!(parse("text/plain"), parse("image/plain"));
}

/// SDP-08: a backslash escapes within quotes alone, and one character.
#[test]
fn lists_are_split_outside_quotes() {
    let entries = |list: &str| AcceptTypes::parse(list.as_bytes()).unwrap().iter().count();
    assert_eq!(entries(r#"a/b;x="1\\" c/d"#), 2);
    assert_eq!(entries(r#"a/b;x="1\" c/d""#), 1);
    assert_eq!(entries(r#"a/b;x=\"1 c/d" e/f"#), 2);
    assert_eq!(AcceptTypes::parse(b"a").unwrap_err().to_string(), "not a list of media types");
}

/// CODE-02: each code that the product sends comes with words.
#[test]
fn each_code_has_its_own_comment() {
    let codes = [200, 400, 401, 403, 404, 408, 413, 415, 423, 424, 425, 428, 481, 501, 506];
    let mut comments: Vec<_> = codes.iter().map(|&code| status::comment(code)).collect();
    assert!(comments.iter().all(|comment| !comment.is_empty()));
    comments.sort_unstable();
    comments.dedup();
    assert_eq!(comments.len(), codes.len());
    assert_eq!((status::comment(200), status::comment(481)), ("OK", "Session does not exist"));
    assert_eq!(status::comment(299), "");
}
