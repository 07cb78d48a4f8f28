//! Who may join: a pure function over a snapshot (POL-01). It is asked in the order of the change
//! request, steps 2 to 4, and the first no is the answer.

use std::{sync::Arc, time::Duration};

use super::{
    Utc,
    invite::Invitee,
    user::{UserKey, UserSet},
};
use crate::{
    config::{AdHoc, Additions, Limits, RoomKind, Rules},
    group::{Group, Inquiry, Reason, Right, Verdict},
};

/// The rules of a room, ready to be asked.
#[derive(Clone, Debug)]
pub enum Policy {
    /// Lists, as the configuration has them.
    Listed(Box<Lists>),
    /// A group document.
    Documented(Arc<Group>),
    /// Whoever was called together.
    AdHoc(Box<Company>),
}

/// An ad-hoc group: the session is all there is of it, and who belongs to it is the session's to
/// know (PUB-14).
#[derive(Clone, Debug)]
pub struct Company {
    creator: Vec<UserKey>,
    size_max: usize,
    anonymity: UserSet,
    additions: Additions,
}

impl Company {
    /// The rules of a group that this user creates.
    pub fn of(creator: &[UserKey], rules: &AdHoc) -> Self {
        Self {
            creator: creator.to_vec(),
            size_max: rules.size_max,
            anonymity: UserSet::from(&rules.anonymity),
            additions: rules.additions,
        }
    }

    fn is_creator(&self, user: &[UserKey]) -> bool {
        user.iter().any(|key| self.creator.contains(key))
    }
}

/// Who may do what, by lists of users.
#[derive(Clone, Debug)]
pub struct Lists {
    admitted: UserSet,
    blocked: UserSet,
    initiators: UserSet,
    anonymity: UserSet,
    watchers: UserSet,
    inviters: UserSet,
    max_participants: Option<usize>,
    is_group: bool,
}

/// Who asks, and for what.
#[derive(Clone, Copy, Debug)]
pub struct Petition<'a> {
    /// The keys of the authenticated originator.
    pub user: &'a [UserKey],
    /// Privacy `id` was asked for (FOC-15).
    pub anonymous: bool,
    /// The time of day, which rules may depend on.
    pub at: Utc,
}

/// The state of the session the answer rests on.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    /// Whether a session runs that can be joined.
    pub is_running: bool,
    /// Whether one of those is connected without whom there is no session (POL-15).
    pub has_key_participant: bool,
    /// Whether the user was called into the session, or was in it (PUB-14).
    pub is_guest: bool,
    /// Whether the user was removed from the session (REF-06).
    pub is_expelled: bool,
    /// Whether the user left the session for good, and comes back to that very session (RCS-04).
    pub has_departed: bool,
    /// Distinct users with a seat, the one who asks left out (FOC-11).
    pub others: usize,
    /// What the room can hold at all (OPS-03).
    pub users_max: usize,
}

impl Snapshot {
    /// How things stand where no session runs.
    pub fn of_nobody(limits: &Limits) -> Self {
        let users_max = limits.users_per_room;
        Self {
            is_running: false,
            has_key_participant: false,
            is_guest: false,
            is_expelled: false,
            has_departed: false,
            others: 0,
            users_max,
        }
    }
}

/// Why not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Denial {
    /// No session runs, and this user may not begin one (PUB-06).
    Initiation,
    /// Step 2: on no list that admits.
    NotMember,
    /// Step 2: on the list that does not.
    Blocked,
    /// Step 2: on the list of a group whose rules do not admit.
    NotGranted,
    /// Step 2: the group is not for messaging (POL-16).
    Service,
    /// Step 2: it is not the time of the group (POL-16).
    Schedule,
    /// Step 2: the document of the group has never come (POL-17).
    Unavailable,
    /// Step 2: removed from the session (REF-06).
    Expelled,
    /// Step 2: left the session for good (RCS-04).
    Departed,
    /// Step 2: nobody without whom there is no session is there (LEAVE-07).
    KeyAbsent,
    /// Step 3.
    Full,
    /// Step 4.
    Anonymity,
}

impl Policy {
    /// The rules of a configured room of this kind.
    pub fn new(kind: RoomKind, rules: &Rules) -> Self {
        let initiators = match kind {
            RoomKind::Public => UserSet::Everyone,
            RoomKind::Group => UserSet::from(&rules.initiators),
        };
        Self::Listed(Box::new(Lists {
            initiators,
            admitted: UserSet::from(&rules.admitted),
            blocked: UserSet::only(&rules.blocked),
            anonymity: UserSet::from(&rules.anonymity),
            watchers: UserSet::from(&rules.watchers),
            inviters: UserSet::from(&rules.inviters),
            max_participants: rules.max_participants,
            is_group: kind == RoomKind::Group,
        }))
    }

    /// Whether the one who asks may take a seat.
    pub fn admit(&self, petition: Petition<'_>, snapshot: Snapshot) -> Result<(), Denial> {
        if snapshot.is_expelled {
            return Err(Denial::Expelled);
        }
        if snapshot.has_departed {
            return Err(Denial::Departed);
        }
        match self {
            Self::Listed(lists) => lists.enter(petition, snapshot)?,
            Self::Documented(group) => enter_group(group, petition, snapshot)?,
            Self::AdHoc(_) if snapshot.is_guest => {}
            Self::AdHoc(_) => return Err(Denial::NotMember),
        }
        if !self.has_seat(snapshot) {
            return Err(Denial::Full);
        }
        if petition.anonymous && !self.may_hide(petition) {
            return Err(Denial::Anonymity);
        }
        Ok(())
    }

    /// Step 3: whether there is a seat for the one who asks (FOC-11).
    pub fn has_seat(&self, snapshot: Snapshot) -> bool {
        let own = self.max_participants();
        snapshot.others < own.map_or(snapshot.users_max, |own| own.min(snapshot.users_max))
    }

    /// How many users there may be at one time.
    pub fn seats(&self, limits: &Limits) -> usize {
        let own = self.max_participants();
        own.map_or(limits.users_per_room, |own| own.min(limits.users_per_room))
    }

    /// Who is to be invited when a session begins: nobody, or the members of a group that says so,
    /// those first without whom it is not complete (PUB-07).
    pub fn invitees(&self) -> Vec<Invitee> {
        let Self::Documented(group) = self else { return Vec::new() };
        if !group.invites_members {
            return Vec::new();
        }
        let mut members: Vec<&UserKey> = group.members.iter().collect();
        members.sort_unstable_by_key(|key| (!group.required.contains(key), key.uri()));
        members.into_iter().filter_map(|key| Invitee::of(key.uri())).collect()
    }

    /// Whether a user who has not joined may watch all the same (POL-14).
    pub fn may_watch(&self, user: &[UserKey], at: Utc) -> bool {
        match self {
            Self::Listed(lists) => lists.watchers.holds(user) && !lists.blocked.holds(user),
            Self::Documented(group) => {
                let inquiry = Inquiry { user: Some(user), is_anonymous: false, at };
                group.grants(Right::ConferenceState, &inquiry)
            }
            Self::AdHoc(_) => false,
        }
    }

    /// Whether a participant may have others called in (REF-03).
    pub fn may_add(&self, user: &[UserKey], at: Utc) -> bool {
        match self {
            Self::Listed(lists) => lists.inviters.holds(user),
            Self::Documented(group) => {
                let inquiry = Inquiry { user: Some(user), is_anonymous: false, at };
                group.grants(Right::InviteUsers, &inquiry)
            }
            Self::AdHoc(company) => match company.additions {
                Additions::Everyone => true,
                Additions::Creator => company.is_creator(user),
            },
        }
    }

    /// Whether a participant may have others removed (REF-05).
    pub fn may_remove(&self, user: &[UserKey], at: Utc) -> bool {
        match self {
            Self::Listed(_) => false,
            Self::Documented(group) => {
                let inquiry = Inquiry { user: Some(user), is_anonymous: false, at };
                group.grants(Right::Expel, &inquiry)
            }
            Self::AdHoc(company) => company.is_creator(user),
        }
    }

    /// Whether a session ends when too few are left of it. One of a public room goes on for whoever
    /// is in it (LEAVE-05).
    pub fn is_of_group(&self) -> bool {
        match self {
            Self::Listed(lists) => lists.is_group,
            Self::Documented(_) | Self::AdHoc(_) => true,
        }
    }

    /// Whether a participant may write to single others, where members of the room may at all. A group
    /// whose rules do not speak of it leaves it to the room (POL-16).
    pub fn may_whisper(&self, user: &[UserKey], at: Utc) -> bool {
        let Self::Documented(group) = self else { return true };
        let inquiry = Inquiry { user: Some(user), is_anonymous: false, at };
        !group.speaks_of(Right::Whisper) || group.grants(Right::Whisper, &inquiry)
    }

    /// How many have to be left of a session for it to go on, if the group itself says so (POL-16).
    pub fn participants_min(&self) -> Option<usize> {
        let Self::Documented(group) = self else { return None };
        group.participants_min
    }

    /// How long a session may last (LEAVE-08).
    pub fn duration_max(&self) -> Option<Duration> {
        let Self::Documented(group) = self else { return None };
        group.duration_max
    }

    /// When a session that runs `at` some time has to end at the latest (LEAVE-08).
    pub fn ends_at(&self, at: Utc) -> Option<Utc> {
        let Self::Documented(group) = self else { return None };
        group.schedule.as_ref().map(|schedule| schedule.ends_at(at))
    }

    /// The room's own limit, if it has one (EVT-04).
    pub fn max_participants(&self) -> Option<usize> {
        match self {
            Self::Listed(lists) => lists.max_participants,
            Self::Documented(group) => group.max_participants,
            Self::AdHoc(company) => Some(company.size_max),
        }
    }

    /// Whether a session lives only while somebody for whom
    /// [`is_key_participant`](Self::is_key_participant) holds is in it.
    pub fn has_key_participants(&self) -> bool {
        matches!(self, Self::Documented(group) if group.has_key_participants())
    }

    /// Whether the user is one of those without whom there is no session (POL-15).
    pub fn is_key_participant(&self, user: &[UserKey], at: Utc) -> bool {
        let inquiry = Inquiry { user: Some(user), is_anonymous: false, at };
        matches!(self, Self::Documented(group) if group.grants(Right::KeyParticipant, &inquiry))
    }

    /// Step 4 (FOC-16).
    fn may_hide(&self, petition: Petition<'_>) -> bool {
        match self {
            Self::Listed(lists) => lists.anonymity.holds(petition.user),
            Self::Documented(group) => group.grants(Right::Anonymity, &petition.inquiry()),
            Self::AdHoc(company) => company.anonymity.holds(petition.user),
        }
    }
}

impl<'a> Petition<'a> {
    fn inquiry(&self) -> Inquiry<'a> {
        Inquiry { user: Some(self.user), is_anonymous: self.anonymous, at: self.at }
    }
}

impl Lists {
    /// Step 2.
    fn enter(&self, petition: Petition<'_>, snapshot: Snapshot) -> Result<(), Denial> {
        let begins = !snapshot.is_running && !matches!(self.initiators, UserSet::Everyone);
        if begins && !self.initiators.holds(petition.user) {
            return Err(Denial::Initiation);
        }
        if !self.admitted.holds(petition.user) {
            return Err(Denial::NotMember);
        }
        if self.blocked.holds(petition.user) {
            return Err(Denial::Blocked);
        }
        Ok(())
    }
}

/// Step 2 for a group with a document: to begin a session is one right, to join it another (PUB-06).
fn enter_group(group: &Group, petition: Petition<'_>, snapshot: Snapshot) -> Result<(), Denial> {
    let right = if snapshot.is_running { Right::Join } else { Right::Initiate };
    let inquiry = petition.inquiry();
    if let Verdict::Denied { reason, .. } = group.ask(right, &inquiry) {
        return Err(match reason {
            Reason::ServiceNotSupported => Denial::Service,
            Reason::Schedule => Denial::Schedule,
            Reason::DocumentUnavailable => Denial::Unavailable,
            _ if right == Right::Initiate => Denial::Initiation,
            Reason::NotMember => Denial::NotMember,
            Reason::Blocked => Denial::NotGranted,
        });
    }
    let needs_key = group.has_key_participants() && !snapshot.has_key_participant;
    if needs_key && !group.grants(Right::KeyParticipant, &inquiry) {
        return Err(Denial::KeyAbsent);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Company, Denial, Petition, Policy, Snapshot};
    use crate::{
        config::{AdHoc, Limits, RoomKind, Rules, Users},
        focus::{Utc, user::UserKey},
        group::GroupDocument,
    };

    /// A group of which Alice may join until one second after the epoch, and hide.
    const GROUP: &str = "<?xml version='1.0'?><group xmlns='urn:oma:xml:poc:list-service' \
        xmlns:cp='urn:ietf:params:xml:ns:common-policy'><list-service uri='sip:team@example.com'>\
        <cp:ruleset><cp:rule id='a'><cp:conditions>\
        <cp:identity><cp:one id='sip:alice@example.com'/></cp:identity>\
        <cp:validity><cp:from>1970-01-01T00:00:00Z</cp:from>\
        <cp:until>1970-01-01T00:00:01Z</cp:until></cp:validity></cp:conditions>\
        <cp:actions><join-handling>true</join-handling></cp:actions></cp:rule>\
        </cp:ruleset></list-service></group>";

    fn users(uris: &[&str]) -> Users {
        Users::Only(uris.iter().map(|uri| (*uri).to_owned()).collect())
    }

    fn asked(rules: &Rules, user: &str, anonymous: bool, others: usize) -> Result<(), Denial> {
        let user = [UserKey::of(user).unwrap()];
        let limits = Limits { users_per_room: 5, ..Limits::default() };
        let snapshot = Snapshot { is_running: true, others, ..Snapshot::of_nobody(&limits) };
        let petition = Petition { user: &user, anonymous, at: Utc(0) };
        Policy::new(RoomKind::Group, rules).admit(petition, snapshot)
    }

    fn garden() -> Rules {
        Rules {
            admitted: users(&["sip:alice@example.com", "sip:bob@example.com", "tel:+12125550147"]),
            blocked: vec!["sip:mallory@example.net".to_owned()],
            initiators: Users::Everyone,
            max_participants: Some(3),
            anonymity: users(&["sip:alice@example.com"]),
            watchers: users(&["sip:carol@example.com", "sip:mallory@example.net"]),
            ..Rules::default()
        }
    }

    /// FOC-07, FOC-11, FOC-16: each step says no on its own ground, and the earlier step first.
    #[test]
    fn the_first_no_in_the_order_of_the_steps_is_the_answer() {
        let rules = garden();
        assert_eq!(asked(&rules, "sip:alice@example.com", true, 2), Ok(()));
        assert_eq!(asked(&rules, "sip:bob@example.com", false, 2), Ok(()));
        assert_eq!(asked(&rules, "sip:+1212555-0147@gw;user=phone", false, 0), Ok(()));
        assert_eq!(asked(&rules, "sip:bob@example.com", true, 2), Err(Denial::Anonymity));
        assert_eq!(asked(&rules, "sip:bob@example.com", true, 3), Err(Denial::Full));
        assert_eq!(asked(&rules, "sip:eve@example.com", true, 3), Err(Denial::NotMember));
    }

    /// POL-04: a block list goes before everyone's welcome.
    #[test]
    fn the_blocked_are_denied_where_everyone_is_admitted() {
        let rules = Rules { admitted: Users::Everyone, ..garden() };
        assert_eq!(asked(&rules, "sip:mallory@example.net", false, 0), Err(Denial::Blocked));
        assert_eq!(asked(&rules, "sip:anyone@example.net", false, 0), Ok(()));
    }

    /// FOC-10, PUB-05: no limit of its own leaves the product's; 0 is nobody.
    #[test]
    fn a_limit_may_be_absent_or_nought() {
        let unlimited = Rules { max_participants: None, ..garden() };
        assert_eq!(asked(&unlimited, "sip:bob@example.com", false, 4), Ok(()));
        assert_eq!(asked(&unlimited, "sip:bob@example.com", false, 5), Err(Denial::Full));
        let nobody = Rules { max_participants: Some(0), ..garden() };
        assert_eq!(asked(&nobody, "sip:bob@example.com", false, 0), Err(Denial::Full));
    }

    /// POL-14: to watch without joining is a right of its own.
    #[test]
    fn only_those_named_may_watch_from_outside() {
        let policy = Policy::new(RoomKind::Group, &garden());
        let may_watch = |user| policy.may_watch(&[UserKey::of(user).unwrap()], Utc(0));
        assert!(may_watch("sip:carol@example.com"));
        assert!(!may_watch("sip:alice@example.com") && !may_watch("sip:mallory@example.net"));
    }

    /// POL-01: the kind of session, its document, who asks and whether under a name, the time, who was in
    /// it before and who was put out of it: each of them decides by itself, with a reason of its own, and
    /// the same question has the same answer whenever it is asked.
    #[test]
    fn what_is_told_decides_and_nothing_else() {
        let alice = [UserKey::of("sip:alice@example.com").unwrap()];
        let eve = [UserKey::of("sip:eve@example.com").unwrap()];
        let limits = Limits { users_per_room: 5, ..Limits::default() };
        let running = Snapshot { is_running: true, ..Snapshot::of_nobody(&limits) };
        let asks = Petition { user: &alice, anonymous: false, at: Utc(0) };
        let group = GroupDocument::parse(GROUP.as_bytes()).unwrap().groups.remove(0);
        let documented = Policy::Documented(Arc::new(group));
        let company =
            Policy::AdHoc(Box::new(Company::of(&alice, &AdHoc::new("sip:make@im.example.com"))));
        let listed = Policy::new(RoomKind::Group, &Rules { initiators: users(&[]), ..garden() });
        let public = Policy::new(RoomKind::Public, &Rules { initiators: users(&[]), ..garden() });
        let idle = Snapshot { is_running: false, ..running };
        let guest = Snapshot { is_guest: true, ..running };
        let expelled = Snapshot { is_expelled: true, ..running };
        let full = Snapshot { others: 5, ..running };
        let stranger = Petition { user: &eve, ..asks };
        let late = Petition { at: Utc(1), ..asks };
        let hidden = Petition { anonymous: true, ..asks };
        for (policy, petition, snapshot, answer) in [
            (&documented, asks, running, Ok(())),
            (&documented, stranger, running, Err(Denial::NotMember)),
            (&documented, late, running, Err(Denial::NotMember)),
            (&documented, hidden, running, Err(Denial::Anonymity)),
            (&documented, asks, idle, Err(Denial::Initiation)),
            (&documented, asks, expelled, Err(Denial::Expelled)),
            (&documented, asks, full, Err(Denial::Full)),
            (&company, asks, running, Err(Denial::NotMember)),
            (&company, asks, guest, Ok(())),
            (&listed, hidden, running, Ok(())),
            (&listed, asks, idle, Err(Denial::Initiation)),
            (&public, asks, idle, Ok(())),
        ] {
            for _ in 0..2 {
                assert_eq!(policy.admit(petition, snapshot), answer, "{petition:?} {snapshot:?}");
            }
        }
    }
}
