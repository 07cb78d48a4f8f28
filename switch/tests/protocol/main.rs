//! The protocol between the focus and the cores, in every order that rings allow: `Install`,
//! `Activate`, `Remove`, `Close` and `Spread` with their epochs, answers and relays.
//!
//! No model of it is checked but the thing itself: the real placement and real cores, led through all
//! interleavings of a few short lives. Interleavings that differ only in what cannot notice each other
//! are taken as one.

mod world;

use std::collections::HashSet;

use world::{Action, Step, World};

use Step::{Activate, Bind, Close, Install, Remove, Replace, Say};

/// Goes through everything that can happen to these participants; how many worlds there were.
fn explore(threads: &[&'static [Step]]) -> usize {
    let mut seen = HashSet::new();
    let mut paths: Vec<Vec<Action>> = vec![Vec::new()];
    while let Some(mut path) = paths.pop() {
        let telling = Telling(path.clone());
        let mut world = World::new(threads);
        for &action in &path {
            world.act(action);
        }
        drop(telling);
        // The last of what can happen is led on at once, the rest from the beginning and later.
        while seen.insert(world.fingerprint()) {
            let telling = Telling(path.clone());
            let mut actions = world.actions();
            match actions.pop() {
                Some(next) => {
                    paths.extend(actions.iter().map(|&other| [&path[..], &[other]].concat()));
                    path.push(next);
                    world.act(next);
                }
                None => world.check_end(),
            }
            drop(telling);
        }
    }
    println!("{} worlds", seen.len());
    seen.len()
}

/// Tells what had happened when something went wrong.
struct Telling(Vec<Action>);

impl Drop for Telling {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("after {:?}", self.0);
        }
    }
}

/// sip/FOC-23, sip/FOC-32, CTRL-03: whoever comes and goes while another talks hears all that
/// was said while it was a member, once, and nothing is left of it.
#[test]
fn one_comes_and_goes_while_another_talks() {
    let goes: &[Step] = &[Install, Activate, Bind, Say, Remove];
    let stays: &[Step] = &[Install, Activate, Bind, Say];
    assert!(explore(&[goes, stays]) > 1000);
}

/// A leg is replaced by its successor, on another core, while a third talks.
#[test]
fn one_rejoins_while_another_talks() {
    let first: &[Step] = &[Install, Activate];
    let second: &[Step] = &[Install, Activate, Bind, Replace(0)];
    let talker: &[Step] = &[Install, Activate, Bind, Say];
    assert!(explore(&[first, second, talker]) > 1000);
}

/// A leg is given up before its core has answered, again and again.
#[test]
fn legs_are_given_up_before_they_are_installed() {
    let fickle: &[Step] = &[Install, Remove];
    assert!(explore(&[fickle, fickle, &[Install]]) > 1000);
}

/// CHAT-38: a room is closed at the worst of moments.
#[test]
fn a_room_is_closed_at_any_time() {
    let goes: &[Step] = &[Install, Activate, Bind, Say, Remove];
    let joins: &[Step] = &[Install, Activate, Bind];
    assert!(explore(&[goes, joins, &[Close]]) > 1000);
}
