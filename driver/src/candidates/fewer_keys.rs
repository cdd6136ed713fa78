//! For a tight memory budget: chains whose bootstraps have fewer keys, and linear maps that share more rotation steps.

use std::collections::BTreeSet;

use fhec_passes::PassError;
use fhec_passes::place::Placer;

use super::candidate::Candidate;
use super::chains::{Designs, LevelledChain};
use super::placement::Placements;
use super::shape::{Shape, dense_shapes};
use crate::attempt::{Attempt, Passes};

/// Parts of the memory for bootstrap keys to try.
const FEWER_BOOTSTRAP_KEYS: [f64; 3] = [0.7, 0.5, 0.35];

/// Prices of a rotation key to try, in units of the usual one.
const DEARER_KEYS: [f64; 2] = [4.0, 16.0];

/// Candidates with fewer keys than those on the `known` chains. Where keys are dearer, the network is packed anew: what
/// comes of that joins `packings`, of which the first one is as usual.
pub(crate) fn candidates(
    passes: &Passes<'_>,
    designs: &Designs<'_>,
    placements: &Placements<'_>,
    known: &[LevelledChain],
    packings: &mut Vec<Attempt>,
) -> Result<Vec<Candidate>, PassError> {
    let mut chains = smaller(designs, known);
    let mut found = Vec::new();
    if !chains.is_empty() {
        let placer = Placer::new(packings[0].slot_graph()?);
        found = placements.on(chains.clone(), (0, &placer)).unwrap_or_default();
    }
    chains.extend_from_slice(known);
    for dearer in DEARER_KEYS {
        let packed = passes.before_place(designs.log_n, dearer)?;
        let graph = packed.slot_graph()?;
        let is_known = |known: &Attempt| known.slot_graph().is_ok_and(|known| known.iter().eq(graph.iter()));
        if packings.iter().any(is_known) {
            continue;
        }
        let placer = Placer::new(packed.slot_graph()?);
        found.extend(placements.on(chains.clone(), (packings.len(), &placer))?);
        packings.push(packed);
    }
    Ok(found)
}

/// Chains of the known shapes whose bootstraps need fewer keys.
fn smaller(designs: &Designs<'_>, known: &[LevelledChain]) -> Vec<LevelledChain> {
    let most = known.iter().filter_map(|(_, chain)| chain.bootstrap).map(|b| b.key_bytes).max();
    let mut shapes = dense_shapes(designs.request);
    let like = known.iter().map(|(levels, chain)| Shape::of(*levels, chain));
    let sparse: BTreeSet<Shape> = like.filter(|shape| shape.log_slots.is_some()).collect();
    shapes.extend(sparse);
    let mut chains: Vec<LevelledChain> = Vec::new();
    for part in FEWER_BOOTSTRAP_KEYS {
        let key_bytes = (part * most.unwrap_or(0) as f64) as usize;
        // That there is none so small is no error.
        for (levels, chain) in designs.chains(key_bytes, &shapes).unwrap_or_default() {
            if !known.iter().chain(&chains).any(|(_, other)| other.data == chain.data) {
                chains.push((levels, chain));
            }
        }
    }
    chains
}
