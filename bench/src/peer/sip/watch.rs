//! Subscriptions to a conference (RFC 4575), and refreshes of its sessions (RFC 4028).

use std::time::Instant;

use rsip::headers::{self, Header, UntypedHeader as _};
use rsip::message::HeadersExt as _;
use rsip::{Method, Request, StatusCode};
use tokio::sync::oneshot;

use super::message::{self, Outline};
use super::timer::{ANSWER_TIMEOUT, Retransmission};
use super::{Agent, Dialog, Failure};

/// A subscription, as far as it has to be answered for.
#[derive(Debug)]
pub(super) struct Watch {
    local_tag: String,
    /// Who waits for the first NOTIFY.
    first: Option<oneshot::Sender<Instant>>,
}

/// A subscription that has told its first state.
#[derive(Debug)]
pub struct Subscribed {
    /// By what it is known.
    pub call_id: String,
    /// The SUBSCRIBE was handed to the transport.
    pub sent: Instant,
    /// The first NOTIFY was read.
    pub notified: Instant,
}

impl Agent {
    /// Subscribes `member` to the conference of `dialog`, in a dialog of its own (SUB-01), and waits for
    /// the first NOTIFY.
    pub async fn subscribe(&self, member: &str, dialog: &Dialog) -> Result<Subscribed, Failure> {
        let serial = self.next_serial();
        let call_id = format!("{}-w{serial}@{}", self.run, self.transport.local().ip());
        let local_tag = format!("w{serial}");
        let (branch, via) = self.new_branch();
        let other = |name: &str, value: String| Header::Other(name.into(), value);
        let target = dialog.session_identity();
        let outline = Outline {
            method: Method::Subscribe,
            target,
            via: &via,
            from: &format!("<{member}>;tag={local_tag}"),
            to: &format!("<{target}>"),
            call_id: &call_id,
            number: 1,
            routes: &[],
        };
        let request = outline.write(
            vec![
                Header::Contact(headers::Contact::new(dialog.contact.clone())),
                other("P-Asserted-Identity", format!("<{member}>")),
                other("Accept-Contact", "*;+g.oma.sip-im".into()),
                other("Event", "conference".into()),
                Header::Accept(headers::Accept::new("application/conference-info+xml")),
                Header::Expires(headers::Expires::new("3600")),
            ],
            None,
        );
        let (first, is_notified) = oneshot::channel();
        let watch = Watch { local_tag, first: Some(first) };
        self.watches.borrow_mut().insert(call_id.clone(), watch);
        let sent = Instant::now();
        let timer = Retransmission::request(sent, self.transport.is_reliable(), ANSWER_TIMEOUT);
        let notified = async {
            let (response, _) = self.transact(&branch, &request, timer).await?;
            if response.status_code().code() >= 300 {
                return Err(Failure::Refused(message::refusal(&response)));
            }
            match tokio::time::timeout(ANSWER_TIMEOUT, is_notified).await {
                Ok(Ok(notified)) => Ok(notified),
                Ok(Err(_)) | Err(_) => Err(Failure::Silence),
            }
        };
        match notified.await {
            Ok(notified) => Ok(Subscribed { call_id, sent, notified }),
            Err(failure) => {
                self.forget_watch(&call_id);
                Err(failure)
            }
        }
    }

    /// Knows nothing of a subscription any more, as a device that was switched off: the next NOTIFY is
    /// told so, and ends it.
    pub fn forget_watch(&self, call_id: &str) {
        self.watches.borrow_mut().remove(call_id);
    }

    /// The answer to a NOTIFY of a subscription of ours.
    pub(super) fn notified(&self, request: &Request) -> Option<Vec<u8>> {
        let mut watches = self.watches.borrow_mut();
        let tag = request.to_header().ok().and_then(|to| message::tag(to.value()));
        let watch = message::call_id(request).and_then(|call_id| watches.get_mut(call_id));
        let watch = watch.filter(|watch| tag == Some(&watch.local_tag))?;
        if let Some(first) = watch.first.take() {
            // Whoever waited may have stopped waiting.
            let _ = first.send(Instant::now());
        }
        Some(message::answer(request, &StatusCode::OK, vec![], None))
    }

    /// Refreshes the session of a dialog by UPDATE (TMR-03). Returns when that was handed to the
    /// transport, and when it was answered.
    pub async fn refresh(&self, dialog: &Dialog) -> Result<(Instant, Instant), Failure> {
        let (branch, via) = self.new_branch();
        let seconds = self.session_interval.unwrap_or_default();
        let other = |name: &str, value: String| Header::Other(name.into(), value);
        let outline = dialog.outline(Method::Update, dialog.next_number(), &via);
        let request = outline.write(
            vec![
                Header::Contact(headers::Contact::new(dialog.contact.clone())),
                Header::Supported(headers::Supported::new("timer")),
                other("Session-Expires", format!("{seconds};refresher=uac")),
            ],
            None,
        );
        let sent = Instant::now();
        let timer = Retransmission::request(sent, self.transport.is_reliable(), ANSWER_TIMEOUT);
        let (response, _) = self.transact(&branch, &request, timer).await?;
        if response.status_code().code() >= 300 {
            return Err(Failure::Refused(message::refusal(&response)));
        }
        Ok((sent, Instant::now()))
    }
}
