//! SIP requests and answers. Headers are those of `rsip`, read and written as they stand; request
//! URIs and bodies are kept out of its hands, because it rewrites the one and loses what is not
//! UTF-8 in the other.

use std::fmt::Write as _;

use rsip::headers::{self, Header, Headers, UntypedHeader as _};
use rsip::message::{HasHeaders, HeadersExt as _};
use rsip::{Method, Request, Response, StatusCode};

/// What this tool really serves.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, UPDATE";

/// Names the tool to the other side.
pub const USER_AGENT: &str = concat!("IM-client/OMA1.0 msrp-bench/", env!("CARGO_PKG_VERSION"));

/// A request of ours, in so far as requests differ.
#[derive(Clone, Copy, Debug)]
pub struct Outline<'a> {
    /// The method.
    pub method: Method,
    /// The Request-URI, octet for octet.
    pub target: &'a str,
    /// Via, complete.
    pub via: &'a str,
    /// From, complete.
    pub from: &'a str,
    /// To, complete.
    pub to: &'a str,
    /// Call-ID.
    pub call_id: &'a str,
    /// The number in CSeq.
    pub number: u32,
    /// Route, one value each.
    pub routes: &'a [String],
}

impl Outline<'_> {
    /// The request as it goes out, with these headers and, if there is one, this SDP.
    pub fn write(&self, extra: Vec<Header>, sdp: Option<&str>) -> Vec<u8> {
        let mut headers = Headers::default();
        headers.push(Header::Via(headers::Via::new(self.via)));
        headers.push(Header::MaxForwards(headers::MaxForwards::new("70")));
        for route in self.routes {
            headers.push(Header::Route(headers::Route::new(route)));
        }
        headers.push(Header::From(headers::From::new(self.from)));
        headers.push(Header::To(headers::To::new(self.to)));
        headers.push(Header::CallId(headers::CallId::new(self.call_id)));
        let number = format!("{} {}", self.number, self.method);
        headers.push(Header::CSeq(headers::CSeq::new(number)));
        headers.push(Header::UserAgent(headers::UserAgent::new(USER_AGENT)));
        headers.extend(extra);
        let start = format!("{} {} SIP/2.0\r\n", self.method, self.target);
        finish(start, headers, sdp)
    }
}

/// The answer to a request of the focus, with these headers and, if there is one, this SDP.
pub fn answer(
    request: &Request,
    status: &StatusCode,
    extra: Vec<Header>,
    sdp: Option<&str>,
) -> Vec<u8> {
    let copied = request.headers().iter().filter(|header| {
        matches!(
            header,
            Header::Via(_) | Header::From(_) | Header::To(_) | Header::CallId(_) | Header::CSeq(_)
        )
    });
    let mut headers = Headers::from(copied.cloned().collect::<Vec<_>>());
    headers.extend(extra);
    finish(format!("SIP/2.0 {status}\r\n"), headers, sdp)
}

fn finish(mut message: String, mut headers: Headers, sdp: Option<&str>) -> Vec<u8> {
    if sdp.is_some() {
        let sdp_type = headers::ContentType::new("application/sdp");
        headers.push(Header::ContentType(sdp_type));
    }
    let body = sdp.unwrap_or_default();
    let length = headers::ContentLength::new(body.len().to_string());
    headers.push(Header::ContentLength(length));
    // Writing to a String cannot fail.
    let _ = write!(message, "{headers}\r\n{body}");
    message.into_bytes()
}

/// The branch of the topmost Via: the name of the transaction (RFC 3261 section 17.1.3).
pub fn branch(message: &impl HasHeaders) -> Option<&str> {
    let via = message.headers().iter().find_map(|header| match header {
        Header::Via(via) => Some(via.value()),
        _ => None,
    })?;
    parameter(via.split(',').next()?, "branch")
}

/// The Call-ID.
pub fn call_id(request: &Request) -> Option<&str> {
    request.call_id_header().ok().map(headers::CallId::value)
}

/// The tag of a From or To value.
pub fn tag(value: &str) -> Option<&str> {
    parameter(value.rsplit_once('>').map_or(value, |(_, parameters)| parameters), "tag")
}

/// The value of a header parameter.
fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The URI of a Contact, octet for octet: it is the IM Session Identity, and what follows it in
/// the header is not part of it.
pub fn contact_uri(response: &Response) -> Option<&str> {
    let value = response.contact_header().ok()?.value();
    let uri = match value.split_once('<') {
        Some((_, rest)) => rest.split_once('>')?.0,
        None => value.split(';').next()?.trim(),
    };
    (!uri.is_empty()).then_some(uri)
}

/// The route set that a response builds: Record-Route backwards (RFC 3261 section 12.1.2).
pub fn route_set(response: &Response) -> Vec<String> {
    let values = response.headers().iter().filter_map(|header| match header {
        Header::RecordRoute(route) => Some(route.value()),
        _ => None,
    });
    let mut routes: Vec<String> =
        values.flat_map(|value| value.split(',')).map(|route| route.trim().into()).collect();
    routes.reverse();
    routes
}

/// Why a request was refused: the status code, and the text of the Warning if there is one.
pub fn refusal(response: &Response) -> String {
    let warning = response.headers().iter().find_map(|header| match header {
        Header::Warning(warning) => warning.value().split('"').nth(1),
        _ => None,
    });
    let code = response.status_code().code();
    warning.map_or_else(|| code.to_string(), |warning| format!("{code} ({warning})"))
}

#[cfg(test)]
mod tests {
    use rsip::{Method, Request, Response, StatusCode};

    use super::{Outline, answer, branch, call_id, contact_uri, refusal, route_set, tag};

    const OK: &[u8] = b"SIP/2.0 200 OK\r\n\
        Via: SIP/2.0/UDP 127.0.0.1:5555;branch=z9hG4bKabc;rport=5555\r\n\
        Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nRecord-Route: <sip:p3;lr>\r\n\
        From: <sip:u1@chat.localhost>;tag=1\r\nTo: <sip:room1@chat.localhost>;tag=xyz\r\n\
        Call-ID: abc@x\r\nCSeq: 1 INVITE\r\n\
        Contact: <sip:s-Tok@chat.localhost;gr>;isfocus;methods=\"INVITE,BYE\"\r\n\
        Content-Length: 0\r\n\r\n";

    #[test]
    fn a_request_is_written_as_literally_as_it_was_outlined() {
        let outline = Outline {
            method: Method::Bye,
            target: "sip:s-Tok@chat.localhost;gr;transport=tcp",
            via: "SIP/2.0/UDP 127.0.0.1:5555;branch=z9hG4bK1;rport",
            from: "<sip:u1@h>;tag=1",
            to: "<sip:r@h>;tag=2",
            call_id: "abc@x",
            number: 2,
            routes: &["<sip:p1;lr>".into()],
        };
        let expected = format!(
            "BYE sip:s-Tok@chat.localhost;gr;transport=tcp SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1:5555;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n\
             Route: <sip:p1;lr>\r\nFrom: <sip:u1@h>;tag=1\r\nTo: <sip:r@h>;tag=2\r\n\
             Call-ID: abc@x\r\nCSeq: 2 BYE\r\nUser-Agent: {}\r\nContent-Length: 0\r\n\r\n",
            super::USER_AGENT
        );
        assert_eq!(String::from_utf8(outline.write(vec![], None)).unwrap(), expected);
    }

    #[test]
    fn a_response_is_matched_by_branch_and_its_contact_is_kept_whole() {
        let response = Response::try_from(OK).unwrap();
        assert_eq!(branch(&response), Some("z9hG4bKabc"));
        assert_eq!(contact_uri(&response), Some("sip:s-Tok@chat.localhost;gr"));
        assert_eq!(route_set(&response), ["<sip:p3;lr>", "<sip:p2;lr>", "<sip:p1;lr>"]);
    }

    #[test]
    fn a_tag_inside_the_uri_is_not_the_tag() {
        assert_eq!(tag("<sip:a@b;tag=no>;tag=yes"), Some("yes"));
        assert_eq!(tag("<sip:a@b;tag=no>"), None);
        assert_eq!(tag("sip:a@b;tag=yes"), Some("yes"));
    }

    #[test]
    fn a_refusal_says_what_the_warning_says() {
        let text = "SIP/2.0 486 Busy Here\r\nVia: a\r\n\
                    Warning: 399 chat.localhost \"Too many participants\"\r\n\r\n";
        let response = Response::try_from(text).unwrap();
        assert_eq!(refusal(&response), "486 (Too many participants)");
    }

    #[test]
    fn an_answer_repeats_what_ties_it_to_its_request() {
        let request = "BYE sip:u1@127.0.0.1:5555 SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
                       Via: SIP/2.0/UDP b;branch=z9hG4bK2\r\nFrom: <sip:r@h>;tag=2\r\n\
                       To: <sip:u1@h>;tag=1\r\nCall-ID: c\r\nCSeq: 9 BYE\r\n\
                       Reason: SIP;cause=200\r\nContent-Length: 0\r\n\r\n";
        let request = Request::try_from(request).unwrap();
        assert_eq!(call_id(&request), Some("c"));
        let text = answer(&request, &StatusCode::OK, vec![], None);
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
             Via: SIP/2.0/UDP b;branch=z9hG4bK2\r\nFrom: <sip:r@h>;tag=2\r\n\
             To: <sip:u1@h>;tag=1\r\nCall-ID: c\r\nCSeq: 9 BYE\r\nContent-Length: 0\r\n\r\n"
        );
    }
}
