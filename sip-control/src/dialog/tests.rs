use bytes::Bytes;

use super::*;
use crate::message::{Admission, Reply, admit};

fn admitted(text: &str) -> Admission {
    let text = text.replace('\n', "\r\n");
    let message = Message::from_datagram(Bytes::from(text)).expect("a message");
    admit(message, "192.0.2.21:5060".parse().unwrap())
}

fn request(text: &str) -> Request {
    match admitted(text) {
        Admission::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

fn response(text: &str) -> Response {
    match admitted(text) {
        Admission::Response(response) => response,
        other => panic!("{other:?}"),
    }
}

const INVITE: &str = "INVITE sip:garden@im.example.com SIP/2.0
Via: SIP/2.0/UDP p1.example.com;branch=z9hG4bKa
Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>
Record-Route: <sip:p3.example.com;lr>
From: \"Alice\" <sip:alice@example.com>;tag=a01
To: <sip:garden@im.example.com>
Call-ID: tv01@192.0.2.21
CSeq: 7 INVITE
Contact: <sip:alice@192.0.2.21:50231;transport=tcp>
Content-Length: 0

";

fn accepted() -> Dialog {
    Dialog::accept(&request(INVITE), "f9c1").unwrap()
}

fn text(draft: &Draft) -> String {
    let message = draft.complete("SIP/2.0/UDP im.example.com;branch=z9hG4bKf");
    String::from_utf8(message.as_bytes().to_vec()).unwrap()
}

/// DLG-09: as UAS the route set has the order of Record-Route, and requests go to the Contact.
#[test]
fn a_request_of_the_callee_goes_back_by_the_recorded_route() {
    assert_eq!(
        text(&accepted().request(Method::Bye)),
        "BYE sip:alice@192.0.2.21:50231;transport=tcp SIP/2.0\r\n\
         Via: SIP/2.0/UDP im.example.com;branch=z9hG4bKf\r\n\
         Max-Forwards: 70\r\n\
         Route: <sip:p1.example.com;lr>\r\n\
         Route: <sip:p2.example.com;lr>\r\n\
         Route: <sip:p3.example.com;lr>\r\n\
         From: <sip:garden@im.example.com>;tag=f9c1\r\n\
         To: \"Alice\" <sip:alice@example.com>;tag=a01\r\n\
         Call-ID: tv01@192.0.2.21\r\n\
         CSeq: 1 BYE\r\n\
         Content-Length: 0\r\n\r\n"
    );
    assert_eq!(accepted().next_hop(), "sip:p1.example.com;lr");
}

const OK: &str = "SIP/2.0 200 OK
Via: SIP/2.0/UDP c.example.com;branch=z9hG4bKc
Record-Route: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>
From: <sip:alice@example.com>;tag=a01
To: <sip:garden@im.example.com>;tag=f9c1
Call-ID: tv01@192.0.2.21
CSeq: 3 INVITE
Contact: <sip:s-1@im.example.com;gr>;isfocus
Content-Length: 0

";

/// DLG-09: as UAC the route set is reversed, and the first request follows the INVITE's number.
#[test]
fn a_request_of_the_caller_goes_by_the_route_reversed() {
    let mut dialog = Dialog::begin("sip:garden@im.example.com", &response(OK)).unwrap();
    let bye = text(&dialog.request(Method::Bye));
    assert!(bye.starts_with("BYE sip:s-1@im.example.com;gr SIP/2.0\r\n"), "{bye}");
    let routes = "Route: <sip:p2.example.com;lr>\r\nRoute: <sip:p1.example.com;lr>\r\n";
    assert!(bye.contains(routes), "{bye}");
    assert!(bye.contains("CSeq: 4 BYE\r\n"), "{bye}");
    assert!(bye.contains("From: <sip:alice@example.com>;tag=a01\r\n"), "{bye}");
    assert!(text(&dialog.ack(3)).contains("CSeq: 3 ACK\r\n"));
}

/// DLG-09: both sides give the dialog the same name, each from its own view.
#[test]
fn requests_and_responses_name_their_dialog() {
    let of_response = DialogId::of_response(&response(OK)).unwrap();
    assert_eq!((&*of_response.local_tag, &*of_response.remote_tag), ("a01", "f9c1"));
    let bye =
        INVITE.replace("INVITE", "BYE").replace("im.example.com>\n", "im.example.com>;tag=f9c1\n");
    let of_request = DialogId::of_request(&request(&bye)).unwrap();
    assert_eq!(&of_request, accepted().id());
    assert_eq!(DialogId::of_request(&request(INVITE)), None);
}

/// DLG-09: without a SIP Contact there is no dialog.
#[test]
fn a_contact_that_is_missing_or_not_sip_makes_no_dialog() {
    for contact in ["", "Contact: <tel:+12125550100>\n", "Contact: <sip:a@b>, <sip:c@d>\n"] {
        let line = "Contact: <sip:alice@192.0.2.21:50231;transport=tcp>\n";
        let invite = request(&INVITE.replace(line, contact));
        assert_eq!(Dialog::accept(&invite, "t").err(), Some(ContactUnusable), "{contact}");
    }
}

/// DLG-10: a lower number is out of order, a gap is not, and an ACK does not count.
#[test]
fn numbers_only_rise() {
    let mut dialog = accepted();
    let numbered = |method: &str, number: u32| {
        let cseq = format!("CSeq: {number} {method}");
        let text = INVITE.replace("CSeq: 7 INVITE", &cseq);
        request(&text.replacen("INVITE sip", &format!("{method} sip"), 1))
    };
    assert_eq!(dialog.handle_request(&numbered("UPDATE", 6)), Err(OutOfOrder));
    assert_eq!(dialog.handle_request(&numbered("UPDATE", 12)), Ok(()));
    assert_eq!(dialog.handle_request(&numbered("ACK", 7)), Ok(()));
    assert_eq!(dialog.handle_request(&numbered("BYE", 11)), Err(OutOfOrder));
    assert_eq!(dialog.handle_request(&numbered("BYE", 13)), Ok(()));
}

/// DLG-13: a refresh moves the target and leaves the route.
#[test]
fn a_refresh_moves_the_target_only() {
    let mut dialog = accepted();
    let update = INVITE
        .replace("INVITE", "UPDATE")
        .replace("p1.example", "p9.example")
        .replace("192.0.2.21:50231", "192.0.2.99:6000");
    dialog.refresh(&request(&update)).unwrap();
    assert_eq!(dialog.remote_target(), "sip:alice@192.0.2.99:6000;transport=tcp");
    assert_eq!(dialog.next_hop(), "sip:p1.example.com;lr");
}

/// DLG-09: a proxy that routes strictly finds itself in the Request-URI.
#[test]
fn a_strict_router_gets_the_request_uri() {
    let invite = INVITE.replace("<sip:p1.example.com;lr>", "<sip:p1.example.com>");
    let mut dialog = Dialog::accept(&request(&invite), "f9c1").unwrap();
    let bye = text(&dialog.request(Method::Bye));
    assert!(bye.starts_with("BYE sip:p1.example.com SIP/2.0\r\n"), "{bye}");
    assert!(
        bye.contains(
            "Route: <sip:p2.example.com;lr>\r\nRoute: <sip:p3.example.com;lr>\r\n\
             Route: <sip:alice@192.0.2.21:50231;transport=tcp>\r\n"
        ),
        "{bye}"
    );
}

/// DLG-09: the answer that makes a dialog repeats the recorded route, other answers do not.
#[test]
fn the_answer_repeats_the_recorded_route() {
    let invite = request(INVITE);
    let remote = "192.0.2.21:5060".parse().unwrap();
    let routes = |status| {
        let answer = Reply::new(status).complete(&invite, remote, "f9c1");
        answer.list(Header::RecordRoute).map(str::to_owned).collect::<Vec<_>>()
    };
    let all = ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>", "<sip:p3.example.com;lr>"];
    assert_eq!(routes(200), all);
    assert_eq!(routes(180), all);
    assert!(routes(486).is_empty() && routes(100).is_empty());
}
