//! A list that is elsewhere: a document of RFC 4826, or one `<list>` of it.

use super::{
    document::Fault,
    xml::{Element, Namespace, Wrong},
};
use crate::focus::UserKey;

/// Who is on a list, and which lists are on it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct List {
    /// Users, as often as they are named.
    pub members: Vec<UserKey>,
    /// Where the lists are whose members are members of this one.
    pub external: Vec<String>,
}

impl List {
    /// Reads a document. Lists inside of a list are a part of it; what is no SIP or tel URI is nobody,
    /// and so is an `<entry-ref>`, which says where in the same XCAP root an entry is.
    pub fn parse(document: &[u8]) -> Result<Self, Fault> {
        let mut list = Self::default();
        Element::parse(document)
            .and_then(|root| {
                let is_list = is_list(&root);
                if !is_list && !root.is(Namespace::ResourceLists, "resource-lists") {
                    let expected = "expected <resource-lists> or <list> as the root";
                    return Err(Wrong::new(root.at, expected));
                }
                list.read(&root)
            })
            .map_err(|wrong| Fault::new(document, wrong))?;
        Ok(list)
    }

    fn read(&mut self, element: &Element) -> Result<(), Wrong> {
        for child in &element.children {
            if is_list(child) {
                // Not deeper than a document is.
                self.read(child)?;
            } else if is_named(child, "entry") {
                self.members.extend(UserKey::of(child.required("uri")?));
            } else if is_named(child, "external") {
                self.external.push(child.required("anchor")?.to_owned());
            }
        }
        Ok(())
    }
}

fn is_list(element: &Element) -> bool {
    is_named(element, "list")
}

/// Whether it is the element of that name, of either namespace that has lists.
fn is_named(element: &Element, name: &str) -> bool {
    element.is(Namespace::ResourceLists, name) || element.is(Namespace::ListService, name)
}
