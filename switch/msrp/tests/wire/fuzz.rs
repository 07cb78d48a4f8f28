//! Fuzz targets of this crate: bolero runs them for a moment under `cargo test`, and for as long as one
//! likes by `fuzz/run`.

use hostile::{Nearly, cut};
use msrp::cpim::{CPIM_HEAD_SIZE_MAX, Wrapper, unescape};

use crate::reader::read;

const FRAMER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/corpus/framer");
const CPIM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/corpus/cpim");

/// WIRE-21: however a stream is cut into reads, it makes the same messages; and whatever it is, it
/// makes no panic.
#[test]
fn fuzz_framer() {
    let streams = Nearly::like(FRAMER);
    for stream in streams.messages() {
        assert_eq!(read(stream.chunks(1)), read([&stream[..]]));
    }
    let places = bolero::generator::produce::<[u16; 6]>();
    bolero::check!().with_generator((streams, places)).for_each(|(stream, places)| {
        let whole = read([&stream[..]]);
        assert_eq!(read(cut(stream, places)), whole);
        // Every read of a small one ends where a state of the framer could be lost.
        if stream.len() <= 512 {
            assert_eq!(read(stream.chunks(1)), whole);
        }
    });
}

/// CPIM-14: what is read of a wrapper does not depend on how much of the message behind it is there, and
/// lies within the message.
#[test]
fn fuzz_cpim() {
    let wrappers = Nearly::like(CPIM);
    for wrapper in wrappers.messages() {
        assert!(Wrapper::parse_whole(wrapper).is_ok(), "{}", wrapper.escape_ascii());
    }
    let place = bolero::generator::produce::<u16>();
    bolero::check!().with_generator((wrappers, place)).for_each(|(body, place)| {
        let part = &body[..usize::from(*place) % (body.len() + 1)];
        let whole = Wrapper::parse(body);
        if let Ok(Some(wrapper)) = &whole {
            assert!(wrapper.head_len <= body.len().min(CPIM_HEAD_SIZE_MAX));
            assert!(wrapper.to_count >= 1);
            let _ = unescape(wrapper.from_name);
        }
        match (Wrapper::parse(part), whole) {
            (Ok(None), _) => {}
            (Ok(Some(part)), Ok(Some(whole))) => {
                assert_eq!(part.head_len, whole.head_len);
                assert_eq!((part.from_name, part.to_count), (whole.from_name, whole.to_count));
                assert_eq!((part.date_time, part.content_disposition), {
                    (whole.date_time, whole.content_disposition)
                });
            }
            (Err(part), Err(whole)) => assert_eq!(part, whole),
            (part, whole) => panic!("{part:?} became {whole:?}"),
        }
    });
}
