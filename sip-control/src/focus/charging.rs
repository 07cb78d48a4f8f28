//! By what an IMS core knows a dialog in its bills: the vector of a request that came from it goes with
//! all that is said in that dialog (IMS-05, RFC 7315 section 4.6).

use super::{Focus, Incoming, link::Link, refusal::Refusal, screen};
use crate::{
    config::Charging,
    dialog::DialogId,
    message::{Header, Params, Request, quote, unquote},
};

/// P-Charging-Vector, as it is kept for a dialog.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Vector {
    icid: String,
    /// Whose users the other side says it speaks for.
    orig_ioi: Option<String>,
    ours: Charging,
}

impl Vector {
    /// That of a request of the core.
    fn read(request: &Request, ours: &Charging) -> Option<Self> {
        let line = format!(";{}", request.header(Header::PChargingVector)?);
        let params = Params::parse(&line)?;
        let get = |name| params.get(name).map(|value| unquote(value).into_owned());
        let icid = get("icid-value").filter(|icid| !icid.is_empty())?;
        Some(Self { icid, orig_ioi: get("orig-ioi"), ours: ours.clone() })
    }

    /// That of a dialog of ours, which has a name nobody else has.
    pub fn new(icid: &str, ours: &Charging) -> Self {
        Self { icid: icid.to_owned(), orig_ioi: None, ours: ours.clone() }
    }

    /// As it stands in a request of ours.
    pub fn in_request(&self) -> String {
        self.written(self.ours.orig_ioi.as_deref(), None)
    }

    /// As it stands in an answer of ours.
    pub fn in_answer(&self) -> String {
        self.written(self.orig_ioi.as_deref(), self.ours.term_ioi.as_deref())
    }

    fn written(&self, orig_ioi: Option<&str>, term_ioi: Option<&str>) -> String {
        let named = |name: &str, value: &str| format!(";{name}={}", quote(value));
        let orig = orig_ioi.map(|value| named("orig-ioi", value)).unwrap_or_default();
        let term = term_ioi.map(|value| named("term-ioi", value)).unwrap_or_default();
        format!("icid-value={}{orig}{term}", quote(&self.icid))
    }
}

impl Focus {
    /// The dialog that our answer to a request makes, which is billed as the request is.
    pub(super) fn link(&self, incoming: &Incoming) -> Result<Link, Refusal> {
        let Incoming { request, tag, source, transaction, .. } = incoming;
        let link = Link::accept(request, tag, *source)?;
        Ok(link.charged(self.vectors.get(transaction).cloned()))
    }

    /// The vector that belongs to a request of a trusted peer, where there is an IMS core: its own, else
    /// that of its dialog.
    pub(super) fn vector_of(&self, incoming: &Incoming) -> Option<Vector> {
        let ours = self.config.charging.as_ref()?;
        if !screen::is_trusted(&self.config, incoming.source.remote.ip()) {
            return None;
        }
        let request = &incoming.request;
        let of_dialog = || {
            let dialog = self.dialogs.get(&DialogId::of_request(request)?)?;
            dialog.link.vector().cloned()
        };
        Vector::read(request, ours).or_else(of_dialog)
    }
}
