//! The file: five tables, and one transaction per batch of changes. The only door to redb.

use std::{collections::BTreeMap, path::Path};

use redb::{
    Database, Error, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction,
};

use super::{Change, Founding, Remembered, RememberedMember};
use crate::{focus::UserKey, message::Marks};

/// Identity of a session to the URI of its room.
const SESSIONS: TableDefinition<'_, &str, &str> = TableDefinition::new("sessions");
/// Identity of a session, and a user, to how the user stands to it.
const USERS: TableDefinition<'_, (&str, &str), u8> = TableDefinition::new("users");
/// Identity of a session to the number of its last alias.
const ALIASES: TableDefinition<'_, &str, u64> = TableDefinition::new("aliases");

/// Identity of a session to its Contribution-ID and Conversation-ID; an empty one is none.
const MARKS: TableDefinition<'_, &str, (&str, &str)> = TableDefinition::new("marks");

/// Identity of the session of an ad-hoc group to who made it and to its subject; an empty one is none.
const FOUNDINGS: TableDefinition<'_, &str, (&str, &str)> = TableDefinition::new("foundings");

const MEMBER: u8 = 1;
const EXPELLED: u8 = 2;
const HIDDEN_MEMBER: u8 = 3;
const DEPARTED: u8 = 4;
const GUEST: u8 = 5;

/// Behind every key of [`USERS`] that begins with a session: no URI has it.
const BEHIND_ALL: &str = "\u{10ffff}";

/// An open file.
#[derive(Debug)]
pub struct Ledger {
    database: Database,
}

impl Ledger {
    /// Opens the file, or makes it. One that a killed process left behind is mended.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let database = Database::create(path)?;
        let transaction = database.begin_write()?;
        transaction.open_table(SESSIONS)?;
        transaction.open_table(USERS)?;
        transaction.open_table(ALIASES)?;
        transaction.open_table(MARKS)?;
        transaction.open_table(FOUNDINGS)?;
        transaction.commit()?;
        Ok(Self { database })
    }

    /// All sessions in it.
    pub fn read(&self) -> Result<Vec<Remembered>, Error> {
        let transaction = self.database.begin_read()?;
        let mut sessions = BTreeMap::new();
        for entry in transaction.open_table(SESSIONS)?.iter()? {
            let (session, room) = entry?;
            let (session, room) = (session.value().to_owned(), room.value().to_owned());
            let remembered = Remembered { session: session.clone(), room, ..Remembered::default() };
            sessions.insert(session, remembered);
        }
        for entry in transaction.open_table(ALIASES)?.iter()? {
            let (session, last) = entry?;
            if let Some(remembered) = sessions.get_mut(session.value()) {
                remembered.aliases = last.value();
            }
        }
        for entry in transaction.open_table(MARKS)?.iter()? {
            let (session, marks) = entry?;
            if let Some(remembered) = sessions.get_mut(session.value()) {
                let given = |mark: &str| Some(mark.to_owned()).filter(|mark| !mark.is_empty());
                let (contribution, conversation) = marks.value();
                let (contribution, conversation) = (given(contribution), given(conversation));
                remembered.marks = Marks { contribution, conversation };
            }
        }
        for entry in transaction.open_table(FOUNDINGS)?.iter()? {
            let (session, founding) = entry?;
            if let Some(remembered) = sessions.get_mut(session.value()) {
                let (creator, subject) = founding.value();
                let subject = Some(subject.to_owned()).filter(|subject| !subject.is_empty());
                remembered.founding =
                    UserKey::of(creator).map(|creator| Founding { creator, subject });
            }
        }
        for entry in transaction.open_table(USERS)?.iter()? {
            let (key, standing) = entry?;
            let (session, user) = key.value();
            let Some(remembered) = sessions.get_mut(session) else { continue };
            let Some(user) = UserKey::of(user) else { continue };
            match standing.value() {
                EXPELLED => remembered.expelled.push(user),
                DEPARTED => remembered.departed.push(user),
                GUEST => remembered.guests.push(user),
                standing => {
                    let is_anonymous = standing == HIDDEN_MEMBER;
                    remembered.members.push(RememberedMember { user, is_anonymous });
                }
            }
        }
        Ok(sessions.into_values().collect())
    }

    /// Writes a batch of changes: all of it, or nothing.
    pub fn write(&self, changes: &[Change]) -> Result<(), Error> {
        let transaction = self.database.begin_write()?;
        apply(&transaction, changes)?;
        transaction.commit()?;
        Ok(())
    }
}

fn apply(transaction: &WriteTransaction, changes: &[Change]) -> Result<(), Error> {
    let mut sessions = transaction.open_table(SESSIONS)?;
    let mut users = transaction.open_table(USERS)?;
    let mut aliases = transaction.open_table(ALIASES)?;
    let mut names = transaction.open_table(MARKS)?;
    let mut foundings = transaction.open_table(FOUNDINGS)?;
    for change in changes {
        match change {
            Change::Opened { session, room } => {
                sessions.insert(&**session, &**room)?;
            }
            Change::Founded { session, founding: Founding { creator, subject } } => {
                let subject = subject.as_deref().unwrap_or_default();
                foundings.insert(&**session, (creator.uri(), subject))?;
            }
            Change::Welcomed { session, user } => {
                users.insert((&**session, user.uri()), GUEST)?;
            }
            Change::Joined { session, user, is_anonymous } => {
                let standing = if *is_anonymous { HIDDEN_MEMBER } else { MEMBER };
                users.insert((&**session, user.uri()), standing)?;
            }
            Change::Left { session, user } => {
                users.remove((&**session, user.uri()))?;
            }
            Change::Expelled { session, user } => {
                users.insert((&**session, user.uri()), EXPELLED)?;
            }
            Change::Departed { session, user } => {
                users.insert((&**session, user.uri()), DEPARTED)?;
            }
            Change::Marked { session, marks: Marks { contribution, conversation } } => {
                let given = |mark: &Option<String>| mark.clone().unwrap_or_default();
                let (contribution, conversation) = (given(contribution), given(conversation));
                names.insert(&**session, (&*contribution, &*conversation))?;
            }
            Change::Aliased { session, last } => {
                aliases.insert(&**session, last)?;
            }
            Change::Closed { session } => {
                sessions.remove(&**session)?;
                aliases.remove(&**session)?;
                names.remove(&**session)?;
                foundings.remove(&**session)?;
                forget_users(&mut users, session)?;
            }
        }
    }
    Ok(())
}

fn forget_users(users: &mut Table<'_, (&str, &str), u8>, session: &str) -> Result<(), Error> {
    let all = (session, "")..(session, BEHIND_ALL);
    users.retain_in(all, |_, _| false)?;
    Ok(())
}
