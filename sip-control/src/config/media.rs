//! What the media of all rooms is like.

pub use crate::offer_answer::Cema;

/// What the media of all rooms is like.
#[derive(Clone, Debug)]
pub struct Media {
    /// Types that messages may have inside the wrapper, as in `a=accept-wrapped-types`.
    pub wrapped_types: String,
    /// Octets of the largest message, wrapper included (msrp/LIM-03).
    pub size_max: u64,
    /// A c/m address that differs from the path is tolerated (SDP-11); `None` as
    /// [`Profile`](super::Profile) has it.
    pub accept_sbc_rewrite: Option<bool>,
    /// Middleboxes are reckoned with (RFC 6714).
    pub cema: Cema,
    /// Peers that wait to be connected to are connected to (SDP-13).
    pub allow_active: bool,
    /// They may be anywhere, even on this host or on this link (msrp/SEC-02).
    pub connect_anywhere: bool,
    /// How participants are dealt to cores.
    pub placement: Deal,
}

/// How participants are dealt to cores.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Deal {
    /// All of a room on one core: no message crosses cores.
    #[default]
    Together,
    /// Round robin over all cores: for few large rooms.
    Spread,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            wrapped_types: "*".to_owned(),
            size_max: 10 * 1024 * 1024,
            accept_sbc_rewrite: None,
            cema: Cema::On,
            allow_active: true,
            connect_anywhere: false,
            placement: Deal::Together,
        }
    }
}
