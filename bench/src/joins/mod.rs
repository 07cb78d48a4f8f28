//! How fast a focus takes people in, and keeps them: rejoins and refreshes in an open loop, each timed
//! from when it was due, so that no stall of the focus hides behind the ones it delayed (OPS-11,
//! JOIN-12 of the control-plane catalogue).

mod ledger;
mod options;
mod report;
mod users;

use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout;

use self::ledger::Ledger;
pub use self::options::Options;
pub use self::report::Report;
use self::users::Users;
use crate::crew::token;
use crate::machine::Machine;
use crate::pacer::Pacer;
use crate::process::Usage;
use crate::progress::Progress;
use crate::tally::all;

/// Random octets that set the identifiers of one run apart from those of every other.
const RUN_ENTROPY: usize = 5;
/// What was begun in the window is waited for so long after it: longer than anything takes that is
/// given up by itself.
const PATIENCE: Duration = Duration::from_secs(45);

/// Runs a scenario. An error means that it could not even begin, or not be written down.
pub async fn run(options: Options, progress: Progress) -> io::Result<Report> {
    let name = token::<RUN_ENTROPY>().map_err(io::Error::other)?;
    let users = Users::new(options.clone(), &name).await?;

    progress.begin("joining", options.users() as u64);
    let pace = Duration::from_secs_f64(options.join_rate.recip());
    let joining = Rc::clone(&users);
    let joins = all(0..options.users(), pace, move |user| Rc::clone(&joining).enter(user)).await;
    for (why, times) in &joins.failures {
        eprintln!("{times} could not join: {why}");
    }
    // Who was told of the joins is told of them, before anything is measured.
    tokio::time::sleep(Duration::from_secs_f64(options.settle)).await;

    progress.phase("measuring");
    let (switch, tool) = (usage_of(options.pid)?, Usage::of(None)?);
    let resident = switch.as_ref().map(|usage| usage.resident);
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(options.seconds);
    if joins.failed() == 0 {
        let rejoins = pace_out(options.rate, begun, end, &users, Users::rejoin)?;
        let refreshes = pace_out(options.refreshes, begun, end, &users, Users::refresh)?;
        let (rejoins, refreshes) = tokio::join!(rejoins, refreshes);
        wait_for(rejoins).await;
        wait_for(refreshes).await;
    }
    let window = begun.elapsed().min(end - begun);
    let (switch_after, tool_after) = (usage_of(options.pid)?, Usage::of(None)?);

    progress.phase("leaving");
    users.leave().await;
    progress.finish();
    let Ledger { attempts, rejoins, refreshes } = users.close();
    if let Some(path) = &options.attempts {
        ledger::write(Path::new(path), begun, &attempts)?;
    }
    Ok(Report {
        machine: Machine::this(),
        join_failures: joins.failed(),
        joined: joins.times.len(),
        join_time: joins.took,
        window,
        rejoins,
        refreshes,
        switch: switch_after.zip(switch).map(|(after, before)| after.since(&before)),
        resident,
        tool: tool_after.since(&tool),
        options,
    })
}

fn usage_of(pid: Option<u32>) -> io::Result<Option<Usage>> {
    pid.map(|pid| Usage::of(Some(pid))).transpose()
}

/// Begins the same again and again, `rate` times a second, whatever became of those before. Ends when
/// no more are due; those that are not done by then come back.
fn pace_out<F>(
    rate: f64,
    begun: Instant,
    end: Instant,
    users: &Rc<Users>,
    begin: fn(Rc<Users>, u64, Instant) -> F,
) -> io::Result<impl Future<Output = JoinSet<()>> + use<F>>
where
    F: Future<Output = ()> + 'static,
{
    let (pacer, users) = (Pacer::new()?, Rc::clone(users));
    Ok(async move {
        let mut under_way = JoinSet::new();
        if rate <= 0.0 {
            return under_way;
        }
        let mut count = 0_u64;
        loop {
            let due = begun + Duration::from_secs_f64(count as f64 / rate);
            if due >= end {
                return under_way;
            }
            let now = Instant::now();
            if due > now {
                while under_way.try_join_next().is_some() {}
                // A timer that fails would fail again: the run is short, and says so.
                if pacer.sleep((due - now).as_nanos() as u64).await.is_err() {
                    return under_way;
                }
                continue;
            }
            under_way.spawn_local(begin(Rc::clone(&users), count, due));
            count += 1;
        }
    })
}

/// Waits for what is under way. What does not end is not counted, and so is missed.
async fn wait_for(mut under_way: JoinSet<()>) {
    let all = async { while under_way.join_next().await.is_some() {} };
    // Whether that was enough is seen in the figures.
    let _ = timeout(PATIENCE, all).await;
}
