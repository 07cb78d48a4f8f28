//! Getting a document by HTTP, or by HTTPS with the certificates that the host trusts. The only door
//! to the HTTP client.

use std::{fmt, sync::Arc, time::Duration};

use ureq::{
    Agent,
    http::{HeaderMap, HeaderName, StatusCode, Uri, header},
    tls::{RootCerts, TlsConfig, TlsProvider},
};

use super::xml::DOCUMENT_SIZE_MAX;
use crate::{config::Timers, message::MediaType};

/// Redirections that are followed.
const REDIRECTS_MAX: u32 = 3;

/// What a fetcher is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Lists of members. Such a list may be of any type, for lists are served by what knows nothing of
    /// them, too.
    List,
    /// Group documents, by their own type and no other (POL-17).
    Group,
}

/// The type of a group document.
const GROUP: &str = "application/vnd.oma.poc.groups+xml";

impl Kind {
    fn accept(self) -> &'static str {
        match self {
            Self::List => {
                "application/resource-lists+xml, application/xcap-el+xml, application/xml;q=0.5"
            }
            Self::Group => GROUP,
        }
    }

    /// Whether a document of that type is one.
    fn takes(self, content_type: &str) -> bool {
        let is_group = || MediaType::parse(content_type).is_some_and(|media| media.is(GROUP));
        self == Self::List || is_group()
    }
}

/// Whether a document can be fetched from below there: an `http` or `https` URI of a host, without a
/// query or a fragment (RFC 4825 section 6.1), and without a password, which the log would tell.
pub fn is_root(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    is_http && uri.host().is_some_and(|host| !host.is_empty()) && !url.contains(['?', '#', '@'])
}

/// What came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fetched {
    /// A document, and the tag by which it can be asked whether it has changed.
    Document {
        /// Its octets.
        text: Vec<u8>,
        /// Its ETag.
        tag: Option<String>,
    },
    /// It has not changed.
    Unchanged,
}

/// Why nothing came.
#[derive(Debug)]
pub enum FetchError {
    /// The server says no.
    Status(u16),
    /// What came is something else.
    MediaType(String),
    /// There was no answer, or one that cannot be read.
    Transport(Box<ureq::Error>),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "the server answers {status}"),
            Self::MediaType(other) => {
                let other = other.escape_debug();
                write!(f, "expected a document of type {GROUP}; not \"{other}\"")
            }
            Self::Transport(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for FetchError {}

impl FetchError {
    /// As figures have it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::MediaType(_) => "media_type",
            Self::Transport(_) => "transport",
        }
    }
}

impl From<ureq::Error> for FetchError {
    fn from(error: ureq::Error) -> Self {
        Self::Transport(Box::new(error))
    }
}

/// An HTTP client. It waits for the answer, so it belongs on a thread of its own.
#[derive(Debug)]
pub struct Fetcher {
    kind: Kind,
    agent: Agent,
}

impl Fetcher {
    /// A client for lists.
    pub fn of_lists(timers: &Timers) -> Self {
        Self::new(Kind::List, timers.list_timeout)
    }

    /// A client for group documents.
    pub fn of_documents(timers: &Timers) -> Self {
        Self::new(Kind::Group, timers.document_timeout)
    }

    /// A client for documents of that kind, which gives up when one of them is not there after
    /// `timeout`.
    pub fn new(kind: Kind, timeout: Duration) -> Self {
        let provider = rustls::crypto::ring::default_provider();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(provider))
            .build();
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .max_redirects(REDIRECTS_MAX)
            .http_status_as_error(false)
            .tls_config(tls)
            .build();
        Self { kind, agent: config.new_agent() }
    }

    /// Gets what is at `url`, unless it is what has that tag (RFC 9110 section 13.1.2).
    pub fn get(&self, url: &str, tag: Option<&str>) -> Result<Fetched, FetchError> {
        let mut request = self.agent.get(url).header(header::ACCEPT, self.kind.accept());
        if let Some(tag) = tag {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        let response = request.call()?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if tag.is_some() => return Ok(Fetched::Unchanged),
            other => return Err(FetchError::Status(other.as_u16())),
        }
        let content_type = text_of(response.headers(), &header::CONTENT_TYPE).unwrap_or_default();
        if !self.kind.takes(content_type) {
            return Err(FetchError::MediaType(content_type.to_owned()));
        }
        let tag = text_of(response.headers(), &header::ETAG).map(str::to_owned);
        let mut body = response.into_body();
        let limited = body.with_config().limit(DOCUMENT_SIZE_MAX as u64 + 1);
        Ok(Fetched::Document { text: limited.read_to_vec()?, tag })
    }
}

fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
