//! Stage A: the checks that come before the steps of the change request and know no room (DLG-01,
//! from step 6 on). What the codec and the transactions check has been checked before.

use std::net::IpAddr;

use super::{participant::Originator, refusal::Refusal, user::UserKey};
use crate::{
    config::Config,
    digest::Known,
    message::{Header, Method, NameAddr, Request, scheme},
};

/// Whether requests from this address carry identities that we believe (ID-04).
pub fn is_trusted(config: &Config, source: IpAddr) -> bool {
    config.trusted.iter().any(|network| network.contains(source))
}

/// Whom a trusted peer says that it serves (ID-01, ID-03).
pub fn asserted(config: &Config, request: &Request) -> Result<Originator, Refusal> {
    let asserted: Vec<NameAddr<'_>> =
        request.addresses(Header::PAssertedIdentity).flatten().collect();
    if let Some(originator) = asserted_identity(&asserted) {
        return Ok(originator);
    }
    let from = request.from().filter(|_| config.identity_from_from_header && asserted.is_empty());
    from.filter(|from| !is_anonymous(from))
        .and_then(|from| asserted_identity(&[from]))
        .ok_or(Refusal::NoIdentity)
}

/// Whose credentials have proved right. Of the account's identities the first is shown, unless
/// P-Preferred-Identity asks for another of them (ID-02). The configuration was checked: there is
/// one.
pub fn proven(request: &Request, known: &Known<'_>) -> Option<Originator> {
    let preferred = request.addresses(Header::PPreferredIdentity).flatten();
    let preferred: Vec<UserKey> = preferred.filter_map(|them| UserKey::of(them.uri())).collect();
    let is_preferred =
        |uri: &&String| UserKey::of(uri).is_some_and(|identity| preferred.contains(&identity));
    let uris = known.identities;
    let uri = uris.iter().find(is_preferred).or(uris.first())?;
    Some(Originator {
        uri: uri.clone(),
        uris: uris.to_vec(),
        keys: uris.iter().filter_map(|uri| UserKey::of(uri)).collect(),
        display_name: known.display_name.map(str::to_owned),
    })
}

/// RFC 3323 section 4.1.1.3: a From that names nobody.
fn is_anonymous(from: &NameAddr<'_>) -> bool {
    from.sip_uri().is_none_or(|uri| uri.host().eq_ignore_ascii_case("anonymous.invalid"))
}

/// The first SIP or SIPS value goes before the first tel one; both are the same user (ID-01).
fn asserted_identity(values: &[NameAddr<'_>]) -> Option<Originator> {
    let sip = values.iter().find(|value| value.sip_uri().is_some());
    let tel = values
        .iter()
        .find(|value| scheme(value.uri()).is_some_and(|scheme| scheme.eq_ignore_ascii_case("tel")));
    let named: Vec<&NameAddr<'_>> = sip.into_iter().chain(tel).collect();
    let keys: Vec<UserKey> = named.iter().filter_map(|value| UserKey::of(value.uri())).collect();
    let primary = named.first().filter(|_| keys.len() == named.len())?;
    let display_name = named.iter().find_map(|value| value.display_name());
    Some(Originator {
        uri: bare(primary),
        uris: named.iter().map(|value| bare(value)).collect(),
        keys,
        display_name: display_name
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty()),
    })
}

/// An address of record, as rosters show it.
fn bare(value: &NameAddr<'_>) -> String {
    value.sip_uri().map_or_else(|| value.uri().to_owned(), |uri| uri.bare())
}

/// Whether the method is one we serve at all (DLG-18).
pub fn method(request: &Request) -> Result<(), Refusal> {
    match request.method() {
        Method::Other => Err(Refusal::MethodUnknown),
        Method::Message | Method::Info | Method::Publish | Method::Register => {
            Err(Refusal::MethodNotAllowed)
        }
        _ => Ok(()),
    }
}

/// Whether the Request-URI is of a kind that can name a room (PUB-02).
pub fn uri_scheme(request: &Request) -> Result<(), Refusal> {
    let known = ["sip", "sips", "tel"];
    let scheme = scheme(request.request_uri()).unwrap_or_default();
    if known.iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
        Ok(())
    } else {
        Err(Refusal::Scheme)
    }
}

/// Whether all that the sender insists on is understood (IMS-10): some of it has a meaning only where
/// groups are made, or in a REFER.
pub fn extensions(config: &Config, request: &Request, makes_group: bool) -> Result<(), Refusal> {
    let here: &[&str] = match request.method() {
        Method::Refer => &["multiple-refer", "norefersub"],
        _ if makes_group => &["recipient-list-invite"],
        _ => &[],
    };
    let is_foreign = |tag: &&str| {
        let is = |known: &&str| known.eq_ignore_ascii_case(tag);
        let is_precondition = config.preconditions && is(&"precondition");
        !["100rel", "timer", "gruu"].iter().chain(here).any(is) && !is_precondition
    };
    let foreign: Vec<String> =
        request.list(Header::Require).filter(is_foreign).map(str::to_owned).collect();
    if foreign.is_empty() { Ok(()) } else { Err(Refusal::Extensions(foreign)) }
}

/// Whether the sender acknowledges provisional answers (RFC 3262).
pub fn acknowledges_progress(request: &Request) -> bool {
    request.has_token(Header::Require, "100rel") || request.has_token(Header::Supported, "100rel")
}

/// Whether the sender asks for the service there is here, where that is a condition (IMS-04). A
/// preference is no filter otherwise (RFC 3841 section 7.2).
pub fn service(config: &Config, request: &Request) -> Result<(), Refusal> {
    let asks = |value: &str| value.split(';').skip(1).any(|tag| is_feature(tag, FEATURE));
    if config.strict_feature_tag && !request.list(Header::AcceptContact).any(asks) {
        return Err(Refusal::Service);
    }
    Ok(())
}

/// The feature of OMA SIMPLE IM.
const FEATURE: &str = "+g.oma.sip-im";

/// Whether a parameter asks for a feature, whatever value it gives it.
fn is_feature(param: &str, feature: &str) -> bool {
    param.split('=').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(feature))
}

/// Whether the sender is somebody who may join: another focus may not (IMS-09).
pub fn contact(request: &Request) -> Result<(), Refusal> {
    let is_focus = |contact: NameAddr<'_>| contact.params().has("isfocus");
    if request.address(Header::Contact).is_some_and(is_focus) {
        return Err(Refusal::Cascade);
    }
    Ok(())
}
