//! Search for a parameter set: the cheapest chain that meets levels, precision, memory and security.
//!
//! All primes stay below 2^50, where the IFMA kernels serve. At N = 2^16 and 12 levels the cap on
//! log QP leaves 120 bits unused, so wider primes would not buy levels; they would buy EvalMod 8
//! bits of precision, at transforms 1.6 times slower (`cargo bench -p fhec-ckks --bench engine -- ntt`
//! prints both) on a third of the limbs. The same precision is cheaper from a smaller message ratio.
//!
//! Widths: EvalMod primes at 49.9 bits, since every bit there is one of precision; CoeffsToSlots primes
//! down to where their rounding stays below EvalMod's; SlotsToCoeffs primes at 34 bits, enough for
//! coefficients that are read at a scale q_0/2^r; special primes just below 2^50.

use super::circuit::{BootstrapCircuit, Matrices};
use super::cost::KernelCosts;
use super::error::BootstrapError;
use super::spec::{BootstrapSpec, EvalModSpec};
use crate::error::Result;
use crate::noise::Estimate;
use crate::params::security_table::max_log_qp;
use crate::params::{Parameters, ParametersLiteral};

/// Widths of EvalMod and CoeffsToSlots primes tried, narrow ones last.
const EVAL_MOD_WIDTHS: [f64; 3] = [49.9, 49.4, 48.0];
const COEFFS_TO_SLOTS_WIDTHS: [f64; 3] = [49.4, 48.0, 46.0];
/// Width of SlotsToCoeffs primes.
const SLOTS_TO_COEFFS_WIDTH: f64 = 34.0;
/// Width of q_0 and of the special primes.
const WIDE: f64 = 50.0;
/// Most special primes tried.
const MAX_SPECIAL: usize = 14;
/// Message ratios tried, in bits.
const RATIOS: std::ops::RangeInclusive<u32> = 14..=26;
/// Bits per step of [`RATIOS`].
const RATIO_STEP: f64 = 0.5;

/// What a bootstrap shall give.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DesignRequest {
    /// log2 N.
    pub log_n: u32,
    /// log2 of the slots.
    pub log_slots: u32,
    /// Levels left after the bootstrap.
    pub levels: usize,
    /// Width of their primes, and log2 of the scale.
    pub level_bits: f64,
    /// Precision wanted: −log2 of the rms error of real slots uniform in [−1, 1].
    pub precision: f64,
    /// Most bytes of keys in memory.
    pub key_bytes: Option<usize>,
}

/// A parameter set with its bootstrap.
#[derive(Debug, Clone)]
pub struct BootstrapDesign {
    /// The chain.
    pub parameters: Parameters,
    /// What the bootstrap does on it.
    pub spec: BootstrapSpec,
    /// Predicted precision in bits, as requested.
    pub precision: f64,
    /// Modelled seconds on one thread.
    pub seconds: f64,
    /// Bytes of all keys in memory.
    pub key_bytes: usize,
}

/// log2 n cut into `count` runs of stages, as even as possible, longer ones first where `descending`.
fn even_split(log_slots: u32, count: u32) -> Vec<u32> {
    (0..count).map(|i| log_slots / count + u32::from(i < log_slots % count)).collect()
}

impl BootstrapDesign {
    /// The cheapest set that meets `request` at 128 bits of security, by the table `costs`.
    ///
    /// # Errors
    /// `NoDesign` if there is none, with the best precision found; `Slots` for impossible slots.
    pub fn search(request: &DesignRequest, costs: &KernelCosts) -> Result<Self> {
        let max = request.log_n.saturating_sub(1);
        if !(3..=max).contains(&request.log_slots) {
            return Err(BootstrapError::Slots { log_slots: request.log_slots, max }.into());
        }
        let mut candidates = Vec::new();
        for (low, high) in [(2, 2), (3, 2), (2, 3), (3, 3), (3, 4)] {
            let [low, high] = [low, high].map(|count| even_split(request.log_slots, count));
            let matrices = Matrices::new(request.log_slots, 0, &low, &high);
            for (degree, doublings) in [(28, 3), (30, 3), (46, 2), (14, 4)] {
                let eval_mod = EvalModSpec { degree, doublings, ..EvalModSpec::default() };
                let spec = BootstrapSpec {
                    log_slots: request.log_slots,
                    log_joined: 0,
                    slots_to_coeffs: low.clone(),
                    residual_levels: request.levels,
                    eval_mod,
                    coeffs_to_slots: high.clone(),
                    message_ratio: 10.0,
                    scale: request.level_bits.exp2(),
                };
                for widths in EVAL_MOD_WIDTHS.iter().flat_map(|e| COEFFS_TO_SLOTS_WIDTHS.map(|c| (*e, c))) {
                    for special in 2..=MAX_SPECIAL {
                        let Some(parameters) = chain(request, &spec, widths, special) else { continue };
                        let circuit = BootstrapCircuit::with_matrices(&parameters, &spec, &matrices)?;
                        let key_bytes = circuit.key_bytes();
                        if request.key_bytes.is_some_and(|most| key_bytes > most) {
                            continue;
                        }
                        let seconds = circuit.seconds(costs);
                        candidates.push((seconds, key_bytes, parameters, spec.clone(), matrices.clone()));
                    }
                }
            }
        }
        candidates.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut best = f64::NEG_INFINITY;
        for (seconds, key_bytes, parameters, spec, matrices) in candidates {
            let (precision, message_ratio) = best_ratio(&parameters, &spec, &matrices)?;
            if precision >= request.precision {
                let spec = BootstrapSpec { message_ratio, ..spec };
                return Ok(Self { parameters, spec, precision, seconds, key_bytes });
            }
            best = best.max(precision);
        }
        let DesignRequest { log_n, levels, level_bits, precision, .. } = *request;
        Err(BootstrapError::NoDesign { log_n, levels, level_bits, precision, best }.into())
    }
}

/// The message ratio that gives the best predicted precision.
fn best_ratio(parameters: &Parameters, spec: &BootstrapSpec, matrices: &Matrices) -> Result<(f64, f64)> {
    let fresh = Estimate { variance: parameters.sigma().powi(2), message: 1.0 };
    let mut best = (f64::NEG_INFINITY, 0.0);
    for step in RATIOS {
        let message_ratio = f64::from(step) * RATIO_STEP;
        let spec = BootstrapSpec { message_ratio, ..spec.clone() };
        let mut circuit = BootstrapCircuit::with_matrices(parameters, &spec, matrices)?;
        circuit.play();
        let bits = circuit.estimate(fresh).rms_bits(spec.scale, parameters.n());
        if bits > best.0 {
            best = (bits, message_ratio);
        } else if bits < best.0 - 1.0 {
            break;
        }
    }
    Ok(best)
}

/// The chain of `spec` with `special` special primes, if it is secure and its digits fit.
fn chain(
    request: &DesignRequest,
    spec: &BootstrapSpec,
    widths: (f64, f64),
    special: usize,
) -> Option<Parameters> {
    let parts = [
        (1, WIDE),
        (spec.slots_to_coeffs.len(), SLOTS_TO_COEFFS_WIDTH),
        (spec.residual_levels, request.level_bits),
        (spec.eval_mod.levels(), widths.0),
        (spec.coeffs_to_slots.len(), widths.1),
    ];
    let q: Vec<f64> = parts.iter().flat_map(|(count, width)| vec![*width; *count]).collect();
    let p = vec![WIDE; special];
    let log_qp = q.iter().chain(&p).sum::<f64>();
    if log_qp > f64::from(max_log_qp(request.log_n)?) {
        return None;
    }
    Parameters::new(&ParametersLiteral::from_widths(request.log_n, &q, &p).ok()?).ok()
}
