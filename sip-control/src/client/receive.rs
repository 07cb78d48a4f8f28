//! What comes in on the connection of a leg: answers to what we sent, and what others say.

use bytes::Bytes;
use msrp::{
    ByteRange, Flag, Frame, Head, MediaType, Method, Report, Start, TransactionId, cpim, status,
};

use super::inbox::Partial;
use super::media_session::{DELIVERY, IMDN, MediaEvent, MediaSession, Received, Sender};

/// A request that is coming in. What its answer needs is kept: the head is gone when it ends.
#[derive(Debug)]
pub(super) struct Chunk {
    transaction: TransactionId,
    /// Where the answer goes, if there is to be one at all.
    response_path: Option<Vec<u8>>,
    owes_ok: bool,
    owes_error: bool,
    /// Who wants to hear that the message is whole: the path a success report goes by.
    reporter: Option<Vec<u8>>,
    /// Of what message it brings content, if it brings any.
    message_id: Option<Vec<u8>>,
    /// What it is answered with, as far as that is known.
    verdict: Result<(), u16>,
}

impl MediaSession {
    /// Takes in what came on the connection.
    pub fn handle_received(&mut self, received: &[u8]) {
        let mut framer = std::mem::take(&mut self.framer);
        let mut input = received;
        while !self.is_over {
            match framer.next(&mut input) {
                Ok(Some(Frame::Head { head, piece })) => {
                    self.handle_head(&head);
                    self.handle_piece(piece.body, piece.end);
                    if head.close_after {
                        self.lose();
                    }
                }
                Ok(Some(Frame::Body(piece))) => self.handle_piece(piece.body, piece.end),
                Ok(None) => break,
                Err(_) => self.lose(),
            }
        }
        self.framer = framer;
        self.drop_answered();
    }

    fn handle_head(&mut self, head: &Head<'_>) {
        let method = match head.start {
            Start::Response(status) if head.fault.is_none() => {
                return self.handle_answer(&head.transaction, status);
            }
            // The recipients of a room do not report to its writers (RFC 7701 section 6.3), and of
            // a message in one chunk the answer says all.
            Start::Response(_) | Start::Request(Method::Report) => return,
            Start::Request(method) => method,
        };
        let content = head.message_id.zip(head.content_type);
        let content = content.filter(|_| method == Method::Send);
        let verdict = match content {
            _ if head.fault.is_some() => Err(status::BAD_REQUEST),
            _ if !self.is_ours(head) => Err(status::NO_SESSION),
            _ if method != Method::Send => Err(status::UNKNOWN_METHOD),
            Some(_) if head.transfer_encoding.is_some() => Err(status::UNSUPPORTED_MEDIA),
            Some((message_id, content_type)) => self.begin(head, message_id, content_type),
            None => Ok(()),
        };
        let reporter = head.from_path.filter(|_| head.success_report);
        self.chunk = Some(Chunk {
            transaction: head.transaction,
            response_path: head.response_path().map(<[u8]>::to_vec),
            owes_ok: head.owes_response(status::OK),
            owes_error: head.owes_response(status::BAD_REQUEST),
            reporter: reporter.map(|path| path.raw().to_vec()),
            message_id: content.map(|(message_id, _)| message_id.to_vec()),
            verdict,
        });
    }

    /// Whether a request is for this session: it names our URI, and nobody behind it.
    fn is_ours(&self, head: &Head<'_>) -> bool {
        head.to_path
            .is_some_and(|path| path.count() == 1 && self.agreement.local.matches(path.first()))
    }

    fn begin(
        &mut self,
        head: &Head<'_>,
        message_id: &[u8],
        content_type: &[u8],
    ) -> Result<(), u16> {
        let kind = MediaType::parse(content_type).ok_or(status::BAD_REQUEST)?;
        let is_typing = kind.is("application", "im-iscomposing+xml");
        if !(kind.is_cpim() || is_typing && self.takes_bare_typing) {
            return Err(status::UNSUPPORTED_MEDIA);
        }
        let whole = ByteRange { start: 1, end: None, total: None };
        let range = head.byte_range.unwrap_or(whole);
        self.inbox.begin(message_id, &kind.to_string().to_ascii_lowercase(), range)
    }

    fn handle_piece(&mut self, octets: &[u8], end: Option<Flag>) {
        let Some(chunk) = &mut self.chunk else {
            return;
        };
        if let (Ok(()), Some(message_id)) = (chunk.verdict, &chunk.message_id) {
            chunk.verdict = self.inbox.extend(message_id, octets);
        }
        let Some(flag) = end else {
            return;
        };
        if let Some(mut chunk) = self.chunk.take() {
            match (chunk.verdict, &chunk.message_id) {
                (Ok(()), Some(message_id)) => {
                    chunk.verdict = self.finish(message_id, flag, chunk.reporter.as_deref());
                }
                // Of a message that is refused nothing more is wanted.
                (Err(_), Some(message_id)) => self.inbox.forget(message_id),
                (_, None) => {}
            }
            self.answer(&chunk);
        }
    }

    /// A chunk of a message is whole; with the last one the message is.
    fn finish(
        &mut self,
        message_id: &[u8],
        flag: Flag,
        reporter: Option<&[u8]>,
    ) -> Result<(), u16> {
        match flag {
            Flag::More => Ok(()),
            Flag::Abort => {
                self.inbox.forget(message_id);
                Ok(())
            }
            Flag::End => {
                let whole = self.inbox.take(message_id).ok_or(status::STOP)?;
                let size = whole.body.len() as u64;
                self.events.push_back(MediaEvent::Received(read(whole)?));
                if let Some(path) = reporter {
                    self.report(path, message_id, size);
                }
                Ok(())
            }
        }
    }

    fn answer(&mut self, chunk: &Chunk) {
        let (status, is_owed) = match chunk.verdict {
            Ok(()) => (status::OK, chunk.owes_ok),
            Err(status) => (status, chunk.owes_error),
        };
        if let Some(path) = chunk.response_path.as_ref().filter(|_| is_owed) {
            msrp::write_response(
                &mut self.out,
                &chunk.transaction,
                status,
                status::comment(status),
                path,
                self.agreement.local.as_bytes(),
            );
        }
    }

    /// Says that a message arrived whole (RFC 4975 section 7.1.2).
    fn report(&mut self, path: &[u8], message_id: &[u8], size: u64) {
        let transaction = self.transaction(b"");
        let report = Report {
            transaction: &transaction,
            to_path: path,
            from_path: self.agreement.local.as_bytes(),
            message_id,
            range: ByteRange { start: 1, end: Some(size), total: Some(size) },
            status: status::OK,
            comment: status::comment(status::OK),
            content_headers: b"",
            body: b"",
        };
        report.write(&mut self.out);
    }
}

/// Opens the wrapper of a message, if it is in one.
fn read(message: Partial) -> Result<Received, u16> {
    let Partial { content_type, body } = message;
    if content_type != "message/cpim" {
        let content = body.into();
        let (sender, imdn_id, wants_delivery) = (None, None, false);
        return Ok(Received { sender, content_type, content, imdn_id, wants_delivery });
    }
    let wrapper = cpim::Wrapper::parse_whole(&body).map_err(cpim::CpimError::status)?;
    let name = cpim::unescape(wrapper.from_name.trim_matches('"')).into_owned();
    let sender = Sender {
        from: wrapper.from.to_string(),
        name: Some(name).filter(|name| !name.is_empty()),
        to: wrapper.to.to_string(),
        date_time: wrapper.date_time.map(str::to_owned),
    };
    let (content_type, head_len) = (wrapper.content_type.to_string(), wrapper.head_len);
    let imdn_id = cpim::header(&body, IMDN, "Message-ID").map(str::to_owned);
    let wanted = cpim::header(&body, IMDN, "Disposition-Notification").unwrap_or_default();
    let wants_delivery = wanted.split(',').any(|what| what.trim() == DELIVERY);
    let content = Bytes::from(body).slice(head_len..);
    Ok(Received { sender: Some(sender), content_type, content, imdn_id, wants_delivery })
}
