//! XML that others wrote, into a tree of bounded size (POL-19).
//!
//! There is no DTD, so no entity but the five that XML itself has, and nothing is ever fetched.

use quick_xml::{
    NsReader, XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event},
    name::ResolveResult,
};

/// Octets of a document.
pub const DOCUMENT_SIZE_MAX: usize = 1024 * 1024;
/// Octets of one attribute's value.
const ATTRIBUTE_SIZE_MAX: usize = 8 * 1024;
/// Elements inside one another, the root included.
const DEPTH_MAX: usize = 32;
/// Elements of a document: three for each member there may be, and as many again. It keeps a tree
/// below some 20 MiB whatever the document is made of.
const ELEMENTS_MAX: usize = 60_000;

/// The namespaces whose elements mean something to us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Namespace {
    /// `urn:oma:xml:poc:list-service`
    ListService,
    /// `urn:ietf:params:xml:ns:common-policy` (RFC 4745)
    CommonPolicy,
    /// `urn:oma:xml:xdm:common-policy`
    OmaCommonPolicy,
    /// `urn:oma:xml:xdm:extensions`
    Extensions,
    /// `urn:ietf:params:xml:ns:resource-lists` (RFC 4826)
    ResourceLists,
    /// Any other, or none.
    Foreign,
}

impl Namespace {
    fn of(resolved: &ResolveResult<'_>) -> Self {
        let ResolveResult::Bound(namespace) = resolved else { return Self::Foreign };
        match namespace.into_inner() {
            "urn:oma:xml:poc:list-service" => Self::ListService,
            "urn:ietf:params:xml:ns:common-policy" => Self::CommonPolicy,
            "urn:oma:xml:xdm:common-policy" => Self::OmaCommonPolicy,
            "urn:oma:xml:xdm:extensions" => Self::Extensions,
            "urn:ietf:params:xml:ns:resource-lists" => Self::ResourceLists,
            _ => Self::Foreign,
        }
    }
}

/// What is wrong with a document, and at which octet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wrong {
    /// Octets before it.
    pub at: usize,
    /// What was expected instead.
    pub expected: String,
}

impl Wrong {
    /// Says what was expected at `at`.
    pub fn new(at: usize, expected: impl Into<String>) -> Self {
        Self { at, expected: expected.into() }
    }
}

/// An element with all that is in it. Comments and processing instructions are gone.
#[derive(Debug)]
pub struct Element {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name without prefix.
    pub name: String,
    /// The octet of the document it begins at.
    pub at: usize,
    /// The elements in it, in their order.
    pub children: Vec<Element>,
    /// Names, with their prefix if they have one, and values. Declarations of namespaces are left
    /// out.
    attributes: Vec<(String, String)>,
    text: String,
}

impl Element {
    /// Reads a whole document and yields its root.
    pub fn parse(document: &[u8]) -> Result<Self, Wrong> {
        if document.len() > DOCUMENT_SIZE_MAX {
            let expected = format!("expected at most {DOCUMENT_SIZE_MAX} octets");
            return Err(Wrong::new(DOCUMENT_SIZE_MAX, expected));
        }
        let text = std::str::from_utf8(document)
            .map_err(|error| Wrong::new(error.valid_up_to(), "expected UTF-8"))?;
        let mut reader = NsReader::from_str(text);
        let mut tree = Tree::default();
        loop {
            let at = reader.buffer_position() as usize;
            let (namespace, event) = match reader.read_resolved_event() {
                Ok((resolved, event)) => (Namespace::of(&resolved), event),
                Err(error) => {
                    let at = (reader.error_position() as usize).max(at);
                    return Err(not_well_formed(at, &error));
                }
            };
            match event {
                Event::Start(start) => tree.open(element(namespace, &start, at)?)?,
                Event::Empty(start) => {
                    tree.open(element(namespace, &start, at)?)?;
                    tree.close();
                }
                Event::End(_) => tree.close(),
                Event::Text(text) => tree.text(at, &text.xml10_content())?,
                Event::CData(text) => tree.text(at, &text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let character = reference
                        .resolve_char_ref()
                        .map_err(|error| not_well_formed(at, &error))?;
                    let mut buffer = [0; 4];
                    let text = match character {
                        Some(character) => Some(&*character.encode_utf8(&mut buffer)),
                        None => resolve_predefined_entity(&reference),
                    };
                    let expected = "expected no entity but those that XML itself has";
                    tree.text(at, text.ok_or_else(|| Wrong::new(at, expected))?)?;
                }
                Event::DocType(_) => return Err(Wrong::new(at, "expected no DTD")),
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
                Event::Eof => return tree.finish(at),
            }
        }
    }

    /// Whether it is the element of that name.
    pub fn is(&self, namespace: Namespace, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// The text directly in it, without the white space around it.
    pub fn text(&self) -> &str {
        self.text.trim()
    }

    /// The value of an attribute without prefix.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim())
    }

    /// The value of an attribute that must be there.
    pub fn required(&self, name: &str) -> Result<&str, Wrong> {
        self.attribute(name).ok_or_else(|| {
            Wrong::new(self.at, format!("expected <{}> to have the attribute {name}", self.name))
        })
    }

    /// The value of the attribute of that name, whatever its prefix.
    pub fn attribute_of_any_namespace(&self, name: &str) -> Option<&str> {
        let is_named = |key: &str| key.rsplit(':').next() == Some(name);
        self.attributes.iter().find(|(key, _)| is_named(key)).map(|(_, value)| value.trim())
    }
}

fn element(namespace: Namespace, start: &BytesStart<'_>, at: usize) -> Result<Element, Wrong> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| not_well_formed(at, &error.into()))?;
        if attribute.value.len() > ATTRIBUTE_SIZE_MAX {
            let expected = format!("expected attributes of at most {ATTRIBUTE_SIZE_MAX} octets");
            return Err(Wrong::new(at, expected));
        }
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|error| not_well_formed(at, &error))?;
        if attribute.key.as_namespace_binding().is_none() {
            attributes.push((attribute.key.into_inner().to_owned(), value.into_owned()));
        }
    }
    let name = start.local_name().into_inner().to_owned();
    Ok(Element { namespace, name, at, children: Vec::new(), attributes, text: String::new() })
}

/// What the library finds wrong. It quotes the document, which may hold anything.
fn not_well_formed(at: usize, error: &quick_xml::Error) -> Wrong {
    let why = error.to_string();
    Wrong::new(at, format!("expected well-formed XML: {}", why.escape_debug()))
}

/// The elements read so far.
#[derive(Default)]
struct Tree {
    /// Those that are not closed, the root first.
    open: Vec<Element>,
    root: Option<Element>,
    count: usize,
}

impl Tree {
    fn open(&mut self, element: Element) -> Result<(), Wrong> {
        self.count += 1;
        let fault = if self.root.is_some() {
            "expected one root element".to_owned()
        } else if self.open.len() >= DEPTH_MAX {
            format!("expected at most {DEPTH_MAX} elements inside one another")
        } else if self.count > ELEMENTS_MAX {
            format!("expected at most {ELEMENTS_MAX} elements")
        } else {
            self.open.push(element);
            return Ok(());
        };
        Err(Wrong::new(element.at, fault))
    }

    /// The reader has seen to it that there is something to close.
    fn close(&mut self) {
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, at: usize, text: &str) -> Result<(), Wrong> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim_start_matches('\u{feff}').trim().is_empty() => {}
            None => return Err(Wrong::new(at, "expected no text outside of the root element")),
        }
        Ok(())
    }

    fn finish(self, at: usize) -> Result<Element, Wrong> {
        match (self.open.last(), self.root) {
            (Some(open), _) => {
                Err(Wrong::new(open.at, format!("expected an end of <{}>", open.name)))
            }
            (None, Some(root)) => Ok(root),
            (None, None) => Err(Wrong::new(at, "expected an element")),
        }
    }
}
