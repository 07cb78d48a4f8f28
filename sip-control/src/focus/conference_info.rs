//! RFC 4575 documents, written: full states, and what has changed of them. Every `<user>` in them is
//! full, or deleted (EVT-10).
//!
//! `entity`, `state` and `version` are always spelled out, defaults too: deployed parsers fail
//! without them (EVT-01).

use std::{borrow::Cow, io};

use quick_xml::{
    Writer,
    escape::escape,
    events::{BytesDecl, BytesText, Event},
};

use super::Utc;

const NAMESPACE: &str = "urn:ietf:params:xml:ns:conference-info";
/// Where the `nickname` of a user is defined (RFC 6501 section 4.6.5).
const XCON_NAMESPACE: &str = "urn:ietf:params:xml:ns:xcon-conference-info";

/// What a document says about the session as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Conference<'a> {
    /// The IM Session Identity.
    pub identity: &'a str,
    /// What it is about.
    pub subject: Option<&'a str>,
    /// The URI by which it was joined.
    pub uri: &'a str,
    /// The limit in force, if there is one (EVT-04).
    pub maximum_user_count: Option<usize>,
}

/// One `<user>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// The asserted URI, or the alias of an anonymous user: stable for the session (EVT-05).
    pub entity: String,
    /// What the user wants to be called here (RFC 7701 section 7.4).
    pub nickname: Option<String>,
    /// What people call the user.
    pub display_text: String,
    /// One per leg.
    pub endpoints: Vec<Endpoint>,
}

/// One `<endpoint>`: a leg, named by a token that tells nothing about the device (EVT-05).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// The token.
    pub entity: String,
    /// Whether it is there.
    pub status: Status,
}

/// How an endpoint stands to the session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Status {
    /// It is in it (EVT-06).
    Connected {
        /// Who called whom.
        joining: Joining,
        /// Since when.
        since: Utc,
    },
    /// It was invited, and has not answered (EVT-06).
    Invited(Progress),
    /// It is gone (EVT-07, EVT-08).
    Disconnected {
        /// How it went.
        how: Disconnection,
        /// When.
        since: Utc,
    },
}

/// Who called whom.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Joining {
    /// The user, the focus.
    DialedIn,
    /// The focus, the user.
    DialedOut,
}

/// How far an invitation is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// Somewhere: more is not told.
    Pending,
    /// Not heard of yet.
    DialingOut,
    /// The user has been told.
    Alerting,
}

/// How an endpoint went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Disconnection {
    /// It said good-bye.
    Departed,
    /// It hung up, and is a member as before: the roster does not say that it departed (RCS-03).
    Away,
    /// It declined, for it is busy (EVT-08).
    Busy(Cause),
    /// It was lost, or never came (EVT-08).
    Failed(Cause),
    /// It was removed by this user, if that is known (REF-06).
    Booted(Option<String>),
}

impl Disconnection {
    /// Whether the user was lost without having left (RCS-03).
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::Away | Self::Failed(_))
    }
}

/// A Reason as RFC 3326 has it: `SIP;cause=480;text="..."`.
pub type Cause = Cow<'static, str>;

/// The `<user>` elements of `users`, for [`full`]. They are the long part of a document and the
/// same for every subscriber, so they are written once per change of the roster.
pub fn user_elements<'a>(users: impl IntoIterator<Item = &'a User>) -> String {
    let mut writer = Writer::new(Vec::new());
    for user in users {
        write_user(&mut writer, user).expect("a Vec takes what is written");
    }
    text(writer)
}

/// The `<user>` elements of users who are in the list no more.
pub fn deleted_user_elements<'a>(users: impl IntoIterator<Item = &'a User>) -> String {
    let mut writer = Writer::new(Vec::new());
    for user in users {
        let entity = clean(&user.entity);
        let element = writer.create_element("user");
        let element = element.with_attributes([("entity", &*entity), ("state", "deleted")]);
        element.write_empty().expect("a Vec takes what is written");
    }
    text(writer)
}

/// The elements of `users` with the one of `entity` marked as the reader's own (EVT-11).
pub fn mark_own(users: &str, entity: &str) -> String {
    let entity = clean(entity);
    let opening = format!("<user entity=\"{}\" state=\"full\"", escape(&entity));
    users.replacen(&format!("{opening}>"), &format!("{opening} yourown=\"true\">"), 1)
}

/// What has changed: the users of `users`, and how many are connected now.
pub fn partial(identity: &str, version: u32, connected: usize, users: &str) -> String {
    let mut writer = declared();
    let number = version.to_string();
    root(&mut writer, identity, "partial", &number)
        .write_inner_content(|writer| {
            let state = writer.create_element("conference-state");
            state.write_inner_content(|writer| {
                write_text(writer, "user-count", &connected.to_string())
            })?;
            let list = writer.create_element("users").with_attribute(("state", "partial"));
            list.write_inner_content(|writer| {
                io::Write::write_all(writer.get_mut(), users.as_bytes())
            })?;
            Ok(())
        })
        .expect("a Vec takes what is written");
    text(writer)
}

/// A full state. `connected` counts the users whose elements `users` are, disconnected ones left
/// out.
pub fn full(conference: &Conference<'_>, version: u32, connected: usize, users: &[&str]) -> String {
    let mut writer = declared();
    let number = version.to_string();
    let root = root(&mut writer, conference.identity, "full", &number);
    root.write_inner_content(|writer| {
        writer.create_element("conference-description").write_inner_content(|writer| {
            if let Some(subject) = conference.subject {
                write_text(writer, "subject", subject)?;
            }
            writer
                .create_element("conf-uris")
                .with_attribute(("state", "full"))
                .write_inner_content(|writer| {
                    writer
                        .create_element("entry")
                        .write_inner_content(|writer| write_text(writer, "uri", conference.uri))?;
                    Ok(())
                })?;
            if let Some(maximum) = conference.maximum_user_count {
                write_text(writer, "maximum-user-count", &maximum.to_string())?;
            }
            Ok(())
        })?;
        writer.create_element("conference-state").write_inner_content(|writer| {
            write_text(writer, "user-count", &connected.to_string())?;
            write_text(writer, "active", "true")?;
            write_text(writer, "locked", "false")
        })?;
        writer.create_element("users").with_attribute(("state", "full")).write_inner_content(
            |writer| {
                for elements in users {
                    io::Write::write_all(writer.get_mut(), elements.as_bytes())?;
                }
                Ok(())
            },
        )?;
        Ok(())
    })
    .expect("a Vec takes what is written");
    text(writer)
}

/// The last word: the conference is no more (NTF-06).
pub fn deleted(identity: &str, version: u32) -> String {
    let mut writer = declared();
    root(&mut writer, identity, "deleted", &version.to_string())
        .write_empty()
        .expect("a Vec takes what is written");
    text(writer)
}

type Xml = Writer<Vec<u8>>;

fn declared() -> Xml {
    let mut writer = Writer::new(Vec::new());
    writer
        .write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))
        .expect("a Vec takes what is written");
    writer
}

fn root<'a>(
    writer: &'a mut Xml,
    identity: &str,
    state: &str,
    version: &str,
) -> quick_xml::writer::ElementWriter<'a, Vec<u8>> {
    writer.create_element("conference-info").with_attributes([
        ("xmlns", NAMESPACE),
        ("entity", clean(identity).as_str()),
        ("state", state),
        ("version", version),
    ])
}

fn write_user(writer: &mut Xml, user: &User) -> io::Result<()> {
    let entity = clean(&user.entity);
    let nickname = user.nickname.as_deref().map(clean);
    let nickname = nickname.iter().flat_map(|nickname| {
        [("xmlns:xcon", XCON_NAMESPACE), ("xcon:nickname", nickname.as_str())]
    });
    let element = writer
        .create_element("user")
        .with_attributes([("entity", entity.as_str()), ("state", "full")])
        .with_attributes(nickname);
    element.write_inner_content(|writer| {
        write_text(writer, "display-text", &user.display_text)?;
        user.endpoints.iter().try_for_each(|endpoint| write_endpoint(writer, endpoint))
    })?;
    Ok(())
}

fn write_endpoint(writer: &mut Xml, endpoint: &Endpoint) -> io::Result<()> {
    let entity = clean(&endpoint.entity);
    let element = writer
        .create_element("endpoint")
        .with_attributes([("entity", entity.as_str()), ("state", "full")]);
    element.write_inner_content(|writer| match &endpoint.status {
        Status::Connected { joining, since } => {
            write_text(writer, "status", "connected")?;
            let method = match joining {
                Joining::DialedIn => "dialed-in",
                Joining::DialedOut => "dialed-out",
            };
            write_text(writer, "joining-method", method)?;
            write_info(writer, "joining-info", *since, [])
        }
        Status::Invited(progress) => {
            let status = match progress {
                Progress::Pending => "pending",
                Progress::DialingOut => "dialing-out",
                Progress::Alerting => "alerting",
            };
            write_text(writer, "status", status)?;
            write_text(writer, "joining-method", "dialed-out")
        }
        Status::Disconnected { how, since } => {
            write_text(writer, "status", "disconnected")?;
            let (method, why) = match how {
                Disconnection::Departed => (Some("departed"), None),
                Disconnection::Away => (None, None),
                Disconnection::Busy(cause) => (Some("busy"), Some(("reason", reason(cause)))),
                Disconnection::Failed(cause) => (Some("failed"), Some(("reason", reason(cause)))),
                Disconnection::Booted(by) => (Some("booted"), by.clone().map(|by| ("by", by))),
            };
            if let Some(method) = method {
                write_text(writer, "disconnection-method", method)?;
            }
            write_info(writer, "disconnection-info", *since, why)
        }
    })?;
    Ok(())
}

fn reason(cause: &Cause) -> String {
    format!("Reason: {cause}")
}

/// When something happened, and what else is known of it.
fn write_info(
    writer: &mut Xml,
    element: &str,
    when: Utc,
    more: impl IntoIterator<Item = (&'static str, String)>,
) -> io::Result<()> {
    writer.create_element(element).write_inner_content(|writer| {
        write_text(writer, "when", &when.to_string())?;
        more.into_iter().try_for_each(|(name, text)| write_text(writer, name, &text))
    })?;
    Ok(())
}

fn write_text(writer: &mut Xml, element: &str, text: &str) -> io::Result<()> {
    writer.create_element(element).write_text_content(BytesText::new(&clean(text)))?;
    Ok(())
}

/// Characters that no XML document may hold, escaped or not, are left out (OPS-06).
fn clean(text: &str) -> String {
    let allowed =
        |&c: &char| matches!(c, '\t' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(allowed).collect()
}

fn text(writer: Xml) -> String {
    String::from_utf8(writer.into_inner()).expect("strings were written")
}

#[cfg(test)]
mod tests {
    use super::{
        Conference, Disconnection, Endpoint, Joining, Progress, Status, User, Utc, deleted, full,
        user_elements,
    };

    const CONNECTED: Status = Status::Connected { joining: Joining::DialedIn, since: Utc(0) };

    fn user(entity: &str, display: &str, status: Status) -> User {
        let endpoint = Endpoint { entity: "e1".to_owned(), status };
        User {
            entity: entity.to_owned(),
            nickname: None,
            display_text: display.to_owned(),
            endpoints: vec![endpoint],
        }
    }

    const GARDEN: Conference<'static> = Conference {
        identity: "sip:s-1@im.example.com;gr",
        subject: Some("Roses & other matters"),
        uri: "sip:garden@im.example.com",
        maximum_user_count: Some(3),
    };

    /// EVT-01, EVT-03, EVT-04, EVT-05, EVT-06, EVT-09: the parts, their order, and every default written.
    #[test]
    fn a_full_document_is_literally_this() {
        let bob = user("sip:bob@example.com", "Bob", CONNECTED);
        let elements = user_elements([&bob]);
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
            <conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" \
            entity=\"sip:s-1@im.example.com;gr\" state=\"full\" version=\"7\">\
            <conference-description><subject>Roses &amp; other matters</subject>\
            <conf-uris state=\"full\"><entry><uri>sip:garden@im.example.com</uri></entry></conf-uris>\
            <maximum-user-count>3</maximum-user-count></conference-description>\
            <conference-state><user-count>1</user-count><active>true</active>\
            <locked>false</locked></conference-state>\
            <users state=\"full\"><user entity=\"sip:bob@example.com\" state=\"full\">\
            <display-text>Bob</display-text><endpoint entity=\"e1\" state=\"full\">\
            <status>connected</status><joining-method>dialed-in</joining-method>\
            <joining-info><when>1970-01-01T00:00:00Z</when></joining-info></endpoint></user></users>\
            </conference-info>";
        assert_eq!(full(&GARDEN, 7, 1, &[&elements]), expected);
    }

    /// msrp/NICK-15: a nickname is an attribute of its user, and whatever it holds stays in there.
    #[test]
    fn a_nickname_is_an_attribute_of_its_user() {
        let nickname = Some("Carol the \"Cat\" <>&".to_owned());
        let bob = user("sip:bob@example.com", "Bob", CONNECTED);
        let elements = user_elements([&User { nickname, ..bob }]);
        let expected = "<user entity=\"sip:bob@example.com\" state=\"full\" \
            xmlns:xcon=\"urn:ietf:params:xml:ns:xcon-conference-info\" xcon:nickname=\"Carol the &quot;Cat&quot; &lt;&gt;&amp;\"><display-text>";
        assert!(elements.starts_with(expected), "{elements}");
    }

    /// EVT-07, EVT-08: how a leg went is told apart, and why, and by whom.
    #[test]
    fn an_endpoint_that_is_gone_says_how() {
        let reason = "<reason>Reason: SIP;cause=486;text=&quot;Busy Here&quot;</reason>";
        let by = "<by>sip:alice@example.com</by>";
        let cause = || "SIP;cause=486;text=\"Busy Here\"".into();
        for (how, method, why) in [
            (Disconnection::Departed, "departed", ""),
            (Disconnection::Busy(cause()), "busy", reason),
            (Disconnection::Failed(cause()), "failed", reason),
            (Disconnection::Booted(Some("sip:alice@example.com".to_owned())), "booted", by),
            (Disconnection::Booted(None), "booted", ""),
        ] {
            let gone =
                user("sip:bob@example.com", "Bob", Status::Disconnected { how, since: Utc(60) });
            let expected = format!(
                "<status>disconnected</status><disconnection-method>{method}</disconnection-method>\
                 <disconnection-info><when>1970-01-01T00:01:00Z</when>{why}</disconnection-info>"
            );
            assert!(user_elements([&gone]).contains(&expected), "{method}");
        }
    }

    /// EVT-06: who was invited is told so, and who called whom.
    #[test]
    fn an_endpoint_that_was_invited_says_so() {
        let joining = Joining::DialedOut;
        for (status, expected) in [
            (Status::Invited(Progress::Pending), "pending"),
            (Status::Invited(Progress::DialingOut), "dialing-out"),
            (Status::Invited(Progress::Alerting), "alerting"),
            (Status::Connected { joining, since: Utc(0) }, "connected"),
        ] {
            let invited = user("sip:bob@example.com", "Bob", status);
            let expected =
                format!("<status>{expected}</status><joining-method>dialed-out</joining-method>");
            assert!(user_elements([&invited]).contains(&expected), "{expected}");
        }
    }

    /// EVT-04: a session without a limit says none.
    #[test]
    fn an_unlimited_session_has_no_maximum() {
        let text = full(&Conference { maximum_user_count: None, ..GARDEN }, 1, 0, &[]);
        assert!(!text.contains("maximum-user-count"));
    }

    /// NTF-06: the last document is the root alone.
    #[test]
    fn a_deleted_conference_is_an_empty_root() {
        assert_eq!(
            deleted("sip:s-1@im.example.com;gr", 9),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" \
             entity=\"sip:s-1@im.example.com;gr\" state=\"deleted\" version=\"9\"/>"
        );
    }

    /// OPS-06: what a peer wrote cannot break out of its element, and stays legal XML.
    #[test]
    fn display_names_are_escaped_and_cleaned() {
        let evil = user("sip:\"&@h", "</user>\u{1}\u{fffe}\"", CONNECTED);
        let elements = user_elements([&evil]);
        assert!(
            elements.contains("<display-text>&lt;/user&gt;&quot;</display-text>"),
            "{elements}"
        );
        assert!(elements.contains("entity=\"sip:&quot;&amp;@h\""), "{elements}");
    }
}
