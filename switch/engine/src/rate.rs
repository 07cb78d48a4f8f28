//! How often something may be done: a bucket of tokens that fills up at a steady rate.

use std::time::{Duration, Instant};

/// A bucket, of which only one thing has to be known: when it will be full again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes a token, if there is one. `per_second` come in a second, up to `burst`; at no rate there
    /// is always one.
    pub(crate) fn take(&mut self, now: Instant, per_second: u32, burst: u32) -> bool {
        let Some(each) = Duration::from_secs(1).checked_div(per_second) else { return true };
        let full_at = self.full_at.unwrap_or(now).max(now) + each;
        let granted = full_at - now <= each * burst;
        if granted {
            self.full_at = Some(full_at);
        }
        granted
    }
}

const _: () = assert!(size_of::<Bucket>() <= 16);

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Bucket;

    #[test]
    fn a_bucket_gives_its_burst_and_then_what_comes_in() {
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        let mut given = |after| {
            let now = start + Duration::from_millis(after);
            (0..1000).take_while(|_| bucket.take(now, 20, 60)).count()
        };
        assert_eq!((given(0), given(49), given(50), given(1050)), (60, 0, 1, 20));
        assert_eq!(given(1_000_000), 60, "no more than the burst");
        let mut bucket = Bucket::default();
        assert!((0..1000).all(|_| bucket.take(start, 0, 0)), "no limit");
    }
}
