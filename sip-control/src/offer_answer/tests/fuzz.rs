//! The fuzz target of offers: bolero runs it for a moment under `cargo test`, and for as long as one
//! likes by `fuzz/run`.

use hostile::Nearly;

use super::{MediaOffer, Names, Shape, answer, room};
use crate::sdp::Description;

const OFFERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/offer_answer/tests/corpus");

/// FOC-26, OPS-05: whatever an offer is made of, it is refused, or its answer is a description that has
/// the offer's lines, of which one is taken; and what is said of the peer can be said on a wire.
#[test]
fn fuzz_sdp() {
    let offers = Nearly::like(OFFERS);
    for offer in offers.messages() {
        assert!(
            MediaOffer::read(offer, &room(), &Names::default()).is_ok(),
            "{}",
            offer.escape_ascii()
        );
    }
    bolero::check!().with_generator(offers).for_each(|offer| {
        let _ = room().read_answer(&Shape::default(), offer, &Names::default());
        let Ok(read) = MediaOffer::read(offer, &room(), &Names::default()) else { return };
        let peer = read.peer();
        assert!(!peer.path.as_str().contains(|letter: char| letter.is_control()));
        assert!(peer.size_max != Some(0));
        let answer = Description::parse(answer(&read, &room()).as_bytes()).expect("an answer");
        let offer = Description::parse(offer).expect("what was read");
        let taken = answer.media.iter().filter(|line| line.port != 0).count();
        assert_eq!((answer.media.len(), taken), (offer.media.len(), 1));
        for (ours, theirs) in answer.media.iter().zip(&offer.media) {
            assert_eq!((&ours.kind, &ours.transport), (&theirs.kind, &theirs.transport));
        }
    });
}
