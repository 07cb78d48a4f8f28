//! Bodies of several parts (RFC 2046 section 5.1, RFC 5621), read and written.

use bytes::Bytes;

use super::{fields::MediaType, header::Header, lexis, limits};

/// One part of a body.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its header lines, unfolded.
    fields: Vec<(Header, String)>,
    /// What is in it.
    pub body: Bytes,
}

/// A body is not made of parts as it says, or of more of them than are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PartsFault {
    /// No part, a part without an end, or a header line that is none. To be answered with 400.
    Malformed,
    /// More parts, or deeper ones, than are read (OPS-04). To be answered with 413.
    TooMany,
}

impl Part {
    /// The parts of a body of that type, those of `multipart` parts in their place.
    pub fn split(content_type: &MediaType<'_>, body: &Bytes) -> Result<Vec<Self>, PartsFault> {
        let mut parts = Vec::new();
        gather(content_type, body, 1, &mut parts)?;
        Ok(parts)
    }

    /// The value of the first line of a field.
    pub fn header(&self, header: Header) -> Option<&str> {
        let line = self.fields.iter().find(|(field, _)| *field == header);
        line.map(|(_, value)| &**value)
    }

    /// Its type. Text where none is given (RFC 2046 section 5.1).
    pub fn content_type(&self) -> Option<MediaType<'_>> {
        MediaType::parse(self.header(Header::ContentType).unwrap_or("text/plain"))
    }

    /// Reads header lines, a blank line, and the rest.
    fn read(octets: &Bytes) -> Result<Self, PartsFault> {
        // Without header lines the blank line is the first.
        let (head_len, body_at) = if octets.starts_with(b"\r\n") {
            (0, 2)
        } else {
            let end = memchr::memmem::find(octets, b"\r\n\r\n").ok_or(PartsFault::Malformed)?;
            (end, end + 4)
        };
        let head = octets.get(..head_len.min(limits::LINE_SIZE_MAX));
        let head = head.filter(|head| head.len() == head_len).ok_or(PartsFault::TooMany)?;
        let head = std::str::from_utf8(head).map_err(|_| PartsFault::Malformed)?;
        let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let lines = head.split("\r\n").filter(|line| !line.is_empty());
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(':').ok_or(PartsFault::Malformed)?;
            Ok((Header::parse(lexis::trim(name).as_bytes()), lexis::trim(value).to_owned()))
        });
        Ok(Self { fields: fields.collect::<Result<_, _>>()?, body: octets.slice(body_at..) })
    }
}

fn gather(
    content_type: &MediaType<'_>,
    body: &Bytes,
    depth: usize,
    parts: &mut Vec<Part>,
) -> Result<(), PartsFault> {
    if depth > limits::PART_DEPTH_MAX {
        return Err(PartsFault::TooMany);
    }
    let boundary = content_type.params.get("boundary").map(lexis::unquote);
    let boundary = boundary.filter(|boundary| !boundary.is_empty() && boundary.len() <= 70);
    let delimiter = format!("--{}", boundary.ok_or(PartsFault::Malformed)?);
    for octets in between(&delimiter, body)? {
        let part = Part::read(&octets)?;
        match part.content_type().filter(is_multipart) {
            Some(inner) => gather(&inner, &part.body, depth + 1, parts)?,
            None if parts.len() == limits::PARTS_MAX => return Err(PartsFault::TooMany),
            None => parts.push(part),
        }
    }
    Ok(())
}

fn is_multipart(content_type: &MediaType<'_>) -> bool {
    content_type.essence.get(..10).is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/"))
}

/// What stands between the delimiters, the line ends that belong to them left out.
fn between(delimiter: &str, body: &Bytes) -> Result<Vec<Bytes>, PartsFault> {
    let mut found = Vec::new();
    let mut start = None;
    for at in memchr::memmem::find_iter(body, delimiter.as_bytes()) {
        let is_line = at == 0 || body[..at].ends_with(b"\r\n");
        let after = &body[at + delimiter.len()..];
        let is_last = after.starts_with(b"--");
        let padding = after.iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
        let is_delimiter = is_last || after[padding..].starts_with(b"\r\n");
        if !is_line || !is_delimiter {
            continue;
        }
        if let Some(start) = start {
            // A part that is empty to the last octet shares its line end with the delimiter.
            let end = at.saturating_sub(2).max(start);
            found.push(body.slice(start..end));
        }
        if is_last {
            return if found.is_empty() { Err(PartsFault::Malformed) } else { Ok(found) };
        }
        if found.len() == limits::PARTS_MAX {
            return Err(PartsFault::TooMany);
        }
        start = Some(at + delimiter.len() + padding + 2);
    }
    Err(PartsFault::Malformed)
}

/// A body of several parts, each with its header lines. `boundary` must be in none of them.
pub fn join_parts<'a>(
    boundary: &str,
    parts: impl IntoIterator<Item = (&'a [(Header, &'a str)], &'a [u8])>,
) -> Bytes {
    let mut body = Vec::new();
    for (fields, content) in parts {
        body.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        for (header, value) in fields {
            body.extend_from_slice(format!("{}: {value}\r\n", header.name()).as_bytes());
        }
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body.into()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::{collection::vec, prelude::*};

    use super::{Part, PartsFault, join_parts};
    use crate::message::{Header, MediaType};

    fn split(content_type: &str, body: &str) -> Result<Vec<(String, String)>, PartsFault> {
        let body = Bytes::from(body.replace('\n', "\r\n"));
        let parts = Part::split(&MediaType::parse(content_type).unwrap(), &body)?;
        let shown = parts.iter().map(|part| {
            let kind = part.content_type().unwrap().essence.to_owned();
            (kind, String::from_utf8_lossy(&part.body).replace("\r\n", "\n"))
        });
        Ok(shown.collect())
    }

    fn part(kind: &str, body: &str) -> (String, String) {
        (kind.to_owned(), body.to_owned())
    }

    #[test]
    fn parts_stand_between_lines_that_are_delimiters() {
        let body = "preamble\n--b\nContent-Type: application/sdp\n\nv=0\n--bb\n\n--b  \n\nplain\n\
                    --b\nContent-Type:\n multipart/mixed; boundary=\"c d\"\n\n--c d\n\
                    c: a/b\n\nx\n--c d--\n--b--\nepilogue";
        let expected =
            [part("application/sdp", "v=0\n--bb\n"), part("text/plain", "plain"), part("a/b", "x")];
        assert_eq!(split("multipart/mixed;boundary=b", body).unwrap(), expected);
    }

    /// OPS-05: what is no sequence of parts is refused, and so is one without end.
    #[test]
    fn what_is_not_made_of_parts_is_malformed() {
        for body in
            ["", "--b", "--b--", "--b\n\nx\n", "x--b\n\nx\n--b--", "--b\nno colon\n\nx\n--b--"]
        {
            let fault = split("multipart/mixed;boundary=b", body);
            assert_eq!(fault, Err(PartsFault::Malformed), "{body}");
        }
        assert_eq!(split("multipart/mixed", "--\n\nx\n----"), Err(PartsFault::Malformed));
    }

    /// OPS-04: no more than 32 parts, and no part deeper than 3.
    #[test]
    fn parts_are_bounded_in_number_and_depth() {
        let many = |count: usize| "--b\n\nx\n".repeat(count) + "--b--";
        assert_eq!(split("multipart/mixed;boundary=b", &many(32)).unwrap().len(), 32);
        assert_eq!(split("multipart/mixed;boundary=b", &many(33)), Err(PartsFault::TooMany));
        let deep = |depth: usize| {
            let open = |n| format!("--b{n}\nContent-Type: multipart/mixed;boundary=b{}\n\n", n + 1);
            let close = |n| format!("\n--b{n}--\n");
            let opened: String = (1..depth).map(open).collect();
            let closed: String = (1..depth).rev().map(close).collect();
            format!("{opened}--b{depth}\n\nx\n--b{depth}--\n{closed}")
        };
        assert_eq!(split("multipart/mixed;boundary=b1", &deep(3)).unwrap().len(), 1);
        assert_eq!(split("multipart/mixed;boundary=b1", &deep(4)), Err(PartsFault::TooMany));
    }

    #[test]
    fn what_is_joined_looks_like_this() {
        let fields = [(Header::ContentType, "application/sdp")];
        let body = join_parts("b", [(&fields[..], &b"v=0\r\n"[..]), (&[][..], &b"x"[..])]);
        let expected =
            "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n";
        assert_eq!(body, expected.as_bytes());
    }

    proptest! {
        /// OPS-05: whatever comes, it is split or refused.
        #[test]
        fn no_octets_are_too_odd(octets in vec(prop_oneof![
            Just(&b"--b"[..]), Just(&b"\r\n"[..]), Just(&b"--"[..]), Just(&b" "[..]),
            Just(&b"Content-Type: multipart/mixed;boundary=b\r\n"[..]), Just(&b"\xff:"[..]),
        ], 0..40)) {
            let body = Bytes::from(octets.concat());
            let kind = MediaType::parse("multipart/mixed;boundary=b").unwrap();
            if let Ok(parts) = Part::split(&kind, &body) {
                prop_assert!(!parts.is_empty());
            }
        }
    }
}
