//! The dialogs there are, and what each is used for: a leg, subscriptions, REFERs that are reported
//! on, or several of these (RFC 5057). They share its numbers and its ways; one ends without the other, and the dialog with the last.

use std::collections::HashMap;

use mailbox::SessionId;

use super::{link::Link, referral::ReferralId, subscription::SubscriptionId};
use crate::{
    dialog::DialogId,
    message::{Draft, Method, Response},
    transport::Target,
};

/// All dialogs of the focus.
#[derive(Debug, Default)]
pub struct Dialogs(HashMap<DialogId, Usages>);

/// One dialog.
#[derive(Debug)]
pub struct Usages {
    /// The dialog itself.
    pub link: Link,
    /// The leg in it.
    pub leg: Option<SessionId>,
    /// The subscriptions in it, told apart by the `id` of their Event (SUB-08).
    pub subscriptions: Vec<SubscriptionId>,
    /// The REFERs that are reported on in it.
    pub referrals: Vec<ReferralId>,
}

impl Usages {
    fn of(link: Link, leg: Option<SessionId>) -> Self {
        Self { link, leg, subscriptions: Vec::new(), referrals: Vec::new() }
    }

    /// Whether there is anything for which the dialog goes on.
    pub fn is_used(&self) -> bool {
        self.leg.is_some() || !self.subscriptions.is_empty() || !self.referrals.is_empty()
    }
}

impl Dialogs {
    /// The dialog of a leg that was answered.
    pub fn begin_leg(&mut self, link: Link, leg: SessionId) {
        self.0.insert(link.id().clone(), Usages::of(link, Some(leg)));
    }

    /// The dialog that a subscription or a REFER makes.
    pub fn begin(&mut self, link: Link) {
        self.0.insert(link.id().clone(), Usages::of(link, None));
    }

    /// A subscription begins in a dialog.
    pub fn add(&mut self, dialog: &DialogId, subscription: SubscriptionId) {
        if let Some(usages) = self.0.get_mut(dialog) {
            usages.subscriptions.push(subscription);
        }
    }

    /// A REFER is reported on in a dialog.
    pub fn add_referral(&mut self, dialog: &DialogId, referral: ReferralId) {
        if let Some(usages) = self.0.get_mut(dialog) {
            usages.referrals.push(referral);
        }
    }

    /// One dialog.
    pub fn get(&self, dialog: &DialogId) -> Option<&Usages> {
        self.0.get(dialog)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&DialogId, &Usages)> {
        self.0.iter()
    }

    /// The way to its peer.
    pub fn link_mut(&mut self, dialog: &DialogId) -> Option<&mut Link> {
        self.0.get_mut(dialog).map(|usages| &mut usages.link)
    }

    /// The next request in it, and where it goes.
    pub fn request(&mut self, dialog: &DialogId, method: Method) -> Option<(Draft, Target)> {
        self.link_mut(dialog).map(|link| link.request(method))
    }

    /// A request that was refused, as it goes out again under the next number of its dialog. In one that
    /// is over nothing came after it.
    pub fn renumbered(&mut self, draft: Draft, refusal: &Response) -> Draft {
        let dialog = DialogId::of_response(refusal);
        match dialog.and_then(|dialog| self.link_mut(&dialog)) {
            Some(link) => link.renumbered(draft),
            None => draft.renumbered(refusal.sequence() + 1),
        }
    }

    /// The leg in it is over.
    pub fn end_leg(&mut self, dialog: &DialogId) {
        if let Some(usages) = self.0.get_mut(dialog) {
            usages.leg = None;
        }
        self.forget_unused(dialog);
    }

    /// A subscription in it is over.
    pub fn end_subscription(&mut self, dialog: &DialogId, subscription: SubscriptionId) {
        if let Some(usages) = self.0.get_mut(dialog) {
            usages.subscriptions.retain(|other| *other != subscription);
        }
        self.forget_unused(dialog);
    }

    /// There is nothing more to be told of a REFER.
    pub fn end_referral(&mut self, dialog: &DialogId, referral: ReferralId) {
        if let Some(usages) = self.0.get_mut(dialog) {
            usages.referrals.retain(|other| *other != referral);
        }
        self.forget_unused(dialog);
    }

    fn forget_unused(&mut self, dialog: &DialogId) {
        if self.0.get(dialog).is_some_and(|usages| !usages.is_used()) {
            self.0.remove(dialog);
        }
    }
}
