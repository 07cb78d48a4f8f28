//! The one line of the node's configuration that says where its cores run.

use std::{fmt, fs, io, path::Path};

use serde::{Deserialize, Serialize};

/// `[node] cores`: which CPUs get a core.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cores {
    /// `"auto"`: every CPU of the affinity mask. What a node does that is told nothing.
    #[default]
    Auto,
    /// These, in this order.
    List(Vec<u32>),
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => write!(f, "\"auto\""),
            Self::List(cpus) => write!(f, "{cpus:?}"),
        }
    }
}

/// Why no configuration could be had. The operator has to act.
#[derive(Debug)]
pub enum ConfigError {
    /// It could not be read.
    Unreadable(io::Error),
    /// It is no TOML, or `cores` is something else.
    Malformed(toml::de::Error),
    /// `cores` is a word other than `auto`.
    UnknownWord(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(f),
            Self::Malformed(error) => {
                write!(f, "{}", error.message().lines().next().unwrap_or("malformed"))
            }
            Self::UnknownWord(word) => {
                write!(f, "node.cores is {word:?}: it must be \"auto\" or a list of CPU numbers")
            }
        }
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    node: Node,
}

#[derive(Default, Deserialize)]
struct Node {
    cores: Option<Written>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "node.cores must be \"auto\" or a list of CPU numbers")]
enum Written {
    Word(String),
    List(Vec<u32>),
}

impl Cores {
    /// Reads the configuration of a node. Everything else in it is the node's business.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&fs::read_to_string(path).map_err(ConfigError::Unreadable)?)
    }

    fn parse(text: &str) -> Result<Self, ConfigError> {
        let document: Document = toml::from_str(text).map_err(ConfigError::Malformed)?;
        match document.node.cores {
            None => Ok(Self::Auto),
            Some(Written::Word(word)) if word == "auto" => Ok(Self::Auto),
            Some(Written::Word(word)) => Err(ConfigError::UnknownWord(word)),
            Some(Written::List(cpus)) => Ok(Self::List(cpus)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cores;

    #[test]
    fn cores_are_auto_unless_listed() {
        for text in ["", "[sip]\nx = 1\n", "[node]\n", "[node]\ncores = \"auto\"\n"] {
            assert_eq!(Cores::parse(text).unwrap(), Cores::Auto, "{text}");
        }
        let listed = Cores::parse("[node]\ncores = [2, 3]\nother = true\n").unwrap();
        assert_eq!(listed, Cores::List(vec![2, 3]));
    }

    #[test]
    fn what_is_neither_is_said_in_one_line() {
        for text in ["[node]\ncores = \"all\"", "[node]\ncores = 4", "[node]\ncores = [-1]", "["] {
            let said = Cores::parse(text).unwrap_err().to_string();
            assert!(!said.is_empty() && !said.contains('\n'), "{text}: {said}");
        }
    }
}
