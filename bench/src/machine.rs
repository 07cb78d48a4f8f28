//! The machine a figure was taken on: no figure means anything without it.

use std::{fmt, fs};

use crate::figures::Object;

/// Processors and kernel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Machine {
    /// Logical processors of the machine, whatever this process is pinned to.
    pub processors: usize,
    /// What they call themselves.
    pub model: String,
    /// The release of the kernel.
    pub kernel: String,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        // A kernel that does not tell leaves a report that says so.
        let (processors, model) = parse(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default());
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        Self { processors, model, kernel }
    }

    /// For programs.
    pub fn to_object(&self) -> Object {
        let mut object = Object::default();
        object
            .integer("processors", self.processors as u64)
            .text("model", &self.model)
            .text("kernel", &self.kernel);
        object
    }
}

/// For people.
impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} processors ({}), Linux {}", self.processors, self.model, self.kernel)
    }
}

/// Count and name from `/proc/cpuinfo`: one paragraph for each processor.
fn parse(cpuinfo: &str) -> (usize, String) {
    let fields = || cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let values = |name: &'static str| {
        fields().filter(move |(field, _)| field.trim() == name).map(|(_, value)| value.trim())
    };
    (values("processor").count(), values("model name").next().unwrap_or("unknown").into())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn each_paragraph_is_a_processor() {
        let cpuinfo = "processor\t: 0\nmodel name\t: A: B\n\nprocessor\t: 1\nmodel name\t: A: B\n";
        assert_eq!(parse(cpuinfo), (2, "A: B".into()));
        assert_eq!(parse(""), (0, "unknown".into()));
    }
}
