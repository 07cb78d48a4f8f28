//! The header fields this stack reads or writes, by name and compact form.

macro_rules! headers {
    ($($variant:ident $name:literal $(compact $compact:literal)?,)*) => {
        /// A header field by name. Names are compared without regard to case (RFC 3261 section
        /// 7.3.1), and a compact form is the same name (section 7.3.3).
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Header {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
            /// Any other field. It is kept as it came, and found by [`Message::extension`].
            ///
            /// [`Message::extension`]: super::Message::extension
            Extension,
        }

        impl Header {
            /// The full name as it is written; empty for [`Header::Extension`].
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Extension => "",
                }
            }

            /// The field a name stands for.
            pub fn parse(name: &[u8]) -> Self {
                if let [letter] = name {
                    return match letter.to_ascii_lowercase() {
                        $($($compact => Self::$variant,)?)*
                        _ => Self::Extension,
                    };
                }
                let Some(first) = name.first().map(u8::to_ascii_lowercase) else {
                    return Self::Extension;
                };
                $(if const { $name.len() } == name.len()
                    && first == const { $name.as_bytes()[0].to_ascii_lowercase() }
                    && $name.as_bytes().eq_ignore_ascii_case(name)
                {
                    return Self::$variant;
                })*
                Self::Extension
            }
        }
    };
}

headers! {
    Via "Via" compact b'v',
    From "From" compact b'f',
    To "To" compact b't',
    CallId "Call-ID" compact b'i',
    CSeq "CSeq",
    ContentLength "Content-Length" compact b'l',
    MaxForwards "Max-Forwards",
    Contact "Contact" compact b'm',
    Route "Route",
    RecordRoute "Record-Route",
    Accept "Accept",
    AcceptContact "Accept-Contact" compact b'a',
    AcceptEncoding "Accept-Encoding",
    AcceptLanguage "Accept-Language",
    Allow "Allow",
    AllowEvents "Allow-Events" compact b'u',
    Authorization "Authorization",
    ContentDisposition "Content-Disposition",
    ContentEncoding "Content-Encoding" compact b'e',
    ContentId "Content-ID",
    ContentLanguage "Content-Language",
    ContentType "Content-Type" compact b'c',
    ContributionId "Contribution-ID",
    ConversationId "Conversation-ID",
    Date "Date",
    Event "Event" compact b'o',
    Expires "Expires",
    MinExpires "Min-Expires",
    MinSe "Min-SE",
    PAccessNetworkInfo "P-Access-Network-Info",
    PAssertedIdentity "P-Asserted-Identity",
    PAssertedService "P-Asserted-Service",
    PAssociatedUri "P-Associated-URI",
    PChargingVector "P-Charging-Vector",
    PPreferredIdentity "P-Preferred-Identity",
    PPreferredService "P-Preferred-Service",
    Privacy "Privacy",
    ProxyAuthenticate "Proxy-Authenticate",
    ProxyAuthorization "Proxy-Authorization",
    ProxyRequire "Proxy-Require",
    RAck "RAck",
    Reason "Reason",
    ReferSub "Refer-Sub",
    ReferTo "Refer-To" compact b'r',
    ReferredBy "Referred-By" compact b'b',
    Replaces "Replaces",
    Require "Require",
    RetryAfter "Retry-After",
    RSeq "RSeq",
    SecurityClient "Security-Client",
    SecurityServer "Security-Server",
    SecurityVerify "Security-Verify",
    Server "Server",
    ServiceRoute "Service-Route",
    SessionExpires "Session-Expires" compact b'x',
    Subject "Subject" compact b's',
    SubscriptionState "Subscription-State",
    Supported "Supported" compact b'k',
    Timestamp "Timestamp",
    Unsupported "Unsupported",
    UserAgent "User-Agent",
    Warning "Warning",
    WwwAuthenticate "WWW-Authenticate",
}

impl Header {
    /// Whether a message may hold the field once at most. A second one leaves it open which of the
    /// two was meant, so the message is refused (RFC 4475 section 3.3.8).
    pub(super) const fn is_single(self) -> bool {
        matches!(
            self,
            Self::From
                | Self::To
                | Self::CallId
                | Self::CSeq
                | Self::ContentLength
                | Self::ContentType
                | Self::ContentDisposition
                | Self::MaxForwards
                | Self::Event
                | Self::Expires
                | Self::MinExpires
                | Self::MinSe
                | Self::SessionExpires
                | Self::SubscriptionState
                | Self::RAck
                | Self::RSeq
                | Self::Replaces
                | Self::ReferSub
                | Self::ReferredBy
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Header;

    /// DLG-02: compact forms are read, in either case.
    #[test]
    fn compact_and_full_forms_name_the_same_field() {
        for (compact, full, header) in [
            (&b"v"[..], &b"VIA"[..], Header::Via),
            (b"F", b"from", Header::From),
            (b"t", b"To", Header::To),
            (b"i", b"call-id", Header::CallId),
            (b"m", b"CONTACT", Header::Contact),
            (b"l", b"content-length", Header::ContentLength),
            (b"c", b"Content-Type", Header::ContentType),
            (b"k", b"Supported", Header::Supported),
            (b"o", b"event", Header::Event),
            (b"x", b"session-expires", Header::SessionExpires),
            (b"r", b"Refer-To", Header::ReferTo),
        ] {
            assert_eq!(Header::parse(compact), header);
            assert_eq!(Header::parse(full), header);
        }
        assert_eq!(Header::parse(b"z"), Header::Extension);
        assert_eq!(Header::parse(b""), Header::Extension);
        assert_eq!(Header::parse(b"X-Unknown"), Header::Extension);
    }
}
