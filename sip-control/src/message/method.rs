//! Request methods.

/// A method this stack knows by name. Names are compared with regard to case (RFC 3261 section
/// 7.1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Method {
    /// RFC 3261
    Invite,
    /// RFC 3261
    Ack,
    /// RFC 3261
    Cancel,
    /// RFC 3261
    Bye,
    /// RFC 3261
    Options,
    /// RFC 3261
    Register,
    /// RFC 6665
    Subscribe,
    /// RFC 6665
    Notify,
    /// RFC 3515
    Refer,
    /// RFC 3262
    Prack,
    /// RFC 3311
    Update,
    /// RFC 3428
    Message,
    /// RFC 6086
    Info,
    /// RFC 3903
    Publish,
    /// Any other token; its text is in the message.
    Other,
}

impl Method {
    /// The name as it is written; empty for [`Method::Other`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Cancel => "CANCEL",
            Self::Bye => "BYE",
            Self::Options => "OPTIONS",
            Self::Register => "REGISTER",
            Self::Subscribe => "SUBSCRIBE",
            Self::Notify => "NOTIFY",
            Self::Refer => "REFER",
            Self::Prack => "PRACK",
            Self::Update => "UPDATE",
            Self::Message => "MESSAGE",
            Self::Info => "INFO",
            Self::Publish => "PUBLISH",
            Self::Other => "",
        }
    }

    /// The method of that name.
    pub fn parse(name: &str) -> Self {
        match name {
            "INVITE" => Self::Invite,
            "ACK" => Self::Ack,
            "CANCEL" => Self::Cancel,
            "BYE" => Self::Bye,
            "OPTIONS" => Self::Options,
            "REGISTER" => Self::Register,
            "SUBSCRIBE" => Self::Subscribe,
            "NOTIFY" => Self::Notify,
            "REFER" => Self::Refer,
            "PRACK" => Self::Prack,
            "UPDATE" => Self::Update,
            "MESSAGE" => Self::Message,
            "INFO" => Self::Info,
            "PUBLISH" => Self::Publish,
            _ => Self::Other,
        }
    }
}
