//! A plan without bootstraps.
//!
//! Levels depend on the layouts, layouts on the ring, the ring on the levels: from the smallest ring up until they agree.
//! Scales are tried from the narrowest up until the results are precise enough: a narrow one leaves more of the modulus
//! to the special primes, so that key switches have fewer digits. The base modulus has room for the results in the samples
//! and more; where other values, which pools and squares leave near the bottom, still do not fit, it gets wider.

use fhec_backend::chain::LOG_N;
use fhec_backend::{Chain, ChainRequest};
use fhec_ckks::params::MAX_PRIME_BITS;
use fhec_ir::plan::{MemoryReport, Plan};
use fhec_ir::tensor::Tensor;
use fhec_passes::lower;

use crate::attempt::{Attempt, Passes};
use crate::budget::fitted;
use crate::emission::Emission;
use crate::error::CompileError;
use crate::facts::{LEVELLED_MARGIN, largest_output, proven_output, slot_ranges};
use crate::observer::Stage;
use crate::refusals::Refusals;
use crate::summary::Summary;

/// Scales to try, in bits.
const SCALES: [u32; 7] = [28, 30, 32, 34, 37, 40, 43];

/// Bits that the base modulus has more than the scale at least.
const LEAST_HEADROOM: u32 = 7;

/// Widest base modulus: two primes.
const MAX_BASE_BITS: u32 = 2 * MAX_PRIME_BITS;

/// Compiles a network without bootstraps. Samples are those of `emission`.
///
/// # Errors
/// If no ring, or no scale, serves.
pub(crate) fn compile(passes: &Passes<'_>, emission: &Emission<'_>) -> Result<(Attempt, Plan), CompileError> {
    let (request, watch) = (passes.request, passes.watch);
    let (scales, headroom_bits) = scales(passes, emission)?;
    let proven_bits = proven_bits(passes, emission);
    let mut refusals = Refusals::default();
    let mut placed = Placed::new(passes, request.log_n.unwrap_or(*LOG_N.start() + 1))?;
    for (number, scale_bits) in scales.iter().copied().enumerate() {
        watch.tell(|o| o.stage_progress(Stage::Search, number, scales.len()));
        let mut headroom_bits = headroom_bits;
        loop {
            let chain = placed.chain(passes, emission, scale_bits, headroom_bits)?;
            let chain = placed.with_proof(chain, headroom_bits, proven_bits);
            let mut summary = summary(number, &chain);
            watch.tell(|o| o.candidate_considered(&summary));
            let made = attempt(passes, emission, &placed, &chain);
            let precise = made.and_then(|(attempt, plan)| {
                summary.seconds = plan.report.predicted_seconds;
                summary.memory = plan.report.memory;
                watch.tell(|o| o.candidate_lowered(&summary));
                // A scale that was asked for is taken whatever comes of it.
                if request.scale_bits.is_none() {
                    emission.check_precision(&plan)?;
                }
                emission.check_accepted(&plan)?;
                Ok((attempt, plan))
            });
            let why = match precise {
                Ok((attempt, plan)) => {
                    watch.tell(|o| o.candidate_taken(&summary));
                    return Ok((placed.attempt.followed_by(attempt), plan));
                }
                Err(why) => why,
            };
            watch.tell(|o| o.candidate_refused(&summary, &why));
            // A wider base gives all values room, as far as primes go.
            let wider = why
                .missing_bits()
                .map(|bits| headroom_bits + bits.ceil().clamp(1.0, f64::from(MAX_BASE_BITS)) as u32);
            // Wider scales take no less memory.
            if why.is_defect() || matches!(why, CompileError::Memory { .. }) {
                return Err(why);
            }
            refusals.note(why);
            match wider.filter(|bits| scale_bits + bits <= MAX_BASE_BITS) {
                Some(wider) => headroom_bits = wider,
                None => break,
            }
        }
    }
    Err(refusals.into_error(request))
}

/// Lowers a placed network for a chain and makes a plan of it.
fn attempt(
    passes: &Passes<'_>,
    emission: &Emission<'_>,
    placed: &Placed,
    chain: &Chain,
) -> Result<(Attempt, Plan), CompileError> {
    let (request, watch) = (passes.request, passes.watch);
    let budget = request.memory_budget;
    let attempt = watch.stage(Stage::Search, |_| passes.lower(&placed.attempt, chain, &placed.ranges))?;
    let fitted =
        watch.stage(Stage::Search, |_| fitted(chain, attempt.schedule()?, &request.costs, budget))?;
    let fit = fitted.fit();
    if !fit.fits {
        return Err(CompileError::Memory { least: Box::new(fit.memory), seconds: None, budget });
    }
    let cost = (fit.seconds > 0.0).then(|| fitted.cost(budget, 0.0));
    let plan = emission.plan(chain, &fitted.schedule, None, cost)?;
    emission.check_memory(&plan)?;
    Ok((attempt.ending_in(fitted.schedule), plan))
}

/// Scales to try in order, and the bits by which the base modulus exceeds them so that it holds the results.
fn scales(passes: &Passes<'_>, emission: &Emission<'_>) -> Result<(Vec<u32>, u32), CompileError> {
    let largest = largest_output(&emission.references);
    // One bit for the sign, two for images that give more than the samples.
    let headroom_bits = (largest * 8.0).log2().ceil().max(f64::from(LEAST_HEADROOM)) as u32;
    emission.check_magnitude(largest)?;
    let scales = passes.request.scale_bits.map_or_else(|| SCALES.to_vec(), |bits| vec![bits]);
    // Narrow scales come first, so that those which need a second prime come last.
    if scales[0].saturating_add(headroom_bits) > MAX_BASE_BITS {
        return Err(CompileError::Range { largest, bits: MAX_BASE_BITS });
    }
    Ok((scales, headroom_bits))
}

/// Bits by which the base modulus has to exceed scales so that results fit it whatever the inputs are.
fn proven_bits(passes: &Passes<'_>, emission: &Emission<'_>) -> u32 {
    // One bit for the sign, and room for noise.
    let bits = (proven_output(passes.network, &emission.input_bounds) * 2.5).log2().ceil();
    bits.clamp(f64::from(LEAST_HEADROOM), f64::from(u32::MAX)) as u32
}

/// The network packed and placed for a ring.
struct Placed {
    log_n: u32,
    attempt: Attempt,
    levels: usize,
    /// By value, a bound on its slots; empty until the ring is known to be large enough.
    ranges: Vec<f64>,
}

impl Placed {
    fn new(passes: &Passes<'_>, log_n: u32) -> Result<Self, CompileError> {
        let attempt = passes.before_lower(log_n)?;
        let levels = lower::top_level(attempt.slot_graph()?) as usize;
        Ok(Self { log_n, attempt, levels, ranges: vec![] })
    }

    /// Runs the samples.
    fn bound(&mut self, passes: &Passes<'_>, samples: &[Vec<Tensor<f64>>]) -> Result<(), CompileError> {
        let graph = self.attempt.slot_graph()?;
        let ranges = passes.watch.stage(Stage::Bounds, |_| slot_ranges(graph, samples, LEVELLED_MARGIN));
        let bounds = ranges.ok_or(CompileError::Samples { samples: samples.len() })?.bounds;
        self.ranges = passes.at_least_scaled(bounds);
        Ok(())
    }

    /// A chain in the smallest ring, of those not smaller than the last one, in which the levels of the network, packed for
    /// that ring, are secure. Wider scales need no smaller ring.
    fn chain(
        &mut self,
        passes: &Passes<'_>,
        emission: &Emission<'_>,
        scale_bits: u32,
        headroom_bits: u32,
    ) -> Result<Chain, CompileError> {
        loop {
            let chain = fhec_backend::select(&ChainRequest {
                levels: self.levels,
                scale_bits,
                headroom_bits,
                log_n: passes.request.log_n,
                min_log_n: self.log_n,
                ..ChainRequest::default()
            })?;
            if chain.data.log_n == self.log_n {
                if self.ranges.is_empty() {
                    self.bound(passes, emission.samples)?;
                }
                return Ok(chain);
            }
            *self = Self::new(passes, chain.data.log_n)?;
        }
    }
}

impl Placed {
    /// The chain with as long a base modulus as makes it a proof that results fit, if that takes no second prime and no larger
    /// ring: then it costs nothing.
    fn with_proof(&self, chain: Chain, headroom_bits: u32, proven_bits: u32) -> Chain {
        let scale_bits = chain.data.scale_bits;
        if proven_bits <= headroom_bits || proven_bits > MAX_PRIME_BITS - scale_bits {
            return chain;
        }
        let longer = fhec_backend::select(&ChainRequest {
            levels: self.levels,
            scale_bits,
            headroom_bits: proven_bits,
            log_n: Some(self.log_n),
            ..ChainRequest::default()
        });
        longer.unwrap_or(chain)
    }
}

/// What is known of a candidate before it is lowered.
fn summary(number: usize, chain: &Chain) -> Summary {
    Summary {
        number,
        log_n: chain.data.log_n,
        levels: chain.data.q.len() as u32 - 1,
        scale_bits: chain.data.scale_bits,
        bootstraps: 0,
        pairs: 0,
        slots: 0,
        bootstrap_bits: f64::INFINITY,
        seconds: 0.0,
        memory: MemoryReport::default(),
    }
}
