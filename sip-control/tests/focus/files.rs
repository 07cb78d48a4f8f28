//! File transfers (RFC 5547), of which a room serves none.

use super::harness::{Call, OFFER, Sent, World, invite, vectors};

const GARDEN: &str = "sip:garden-open@im.example.com";
const ALICE: &str = "sip:alice@example.com";

const PICTURE: &str = "a=file-selector:name:\"My cool picture.jpg\" type:image/jpeg size:32349\n";
const ID: &str = "a=file-transfer-id:vBnG916bdberum2fFEABR1FR3ExZMUrd\n";

/// A line that offers or wants a file, as far as these attributes tell of it.
fn file(attributes: &str) -> String {
    format!(
        "m=message 7654 TCP/MSRP *\na=accept-types:message/cpim image/jpeg\na=setup:passive\n\
         a=path:msrp://192.0.2.22:7654/jshA7we;tcp\n{attributes}"
    )
}

/// Everything below the second `m=` of an answer, that line included.
fn second_line(answer: &Sent) -> Vec<&str> {
    answer.body().lines().skip_while(|line| !line.starts_with("m=message 0")).collect()
}

/// Orders to cores, whatever they are.
fn ordered(world: &mut World) -> Vec<String> {
    world.journal().into_iter().filter(|line| line.starts_with("core")).collect()
}

/// msrp/FILE-01, msrp/FILE-05, msrp/FILE-06: whatever is said of a file and of the way to it, there is no session
/// for it: nobody is expected, nobody connected to, and the chat beside it is as without it.
#[test]
fn a_file_never_becomes_a_session() {
    let chat = format!("core 0: Install {ALICE}");
    for file in [
        file(&format!("a=sendonly\n{PICTURE}{ID}")),
        file(&format!("a=recvonly\n{PICTURE}{ID}a=file-range:1001-*\na=max-size:100\n")),
        file(&format!("a=sendonly\na=file-disposition:render\n{PICTURE}")),
        file(
            "a=file-selector:hash:sha-1:72:24:5F:E8:65:3D:DA:F3:71:36:2F:86:D4:71:91:3E:E4:A2:CE:2E\n",
        ),
        file("a=file-selector\n"),
    ] {
        let mut world = World::new(vectors());
        let alone = OFFER[..OFFER.find("m=").unwrap()].to_owned() + &file;
        let refused = invite(&mut world, GARDEN, ALICE, "", &alone);
        let refused = world.ask(&refused);
        let warning = "304 im.example.com \"Media type not available\"";
        assert_eq!((refused.verdict(), refused.body()), ((488, Some(warning)), ""));
        assert_eq!(ordered(&mut world), [""; 0], "{file}");

        let beside = invite(&mut world, GARDEN, ALICE, "", &format!("{OFFER}{file}"));
        let ok = world.ask(&beside);
        assert_eq!(ok.status(), 200, "{}", ok.text);
        assert_eq!(second_line(&ok)[0], "m=message 0 TCP/MSRP *", "{file}");
        assert_eq!(ordered(&mut world), [chat.as_str(), "core 0: Activate"], "{file}");
    }
}

/// msrp/FILE-04: a `file-selector` without selectors says that files are taken; nothing of ours ever
/// says so, whoever asks and however.
#[test]
fn no_answer_claims_that_files_are_taken() {
    let mut world = World::new(vectors());
    let bare = file("a=file-selector\n");
    for body in ["", OFFER, &format!("{OFFER}{bare}")] {
        let invite = invite(&mut world, GARDEN, ALICE, "", body);
        let told = world.ask(&invite.replace("INVITE", "OPTIONS"));
        assert!(told.status() == 200 && !told.text.contains("file-selector"), "{}", told.text);
    }
    let invite = invite(&mut world, GARDEN, ALICE, "", &format!("{OFFER}{bare}"));
    let ok = world.ask(&invite);
    assert_eq!(ok.status(), 200);
    assert!(!ok.text.contains("file-"), "{}", ok.text);
    let mut alice = Call::of(ok);
    alice.ack(&mut world);
    let ours = alice.offer(&mut world, "INVITE", "", "");
    assert!(ours.status() == 200 && !ours.text.contains("file-"), "{}", ours.text);
}

/// msrp/FILE-01: the line of a chat that runs cannot be made one of a file; the chat goes on.
#[test]
fn the_line_of_the_chat_is_not_reused() {
    let mut world = World::new(vectors());
    let mut alice = world.join(GARDEN, ALICE);
    world.bound(alice.session());
    world.journal();
    for method in ["INVITE", "UPDATE"] {
        let offer = format!("{OFFER}{PICTURE}{ID}");
        let refused = alice.offer(&mut world, method, "", &offer);
        assert_eq!(refused.status(), 488, "{}", refused.text);
    }
    let ok = alice.offer(&mut world, "UPDATE", "", OFFER);
    assert_eq!((ok.status(), ok.body()), (200, alice.ok.body()));
    assert_eq!(ordered(&mut world), [""; 0]);
}

/// msrp/FILE-07: the same file again, another one, and another one by the name of the first: each is
/// answered with port 0 and by the words it was offered with, and the chat is left as it is. So is
/// one that comes with the chat on hold (msrp/FILE-03).
#[test]
fn a_file_that_is_offered_again_is_refused_again() {
    let mut world = World::new(vectors());
    let mut alice = world.join(GARDEN, ALICE);
    world.bound(alice.session());
    world.journal();
    let other = PICTURE.replace("32349", "11111");
    let fresh = ID.replace("vBnG", "zZzZ");
    let held = OFFER.replace("m=message 9", "m=message 0");
    for (chat, file_lines) in [
        (OFFER, format!("{PICTURE}{ID}")),
        (OFFER, format!("{PICTURE}{ID}")),
        (OFFER, format!("{other}{fresh}")),
        (OFFER, format!("{other}{ID}")),
        (&held, format!("{PICTURE}{ID}")),
    ] {
        let offer = format!("{chat}{}", file(&file_lines));
        let ok = alice.offer(&mut world, "UPDATE", "", &offer);
        assert_eq!(ok.status(), 200, "{}", ok.text);
        let expected = format!("m=message 0 TCP/MSRP *\n{file_lines}");
        let told = second_line(&ok).join("\n") + "\n";
        assert!(told.ends_with(&expected), "{told}");
        let orders = if chat == held { &["core 0: Remove"][..] } else { &[] };
        assert_eq!(ordered(&mut world), orders);
    }
}
