//! Figures, as the text that Prometheus reads (OpenMetrics 1.0).

use std::{borrow::Cow, collections::BTreeMap, fmt};

use mailbox::{Figure, Figures};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text},
    metrics::MetricType,
    registry::Registry,
};

/// What every name begins with.
const PREFIX: &str = "msrp_switch";

/// The media type of the text.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a figure may do over time.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Grow.
    Counter,
    /// Grow and shrink.
    Gauge,
}

/// Figures of many, put together by their names.
#[derive(Debug, Default)]
pub struct Scrape {
    families: BTreeMap<String, Family>,
}

#[derive(Debug)]
struct Family {
    kind: Kind,
    help: &'static str,
    samples: Vec<(Labels, u64)>,
}

type Labels = Vec<(&'static str, Cow<'static, str>)>;

impl Scrape {
    /// Adds the figures of one part of the node, under its name.
    pub fn add(&mut self, part: &str, kind: Kind, figures: &impl Figures) {
        self.add_labelled(part, kind, &[], figures);
    }

    /// Adds the figures of one core.
    pub fn add_core(&mut self, core: usize, kind: Kind, figures: &impl Figures) {
        self.add_labelled("core", kind, &[("core", Cow::Owned(core.to_string()))], figures);
    }

    fn add_labelled(
        &mut self,
        part: &str,
        kind: Kind,
        labels: &[(&'static str, Cow<'static, str>)],
        figures: &impl Figures,
    ) {
        figures.each(&mut |Figure { name, help, label, value }| {
            let label = label.map(|label| ("reason", Cow::Borrowed(label)));
            let labels = labels.iter().cloned().chain(label).collect();
            let family = self.families.entry(format!("{part}_{name}"));
            let new = || Family { kind, help, samples: Vec::new() };
            family.or_insert_with(new).samples.push((labels, value));
        });
    }

    /// All of it as text.
    pub fn text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_collector(Box::new(self));
        let mut written = String::new();
        text::encode(&mut written, &registry)?;
        Ok(written)
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, Family { kind, help, samples }) in &self.families {
            let metric = match kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
            };
            let mut family = encoder.encode_descriptor(name, help, None, metric)?;
            for (labels, value) in samples {
                let labels: Vec<(&str, &str)> =
                    labels.iter().map(|(key, value)| (*key, &**value)).collect();
                if labels.is_empty() {
                    encode(&mut family, *kind, *value)?;
                } else {
                    encode(&mut family.encode_family(&labels)?, *kind, *value)?;
                }
            }
        }
        Ok(())
    }
}

fn encode(sample: &mut MetricEncoder<'_>, kind: Kind, value: u64) -> fmt::Result {
    match kind {
        Kind::Counter => sample.encode_counter::<NoLabelSet, _, u64>(&value, None),
        Kind::Gauge => sample.encode_gauge(&value),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mailbox::figures;

    use super::{Kind, Scrape};

    figures! {
        /// What a post office counts.
        #[derive(Default)]
        struct Office {
            /// Letters that came.
            pub letters: u64,
            /// Visitors refused, by why.
            pub refused: BTreeMap<&'static str, u64>,
        }
    }

    #[test]
    fn the_text_is_literally_this() {
        let mut scrape = Scrape::default();
        for core in 0..2 {
            let refused = BTreeMap::from([("late", core + 7)]);
            scrape.add_core(core as usize, Kind::Counter, &Office { letters: core, refused });
        }
        scrape.add("focus", Kind::Gauge, &Office { letters: 5, refused: BTreeMap::new() });
        let expected = "\
            # HELP msrp_switch_core_letters Letters that came\n\
            # TYPE msrp_switch_core_letters counter\n\
            msrp_switch_core_letters_total{core=\"0\"} 0\n\
            msrp_switch_core_letters_total{core=\"1\"} 1\n\
            # HELP msrp_switch_core_refused Visitors refused, by why\n\
            # TYPE msrp_switch_core_refused counter\n\
            msrp_switch_core_refused_total{core=\"0\",reason=\"late\"} 7\n\
            msrp_switch_core_refused_total{core=\"1\",reason=\"late\"} 8\n\
            # HELP msrp_switch_focus_letters Letters that came\n\
            # TYPE msrp_switch_focus_letters gauge\n\
            msrp_switch_focus_letters 5\n\
            # EOF\n";
        assert_eq!(scrape.text().unwrap(), expected);
    }
}
