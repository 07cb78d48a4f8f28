//! RFC 4575 documents, read: as much of them as a roster shows. Everything else in them, whatever its
//! namespace, is passed over (EVT-13).

use std::collections::HashMap;

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, NamespaceResolver, ResolveResult};
use quick_xml::reader::NsReader;

const NAMESPACE: &str = "urn:ietf:params:xml:ns:conference-info";
const XCON_NAMESPACE: &str = "urn:ietf:params:xml:ns:xcon-conference-info";
/// How deep elements may stand in each other. The schema needs eight.
const DEPTH_MAX: usize = 32;

/// What the `state` of an element says of its content.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum State {
    /// It is all there is.
    #[default]
    Full,
    /// It is what has changed.
    Partial,
    /// It is no more.
    Deleted,
}

/// A document.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub state: State,
    pub version: u32,
    pub subject: Option<String>,
    pub user_count: Option<u32>,
    pub users: Option<Users>,
}

/// `<users>`.
#[derive(Debug, Default)]
pub(super) struct Users {
    pub state: State,
    pub users: Vec<User>,
}

/// `<user>`.
#[derive(Debug, Default)]
pub(super) struct User {
    pub entity: String,
    pub state: State,
    pub is_own: bool,
    pub nickname: Option<String>,
    pub display_text: Option<String>,
    pub endpoints: Vec<Endpoint>,
}

/// `<endpoint>`.
#[derive(Debug, Default)]
pub(super) struct Endpoint {
    pub entity: String,
    pub state: State,
    pub status: Option<String>,
    /// How it went, if it did.
    pub disconnection: Option<String>,
}

impl Endpoint {
    /// Whether it went by its user's wish, or somebody else's.
    pub(super) fn has_departed(&self) -> bool {
        matches!(self.disconnection.as_deref(), Some("departed" | "booted"))
    }
}

/// It is no such document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Unreadable;

/// The elements that count, each in its place; anywhere else the same name means nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Element {
    ConferenceInfo,
    Description,
    Subject,
    ConferenceState,
    UserCount,
    Users,
    User,
    DisplayText,
    Endpoint,
    Status,
    DisconnectionMethod,
    Other,
}

impl Element {
    fn within(parent: Option<Self>, name: &str) -> Self {
        match (parent, name) {
            (None, "conference-info") => Self::ConferenceInfo,
            (Some(Self::ConferenceInfo), "conference-description") => Self::Description,
            (Some(Self::Description), "subject") => Self::Subject,
            (Some(Self::ConferenceInfo), "conference-state") => Self::ConferenceState,
            (Some(Self::ConferenceState), "user-count") => Self::UserCount,
            (Some(Self::ConferenceInfo), "users") => Self::Users,
            (Some(Self::Users), "user") => Self::User,
            (Some(Self::User), "display-text") => Self::DisplayText,
            (Some(Self::User), "endpoint") => Self::Endpoint,
            (Some(Self::Endpoint), "status") => Self::Status,
            (Some(Self::Endpoint), "disconnection-method") => Self::DisconnectionMethod,
            _ => Self::Other,
        }
    }
}

impl Document {
    pub(super) fn read(octets: &[u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(octets).map_err(|_| Unreadable)?;
        let mut reader = NsReader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        let mut document = None;
        let mut open: Vec<Element> = Vec::new();
        let mut content = String::new();
        loop {
            match reader.read_resolved_event().map_err(|_| Unreadable)? {
                (namespace, Event::Start(start)) => {
                    let is_ours = namespace == ResolveResult::Bound(Namespace(NAMESPACE));
                    let name = start.local_name();
                    let element = match Element::within(open.last().copied(), name.as_ref()) {
                        element if is_ours => element,
                        _ => Element::Other,
                    };
                    if open.len() == DEPTH_MAX {
                        return Err(Unreadable);
                    }
                    open.push(element);
                    content.clear();
                    let attributes = attributes(&start, reader.resolver())?;
                    begin(&mut document, element, &attributes)?;
                }
                (_, Event::End(_)) => {
                    let element = open.pop().ok_or(Unreadable)?;
                    if let Some(document) = &mut document {
                        end(document, element, content.trim());
                    }
                    content.clear();
                }
                (_, Event::Text(text)) => content += &text.xml10_content(),
                (_, Event::CData(text)) => content += &text.xml10_content(),
                (_, Event::GeneralRef(reference)) => {
                    let character = reference.resolve_char_ref().map_err(|_| Unreadable)?;
                    content.extend(character);
                    if character.is_none() {
                        let name = reference.into_inner();
                        content += resolve_predefined_entity(&name).ok_or(Unreadable)?;
                    }
                }
                // What a DTD could declare is what documents are attacked with.
                (_, Event::DocType(_)) => return Err(Unreadable),
                (_, Event::Eof) => break,
                _ => {}
            }
        }
        document.filter(|_| open.is_empty()).ok_or(Unreadable)
    }
}

type Attributes = HashMap<String, String>;

/// The attributes that have no namespace, by their names, and those of RFC 6501 by theirs.
fn attributes(
    start: &BytesStart<'_>,
    namespaces: &NamespaceResolver,
) -> Result<Attributes, Unreadable> {
    let pair = |attribute: quick_xml::events::attributes::Attribute<'_>| {
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned();
        let (namespace, name) = namespaces.resolve_attribute(attribute.key);
        let is_xcon = namespace == ResolveResult::Bound(Namespace(XCON_NAMESPACE));
        let name = if is_xcon { name.into_inner() } else { attribute.key.0 };
        Some((name.to_owned(), value))
    };
    start.attributes().map(|attribute| attribute.ok().and_then(pair).ok_or(Unreadable)).collect()
}

fn state(of: &Attributes) -> Result<State, Unreadable> {
    match of.get("state").map(String::as_str) {
        None | Some("full") => Ok(State::Full),
        Some("partial") => Ok(State::Partial),
        Some("deleted") => Ok(State::Deleted),
        Some(_) => Err(Unreadable),
    }
}

fn entity(of: &Attributes) -> Result<String, Unreadable> {
    of.get("entity").cloned().ok_or(Unreadable)
}

fn begin(
    document: &mut Option<Document>,
    element: Element,
    of: &Attributes,
) -> Result<(), Unreadable> {
    match (element, document) {
        (Element::ConferenceInfo, document) => {
            let version = of.get("version").and_then(|version| version.parse().ok());
            // Without a version only a full document makes sense (RFC 4575 section 5.2).
            let version = version.or((state(of)? == State::Full).then_some(0));
            *document = Some(Document {
                state: state(of)?,
                version: version.ok_or(Unreadable)?,
                ..Document::default()
            });
        }
        (Element::Users, Some(document)) => {
            document.users = Some(Users { state: state(of)?, users: Vec::new() });
        }
        (Element::User, Some(Document { users: Some(users), .. })) => {
            let is_own = of.get("yourown").is_some_and(|own| matches!(&**own, "true" | "1"));
            let nickname = of.get("nickname").cloned();
            let (entity, state) = (entity(of)?, state(of)?);
            let user = User { entity, state, is_own, nickname, ..User::default() };
            users.users.push(user);
        }
        (Element::Endpoint, Some(document)) => {
            let (entity, state) = (entity(of)?, state(of)?);
            let endpoint = Endpoint { entity, state, ..Endpoint::default() };
            if let Some(user) = last_user(document) {
                user.endpoints.push(endpoint);
            }
        }
        _ => {}
    }
    Ok(())
}

fn end(document: &mut Document, element: Element, content: &str) {
    let content = || Some(content.to_owned());
    match element {
        Element::Subject => document.subject = content(),
        Element::UserCount => {
            document.user_count = content().and_then(|count| count.parse().ok());
        }
        Element::DisplayText => {
            if let Some(user) = last_user(document) {
                user.display_text = content();
            }
        }
        Element::Status => {
            if let Some(endpoint) = last_user(document).and_then(|user| user.endpoints.last_mut()) {
                endpoint.status = content();
            }
        }
        Element::DisconnectionMethod => {
            if let Some(endpoint) = last_user(document).and_then(|user| user.endpoints.last_mut()) {
                endpoint.disconnection = content();
            }
        }
        _ => {}
    }
}

fn last_user(document: &mut Document) -> Option<&mut User> {
    document.users.as_mut()?.users.last_mut()
}
