//! What tells one conversation from others in the eyes of GSMA clients: opaque names that its first
//! INVITE gave it (RCS-01).

use super::{Draft, Header, Request};

/// Octets of a name that is kept. Longer ones are none of the clients that this is for.
const MARK_SIZE_MAX: usize = 128;

/// The names of a conversation, as far as it was given any.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Marks {
    /// Contribution-ID: this session of the conversation.
    pub contribution: Option<String>,
    /// Conversation-ID: the conversation, over all its sessions.
    pub conversation: Option<String>,
}

impl Marks {
    /// Those of an INVITE.
    pub fn read(request: &Request) -> Self {
        let mark = |field| {
            let value = request.header(field)?;
            let fits = !value.is_empty() && value.len() <= MARK_SIZE_MAX;
            fits.then(|| value.to_owned())
        };
        Self {
            contribution: mark(Header::ContributionId),
            conversation: mark(Header::ConversationId),
        }
    }

    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Puts them into an INVITE.
    pub fn put(&self, draft: Draft) -> Draft {
        let named = [
            (Header::ContributionId, &self.contribution),
            (Header::ConversationId, &self.conversation),
        ];
        let given = named.into_iter().filter_map(|(field, mark)| Some((field, mark.as_deref()?)));
        given.fold(draft, |draft, (field, mark)| draft.header(field, mark))
    }
}
