//! Search for a parameter set: the cheapest chain that meets levels, precision, memory and security.
//!
//! All primes stay below 2^50, where the IFMA kernels serve. At N = 2^16 and 12 levels the cap on
//! log QP hardly binds, so wider primes would not buy levels; they would buy EvalMod 8 bits of
//! precision, at transforms that take 2.4 times as long (60-bit primes with tfhe-ntt against own kernels at
//! 50 bits: `cargo bench -p fhec-ckks --bench engine -- ntt` prints both) and without vector kernels for
//! everything else, on a third of the limbs.
//!
//! Widths: EvalMod primes at 49.9 bits, since every bit there is one of precision; CoeffsToSlots primes
//! down to where their rounding stays below EvalMod's; SlotsToCoeffs primes at 34 bits, enough for
//! coefficients that are read at a scale q_0/2^r; special primes just below 2^50.

use super::circuit::{BootstrapCircuit, Matrices};
use super::cost::KernelCosts;
use super::error::BootstrapError;
use super::sine::Cosine;
use super::spec::{BootstrapSpec, EvalModSpec};
use crate::error::Result;
use crate::noise::Estimate;
use crate::params::security_table::max_log_qp;
use crate::params::{Parameters, ParametersLiteral};
use std::collections::HashMap;
use std::sync::Arc;

/// Levels of SlotsToCoeffs and CoeffsToSlots tried.
const TRANSFORM_LEVELS: [(u32, u32); 5] = [(2, 2), (3, 2), (2, 3), (3, 3), (3, 4)];
/// Most DFT stages merged in one matrix of SlotsToCoeffs and of CoeffsToSlots: k stages have 2^(k+1)
/// diagonals.
const MAX_MERGED: (u32, u32) = (7, 6);
/// Degrees and doublings of EvalMod tried: at most 2^-27 of fitting error each.
const EVAL_MODS: [(usize, u32); 3] = [(28, 3), (30, 3), (44, 2)];
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
const RATIOS: std::ops::RangeInclusive<u32> = 32..=52;
/// Bits per step of [`RATIOS`].
const RATIO_STEP: f64 = 0.25;

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

/// log2 n cut into `count` runs of stages, as even as possible, longer ones first.
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
        let mut fits = Fits::default();
        for (low, high) in TRANSFORM_LEVELS {
            let [low, high] = [low, high].map(|count| even_split(request.log_slots, count));
            if low[0] > MAX_MERGED.0 || high[0] > MAX_MERGED.1 {
                continue;
            }
            let matrices = Matrices::new(request.log_slots, 0, &low, &high);
            for (degree, doublings) in EVAL_MODS {
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
                let fit = fits.get(&spec);
                for parameters in chains(request, &spec) {
                    let circuit = BootstrapCircuit::with(&parameters, &spec, &matrices, &fit)?;
                    let key_bytes = circuit.key_bytes();
                    if request.key_bytes.is_none_or(|most| key_bytes <= most) {
                        let seconds = circuit.seconds(costs);
                        candidates.push((seconds, key_bytes, parameters, spec.clone(), matrices.clone()));
                    }
                }
            }
        }
        candidates.sort_by(|a, b| a.0.total_cmp(&b.0));
        // The number of special primes hardly matters to the precision.
        let mut known: HashMap<_, (f64, f64)> = HashMap::new();
        let mut best = f64::NEG_INFINITY;
        for (seconds, key_bytes, parameters, spec, matrices) in candidates {
            let key = (parameters.q().to_vec(), spec.eval_mod, spec.coeffs_to_slots.clone());
            let (precision, message_ratio) = match known.get(&key) {
                Some(known) => *known,
                None => best_ratio(&parameters, &spec, &matrices, &mut fits)?,
            };
            known.insert(key, (precision, message_ratio));
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

/// Fitted cosines, by what they depend on.
#[derive(Default)]
struct Fits(HashMap<(EvalModSpec, u64), Arc<Cosine>>);

impl Fits {
    fn get(&mut self, spec: &BootstrapSpec) -> Arc<Cosine> {
        let key = (spec.eval_mod, spec.message_ratio.to_bits());
        Arc::clone(self.0.entry(key).or_insert_with(|| Arc::new(spec.fit())))
    }
}

/// The best predicted precision, and the message ratio that gives it.
fn best_ratio(
    parameters: &Parameters,
    spec: &BootstrapSpec,
    matrices: &Matrices,
    fits: &mut Fits,
) -> Result<(f64, f64)> {
    let fresh = Estimate { variance: parameters.sigma().powi(2), message: 1.0 };
    let mut best = (f64::NEG_INFINITY, 0.0);
    for step in RATIOS {
        let message_ratio = f64::from(step) * RATIO_STEP;
        let spec = BootstrapSpec { message_ratio, ..spec.clone() };
        let mut circuit = BootstrapCircuit::with(parameters, &spec, matrices, &fits.get(&spec))?;
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

/// The secure chains of `spec`, of every choice of widths and number of special primes.
fn chains(request: &DesignRequest, spec: &BootstrapSpec) -> Vec<Parameters> {
    let Some(cap) = max_log_qp(request.log_n) else { return Vec::new() };
    let mut found = Vec::new();
    for (eval_mod, coeffs_to_slots) in
        EVAL_MOD_WIDTHS.iter().flat_map(|e| COEFFS_TO_SLOTS_WIDTHS.map(|c| (*e, c)))
    {
        let parts = [
            (1, WIDE),
            (spec.slots_to_coeffs.len(), SLOTS_TO_COEFFS_WIDTH),
            (spec.residual_levels, request.level_bits),
            (spec.eval_mod.levels(), eval_mod),
            (spec.coeffs_to_slots.len(), coeffs_to_slots),
        ];
        let q: Vec<f64> = parts.iter().flat_map(|(count, width)| vec![*width; *count]).collect();
        let left = f64::from(cap) - q.iter().sum::<f64>();
        let special = ((left / WIDE).max(0.0) as usize).min(MAX_SPECIAL);
        let Ok(literal) = ParametersLiteral::from_widths(request.log_n, &q, &vec![WIDE; special]) else {
            continue;
        };
        for special in 1..=special {
            let p = literal.p[..special].to_vec();
            let Ok(parameters) = Parameters::new(&ParametersLiteral { p, ..literal.clone() }) else {
                continue;
            };
            // More special primes than the top level uses serve nothing.
            if parameters.key_shape(parameters.max_level()).special == special {
                found.push(parameters);
            }
        }
    }
    found
}
