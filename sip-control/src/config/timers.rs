//! Every timer of this plane.

use std::time::Duration;

/// Timers, by the names the catalogue gives them (OPS-13).
#[derive(Clone, Debug)]
pub struct Timers {
    /// Round-trip estimate (RFC 3261 section 17).
    pub t1: Duration,
    /// Longest wait between retransmissions.
    pub t2: Duration,
    /// Longest life of a message in the network.
    pub t4: Duration,
    /// How long a request may wait to be served; above it, nothing new is begun (OPS-01).
    pub queue_delay_max: Duration,
    /// When those are to ask again for whom that was too much: a random time from this
    pub overload_retry_min: Duration,
    /// to this.
    pub overload_retry_max: Duration,
    /// When those are whose request came more often than it may (OPS-07),
    pub rate_retry: Duration,
    /// for whom there was no place (OPS-03),
    pub full_retry: Duration,
    /// whom the media plane did not take in (FOC-22),
    pub media_retry: Duration,
    /// or who came while the process was about to stop (OPS-02).
    pub drain_retry: Duration,
    /// How long a core may take to acknowledge an INSTALL (FOC-22).
    pub install: Duration,
    /// How long after the 200 the old leg of a user lives at most (FOC-14).
    pub replacement: Duration,
    /// How long after the ACK the MSRP connection may take (FOC-33).
    pub binding: Duration,
    /// How long somebody who is invited may take to answer. Shorter than a core waits for a session
    /// to be bound (msrp/LIM-08), for it waits from before the call.
    pub ringing: Duration,
    /// How long a peer may take to reserve what it has to (IMS-08).
    pub preconditions: Duration,
    /// How long the session of a leg lives at most once a re-offer has made it another one
    /// (msrp/SDP-20).
    pub retirement: Duration,
    /// How long a leg outlives its MSRP connection (LEAVE-04).
    pub media_grace: Duration,
    /// How long a session outlives its last user, so that a rejoin finds it (LEAVE-06).
    pub session_linger: Duration,
    /// How long nobody may say anything before a session is ended (LEAVE-08): zero is for ever, and
    /// `None` as [`Profile`](super::Profile) has it.
    pub idle_timeout: Option<Duration>,
    /// How long a session of the process before waits for its users (OPS-10).
    pub restored_session: Duration,
    /// How long a list that is elsewhere counts, before it is asked for again (POL-09).
    pub list_refresh: Duration,
    /// When one that did not come is asked for again.
    pub list_retry: Duration,
    /// How long it may take to come.
    pub list_timeout: Duration,
    /// How long a group document of an XCAP server counts, before it is asked for again (POL-17).
    pub document_refresh: Duration,
    /// When one that did not come is asked for again.
    pub document_retry: Duration,
    /// How long it may take to come.
    pub document_timeout: Duration,
    /// How long a session whose last key participant has gone waits for one to come back (LEAVE-07).
    pub key_grace: Duration,
    /// How often a member who is not there is called at most when something is said (RCS-08).
    pub recall: Duration,
    /// How long sessions go on, and new ones are refused, when the process is told to stop; zero ends
    /// them at once (OPS-02).
    pub drain: Duration,
    /// How long the process then waits for the answers to its BYEs.
    pub shutdown: Duration,
    /// Least time between two change NOTIFYs of one subscription (NTF-04).
    pub notify_min_interval: Duration,
    /// Session interval asked of a peer that names none (TMR-01).
    pub session_interval: Duration,
    /// Least session interval accepted (TMR-02).
    pub session_interval_min: Duration,
    /// Longest subscription granted (SUB-06).
    pub subscription_max: Duration,
    /// Shortest subscription granted (SUB-06).
    pub subscription_min: Duration,
    /// How long somebody is told what becomes of a REFER (REF-07).
    pub refer_reports: Duration,
    /// How long a nonce is good for (AUTH-02).
    pub digest_nonce: Duration,
    /// Within what time wrong credentials of one source add up (AUTH-02).
    pub digest_window: Duration,
    /// How long a source is refused that had too many of them (AUTH-02).
    pub digest_penalty: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            t1: Duration::from_millis(500),
            t2: seconds(4),
            t4: seconds(5),
            queue_delay_max: Duration::from_millis(100),
            overload_retry_min: seconds(2),
            overload_retry_max: seconds(10),
            rate_retry: seconds(10),
            full_retry: seconds(10),
            media_retry: seconds(2),
            drain_retry: seconds(30),
            install: Duration::from_millis(500),
            replacement: seconds(5),
            binding: seconds(30),
            ringing: seconds(50),
            preconditions: seconds(30),
            retirement: seconds(60),
            media_grace: seconds(60),
            session_linger: Duration::ZERO,
            idle_timeout: None,
            key_grace: Duration::ZERO,
            recall: seconds(30),
            restored_session: seconds(600),
            list_refresh: seconds(300),
            list_retry: seconds(30),
            list_timeout: seconds(5),
            document_refresh: seconds(60),
            document_retry: seconds(10),
            document_timeout: seconds(5),
            drain: Duration::ZERO,
            shutdown: seconds(3),
            notify_min_interval: seconds(5),
            session_interval: seconds(1800),
            session_interval_min: seconds(90),
            subscription_max: seconds(3600),
            subscription_min: seconds(60),
            refer_reports: seconds(60),
            digest_nonce: seconds(300),
            digest_window: seconds(60),
            digest_penalty: seconds(60),
        }
    }
}

impl Timers {
    /// The name of a timer that cannot work.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let faults = [
            ("t1", self.t1.is_zero()),
            ("t2", self.t2 < self.t1),
            ("install", self.install.is_zero()),
            ("overload_retry_max", self.overload_retry_max < self.overload_retry_min),
            ("ringing", self.ringing.is_zero()),
            // Shorter is not allowed (RFC 4028 section 4).
            ("session_interval_min", self.session_interval_min < Duration::from_secs(90)),
            ("session_interval", self.session_interval < self.session_interval_min),
            ("subscription_max", self.subscription_max < self.subscription_min),
            ("digest_nonce", self.digest_nonce.is_zero()),
        ];
        faults.iter().find(|(_, is_fault)| *is_fault).map_or(Ok(()), |(name, _)| Err(name))
    }
}
