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

use super::circuit::{BootstrapCircuit, Fit, Matrices, Matrix, matrices};
use super::cost::{Outline, products_below};
use super::dft::Direction;
use super::error::{BootstrapError, Result};
use super::played::SAMPLES;
use super::spec::{BootstrapSpec, EvalModSpec};
use crate::cost::KernelCosts;
use crate::noise::Estimate;
use crate::params::security_table::max_log_qp;
use crate::params::{Parameters, ParametersLiteral, default_shape};
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
/// Where the search for the best ratio starts: about what 40-bit levels take.
const FIRST_RATIO: u32 = 40;
/// Random slots played to compare ratios. They are the same for all, so few tell.
const COMPARED_SAMPLES: usize = 1 << 10;

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
    /// The same for two real ciphertexts at once.
    pub pair_seconds: f64,
    /// Bytes of all keys in memory.
    pub key_bytes: usize,
    /// The bootstrap itself.
    pub circuit: BootstrapCircuit,
}

/// Bits of primes next to 2^`width`, of which some are a little larger, but none beyond 2^50.
fn word_bits(width: f64) -> usize {
    (width.min(WIDE - 0.1) + 0.05).ceil() as usize
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
        Designer::new(costs).search(request)
    }
}

/// The same search for one request after another; keeps what does not depend on the request.
pub struct Designer {
    costs: KernelCosts,
    matrices: HashMap<(Direction, Vec<u32>), Vec<Arc<Matrix>>>,
    fits: HashMap<(EvalModSpec, u64), Arc<Fit>>,
    /// Levels below EvalMod's first at which the polynomial of a degree multiplies.
    products: HashMap<EvalModSpec, Arc<Vec<usize>>>,
    /// EvalMod's own error, by what it depends on.
    played: HashMap<Played, f64>,
    /// Precision and message ratio, by the ciphertext modulus and the spec: special primes hardly matter.
    precisions: HashMap<Modulus, (f64, f64)>,
}

/// A ciphertext modulus, EvalMod on it, and the stages of CoeffsToSlots.
type Modulus = (Vec<u64>, EvalModSpec, Vec<u32>);

/// What EvalMod's own error depends on.
#[derive(PartialEq, Eq, Hash)]
struct Played {
    log_n: u32,
    primes: Vec<u64>,
    eval_mod: EvalModSpec,
    message_ratio: u64,
    scale: u64,
    samples: usize,
}

/// A chain and a bootstrap that may do.
struct Candidate {
    seconds: f64,
    spec: BootstrapSpec,
    /// Widths of the ciphertext primes.
    q: Vec<f64>,
    special: usize,
}

impl Candidate {
    fn parameters(&self, log_n: u32) -> Result<Parameters> {
        let p = vec![WIDE; self.special];
        Ok(Parameters::new(&ParametersLiteral::from_widths(log_n, &self.q, &p)?)?)
    }
}

impl Designer {
    /// A search by the table `costs`.
    pub fn new(costs: &KernelCosts) -> Self {
        Self {
            costs: *costs,
            matrices: HashMap::new(),
            fits: HashMap::new(),
            products: HashMap::new(),
            played: HashMap::new(),
            precisions: HashMap::new(),
        }
    }

    /// The cheapest set that meets `request` at 128 bits of security.
    ///
    /// # Errors
    /// As [`BootstrapDesign::search`].
    pub fn search(&mut self, request: &DesignRequest) -> Result<BootstrapDesign> {
        let DesignRequest { log_n, levels, level_bits, precision, .. } = *request;
        let max = log_n.saturating_sub(1);
        if !(3..=max).contains(&request.log_slots) {
            return Err(BootstrapError::Slots { log_slots: request.log_slots, max });
        }
        let mut best = f64::NEG_INFINITY;
        for candidate in self.candidates(request)? {
            // Widths are nominal: a chain at the very edge of what is allowed may not be.
            let Ok(parameters) = candidate.parameters(log_n) else { continue };
            let (found, message_ratio) = self.best_ratio(&parameters, &candidate.spec)?;
            if found >= precision {
                return self.design(parameters, BootstrapSpec { message_ratio, ..candidate.spec });
            }
            best = best.max(found);
        }
        Err(BootstrapError::NoDesign { log_n, levels, level_bits, precision, best })
    }

    fn design(&mut self, parameters: Parameters, spec: BootstrapSpec) -> Result<BootstrapDesign> {
        let circuit = self.played(&parameters, &spec, SAMPLES)?;
        Ok(BootstrapDesign {
            precision: rms_bits(&circuit),
            seconds: circuit.seconds(&self.costs),
            pair_seconds: circuit.pair_seconds(&self.costs),
            key_bytes: circuit.key_bytes(),
            parameters,
            spec,
            circuit,
        })
    }

    /// Every choice of transforms, EvalMod, widths and number of special primes that fits memory and security,
    /// the cheapest first.
    fn candidates(&mut self, request: &DesignRequest) -> Result<Vec<Candidate>> {
        let mut found = Vec::new();
        for (low, high) in TRANSFORM_LEVELS {
            let [low, high] = [low, high].map(|count| even_split(request.log_slots, count));
            // Few slots have fewer stages than some of the splits have matrices.
            if low[0] > MAX_MERGED.0 || high[0] > MAX_MERGED.1 || low.contains(&0) || high.contains(&0) {
                continue;
            }
            for (degree, doublings) in EVAL_MODS {
                let spec = BootstrapSpec {
                    log_slots: request.log_slots,
                    log_joined: 0,
                    slots_to_coeffs: low.clone(),
                    residual_levels: request.levels,
                    eval_mod: EvalModSpec { degree, doublings, ..EvalModSpec::default() },
                    coeffs_to_slots: high.clone(),
                    message_ratio: f64::from(FIRST_RATIO) * RATIO_STEP,
                    scale: request.level_bits.exp2(),
                };
                self.add_chains(request, &spec, &mut found)?;
            }
        }
        found.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        Ok(found)
    }

    /// The secure chains of `spec`, of every choice of widths and number of special primes.
    fn add_chains(
        &mut self,
        request: &DesignRequest,
        spec: &BootstrapSpec,
        found: &mut Vec<Candidate>,
    ) -> Result<()> {
        let Some(cap) = max_log_qp(request.log_n) else { return Ok(()) };
        let matrices = self.matrices(spec);
        let widths = EVAL_MOD_WIDTHS.iter().flat_map(|e| COEFFS_TO_SLOTS_WIDTHS.map(|c| (*e, c)));
        for (eval_mod, coeffs_to_slots) in widths {
            let parts = [
                (1, WIDE),
                (spec.slots_to_coeffs.len(), SLOTS_TO_COEFFS_WIDTH),
                (spec.residual_levels, request.level_bits),
                (spec.eval_mod.levels(), eval_mod),
                (spec.coeffs_to_slots.len(), coeffs_to_slots),
            ];
            let q: Vec<f64> = parts.iter().flat_map(|(count, width)| vec![*width; *count]).collect();
            let left = f64::from(cap) - q.iter().sum::<f64>();
            for special in 1..=((left / WIDE).max(0.0) as usize).min(MAX_SPECIAL) {
                let p = vec![WIDE; special];
                let shape = |level| default_shape(&q, &p, level);
                let (Ok(low), Ok(top)) = (shape(spec.input_level()), shape(spec.top_level())) else {
                    continue;
                };
                // More special primes than the top level uses serve nothing.
                if top.special != special {
                    continue;
                }
                let mut candidate = Candidate { seconds: 0.0, spec: spec.clone(), q: q.clone(), special };
                let Ok(products) = self.products(request.log_n, &candidate) else { continue };
                let outline = Outline {
                    log_n: request.log_n,
                    spec,
                    low,
                    top,
                    low_matrices: matrices.slots_to_coeffs.iter().map(|m| &**m).collect(),
                    high_matrices: matrices.coeffs_to_slots.iter().map(|m| &**m).collect(),
                    q_bits: q.iter().map(|width| word_bits(*width)).collect(),
                    p_bits: p.iter().map(|width| word_bits(*width)).collect(),
                    products: &products,
                };
                if request.key_bytes.is_none_or(|most| outline.key_bytes() <= most) {
                    candidate.seconds = outline.seconds(&self.costs);
                    found.push(candidate);
                }
            }
        }
        Ok(())
    }

    /// The best predicted precision, and the message ratio that gives it: uphill from the first one, since bias
    /// falls and noise grows with the ratio.
    fn best_ratio(&mut self, parameters: &Parameters, spec: &BootstrapSpec) -> Result<(f64, f64)> {
        let key = (parameters.q().to_vec(), spec.eval_mod, spec.coeffs_to_slots.clone());
        if let Some(known) = self.precisions.get(&key) {
            return Ok(*known);
        }
        let mut bits = |step: u32, samples| -> Result<f64> {
            let message_ratio = f64::from(step) * RATIO_STEP;
            let spec = BootstrapSpec { message_ratio, ..spec.clone() };
            Ok(rms_bits(&self.played(parameters, &spec, samples)?))
        };
        let mut best = (bits(FIRST_RATIO, COMPARED_SAMPLES)?, FIRST_RATIO);
        for up in [true, false] {
            let next = |step: u32| if up { step + 1 } else { step - 1 };
            while RATIOS.contains(&next(best.1)) {
                let found = bits(next(best.1), COMPARED_SAMPLES)?;
                if found <= best.0 {
                    break;
                }
                best = (found, next(best.1));
            }
        }
        let precision = (bits(best.1, SAMPLES)?, f64::from(best.1) * RATIO_STEP);
        self.precisions.insert(key, precision);
        Ok(precision)
    }

    /// The circuit with EvalMod played on `samples` random slots.
    fn played(
        &mut self,
        parameters: &Parameters,
        spec: &BootstrapSpec,
        samples: usize,
    ) -> Result<BootstrapCircuit> {
        let (matrices, fit) = (self.matrices(spec), self.fit(spec)?);
        let mut circuit = BootstrapCircuit::with(parameters, spec, &matrices, &fit)?;
        let key = Played {
            log_n: parameters.log_n(),
            primes: parameters.q()[spec.output_level() + 1..=spec.eval_mod_level()].to_vec(),
            eval_mod: spec.eval_mod,
            message_ratio: spec.message_ratio.to_bits(),
            scale: spec.scale.to_bits(),
            samples,
        };
        circuit.eval_mod_error = *self.played.entry(key).or_insert_with(|| circuit.play_eval_mod(samples));
        Ok(circuit)
    }

    /// Levels below EvalMod's first at which the polynomial multiplies: any chain tells.
    fn products(&mut self, log_n: u32, candidate: &Candidate) -> Result<Arc<Vec<usize>>> {
        let spec = &candidate.spec;
        if let Some(known) = self.products.get(&spec.eval_mod) {
            return Ok(Arc::clone(known));
        }
        let (matrices, fit) = (self.matrices(spec), self.fit(spec)?);
        let circuit = BootstrapCircuit::with(&candidate.parameters(log_n)?, spec, &matrices, &fit)?;
        let products = Arc::new(products_below(spec.eval_mod_level(), &circuit.polynomial));
        self.products.insert(spec.eval_mod, Arc::clone(&products));
        Ok(products)
    }

    fn matrices(&mut self, spec: &BootstrapSpec) -> Matrices {
        let mut of = |direction, merged: &Vec<u32>| {
            let known = self.matrices.entry((direction, merged.clone()));
            known.or_insert_with(|| matrices(spec.log_slots, merged, direction)).clone()
        };
        Matrices {
            slots_to_coeffs: of(Direction::SlotsToCoeffs, &spec.slots_to_coeffs),
            coeffs_to_slots: of(Direction::CoeffsToSlots, &spec.coeffs_to_slots),
        }
    }

    fn fit(&mut self, spec: &BootstrapSpec) -> Result<Arc<Fit>> {
        let key = (spec.eval_mod, spec.message_ratio.to_bits());
        if let Some(known) = self.fits.get(&key) {
            return Ok(Arc::clone(known));
        }
        let like = self.fits.iter().find(|((eval_mod, _), _)| *eval_mod == spec.eval_mod);
        let fit = Arc::new(spec.fit(like.map(|(_, fit)| &**fit))?);
        self.fits.insert(key, Arc::clone(&fit));
        Ok(fit)
    }
}

/// Predicted precision in bits of slots uniform in [−1, 1], encrypted freshly.
fn rms_bits(circuit: &BootstrapCircuit) -> f64 {
    let parameters = circuit.parameters();
    let fresh = Estimate { variance: parameters.sigma().powi(2), message: 1.0 };
    circuit.estimate(fresh).rms_bits(circuit.spec().scale, parameters.n())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_slots_have_designs_without_empty_matrices() {
        let mut designer = Designer::new(&KernelCosts::default());
        for log_slots in 0..=6 {
            let request = DesignRequest {
                log_n: 16,
                log_slots,
                levels: 8,
                level_bits: 40.0,
                precision: 10.0,
                key_bytes: None,
            };
            if log_slots < 3 {
                assert!(
                    matches!(designer.search(&request), Err(BootstrapError::Slots { .. })),
                    "{log_slots}"
                );
                continue;
            }
            let candidates = designer.candidates(&request).unwrap();
            assert!(!candidates.is_empty(), "2^{log_slots} slots");
            for Candidate { spec, .. } in candidates {
                for stages in [&spec.slots_to_coeffs, &spec.coeffs_to_slots] {
                    assert!(!stages.contains(&0), "2^{log_slots} slots: {stages:?}");
                    assert_eq!(stages.iter().sum::<u32>(), log_slots);
                }
            }
        }
    }
}
