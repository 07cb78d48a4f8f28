//! Placeholder.
#![forbid(unsafe_code)]
/// x
#[derive(Clone, Debug)]
pub struct AcceptTypes;
/// x
#[derive(Clone, Debug)]
pub struct AddressBuf;
/// x
#[derive(Clone, Debug)]
pub struct PathBuf;
/// x
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UriBuf;
