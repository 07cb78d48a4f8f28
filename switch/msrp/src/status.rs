//! Status codes, of responses and of REPORTs alike (CODE-15).
//!
//! 426 and 427 are not codes of MSRP, and 423 has no part in nicknames.

/// The request was accepted by this hop; it says nothing about recipients (CODE-01).
pub const OK: u16 = 200;
/// The request cannot be understood (CODE-02).
pub const BAD_REQUEST: u16 = 400;
/// AUTH only: credentials are needed (CODE-03).
pub const UNAUTHORIZED: u16 = 401;
/// The action is not allowed (CODE-04).
pub const FORBIDDEN: u16 = 403;
/// The recipient of a private message is not in the room (CODE-05).
pub const NOT_FOUND: u16 = 404;
/// No answer in time. A relay reports it; nobody responds with it (CODE-06).
pub const TIMEOUT: u16 = 408;
/// Stop sending this message (CODE-07).
pub const STOP: u16 = 413;
/// Content of a type that is not understood (CODE-08).
pub const UNSUPPORTED_MEDIA: u16 = 415;
/// AUTH only: a parameter is out of bounds (CODE-09).
pub const OUT_OF_BOUNDS: u16 = 423;
/// The nickname is malformed (CODE-10).
pub const BAD_NICKNAME: u16 = 424;
/// The nickname is reserved or used by another (CODE-10).
pub const NICKNAME_IN_USE: u16 = 425;
/// The recipient takes no private messages (CODE-11).
pub const NO_PRIVATE_MESSAGES: u16 = 428;
/// No such session for this connection (CODE-12).
pub const NO_SESSION: u16 = 481;
/// The method is not known (CODE-13).
pub const UNKNOWN_METHOD: u16 = 501;
/// The session is bound to another connection (CODE-14).
pub const SESSION_IN_USE: u16 = 506;

/// A comment to go with a code. It never changes what the code means (WIRE-31).
pub fn comment(status: u16) -> &'static str {
    match status {
        OK => "OK",
        BAD_REQUEST => "Bad request",
        UNAUTHORIZED => "Unauthorized",
        FORBIDDEN => "Action not allowed",
        NOT_FOUND => "Cannot resolve recipient",
        TIMEOUT => "Timeout",
        STOP => "Stop sending",
        UNSUPPORTED_MEDIA => "Unsupported media type",
        OUT_OF_BOUNDS => "Parameter out of bounds",
        BAD_NICKNAME => "Malformed nickname",
        NICKNAME_IN_USE => "Nickname reserved or already in use",
        NO_PRIVATE_MESSAGES => "Private messages not supported",
        NO_SESSION => "Session does not exist",
        UNKNOWN_METHOD => "Unknown method",
        SESSION_IN_USE => "Session already in use",
        _ => "",
    }
}
