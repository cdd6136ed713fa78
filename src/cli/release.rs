//! What of decrypted results leaves the process.

use std::path::{Path, PathBuf};

use anyhow::{Error, Result, bail};
use fhec_ckks::cipher::{MAX_DECIMALS, ReleasePolicy, Released};
use fhec_ir::plan::ClientOutput;
use fhec_runtime::files::KeySetId;
use fhec_runtime::ledger::Releases;

use super::Context;

/// Bits of precision that flooding leaves at least.
const LEAST_BITS: f64 = 2.0;

/// How results are made fit to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// All digits.
    Exact,
    /// Those that are right.
    Round,
    /// The class alone.
    ArgMax,
    /// With noise for so many bits of security and so many releases.
    Flood { bits: u32, releases: u32 },
}

impl Release {
    /// `exact`, `round`, `argmax` or `flood:BITS,RELEASES`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let usage = "expected exact, round, argmax or flood:BITS,RELEASES";
        match text {
            "exact" => return Ok(Self::Exact),
            "round" => return Ok(Self::Round),
            "argmax" => return Ok(Self::ArgMax),
            _ => {}
        }
        let numbers = text.strip_prefix("flood:").and_then(|n| n.split_once(','));
        let (bits, releases) = numbers.ok_or(usage)?;
        let number = |text: &str| text.parse::<u32>().ok().filter(|n| *n > 0).ok_or(usage);
        let (bits, releases) = (number(bits)?, number(releases)?);
        if bits > 256 {
            return Err("more than 256 bits of security are not offered".into());
        }
        Ok(Self::Flood { bits, releases })
    }
}

/// Part of the promised error that rounding may add to it, as a divisor of the unit.
const ROUNDING: f64 = 8.0;

/// Decimals of an output that its promised error leaves: their unit is the power of ten at or below an eighth of the error, so
/// that rounding adds next to nothing to it.
pub(crate) fn decimals(output: &ClientOutput) -> i32 {
    (-(output.error / ROUNDING).log10().floor()).clamp(-f64::from(MAX_DECIMALS), f64::from(MAX_DECIMALS))
        as i32
}

/// Carries out a [`Release`] on the decrypted outputs of a plan: on their elements, no other slots.
pub(crate) struct Releaser {
    /// For each output.
    policies: Vec<ReleasePolicy>,
    budget: Option<Budget>,
}

/// Where flooded releases are counted.
struct Budget {
    key: PathBuf,
    keys: KeySetId,
    numbers: (u32, u32),
    /// Ciphertexts of a result.
    ciphertexts: u32,
}

impl Releaser {
    /// For the outputs of a plan; `key` is the file that results are decrypted with, and its set.
    pub(crate) fn new(
        release: Release,
        outputs: &[ClientOutput],
        key: Option<(&Path, KeySetId)>,
    ) -> Result<Self> {
        let policy = |output: &ClientOutput| {
            Ok(match release {
                // What is shown of the class is the client's part's, which sees all.
                Release::Exact | Release::ArgMax => ReleasePolicy::OwnEyes,
                Release::Round => ReleasePolicy::Rounded { decimals: decimals(output) },
                Release::Flood { bits, releases } => {
                    ReleasePolicy::Flooding { sigma: sigma(output, bits, releases)?, remaining: u32::MAX }
                }
            })
        };
        let policies = outputs.iter().map(policy).collect::<Result<_>>()?;
        let Release::Flood { bits, releases } = release else { return Ok(Self { policies, budget: None }) };
        let Some((key, keys)) = key else {
            bail!(
                "--release flood counts its releases beside a key that is kept: use keygen, encrypt, run and decrypt"
            );
        };
        let ciphertexts = outputs.iter().map(|o| o.layout.ciphertexts as u32).sum();
        let budget = Budget { key: key.to_owned(), keys, numbers: (bits, releases), ciphertexts };
        Ok(Self { policies, budget: Some(budget) })
    }

    /// What may be seen of `raw`, one vector for each output. A flooded release is counted before.
    pub(crate) fn release(&self, raw: Vec<Vec<f64>>, context: &Context) -> Result<Vec<Vec<f64>>> {
        if let Some(Budget { key, keys, numbers, ciphertexts }) = &self.budget {
            let left = Releases::beside(key).count(*keys, *numbers, *ciphertexts)?;
            context.detail(format!("{left} of {} flooded releases are left", numbers.1));
        }
        let released =
            self.policies.iter().zip(raw).map(|(policy, values)| match policy.clone().apply(values)? {
                Released::Values(values) => Ok(values),
                Released::Index(_) => Err(Error::msg("internal: an index where numbers are wanted")),
            });
        released.collect()
    }
}

/// Standard deviation of the noise that hides that of an output, whose bound is the promised error.
fn sigma(output: &ClientOutput, bits: u32, releases: u32) -> Result<f64> {
    let sigma = (f64::from(bits) / 2.0).exp2() * f64::from(releases).sqrt() * output.error;
    let left = (output.range / sigma).log2();
    if left < LEAST_BITS {
        bail!(
            "flood:{bits},{releases} takes noise of {sigma:.2e} for output {:?}, which ranges to {:.2e}: of its {:.1} bits of \
             precision {left:.1} would be left, at least {LEAST_BITS} have to (compile with a higher --precision-bits, or ask \
             for less)",
            output.name,
            output.range,
            output.precision_bits(),
        );
    }
    Ok(sigma)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhec_ir::layout::Layout;

    fn output(range: f64, error: f64) -> ClientOutput {
        let layout = Layout { slots: 16, ciphertexts: 1, axes: vec![], replicas: vec![] };
        ClientOutput { name: "y".into(), layout, types: vec![], bound: 1e3, range, error, constant: false }
    }

    #[test]
    fn words() {
        assert_eq!(Release::parse("flood:10,100"), Ok(Release::Flood { bits: 10, releases: 100 }));
        assert_eq!(Release::parse("argmax"), Ok(Release::ArgMax));
        for wrong in ["", "none", "flood", "flood:1", "flood:0,1", "flood:1,0", "flood:1,x", "flood:300,1"] {
            assert!(Release::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn decimals_are_those_that_the_error_leaves() {
        for (error, expected) in
            [(3.1e-4, 5), (1e-3, 4), (9.9e-3, 3), (0.5, 2), (1.0, 1), (30.0, 0), (300.0, -1), (1e-30, 15)]
        {
            assert_eq!(decimals(&output(1.0, error)), expected, "{error}");
        }
    }

    #[test]
    fn flooding_takes_precision() {
        assert!((sigma(&output(8.0, 1e-6), 10, 100).unwrap() - 32.0 * 10.0 * 1e-6).abs() < 1e-12);
        let refused = sigma(&output(8.0, 1e-3), 30, 100).unwrap_err().to_string();
        assert!(refused.contains("13.0 bits of precision"), "{refused}");
    }
}
