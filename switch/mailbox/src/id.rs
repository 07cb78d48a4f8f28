//! Names that both planes use for the same thing. The focus hands them out; a core never invents
//! one.

/// Cores one node can have: one bit each in a [`CoreSet`].
pub const CORES_MAX: usize = 128;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(pub $inner);
    };
}

id! {
    /// One MSRP session of one participant: a leg of the focus, a route of a core. Never reused
    /// while the process lives.
    SessionId(u64)
}
id! {
    /// One running conference. Never reused while the process lives.
    RoomId(u64)
}
id! {
    /// One user in one room, whatever number of sessions the user has there.
    ParticipantId(u64)
}
id! {
    /// The order of commands about one room. Grows with every command; a core ignores a command
    /// that is older than what it has applied to the same subject.
    Epoch(u64)
}

/// One pinned thread, counted from 0. Always below [`CORES_MAX`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CoreId(u8);

impl CoreId {
    /// The core with this number, or `None` from [`CORES_MAX`] on.
    pub fn new(number: usize) -> Option<Self> {
        (number < CORES_MAX).then_some(Self(number as u8))
    }

    /// The number, as an index.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Some cores of a node.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct CoreSet(u128);

impl CoreSet {
    /// No core at all.
    pub const EMPTY: Self = Self(0);

    /// The set with `core` in it too.
    #[must_use]
    pub fn with(self, core: CoreId) -> Self {
        Self(self.0 | 1 << core.0)
    }

    /// The set without `core`.
    #[must_use]
    pub fn without(self, core: CoreId) -> Self {
        Self(self.0 & !(1 << core.0))
    }

    /// Whether `core` is in it.
    pub fn contains(self, core: CoreId) -> bool {
        self.0 & (1 << core.0) != 0
    }

    /// Whether no core is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members in rising order.
    pub fn iter(self) -> impl Iterator<Item = CoreId> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let lowest = (rest != 0).then(|| rest.trailing_zeros())?;
            rest &= rest - 1;
            Some(CoreId(lowest as u8))
        })
    }
}

impl FromIterator<CoreId> for CoreSet {
    fn from_iter<I: IntoIterator<Item = CoreId>>(cores: I) -> Self {
        cores.into_iter().fold(Self::EMPTY, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::{CORES_MAX, CoreId, CoreSet};

    fn core(number: usize) -> CoreId {
        CoreId::new(number).unwrap()
    }

    #[test]
    fn a_core_set_holds_what_was_put_in_up_to_the_last_core() {
        let set: CoreSet = [core(0), core(5), core(CORES_MAX - 1)].into_iter().collect();
        assert_eq!(set.iter().map(CoreId::index).collect::<Vec<_>>(), [0, 5, CORES_MAX - 1]);
        assert!(!set.without(core(5)).contains(core(5)));
        assert!(CoreSet::EMPTY.is_empty() && !set.is_empty());
        assert_eq!(CoreId::new(CORES_MAX), None);
    }
}
