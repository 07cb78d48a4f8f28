//! What may happen, of which lists are made.

use super::said::Said;

/// Something that happens. Numbers choose among what there is at the time.
#[derive(Clone, Debug)]
pub enum Step {
    Accept {
        core: u8,
    },
    /// A peer has this to say, as the session it usually speaks for or as any other; it is not on
    /// the wire yet.
    Write {
        socket: u8,
        session: Option<u8>,
        said: Said,
    },
    /// So many octets of it arrive.
    Receive {
        socket: u8,
        octets: usize,
    },
    Disconnect {
        socket: u8,
    },
    Sent {
        socket: u8,
        taken: Taken,
    },
    /// A socket that is to be closed or handed over is.
    Finish {
        socket: u8,
    },
    Relay {
        way: u8,
    },
    /// From the focus, `late` epochs behind the newest.
    Order {
        core: u8,
        late: u64,
        order: Order,
    },
    Wait {
        milliseconds: u64,
    },
    /// The runtime asks what is to be done.
    Drain,
}

#[derive(Clone, Debug)]
pub enum Taken {
    All,
    Some(usize),
    Failed,
}

#[derive(Clone, Debug)]
pub enum Order {
    /// `unmet`: the peer has not said yet what it takes.
    Install {
        session: u8,
        room: u8,
        unmet: bool,
    },
    Activate {
        session: u8,
    },
    Remove {
        session: u8,
    },
    /// To one of the places, which may have several addresses, or to one that is nobody else's.
    Connect {
        session: u8,
        addresses: u8,
        place: Option<u8>,
    },
    Meet {
        session: u8,
        direction: u8,
    },
    Terms {
        room: u8,
        size_max: u64,
    },
    Close {
        room: u8,
    },
    Spread {
        room: u8,
        cores: u8,
    },
}
