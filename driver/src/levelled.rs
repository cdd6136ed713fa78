//! A plan without bootstraps.
//!
//! Levels depend on the layouts, layouts on the ring, the ring on the levels: from the smallest ring up until they agree.
//! Scales are tried from the narrowest up until the results are precise enough: a narrow one leaves more of the modulus
//! to the special primes, so that key switches have fewer digits.

use fhec_backend::chain::LOG_N;
use fhec_backend::{Chain, ChainRequest};
use fhec_ckks::params::MAX_PRIME_BITS;
use fhec_ir::plan::{MemoryReport, Plan};
use fhec_passes::lower;

use crate::attempt::{Attempt, Passes};
use crate::emission::Emission;
use crate::error::CompileError;
use crate::facts::largest_output;
use crate::observer::Stage;
use crate::refusals::Refusals;
use crate::summary::Summary;

/// Scales to try, in bits.
const SCALES: [u32; 7] = [28, 30, 32, 34, 37, 40, 43];

/// Compiles a network without bootstraps. Samples are those of `emission`.
///
/// # Errors
/// If no ring, or no scale, serves.
pub(crate) fn compile(passes: &Passes<'_>, emission: &Emission<'_>) -> Result<(Attempt, Plan), CompileError> {
    let (request, watch) = (passes.request, passes.watch);
    let (scales, headroom_bits) = scales(passes, emission)?;
    let mut refusals = Refusals::default();
    let mut log_n = request.log_n.unwrap_or(*LOG_N.start() + 1);
    for (number, scale_bits) in scales.iter().copied().enumerate() {
        watch.tell(|o| o.stage_progress(Stage::Search, number, scales.len()));
        let chain = chain(passes, log_n, scale_bits, headroom_bits)?;
        // Wider scales need no smaller ring.
        log_n = chain.data.log_n;
        let mut summary = summary(number, &chain);
        watch.tell(|o| o.candidate_considered(&summary));
        let attempt = watch.stage(Stage::Search, |_| passes.all(&chain))?;
        let plan = emission.plan(&chain, attempt.schedule()?, None, None)?;
        summary.seconds = plan.report.predicted_seconds;
        summary.memory = plan.report.memory;
        watch.tell(|o| o.candidate_lowered(&summary));
        // A scale that was asked for is taken whatever comes of it.
        let precise = if request.scale_bits.is_some() { Ok(()) } else { emission.check_precision(&plan) };
        match precise.and_then(|()| emission.check_accepted(&plan)) {
            Ok(()) => {
                watch.tell(|o| o.candidate_taken(&summary));
                return Ok((attempt, plan));
            }
            Err(why) => {
                watch.tell(|o| o.candidate_refused(&summary, &why));
                refusals.note(why);
            }
        }
    }
    Err(refusals.into_error(request))
}

/// Scales to try in order, and the bits by which the base modulus exceeds them so that it holds the results.
fn scales(passes: &Passes<'_>, emission: &Emission<'_>) -> Result<(Vec<u32>, u32), CompileError> {
    let largest = passes.watch.stage(Stage::Bounds, |_| largest_output(passes.network, emission.samples));
    // One bit for the sign, two for images that give more than the synthetic ones.
    let headroom_bits = ((largest * 8.0).log2().ceil().max(7.0)) as u32;
    let fits = |bits: &u32| bits + headroom_bits <= MAX_PRIME_BITS;
    let scales = match passes.request.scale_bits {
        Some(bits) => vec![bits],
        None => SCALES.into_iter().filter(fits).collect(),
    };
    if scales.is_empty() {
        return Err(CompileError::Range { largest, bits: MAX_PRIME_BITS });
    }
    Ok((scales, headroom_bits))
}

/// A chain in the smallest ring from 2^`log_n` up in which the levels of the network, packed for that ring, are secure.
fn chain(
    passes: &Passes<'_>,
    mut log_n: u32,
    scale_bits: u32,
    headroom_bits: u32,
) -> Result<Chain, CompileError> {
    loop {
        let placed = passes.up_to(Some("place"), log_n)?;
        let chain = fhec_backend::select(&ChainRequest {
            levels: lower::top_level(placed.slot_graph()?) as usize,
            scale_bits,
            headroom_bits,
            log_n: passes.request.log_n,
            min_log_n: log_n,
            ..ChainRequest::default()
        })?;
        if chain.data.log_n == log_n {
            return Ok(chain);
        }
        log_n = chain.data.log_n;
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
        seconds: 0.0,
        memory: MemoryReport::default(),
    }
}
