//! Where Pre-defined Groups come from: files, an XCAP server, and the lists that the documents of both
//! name. All of it is looked at on threads of its own.

use std::{io, sync::Arc, time::Instant};

use super::{
    demand::Demand,
    fetch::Fetcher,
    groups::{Groups, Source},
    library::{self, Library},
    remote::{Round, Tally},
    resolver::{Resolver, resolve},
    watch::Watch,
    xcap::{self, Xcap},
};
use crate::config::{self, Timers};

/// All sources there are.
#[derive(Debug)]
pub struct Sources {
    library: Option<Library>,
    xcap: Option<Xcap>,
    resolver: Resolver,
    timers: Timers,
}

impl Sources {
    /// The files of `library`, and the documents of an XCAP server, which are asked for once: who is
    /// served first shall find the groups there. After `timers.document_timeout` no more of them are
    /// asked for, so that a server which does not answer keeps nobody else waiting. No list has come
    /// yet.
    pub fn open(
        library: Option<Library>,
        xcap: Option<&config::Xcap>,
        timers: &Timers,
        tally: &Tally,
    ) -> Self {
        let now = Instant::now();
        let mut resolver = Resolver::new(Round::of_lists(timers, tally.clone()));
        let xcap = xcap.map(|server| {
            let mut xcap = Xcap::new(now, server, Round::of_documents(timers, tally.clone()));
            let until = now + timers.document_timeout;
            xcap.fetch_due(&Fetcher::of_documents(timers), Some(until));
            resolver.handle_groups(now, Source::Xcap, xcap.groups());
            xcap
        });
        if let Some(library) = &library {
            resolver.handle_groups(now, Source::Files, library.groups());
        }
        Self { library, xcap, resolver, timers: timers.clone() }
    }

    /// The groups of all of them.
    pub fn groups(&self) -> Arc<Groups> {
        self.resolver.groups()
    }

    /// Fetches all that has not been asked for, however long that takes.
    pub fn fetch_all(&mut self) {
        if let Some(xcap) = &mut self.xcap {
            xcap.fetch_due(&Fetcher::of_documents(&self.timers), None);
            self.resolver.handle_groups(Instant::now(), Source::Xcap, xcap.groups());
        }
        self.resolver.fetch_due(&Fetcher::of_lists(&self.timers), None);
    }

    /// Tells of the groups as their documents change, and the lists in them (POL-09, POL-17, POL-18),
    /// for as long as what is returned is kept.
    pub fn follow(self, tell: impl FnMut(Arc<Groups>) + Send + 'static) -> io::Result<Vec<Watch>> {
        let Self { library, xcap, resolver, timers } = self;
        if library.is_none() && xcap.is_none() {
            return Ok(Vec::new());
        }
        let resolving = resolve(resolver, Fetcher::of_lists(&timers), tell)?;
        let mut watches = Vec::new();
        if let Some(library) = library {
            let changes = resolving.clone();
            let tell = move |groups| changes.handle_groups(Source::Files, groups);
            watches.push(library::watch(library, tell)?);
        }
        if let Some(xcap) = xcap {
            let tell = move |groups| resolving.handle_groups(Source::Xcap, groups);
            watches.push(xcap::poll(xcap, Fetcher::of_documents(&timers), tell)?);
        }
        Ok(watches)
    }
}
