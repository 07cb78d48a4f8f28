//! What GSMA networks ask of a client.

use std::time::Duration;

use sip_control::client::{Config, Event};
use sip_control::message::Header;

use super::peer::*;

const GROUP_SESSION: &str = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session.group";

/// RCS-02: the INVITE and the SUBSCRIBE name the service, where the network wants that; nothing else
/// of the client does.
#[test]
fn requests_name_their_service() {
    for marks_service in [true, false] {
        let marked = marks_service.then_some(GROUP_SESSION);
        let mut scene = Scene::with(Config { marks_service, watches: true, ..config() });
        let leg = scene.join();
        let invite = scene.sent();
        assert_eq!(invite.header(Header::PPreferredService), marked);
        scene.receive(&ok(&invite, &contact(IDENTITY)));
        for method in ["ACK", "SUBSCRIBE"] {
            let sent = scene.sent();
            assert_eq!(sent.method_text(), method);
            let expected = marked.filter(|_| method == "SUBSCRIBE");
            assert_eq!(sent.header(Header::PPreferredService), expected, "{method}");
        }
        scene.client.leave(scene.now, leg);
        let bye = loop {
            let sent = scene.sent();
            if sent.method_text() == "BYE" {
                break sent;
            }
        };
        assert_eq!(bye.header(Header::PPreferredService), None);
    }
}

/// RCS-09: whoever was in a conference, and is not any more, does not come back by itself.
#[test]
fn nobody_rejoins_unasked() {
    for reason in
        ["Reason: SIP;cause=480;text=\"MSRP connection lost\"\n", "", "Reason: SIP;cause=503\n"]
    {
        let mut scene = Scene::new();
        scene.assert_silent();
        scene.join();
        let invite = scene.sent();
        scene.receive(&ok(&invite, &contact(IDENTITY)));
        scene.sent();
        scene.receive(&request(&invite, "BYE", 1, reason, ""));
        assert_eq!(scene.sent().status(), Some(200));
        while let Some(event) = scene.event() {
            assert!(matches!(event, Event::Joined { .. } | Event::Ended { .. }));
        }
        scene.pass(Duration::from_secs(24 * 3600));
        scene.assert_silent();
    }
}
