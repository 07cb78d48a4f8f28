//! What a client does for its registration (IMS-06).

use std::time::Instant;

use super::registration::{Next, Registration, Standing};
use super::{Client, Purpose};
use crate::message::{Draft, Header, Method, Response};
use crate::transaction::ClientId;

impl Client {
    /// Tells the network where the user is, if it wants to know: [`Config::registrar`](super::Config)
    /// says so. What comes of it is told by [`poll_standing`](Self::poll_standing); from then on it is
    /// told again by itself, and requests take the route that it has given (RFC 3608).
    pub fn register(&mut self, now: Instant) {
        let Some(registrar) = self.config.registrar.clone() else {
            return;
        };
        if self.registration.as_ref().is_some_and(Registration::is_alive) {
            return;
        }
        self.registration = Some(Registration::new(registrar, &mut self.tokens));
        self.ask_registrar(now, false);
        self.settle(now);
    }

    /// Has the network forget where the user is.
    pub fn deregister(&mut self, now: Instant) {
        if self.registration.as_ref().is_some_and(|it| it.is_alive() && !it.is_leaving()) {
            self.ask_registrar(now, true);
            self.settle(now);
        }
    }

    /// What has become of the registration.
    pub fn poll_standing(&mut self) -> Option<Standing> {
        self.standings.pop_front()
    }

    /// Whether the network knows where the user is, or may come to.
    pub fn is_registered(&self) -> bool {
        self.registration.as_ref().is_some_and(Registration::is_alive)
    }

    /// The time of the registration has come.
    pub(super) fn renew_registration(&mut self, now: Instant) {
        let due = self.registration.as_ref().and_then(Registration::due);
        if due.is_some_and(|due| due <= now) {
            self.ask_registrar(now, false);
        }
    }

    fn ask_registrar(&mut self, now: Instant, is_last: bool) {
        let Some(registration) = &mut self.registration else {
            return;
        };
        let draft = registration.draft(&self.config, is_last);
        let uri = draft.request_uri().to_owned();
        let hop = self.first_hop_of_register(&uri);
        let transaction = self.send(now, draft, hop, Purpose::Register);
        if let Some(registration) = &mut self.registration {
            registration.sent(transaction, is_last);
        }
    }

    /// A REGISTER has its final answer, or will never have one.
    pub(super) fn registered(
        &mut self,
        now: Instant,
        transaction: ClientId,
        answer: Option<&Response>,
    ) {
        let Some(registration) = &mut self.registration else {
            return;
        };
        let (config, tokens) = (&self.config, &mut self.tokens);
        match registration.handle_answer(now, config, transaction, answer, tokens) {
            Some(Next::Tell { standing, service_route }) => {
                if let Some(route) = service_route {
                    self.config.route = route;
                }
                self.standings.push_back(standing);
            }
            Some(Next::Again) => self.ask_registrar(now, false),
            None => {}
        }
    }

    /// What a request says to a network that is trusted and wants to know by which access the user comes
    /// (RFC 7315 section 4.4), and that both keep to what they agreed upon for its protection (RFC 3329
    /// section 2.3.1). Neither is for ACK and CANCEL.
    pub(super) fn for_network(&self, mut draft: Draft) -> Draft {
        if draft.method() == Method::Ack {
            return draft;
        }
        if let Some(access) = self.access_network() {
            draft = draft.header(Header::PAccessNetworkInfo, access);
        }
        match &self.registration {
            Some(registration) => registration.protect(draft),
            None => draft,
        }
    }

    /// By which access the user comes, for those who may know.
    pub(super) fn access_network(&self) -> Option<&str> {
        self.config.access_network.as_deref().filter(|_| self.config.is_hop_trusted)
    }
}
