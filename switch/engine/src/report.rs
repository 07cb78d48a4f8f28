//! Reports to the senders of messages.

use msrp::{ByteRange, SMALL_BODY_SIZE_MAX, TransactionId};

use crate::{
    chunk::prefix_for, connection::ConnectionId, core::Core, mint::write_transaction,
    route::SessionKey,
};

/// The message that a report is about, and where the report goes.
#[derive(Clone, Copy)]
pub(crate) struct Reported<'a> {
    /// The sender's whole path (RPT-03).
    pub(crate) way_back: &'a [u8],
    pub(crate) message_id: &'a [u8],
    pub(crate) range: ByteRange,
}

impl Core {
    /// Tells the sender of a message what became of it (RPT-01 to RPT-03). `body` is a wrapper that
    /// says more, or nothing; one too long for a report is left out (WIRE-26).
    pub(crate) fn report(
        &mut self,
        id: ConnectionId,
        session: SessionKey,
        reported: Reported<'_>,
        status: u16,
        body: &[u8],
    ) {
        let body = if body.len() <= SMALL_BODY_SIZE_MAX { body } else { &[] };
        let mut transaction = Vec::with_capacity(16);
        let prefix = prefix_for(&mut self.mint, body, msrp::has_hyphens(body));
        write_transaction(&mut transaction, &prefix, 0);
        let Some(transaction) = TransactionId::parse(&transaction) else { return };
        let Some(session) = self.sessions.get(session) else { return };
        let Some(connection) = self.connections.get_mut(id) else { return };
        let out = connection.outbox.reports(&mut self.spares);
        let Reported { way_back, message_id, range } = reported;
        let content_headers: &[u8] =
            if body.is_empty() { &[] } else { b"Content-Type: message/cpim\r\n" };
        msrp::Report {
            transaction: &transaction,
            to_path: way_back,
            from_path: session.uri.as_bytes(),
            message_id,
            range,
            status,
            comment: msrp::status::comment(status),
            content_headers,
            body,
        }
        .write(out);
        self.mark_dirty(id);
    }
}
