//! A group document, read and checked, and what its groups answer when they are asked.

use std::{collections::HashSet, fmt, time::Duration};

use super::{
    read,
    rule::{Right, Rule},
    schedule::Schedule,
    xml::{Element, Wrong},
};
use crate::focus::{UserKey, Utc};

/// What is wrong with a document, for who wrote it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// The line, the first being 1.
    pub line: usize,
    /// The character of the line, the first being 1.
    pub column: usize,
    /// What was expected there.
    pub expected: String,
}

impl Fault {
    pub(super) fn new(document: &[u8], wrong: Wrong) -> Self {
        let before = &document[..wrong.at.min(document.len())];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        let characters = before[line_start..].iter().filter(|octet| (**octet & 0xc0) != 0x80);
        Self {
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            column: characters.count() + 1,
            expected: wrong.expected,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.expected)
    }
}

impl std::error::Error for Fault {}

/// Something about a document that in the end does no harm, told as a [`Fault`] is.
pub type Remark = Fault;

/// A document without a fault.
#[derive(Clone, Debug)]
pub struct GroupDocument {
    /// Its groups, in their order.
    pub groups: Vec<Group>,
    /// What its author should know all the same.
    pub remarks: Vec<Remark>,
}

impl GroupDocument {
    /// Reads a document (POL-05). The first fault refuses all of it.
    pub fn parse(document: &[u8]) -> Result<Self, Fault> {
        let mut remarks = Vec::new();
        let groups = Element::parse(document)
            .and_then(|root| read::groups(&root, &mut remarks))
            .map_err(|wrong| Fault::new(document, wrong))?;
        let remarks = remarks.into_iter().map(|remark| Fault::new(document, remark)).collect();
        Ok(Self { groups, remarks })
    }
}

/// A Pre-defined Group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    /// The Group Identity: the SIP URI that it is joined by.
    pub uri: String,
    /// What its sessions are about.
    pub subject: Option<String>,
    /// Users at one time. `None` is no limit of the group's own; 0 is nobody (FOC-10).
    pub max_participants: Option<usize>,
    /// Whether its services, if it lists any, have messaging among them (POL-16).
    pub serves_messaging: bool,
    /// Who is on its list.
    pub members: HashSet<UserKey>,
    /// Where the lists are whose members are on its list too (POL-09).
    pub external: Vec<String>,
    /// Whether whoever begins a session has its members invited (PUB-07).
    pub invites_members: bool,
    /// Who is to be invited before all others.
    pub required: HashSet<UserKey>,
    /// When its sessions may run; `None` is always.
    pub schedule: Option<Schedule>,
    /// How long one of them may last.
    pub duration_max: Option<Duration>,
    /// How many have to be left of one for it to go on. `None` is what is configured (LEAVE-05).
    pub participants_min: Option<usize>,
    /// Whether there is a group of that URI, of which nothing is known: its document has never come.
    pub is_awaited: bool,
    /// Its rules, in their order.
    pub(super) rules: Vec<Rule>,
}

/// Who asks a group, in what way, and when.
#[derive(Clone, Copy, Debug)]
pub struct Inquiry<'a> {
    /// The keys of the user, or nothing for somebody whom nobody vouches for.
    pub user: Option<&'a [UserKey]>,
    /// Whether not to be named was asked for.
    pub is_anonymous: bool,
    /// The time of day.
    pub at: Utc,
}

/// What a group answers, and the rule by which it does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict<'a> {
    /// Yes.
    Granted {
        /// The first rule that says so.
        rule: &'a str,
    },
    /// No.
    Denied {
        /// Why.
        reason: Reason,
        /// The first rule that says so, if it is not for want of one.
        rule: Option<&'a str>,
    },
}

/// Why a group says no, for logs and metrics (POL-20). None of it goes on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// The user is not on its list.
    NotMember,
    /// The user is, and is not granted that.
    Blocked,
    /// The group is not for messaging.
    ServiceNotSupported,
    /// It is not its time.
    Schedule,
    /// Its document has never come.
    DocumentUnavailable,
}

impl Reason {
    /// As logs have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotMember => "not_member",
            Self::Blocked => "join_blocked",
            Self::ServiceNotSupported => "service_not_supported",
            Self::Schedule => "schedule",
            Self::DocumentUnavailable => "document_unavailable",
        }
    }
}

impl Group {
    /// A group of which its document says nothing but the URI.
    pub(super) fn bare(uri: &str) -> Self {
        Self {
            uri: uri.to_owned(),
            subject: None,
            max_participants: None,
            serves_messaging: true,
            members: HashSet::new(),
            external: Vec::new(),
            invites_members: false,
            required: HashSet::new(),
            schedule: None,
            duration_max: None,
            participants_min: None,
            is_awaited: false,
            rules: Vec::new(),
        }
    }

    /// A group whose document has never come. It grants nothing to anybody (POL-01).
    pub(super) fn awaited(uri: &str) -> Self {
        Self { is_awaited: true, ..Self::bare(uri) }
    }

    /// Whether `right` is granted: if at least one rule that applies says so (POL-12). A right that
    /// no such rule speaks of is not (POL-02).
    pub fn ask(&self, right: Right, inquiry: &Inquiry<'_>) -> Verdict<'_> {
        if self.is_awaited {
            return Verdict::Denied { reason: Reason::DocumentUnavailable, rule: None };
        }
        if !self.serves_messaging {
            return Verdict::Denied { reason: Reason::ServiceNotSupported, rule: None };
        }
        let is_closed = self.schedule.as_ref().is_some_and(|times| !times.holds(inquiry.at));
        if is_closed && matches!(right, Right::Join | Right::Initiate) {
            return Verdict::Denied { reason: Reason::Schedule, rule: None };
        }
        let user = inquiry.user.unwrap_or_default();
        let is_named = || self.rules.iter().any(|rule| rule.names(user, &self.members));
        let is_other = inquiry.user.is_some() && !is_named();
        let mut says_no = None;
        for rule in &self.rules {
            if !rule.applies(inquiry, &self.members, is_other) {
                continue;
            }
            match rule.says(right) {
                Some(true) => return Verdict::Granted { rule: &rule.id },
                Some(false) => says_no = says_no.or(Some(&*rule.id)),
                None => {}
            }
        }
        let is_member = user.iter().any(|key| self.members.contains(key));
        let reason = if is_member { Reason::Blocked } else { Reason::NotMember };
        Verdict::Denied { reason, rule: says_no }
    }

    /// Whether `right` is granted.
    pub fn grants(&self, right: Right, inquiry: &Inquiry<'_>) -> bool {
        matches!(self.ask(right, inquiry), Verdict::Granted { .. })
    }

    /// Whether any rule says anything about `right`.
    pub fn speaks_of(&self, right: Right) -> bool {
        self.rules.iter().any(|rule| rule.says(right).is_some())
    }

    /// Whether there are users without whom there is no session: some rule can make one (POL-15).
    pub fn has_key_participants(&self) -> bool {
        let mut rules = self.rules.iter().filter(|rule| rule.can_apply());
        rules.any(|rule| rule.says(Right::KeyParticipant) == Some(true))
    }
}
