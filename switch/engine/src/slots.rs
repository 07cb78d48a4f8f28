//! Tables whose ids know their tenant.

use std::marker::PhantomData;

/// A place in a [`Slots`] table: the slot, and which tenant of that slot is meant.
///
/// Slots are reused. An id that outlives its tenant carries the old `tenancy`, finds nothing, and
/// can never be credited to the newcomer.
pub struct Key<T> {
    slot: u32,
    tenancy: u32,
    table: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// Both numbers in one, for the user data of a completion.
    pub fn to_token(self) -> u64 {
        u64::from(self.tenancy) << 32 | u64::from(self.slot)
    }

    /// The slot alone, whoever its tenant: below the table's capacity, and the lowest are used most.
    pub(crate) fn slot(self) -> usize {
        self.slot as usize
    }

    /// The reverse of [`Key::to_token`]. A token nobody made finds nothing.
    pub fn from_token(token: u64) -> Self {
        Self { slot: token as u32, tenancy: (token >> 32) as u32, table: PhantomData }
    }
}

// Derived impls would ask `T` for what only the numbers need.
impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Key<T> {}
impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.slot, self.tenancy) == (other.slot, other.tenancy)
    }
}
impl<T> Eq for Key<T> {}
impl<T> std::hash::Hash for Key<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.to_token().hash(state);
    }
}
impl<T> std::fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.slot, self.tenancy)
    }
}

/// A bounded table. Insert, look-up and removal take constant time; memory grows to the most
/// tenants there ever were at once, never above `capacity`.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    places: Vec<Slot<T>>,
    vacant: Vec<u32>,
    capacity: u32,
}

#[derive(Debug)]
struct Slot<T> {
    tenancy: u32,
    tenant: Option<T>,
}

impl<T> Slots<T> {
    pub(crate) fn new(capacity: u32) -> Self {
        Self { places: Vec::new(), vacant: Vec::new(), capacity }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.vacant.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len() >= self.capacity as usize
    }

    /// Takes in a tenant, or gives it back when there is no room.
    pub(crate) fn insert(&mut self, tenant: T) -> Result<Key<T>, T> {
        if self.is_full() {
            return Err(tenant);
        }
        let slot = if let Some(slot) = self.vacant.pop() {
            slot
        } else {
            self.places.push(Slot { tenancy: 0, tenant: None });
            (self.places.len() - 1) as u32
        };
        let place = &mut self.places[slot as usize];
        place.tenant = Some(tenant);
        Ok(Key { slot, tenancy: place.tenancy, table: PhantomData })
    }

    pub(crate) fn get(&self, key: Key<T>) -> Option<&T> {
        let place = self.places.get(key.slot as usize)?;
        (place.tenancy == key.tenancy).then_some(place.tenant.as_ref()).flatten()
    }

    pub(crate) fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        let place = self.places.get_mut(key.slot as usize)?;
        (place.tenancy == key.tenancy).then_some(place.tenant.as_mut()).flatten()
    }

    pub(crate) fn remove(&mut self, key: Key<T>) -> Option<T> {
        let place = self.places.get_mut(key.slot as usize)?;
        let tenant = if place.tenancy == key.tenancy { place.tenant.take()? } else { return None };
        place.tenancy = place.tenancy.wrapping_add(1);
        self.vacant.push(key.slot);
        Some(tenant)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key<T>, &T)> {
        self.places.iter().enumerate().filter_map(|(slot, place)| {
            let key = Key { slot: slot as u32, tenancy: place.tenancy, table: PhantomData };
            place.tenant.as_ref().map(|tenant| (key, tenant))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Slots};

    #[test]
    fn an_id_that_outlives_its_tenant_finds_nothing() {
        let mut slots = Slots::new(1);
        let first = slots.insert("first").unwrap();
        assert_eq!(slots.insert("too many"), Err("too many"));
        assert_eq!(slots.remove(first), Some("first"));
        let second = slots.insert("second").unwrap();
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.get(second), Some(&"second"));
        assert_eq!(slots.get(Key::from_token(second.to_token())), Some(&"second"));
        assert_eq!(slots.get(Key::from_token(77)), None);
    }
}
