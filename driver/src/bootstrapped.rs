//! A plan with bootstraps.
//!
//! Chains are designed for every number of levels between bootstraps and every scale worth trying, and the network is
//! placed on each: these are the candidates. They are lowered in the order of what they cost at least; one whose memory
//! exceeds the budget gives up keys and kept plaintexts. As soon as one has to, candidates with fewer keys take part. The
//! first that no other can beat, and whose plan holds what was asked for, is taken.

use fhec_ir::plan::Plan;
use fhec_passes::PassError;
use fhec_passes::place::Placer;

use crate::attempt::{Attempt, Passes};
use crate::budget::{Fitted, fitted};
use crate::candidates::{Candidate, Designs, LevelledChain, Placements, dense_shapes, fewer_keys, sparse};
use crate::emission::Emission;
use crate::error::CompileError;
use crate::facts::{BOOTSTRAP_MARGIN, Ranges, slot_ranges};
use crate::observer::Stage;
use crate::search::{Fitting, Next, Search};

/// Compiles with bootstraps a network that is ready for `place`.
///
/// # Errors
/// If no sample bounds its values, no chain carries it, or nothing fits the budget and is precise enough.
pub(crate) fn compile(
    passes: &Passes<'_>,
    emission: &Emission<'_>,
    packed: Attempt,
) -> Result<(Attempt, Plan), CompileError> {
    let (request, watch) = (passes.request, passes.watch);
    let designs = Designs { request, watch, log_n: request.bootstrap_log_n() };
    let graph = packed.slot_graph()?;
    let shapes = dense_shapes(request);
    let (ranges, chains) = rayon::join(
        || watch.stage(Stage::Bounds, |_| slot_ranges(graph, emission.samples, BOOTSTRAP_MARGIN)),
        || designs.chains(request.bootstrap_key_bytes, &shapes),
    );
    let samples = emission.samples.len();
    let Ranges { bounds: ranges, diverging } = ranges.ok_or(CompileError::Samples { samples })?;
    let ranges = passes.at_least_scaled(ranges);
    if diverging * MOST_DIVERGING > samples {
        return Err(CompileError::Diverges { diverging, samples });
    }
    emission.check_magnitude(graph.outputs.iter().map(|o| ranges[o.value.index()]).fold(0.0, f64::max))?;
    let placements = Placements { request, watch, ranges: &ranges };
    let placer = Placer::new(graph);
    let mut candidates = placements.on(chains?, (0, &placer))?;
    candidates.extend(sparse::candidates(&designs, &placements, (0, &placer), &candidates));
    let chains: Vec<LevelledChain> = candidates.iter().map(|c| (c.report.levels, c.chain.clone())).collect();

    // Another rotation key price packs the network anew: candidates say which packing is theirs.
    let mut packings = vec![packed];
    let mut search = Search::new(emission.objective, watch, request.memory_budget);
    consider(&mut search, candidates);
    let mut widened = false;
    let mut tight = emission.objective.wants_fewer_keys();
    // The most precise plan of those that are not precise enough.
    let mut imprecise: Option<Imprecise> = None;
    let mut plans = 0;
    loop {
        if tight && !widened {
            widened = true;
            let more = fewer_keys::candidates(passes, &designs, &placements, &chains, &mut packings)?;
            consider(&mut search, more);
        }
        match search.next() {
            Some(Next::Lower(open)) => {
                let lowered = watch.stage(Stage::Search, |_| lowered(passes, &packings, &open.candidate));
                match lowered? {
                    Ok((run, fitted)) => tight |= search.lowered(*open, fitted.fit(), (run, fitted)),
                    // A placement may leave a bootstrap's operand no scale that suits its range.
                    Err(refusal) => search.refuse(&open.summary, refusal.into()),
                }
            }
            Some(Next::Take(best)) => {
                let slower = best.candidate.report.seconds - search.fastest();
                let plan = match plan(emission, &best, widened.then_some(slower)) {
                    // Some value has no room on this chain.
                    Err(refusal) if refusal.missing_bits().is_some() => {
                        search.refuse(&best.summary, refusal);
                        continue;
                    }
                    made => made?,
                };
                plans += 1;
                match check(emission, &plan) {
                    Ok(()) => {
                        search.take(&best.summary);
                        let (run, fitted) = best.lowered;
                        let packed = packings.swap_remove(best.candidate.packing);
                        return Ok((packed.followed_by(run).ending_in(fitted.schedule), plan));
                    }
                    Err(refusal) => {
                        let better = |got: f64| {
                            got >= request.least_precision_bits
                                && imprecise.as_ref().is_none_or(|i| got > i.got)
                        };
                        let got = match &refusal {
                            CompileError::Precision { got, .. } if better(*got) => Some(*got),
                            _ => None,
                        };
                        let got = got.filter(|_| emission.check_accepted(&plan).is_ok());
                        search.refuse(&best.summary, refusal);
                        if let Some(got) = got {
                            imprecise = Some(Imprecise { got, best, plan });
                        }
                    }
                }
            }
            None if imprecise.is_none() => return Err(search.into_error(request)),
            None => {}
        }
        if let Some(Imprecise { got, best, plan }) =
            imprecise.take_if(|_| plans >= MOST_PLANS || search.is_over())
        {
            search.take(&best.summary);
            let amplifier = plan.report.amplifier.clone();
            watch.tell(|o| o.less_precise(got, request.precision_bits, amplifier.as_deref()));
            let (run, fitted) = best.lowered;
            let packed = packings.swap_remove(best.candidate.packing);
            return Ok((packed.followed_by(run).ending_in(fitted.schedule), plan));
        }
    }
}

/// Plans that are made in search of a precise one, if any will do: each takes runs of the samples.
const MOST_PLANS: usize = 4;

/// A plan that is not precise enough.
struct Imprecise {
    got: f64,
    best: Box<Fitting<Candidate, Lowered>>,
    plan: Plan,
}

/// What part of the samples the network may diverge on, as a divisor: where it does, it is no use encrypted, where nobody
/// sees it.
const MOST_DIVERGING: usize = 8;

/// A schedule, fitted to the budget, and the run of the passes behind it.
type Lowered = (Attempt, Fitted);

fn consider(search: &mut Search<'_, Candidate, Lowered>, candidates: Vec<Candidate>) {
    search.consider(candidates.into_iter().map(|c| (c.summary(), c.packing, c)));
}

/// Lowers a candidate and fits it to the budget. The inner error is one of this candidate, the outer one a defect.
fn lowered(
    passes: &Passes<'_>,
    packings: &[Attempt],
    candidate: &Candidate,
) -> Result<Result<Lowered, PassError>, PassError> {
    let Candidate { chain, config, packing, .. } = candidate;
    let run = match passes.place_and_lower(&packings[*packing], chain, config) {
        Ok(run) => run,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let request = passes.request;
    let fitted = fitted(chain, run.schedule()?, &request.costs, request.memory_budget)?;
    Ok(Ok((run, fitted)))
}

/// The plan of a candidate, with what the budget cost if it took a hand in the search: `slower` are the seconds by which
/// the candidate is slower than the fastest one regardless of memory.
fn plan(
    emission: &Emission<'_>,
    best: &Fitting<Candidate, Lowered>,
    slower: Option<f64>,
) -> Result<Plan, CompileError> {
    let (Candidate { chain, report, .. }, (_, fitted)) = (&best.candidate, &best.lowered);
    let cost = slower.map(|slower| fitted.cost(emission.request.memory_budget, slower));
    emission.plan(chain, &fitted.schedule, Some(report.clone()), cost)
}

/// Whether a plan holds what was asked for.
fn check(emission: &Emission<'_>, plan: &Plan) -> Result<(), CompileError> {
    emission.check_memory(plan)?;
    emission.check_precision(plan)?;
    emission.check_accepted(plan)
}
