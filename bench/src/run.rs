//! A whole run: everybody joins, messages flow, the window is measured, everybody leaves.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until};

use crate::clock::Clock;
use crate::crew::{Crew, SETTLING_TIME, token};
use crate::door::Door;
use crate::fault::Fault;
use crate::machine::Machine;
use crate::pacer::Pacer;
use crate::process::Usage;
use crate::progress::Progress;
use crate::report::{self, Report, SwitchUsage};
use crate::scenario::{Load, Scenario};
use crate::schedule::Schedule;
use crate::tally::Tally;
use crate::traffic::Traffic;

/// How often progress is looked at.
const GLANCE: Duration = Duration::from_millis(100);
/// Random octets that set the identifiers of one run apart from those of every other.
const RUN_ENTROPY: usize = 5;

/// What the parts of a run share.
struct Run {
    scenario: Scenario,
    clock: Clock,
    traffic: Rc<RefCell<Traffic>>,
    progress: Progress,
    interrupted: Rc<Cell<bool>>,
}

/// Runs a scenario. An error means that it could not even begin.
pub async fn run(scenario: Scenario, progress: Progress) -> io::Result<Report> {
    let interrupted = heed_interrupts()?;
    let before = scenario.pid.map(|pid| Usage::of(Some(pid))).transpose()?;
    let clock = Clock::start();
    let name = token::<RUN_ENTROPY>().map_err(io::Error::other)?;
    let door = Door::find(&scenario, &name).await?;
    let traffic = Rc::new(RefCell::new(Traffic::new(&scenario)));
    let crew = Crew::new(scenario.clone(), door, Rc::clone(&traffic), clock, &name);
    let run = Run { scenario, clock, traffic, progress, interrupted };

    let joins = run.watch_joins(&crew).await;
    explain("could not join", &joins);
    let joined = crew.joined();
    sleep(SETTLING_TIME).await;
    let after_joins = run.usage_of_switch()?;

    let load = if joins.failed() == 0 { run.load(&crew).await? } else { run.no_load()? };

    run.progress.phase("leaving");
    let dismissed = crew.dismissed();
    let cuts = crew.cuts(load.begun);
    let leaves = crew.leave_all().await;
    explain("could not leave", &leaves);
    run.progress.finish();
    let bind = crew.bind_times();
    drop(crew);

    let Run { scenario, traffic, interrupted, .. } = run;
    let outcome = traffic.replace(Traffic::new(&scenario)).close(scenario.one_order());
    let mut faults = outcome.faults;
    faults.add(Fault::JoinFailed, joins.failed());
    faults.add(Fault::RejoinFailed, load.rejoins.failed());
    faults.add(Fault::LeaveFailed, leaves.failed());
    faults.add(Fault::Dismissed, dismissed);
    let switch = before.zip(after_joins).zip(load.switch);
    Ok(Report {
        machine: Machine::this(),
        joined,
        join_time: joins.took,
        invite: joins.times,
        bind,
        rejoin: load.rejoins.times,
        window: load.window,
        delivered: load.delivered,
        sent: outcome.sent,
        delivered_total: outcome.delivered,
        notices: outcome.notices,
        latency: outcome.latency,
        lateness: outcome.lateness,
        cuts,
        transferred: outcome.transferred,
        stalled: load.stalled,
        interrupted: interrupted.get(),
        switch: switch.map(|((before, joined), usage)| SwitchUsage {
            usage,
            resident_before: before.resident,
            resident_joined: joined.resident,
        }),
        tool: load.tool,
        faults,
        scenario,
    })
}

/// What the load came to.
struct Loaded {
    begun: std::time::Instant,
    window: Duration,
    delivered: u64,
    stalled: bool,
    switch: Option<Usage>,
    tool: Usage,
    rejoins: Tally,
}

impl Run {
    async fn watch_joins(&self, crew: &Rc<Crew>) -> Tally {
        self.progress.begin("joining", self.scenario.sessions() as u64);
        let mut joins = std::pin::pin!(crew.join_all());
        loop {
            tokio::select! {
                tally = &mut joins => return tally,
                () = sleep(GLANCE) => self.progress.set(crew.joined() as u64),
            }
        }
    }

    /// Somebody is missing: no load would be the one asked for.
    fn no_load(&self) -> io::Result<Loaded> {
        Ok(Loaded {
            begun: std::time::Instant::now(),
            window: Duration::ZERO,
            delivered: 0,
            stalled: false,
            switch: self.usage_of_switch()?,
            tool: Usage::default(),
            rejoins: Tally::default(),
        })
    }

    /// One large message in each room, until everybody has it.
    async fn transfer(&self) -> io::Result<Loaded> {
        self.progress.begin("transferring", self.scenario.sessions() as u64);
        let opened = self.open_window()?;
        self.traffic.borrow_mut().start(self.clock.now());
        for room in 0..self.scenario.rooms {
            let traffic = Rc::clone(&self.traffic);
            tokio::task::spawn_local(async move {
                loop {
                    let Some(link) = traffic.borrow_mut().send_chunks(room) else { return };
                    link.taken().await;
                }
            });
        }
        while self.traffic.borrow().outstanding() > 0
            && !self.is_stalled(0)
            && !self.interrupted.get()
        {
            sleep(GLANCE / 10).await;
            self.progress.set(self.traffic.borrow().delivered());
        }
        self.traffic.borrow_mut().stop();
        let stalled = self.is_stalled(0);
        Ok(Loaded { stalled, ..self.close_window(opened)? })
    }

    async fn load(&self, crew: &Rc<Crew>) -> io::Result<Loaded> {
        if matches!(self.scenario.load, Load::Transfer { .. }) {
            return self.transfer().await;
        }
        let whole = self.scenario.warmup + self.scenario.window;
        self.progress.begin("warming up", whole.as_millis() as u64);
        let begun = Instant::now();
        self.traffic.borrow_mut().start(self.clock.now());
        let paced = match self.scenario.load {
            Load::Open { rate } => Some(tokio::task::spawn_local(self.pace(rate, whole)?)),
            Load::Idle | Load::Closed { .. } | Load::Transfer { .. } => None,
        };
        let mut stalled = self.hold(begun, begun + self.scenario.warmup).await;

        self.progress.phase("measuring");
        let opened = self.open_window()?;
        let mut rejoins = Tally::default();
        if self.scenario.rejoin && !stalled && !self.interrupted.get() {
            let middle = begun + self.scenario.warmup + self.scenario.window / 2;
            stalled = self.hold(begun, middle).await;
            self.progress.phase("rejoining");
            rejoins = crew.rejoin_all().await;
            explain("could not rejoin", &rejoins);
            self.progress.phase("measuring");
        }
        stalled = stalled || self.hold(begun, begun + whole).await;
        let mut loaded = self.close_window(opened)?;

        self.progress.phase("draining");
        if let Some(paced) = paced.filter(|_| !stalled && !self.interrupted.get()) {
            // What was due is sent, however late it has become: else a stall would hide what it held up.
            paced.await.map_err(io::Error::other)?;
        }
        self.traffic.borrow_mut().stop();
        self.drain().await;
        loaded.begun = begun.into_std();
        loaded.stalled = stalled;
        loaded.rejoins = rejoins;
        Ok(loaded)
    }

    /// Lets messages flow until `end`. Returns whether they stopped flowing before.
    async fn hold(&self, begun: Instant, end: Instant) -> bool {
        while Instant::now() < end && !self.interrupted.get() {
            sleep_until(end.min(Instant::now() + GLANCE)).await;
            self.progress.set(begun.elapsed().as_millis() as u64);
            self.progress.tell(self.traffic.borrow().delivered());
            if self.is_stalled(0) {
                return true;
            }
        }
        false
    }

    /// Waits for what is still due, for as long as anything comes.
    async fn drain(&self) {
        let stopped = self.clock.now();
        while self.traffic.borrow().outstanding() > 0 && !self.is_stalled(stopped) {
            sleep(GLANCE / 10).await;
        }
    }

    fn is_stalled(&self, since: u64) -> bool {
        let traffic = self.traffic.borrow();
        let quiet = self.clock.now().saturating_sub(traffic.last_delivery().max(since));
        traffic.outstanding() > 0 && u128::from(quiet) > self.scenario.patience.as_nanos()
    }

    /// The open loop, as a task that ends with the last message that is due within `whole`, or when
    /// sending does.
    fn pace(&self, rate: f64, whole: Duration) -> io::Result<impl Future<Output = ()> + use<>> {
        let Scenario { rooms, senders, seed, .. } = self.scenario;
        let (clock, traffic) = (self.clock, Rc::clone(&self.traffic));
        let pacer = Pacer::new()?;
        let start = clock.now();
        let span = start..start + whole.as_nanos() as u64;
        let mut schedule = Schedule::new(rooms, senders, rate, span, seed);
        Ok(async move {
            while traffic.borrow().is_sending() && !schedule.is_over() {
                // Also when the next message is late already: what was sent goes to the kernel
                // only when all tasks sleep.
                let pause = schedule.due().saturating_sub(clock.now());
                // A timer that fails would fail again: the run ends without messages, and says so.
                if pacer.sleep(pause).await.is_err() {
                    return;
                }
                if traffic.borrow().is_sending() {
                    traffic.borrow_mut().send_due(&mut schedule, clock.now());
                }
            }
        })
    }

    fn usage_of_switch(&self) -> io::Result<Option<Usage>> {
        self.scenario.pid.map(|pid| Usage::of(Some(pid))).transpose()
    }

    fn open_window(&self) -> io::Result<Window> {
        let (switch, tool) = (self.usage_of_switch()?, Usage::of(None)?);
        let mut traffic = self.traffic.borrow_mut();
        let opened = self.clock.now();
        traffic.measure(opened);
        Ok(Window {
            begun: std::time::Instant::now(),
            opened,
            delivered: traffic.delivered(),
            switch,
            tool,
        })
    }

    fn close_window(&self, window: Window) -> io::Result<Loaded> {
        let closed = self.clock.now();
        let delivered = self.traffic.borrow().delivered() - window.delivered;
        let (switch, tool) = (self.usage_of_switch()?, Usage::of(None)?);
        Ok(Loaded {
            begun: window.begun,
            window: Duration::from_nanos(closed - window.opened),
            delivered,
            stalled: false,
            switch: switch.zip(window.switch).map(|(now, before)| now.since(&before)),
            tool: tool.since(&window.tool),
            rejoins: Tally::default(),
        })
    }
}

/// How things stood when the measured window opened.
struct Window {
    begun: std::time::Instant,
    opened: u64,
    delivered: u64,
    switch: Option<Usage>,
    tool: Usage,
}

/// The first interrupt ends the load, and everybody leaves as they would have anyway; the second
/// ends the tool. Returns where to see that the first has come.
fn heed_interrupts() -> io::Result<Rc<Cell<bool>>> {
    let interrupted = Rc::new(Cell::new(false));
    let mut interrupts = signal(SignalKind::interrupt())?;
    let seen = Rc::clone(&interrupted);
    tokio::task::spawn_local(async move {
        while interrupts.recv().await.is_some() {
            if seen.replace(true) {
                std::process::exit(report::INTERRUPTED.into());
            }
        }
    });
    Ok(interrupted)
}

/// Says why something failed, most frequent first.
fn explain(what: &str, tally: &Tally) {
    let mut failures: Vec<_> = tally.failures.iter().collect();
    failures.sort_by_key(|&(_, times)| std::cmp::Reverse(times));
    for (why, times) in failures {
        eprintln!("{times} {what}: {why}");
    }
}
