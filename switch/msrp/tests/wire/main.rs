//! Messages as literal octets, read and written, in any split into reads.

mod emission;
mod faults;
mod framing;
mod fuzz;
mod heads;
mod limits;
mod properties;
mod reader;
