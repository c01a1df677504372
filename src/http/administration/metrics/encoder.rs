//! A metric at a time: its name, what it is, and its series.

use std::fmt::Result;

use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::metrics::Reading;

pub struct Encoder<'a>(pub DescriptorEncoder<'a>);

/// Names and values of labels, in the order of the documentation.
pub type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

impl Encoder<'_> {
    /// A counter; `_total` is put behind its name.
    pub fn counters<'l, const N: usize>(
        &mut self,
        (name, help): (&str, &str),
        series: impl IntoIterator<Item = (Labels<'l, N>, u64)>,
    ) -> Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in series {
            labelled(&mut metric, &labels, |series| series.encode_counter::<NoLabelSet, _, f64>(&value, None))?;
        }
        Ok(())
    }

    pub fn gauges<'l, const N: usize, V: EncodeGaugeValue>(
        &mut self,
        (name, help): (&str, &str),
        series: impl IntoIterator<Item = (Labels<'l, N>, V)>,
    ) -> Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in series {
            labelled(&mut metric, &labels, |series| series.encode_gauge(&value))?;
        }
        Ok(())
    }

    pub fn histograms<'l, const N: usize>(
        &mut self,
        (name, help): (&str, &str),
        series: impl IntoIterator<Item = (Labels<'l, N>, Reading)>,
    ) -> Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, Reading { sum, count, buckets }) in series {
            labelled(&mut metric, &labels, |series| series.encode_histogram::<NoLabelSet>(sum, count, &buckets, None))?;
        }
        Ok(())
    }
}

fn labelled<const N: usize>(
    metric: &mut MetricEncoder<'_>,
    labels: &Labels<'_, N>,
    encode: impl FnOnce(&mut MetricEncoder<'_>) -> Result,
) -> Result {
    if N == 0 { encode(metric) } else { encode(&mut metric.encode_family(labels)?) }
}
