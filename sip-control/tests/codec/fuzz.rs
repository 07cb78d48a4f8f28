//! The fuzz targets of the codec: bolero runs them for a moment under `cargo test`, and for as long as
//! one likes by `fuzz/run`. They begin with the torture messages of RFC 4475.

use bytes::Bytes;
use hostile::{Nearly, cut};
use sip_control::message::Message;

use crate::{frames, use_all};

const TORTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/torture");

/// OPS-05: no datagram makes the codec panic, a message keeps its bytes, and every view of it can be
/// taken and answered.
#[test]
fn fuzz_sip_datagram() {
    bolero::check!().with_generator(Nearly::like(TORTURE)).for_each(|datagram| {
        if let Some(message) = Message::from_datagram(Bytes::copy_from_slice(datagram)) {
            let lead = datagram.iter().take_while(|&&o| o == b'\r' || o == b'\n').count();
            assert!(datagram[lead..].starts_with(message.as_bytes()));
            use_all(&message);
        }
    });
}

/// DLG-02: however a stream is cut, it says the same; and whatever it is, it makes no panic.
#[test]
fn fuzz_sip_stream() {
    let places = bolero::generator::produce::<[u16; 6]>();
    let streams = (Nearly::like(TORTURE), Nearly::like(TORTURE), places);
    bolero::check!().with_generator(streams).for_each(|(first, second, places)| {
        let stream = [first.as_slice(), second].concat();
        assert_eq!(frames(cut(&stream, places)), frames([&stream[..]]));
    });
}
