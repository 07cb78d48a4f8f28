//! Getting a document by HTTP, or by HTTPS with the certificates that the host trusts. The only door
//! to the HTTP client.

use std::{fmt, sync::Arc, time::Duration};

use ureq::{
    Agent,
    http::{StatusCode, header},
    tls::{RootCerts, TlsConfig, TlsProvider},
};

use super::xml::DOCUMENT_SIZE_MAX;

/// Redirections that are followed.
const REDIRECTS_MAX: u32 = 3;

/// What is asked for.
const ACCEPT: &str =
    "application/resource-lists+xml, application/xcap-el+xml, application/xml;q=0.5";

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
    /// There was no answer, or one that cannot be read.
    Transport(Box<ureq::Error>),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "the server answers {status}"),
            Self::Transport(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for FetchError {}

impl From<ureq::Error> for FetchError {
    fn from(error: ureq::Error) -> Self {
        Self::Transport(Box::new(error))
    }
}

/// An HTTP client. It waits for the answer, so it belongs on a thread of its own.
#[derive(Debug)]
pub struct Fetcher {
    agent: Agent,
}

impl Fetcher {
    /// A client that gives up after `timeout`.
    pub fn new(timeout: Duration) -> Self {
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
        Self { agent: config.new_agent() }
    }

    /// Gets what is at `url`, unless it is what has that tag (RFC 9110 section 13.1.2).
    pub fn get(&self, url: &str, tag: Option<&str>) -> Result<Fetched, FetchError> {
        let mut request = self.agent.get(url).header(header::ACCEPT, ACCEPT);
        if let Some(tag) = tag {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        let response = request.call()?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED => return Ok(Fetched::Unchanged),
            other => return Err(FetchError::Status(other.as_u16())),
        }
        let tag = response.headers().get(header::ETAG);
        let tag = tag.and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let mut body = response.into_body();
        let limited = body.with_config().limit(DOCUMENT_SIZE_MAX as u64 + 1);
        Ok(Fetched::Document { text: limited.read_to_vec()?, tag })
    }
}
