//! The tool against a small fake switch: what goes well is reported as clean, and whatever the
//! fake does wrong is named and fails the run. A checker that cannot fail is worth nothing.

mod fake;

use std::net::UdpSocket;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::fake::{Fake, Mischief, Whim};

/// What a run of the tool came to.
struct Outcome {
    status: Option<i32>,
    report: String,
    complaints: String,
}

impl Outcome {
    /// A number of the report, without its fraction, by the path to it.
    fn number(&self, path: &[&str]) -> u64 {
        let mut rest = self.report.as_str();
        for name in path {
            let name = format!("\"{name}\":");
            let at = rest.find(&name).unwrap_or_else(|| panic!("{name} in {}", self.report));
            rest = &rest[at + name.len()..];
        }
        rest.split([',', '}', '.']).next().unwrap().parse().unwrap()
    }

    fn fault(&self, name: &str) -> u64 {
        self.number(&["faults", name])
    }

    /// Nothing went wrong, and something happened at all.
    fn assert_clean(&self) {
        assert_eq!(self.status, Some(0), "{}{}", self.report, self.complaints);
        assert!(self.report.contains("\"clean\":true"), "{}", self.report);
        assert!(self.number(&["delivered_total"]) > 0, "{}", self.report);
    }

    /// These faults and no others.
    fn assert_faults(&self, expected: &[&str]) {
        assert_eq!(self.status, Some(1), "{}{}", self.report, self.complaints);
        let faults =
            self.report.split_once("\"faults\":{").unwrap().1.trim_end_matches(['}', '\n']);
        let found: Vec<_> = faults
            .split(',')
            .filter_map(|fault| {
                let (name, times) = fault.split_once(':').unwrap();
                (times != "0").then(|| name.trim_matches('"'))
            })
            .collect();
        assert_eq!(found, expected, "{}{}", self.report, self.complaints);
    }
}

/// Runs the tool against `fake`: for a moment, and with a report for programs.
fn run(fake: &Fake, arguments: &str) -> Outcome {
    let sip = fake.sip.to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_msrp-bench"))
        .args(["--json", "--quiet", "--sip", &sip, "--seconds", "0.3", "--warmup", "0.05"])
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    Outcome {
        status: output.status.code(),
        report: String::from_utf8(output.stdout).unwrap(),
        complaints: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A run in which the switch misbehaves once.
fn misbehave(mischief: Mischief, arguments: &str) -> Outcome {
    run(&Fake::start(Whim::None, mischief), arguments)
}

const ROOMS: &str = "--rooms 2 --members 4 --window 4";

#[test]
fn a_closed_loop_over_an_honest_switch_is_clean() {
    let fake = Fake::start(Whim::None, Mischief::None);
    let outcome = run(&fake, ROOMS);
    outcome.assert_clean();
    assert_eq!(outcome.number(&["joined"]), 8);
    assert_eq!(outcome.number(&["invite_us", "count"]), 8);
    assert!(outcome.number(&["latency_us", "p50"]) > 0);
    let sent = outcome.number(&["sent_total"]);
    assert_eq!(outcome.number(&["delivered_total"]), sent * 3);
    assert_eq!(fake.dialogs(), 0, "everybody has left");
}

#[test]
fn an_open_loop_sends_as_many_as_asked_for_whatever_the_latency() {
    let outcome = misbehave(Mischief::None, "--rooms 3 --members 3 --rate 400 --seconds 0.5");
    outcome.assert_clean();
    // All that is due while it lasts, warm-up included, be it late.
    assert_eq!(outcome.number(&["sent_total"]), (500 + 50) * 400 / 1000);
}

#[test]
fn several_senders_and_large_messages_are_clean() {
    misbehave(Mischief::None, "--members 5 --senders 3 --window 2").assert_clean();
    misbehave(Mischief::None, "--members 3 --senders 3 --window 2").assert_clean();
    misbehave(Mischief::None, "--members 3 --size 8192 --window 2").assert_clean();
}

#[test]
fn messages_in_chunks_are_put_together() {
    misbehave(Mischief::Chunk, ROOMS).assert_clean();
}

#[test]
fn sip_over_a_stream_works_like_sip_in_datagrams() {
    let fake = Fake::start(Whim::None, Mischief::None);
    run(&fake, &format!("{ROOMS} --sip-transport tcp")).assert_clean();
    assert_eq!(fake.dialogs(), 0, "everybody has left");
}

#[test]
fn lost_datagrams_are_repeated_and_repeated_answers_acknowledged() {
    let fake = Fake::start(Whim::LossyNetwork, Mischief::None);
    run(&fake, "--members 3").assert_clean();
    assert!(fake.invites() >= 6, "each was sent until it was answered");
    assert!(fake.acks() >= 6, "each 200 was acknowledged, also when it came again");
}

#[test]
fn sessions_may_stay_idle() {
    let fake = Fake::start(Whim::None, Mischief::None);
    let outcome = run(&fake, "--rooms 2 --members 3 --senders 0");
    assert_eq!(outcome.status, Some(0), "{}", outcome.report);
    assert_eq!((outcome.number(&["joined"]), outcome.number(&["sent_total"])), (6, 0));
}

#[test]
fn a_member_that_is_cut_off_rejoins_and_disturbs_nobody() {
    let fake = Fake::start(Whim::None, Mischief::None);
    let outcome = run(&fake, "--rooms 2 --members 4 --rejoin --seconds 0.8");
    outcome.assert_clean();
    assert_eq!(outcome.number(&["rejoin_us", "count"]), 2);
    assert_eq!(fake.dialogs(), 0, "the dialogs of the lost connections are gone as well");
}

#[test]
fn those_that_do_not_read_are_owed_nothing_and_the_others_all() {
    let fake = Fake::start(Whim::None, Mischief::None);
    let outcome = run(&fake, "--rooms 2 --members 4 --rate 100 --stalled 1");
    outcome.assert_clean();
    assert_eq!(outcome.number(&["cut_seconds", "count"]), 0);
    let sent = outcome.number(&["sent_total"]);
    assert_eq!(outcome.number(&["delivered_total"]), sent * 2);
    assert_eq!(fake.dialogs(), 0, "also those that read nothing have left");
    misbehave(Mischief::Lose, "--members 4 --rate 100 --stalled 1 --patience 1")
        .assert_faults(&["lost"]);
}

#[test]
fn those_that_are_cut_for_not_reading_are_counted_and_no_fault() {
    let fake = Fake::start(Whim::None, Mischief::CutSlow);
    // Slow enough that those who answer are heard before they owe as many answers.
    let outcome = run(&fake, "--members 5 --rate 100 --seconds 0.6 --stalled 2");
    outcome.assert_clean();
    assert_eq!(outcome.number(&["cut_seconds", "count"]), 2);
    assert_eq!(fake.dialogs(), 0);
}

const LARGE: &str = "--message-bytes 300000 --chunk-bytes 10000 --patience 1";

#[test]
fn a_large_message_in_chunks_reaches_everybody_unharmed() {
    let fake = Fake::start(Whim::None, Mischief::None);
    let outcome = run(&fake, &format!("--rooms 2 --members 4 {LARGE}"));
    outcome.assert_clean();
    assert_eq!(outcome.number(&["sent_total"]), 2);
    assert_eq!(outcome.number(&["delivered_total"]), 6);
    assert_eq!(outcome.number(&["transfer", "fast_seconds", "count"]), 6);
    assert_eq!(outcome.number(&["transfer", "answered_seconds", "count"]), 2);
    assert_eq!(fake.dialogs(), 0, "everybody has left");
}

#[test]
fn one_that_reads_slowly_takes_as_long_as_it_was_told_to() {
    let slow = "--slow 1 --slow-bytes-per-second 200000";
    let outcome = misbehave(Mischief::None, &format!("--members 4 {LARGE} {slow}"));
    outcome.assert_clean();
    assert_eq!(outcome.number(&["transfer", "fast_seconds", "count"]), 2);
    assert_eq!(outcome.number(&["transfer", "slow_seconds", "count"]), 1);
    // All but what one read takes.
    assert!(outcome.number(&["transfer", "slow_seconds", "first"]) >= 1, "{}", outcome.report);
}

#[test]
fn a_large_copy_that_is_not_what_was_sent_is_reported() {
    for mischief in [Mischief::CorruptText, Mischief::Lose] {
        misbehave(mischief, &format!("--members 4 {LARGE}")).assert_faults(&["lost", "corrupted"]);
    }
}

#[test]
fn only_one_that_reads_slowly_may_be_told_that_it_gets_no_more() {
    misbehave(Mischief::Abort, &format!("--members 4 {LARGE}")).assert_faults(&["lost", "aborted"]);
    let slow = "--slow 1 --slow-bytes-per-second 10000000";
    let outcome = misbehave(Mischief::Abort, &format!("--members 4 {LARGE} {slow}"));
    outcome.assert_clean();
    assert_eq!(outcome.number(&["transfer", "given_up"]), 1);
    assert_eq!(outcome.number(&["transfer", "slow_seconds", "count"]), 0);
}

#[test]
fn a_large_message_that_is_refused_is_reported() {
    misbehave(Mischief::Refuse, &format!("--members 4 {LARGE}")).assert_faults(&["refused"]);
}

#[test]
fn the_processor_time_of_the_switch_is_accounted() {
    let fake = Fake::start(Whim::None, Mischief::None);
    let outcome = run(&fake, &format!("{ROOMS} --pid {}", std::process::id()));
    outcome.assert_clean();
    assert!(outcome.number(&["switch", "resident_after"]) > 0);
    assert!(outcome.report.contains("\"threads\":{\""));
}

#[test]
fn a_lost_copy_is_reported() {
    let outcome = misbehave(Mischief::Lose, &format!("{ROOMS} --patience 1"));
    outcome.assert_faults(&["lost"]);
    assert_eq!(outcome.fault("lost"), 1);
}

#[test]
fn a_run_that_stalls_ends_early() {
    // The only message in flight is lost: nothing would ever come again.
    let outcome = misbehave(Mischief::Lose, "--members 3 --seconds 600 --patience 1");
    outcome.assert_faults(&["lost"]);
    assert!(outcome.report.contains("\"stalled\":true"));
}

#[test]
fn a_duplicate_is_reported() {
    let outcome = misbehave(Mischief::Duplicate, ROOMS);
    outcome.assert_faults(&["duplicated"]);
    assert_eq!(outcome.fault("duplicated"), 1);
}

#[test]
fn a_copy_out_of_order_is_reported() {
    let outcome = misbehave(Mischief::Reorder, ROOMS);
    outcome.assert_faults(&["disordered"]);
    assert_eq!(outcome.fault("disordered"), 1);
}

#[test]
fn recipients_that_disagree_on_the_order_of_a_room_are_reported() {
    let outcome = misbehave(Mischief::Discord, "--members 5 --senders 2 --window 8");
    outcome.assert_faults(&["discordant"]);
}

#[test]
fn a_corrupted_copy_is_reported() {
    let outcome = misbehave(Mischief::CorruptText, ROOMS);
    outcome.assert_faults(&["corrupted"]);
    assert_eq!(outcome.fault("corrupted"), 1);
    misbehave(Mischief::Relabel, ROOMS).assert_faults(&["corrupted"]);
}

#[test]
fn a_copy_that_cannot_be_told_any_more_is_corrupted_and_lost() {
    misbehave(Mischief::CorruptStamp, &format!("{ROOMS} --patience 1"))
        .assert_faults(&["lost", "corrupted"]);
}

#[test]
fn a_copy_with_the_paths_of_another_session_is_reported() {
    misbehave(Mischief::Misaddress, ROOMS).assert_faults(&["misaddressed"]);
}

#[test]
fn a_message_of_another_room_is_reported() {
    misbehave(Mischief::CrossRooms, ROOMS).assert_faults(&["foreign"]);
}

#[test]
fn a_copy_to_the_sender_is_reported() {
    misbehave(Mischief::Echo, ROOMS).assert_faults(&["echoed"]);
}

#[test]
fn a_copy_that_is_given_up_is_reported_and_lost() {
    misbehave(Mischief::Abort, &format!("{ROOMS} --patience 1"))
        .assert_faults(&["lost", "aborted"]);
}

#[test]
fn a_refused_message_is_reported() {
    misbehave(Mischief::Refuse, ROOMS).assert_faults(&["refused"]);
}

#[test]
fn a_message_that_is_never_answered_is_reported() {
    misbehave(Mischief::KeepSilent, &format!("{ROOMS} --patience 1"))
        .assert_faults(&["unanswered"]);
}

#[test]
fn a_lost_connection_is_reported() {
    misbehave(Mischief::Disconnect, ROOMS).assert_faults(&["disconnected"]);
}

#[test]
fn an_answer_to_nothing_is_reported() {
    misbehave(Mischief::Babble, ROOMS).assert_faults(&["stray"]);
}

#[test]
fn a_refused_join_fails_the_run_and_says_why() {
    let fake = Fake::start(Whim::RoomFull, Mischief::None);
    let outcome = run(&fake, "--members 3");
    outcome.assert_faults(&["join_failed"]);
    assert!(outcome.complaints.contains("486 (Too many participants)"), "{}", outcome.complaints);
    assert_eq!(fake.dialogs(), 0, "those who had joined have left");
}

#[test]
fn an_answer_without_media_fails_the_join_and_ends_the_dialog() {
    let fake = Fake::start(Whim::NoMedia, Mischief::None);
    let outcome = run(&fake, "--members 2");
    outcome.assert_faults(&["join_failed"]);
    assert_eq!(outcome.fault("join_failed"), 2);
    assert_eq!(fake.dialogs(), 0, "no dialog without media is left behind");
}

#[test]
fn a_dialog_that_the_focus_ends_is_reported() {
    let fake = Fake::start(Whim::Dismissal, Mischief::None);
    run(&fake, "--members 3").assert_faults(&["dismissed"]);
}

#[test]
fn what_the_focus_asks_in_a_dialog_is_answered() {
    let fake = Fake::start(Whim::Curiosity, Mischief::None);
    run(&fake, "--members 3").assert_clean();
    let expected = ["OPTIONS 200", "NOTIFY 200", "UPDATE 200", "INVITE 200", "INFO 405", "BYE 481"];
    assert_eq!(fake.answers(), expected);
}

#[test]
fn an_interrupted_run_leaves_politely_and_reports_what_it_has() {
    let fake = Fake::start(Whim::None, Mischief::None);
    let sip = fake.sip.to_string();
    let tool = Command::new(env!("CARGO_BIN_EXE_msrp-bench"))
        .args(["--json", "--members", "3", "--seconds", "600", "--sip", &sip])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while fake.dialogs() < 3 {
        std::thread::yield_now();
    }
    let id = Pid::from_child(&tool);
    kill_process(id, Signal::INT).unwrap();
    let output = tool.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("\"clean\":true"), "{report}");
    assert_eq!(fake.dialogs(), 0, "everybody has left");
}

#[test]
fn a_bye_that_is_refused_is_reported() {
    let fake = Fake::start(Whim::Amnesia, Mischief::None);
    let outcome = run(&fake, "--members 3");
    outcome.assert_faults(&["leave_failed"]);
    assert_eq!(outcome.fault("leave_failed"), 3);
}

#[test]
fn nobody_there_is_a_failure_and_nonsense_another() {
    let fake = Fake::start(Whim::None, Mischief::None);
    assert_eq!(run(&fake, "--members 1").status, Some(2));
    assert_eq!(run(&fake, "--pid 4294967295").status, Some(1));
    // A port that was free a moment ago, and that nobody listens on.
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for transport in ["udp", "tcp"] {
        let arguments = format!("--members 200 --sip {nobody} --sip-transport {transport}");
        assert_eq!(run(&fake, &arguments).status, Some(1), "{transport}");
    }
}

/// Runs the tool's other mode against `fake`, for a moment.
fn run_joins(fake: &Fake, arguments: &str) -> Outcome {
    let sip = fake.sip.to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_msrp-bench"))
        .args(["joins", "--json", "--quiet", "--sip", &sip, "--seconds", "0.2", "--settle", "0"])
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    Outcome {
        status: output.status.code(),
        report: String::from_utf8(output.stdout).unwrap(),
        complaints: String::from_utf8(output.stderr).unwrap(),
    }
}

/// sip/JOIN-12: an attempt is the whole procedure, from the INVITE to the first NOTIFY, and each of its
/// steps has its time.
#[test]
fn an_attempt_is_the_whole_procedure_and_each_step_has_its_time() {
    for transport in ["udp", "tcp"] {
        let fake = Fake::start(Whim::None, Mischief::None);
        let file = std::env::temp_dir()
            .join(format!("msrp-bench-attempts-{}-{transport}.csv", std::process::id()));
        let outcome = run_joins(
            &fake,
            &format!(
                "--rooms 2 --members 2 --rate 20 --sip-transport {transport} --attempts {}",
                file.display()
            ),
        );
        let attempts = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(outcome.status, Some(0), "{}{}", outcome.report, outcome.complaints);
        assert!(outcome.report.contains("\"rejoin_outcomes\":{\"200\":4}"), "{}", outcome.report);
        let mut lines = attempts.lines();
        let header = "due_s,invite_us,provisional_us,ok_us,ack_us,bound_us,notify_us";
        assert_eq!(lines.next(), Some(header));
        let mut count = 0;
        for line in lines {
            let times: Vec<f64> = line.split(',').map(|time| time.parse().unwrap()).collect();
            assert_eq!(times.len(), 7, "{line}");
            assert!(times[1..].is_sorted(), "{line}");
            count += 1;
        }
        assert_eq!(count, 4, "{attempts}");

        // Each of the 4 users has joined, and come back once to where the Contact sent it.
        let requests = fake.requests();
        let count = |start: &str| requests.iter().filter(|it| it.starts_with(start)).count();
        let room = "INVITE sip:room";
        let identity = "INVITE sip:s-room";
        assert_eq!((count(room), count(identity)), (4, 4), "{requests:?}");
        assert_eq!((count("ACK sip:s-room"), count("SUBSCRIBE sip:s-room")), (8, 8));
        let notified = fake.answers();
        assert_eq!(notified.iter().filter(|answer| *answer == "NOTIFY 200").count(), 8);
        assert_eq!(count("BYE sip:s-room"), 4, "those that stand at the end");
    }
}

/// sip/JOIN-12: what was refused is counted by its status and the text of its Warning, and is not among
/// what was timed.
#[test]
fn refused_attempts_are_counted_by_status_and_warning() {
    let fake = Fake::start(Whim::RoomFull, Mischief::None);
    let outcome = run_joins(&fake, "--rooms 1 --members 2 --rate 20 --no-watch");
    assert_eq!(outcome.status, Some(1), "{}{}", outcome.report, outcome.complaints);
    assert!(
        outcome.report.contains("\"refused: 486 (Too many participants)\":4"),
        "{}",
        outcome.report
    );
    assert_eq!(outcome.number(&["rejoin_failed"]), 4);
    assert_eq!(outcome.number(&["invite_ok_us", "count"]), 0);
    assert!(fake.requests().iter().all(|request| !request.starts_with("SUBSCRIBE")));
}

#[test]
fn refreshes_are_counted_and_timed() {
    let fake = Fake::start(Whim::None, Mischief::None);
    let outcome = run_joins(&fake, "--rooms 1 --members 2 --rate 0 --refreshes 100 --no-watch");
    assert_eq!(outcome.status, Some(0), "{}{}", outcome.report, outcome.complaints);
    assert_eq!(outcome.number(&["rejoin_failed"]), 0);
    assert_eq!(outcome.number(&["refresh_due_ok_us", "count"]), 20);
    let updates = fake.requests();
    assert_eq!(updates.iter().filter(|it| it.starts_with("UPDATE sip:s-room1")).count(), 20);
}
