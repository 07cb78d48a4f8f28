//! Lists of users, as a focus reads them (RFC 4826).

use std::fmt::Write as _;

use quick_xml::escape::escape;

use super::callable;

/// The type of such a list.
pub(super) const LIST: &str = "application/resource-lists+xml";

/// A list of these URIs.
pub(super) fn resource_list<'a>(uris: impl IntoIterator<Item = &'a str>) -> String {
    let mut list = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
         <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">\r\n<list>\r\n",
    );
    for uri in uris {
        // Writing to a String cannot fail.
        let _ = write!(list, "<entry uri=\"{}\"/>\r\n", escape(uri));
    }
    list.push_str("</list>\r\n</resource-lists>\r\n");
    list
}

/// Whether the focus could be asked to call that: the URI is one, and says nothing else.
pub(super) fn is_callable(uri: &str) -> bool {
    let is_number = uri.strip_prefix("tel:").is_some_and(|number| {
        number.starts_with('+') && number[1..].bytes().all(|octet| octet.is_ascii_digit())
    });
    is_number || callable(uri).is_ok()
}
