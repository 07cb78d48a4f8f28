//! The conference focus, from literal SIP messages in to SIP messages and orders out, over virtual
//! time and without a core: each core here is the two mailbox ends of one, and answers as told.

mod adhoc;
mod anything;
mod callee;
#[path = "../common/captured.rs"]
mod captured;
mod challenged;
mod charging;
mod contract;
mod decision;
mod dispatch;
mod early;
mod ending;
mod expiring;
mod fallback;
mod files;
mod footprint;
mod grouping;
mod harness;
mod hostile;
mod inviting;
mod joining;
mod locating;
mod losing;
mod members;
mod naming;
mod offerless;
mod order;
mod overload;
mod partial;
mod proving;
mod reconfiguring;
mod referring;
mod reoffering;
mod replacing;
mod restoring;
mod sharing;
mod stage_a;
mod timing;
mod torture;
mod watching;
