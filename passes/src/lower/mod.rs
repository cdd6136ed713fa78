//! `lower`: slot IR → schedule IR.
//!
//! Every packed value becomes single ciphertexts with exact levels and scales. Linear maps and polynomials that end in a
//! plaintext product give any scale their result needs, at no price: the plaintext is encoded accordingly. Where an
//! addition finds two scales, they are traced back to such products (or inputs) and the graph is lowered again with
//! scales that make them meet ([`scales`]). The same way bootstraps get operands of the scale that their range asks for, and
//! values near the bottom of the chain scales that its moduli have room for ([`room`]).

mod bootstrap;
mod config;
mod emit;
mod linear;
mod lowering;
mod ops;
mod poly;
mod refreshed;
mod room;
mod scales;
mod settle;

use fhec_ir::schedule::Schedule;
use fhec_ir::slot::{SlotGraph, SlotOp};
use fhec_ir::{ValueId, Verified};

use crate::PassError;
use config::PASS;
use settle::{Round, Settled};

pub use config::Config;

/// The highest level of a placed graph: that of its inputs or of bootstraps.
pub fn top_level(graph: &SlotGraph) -> u32 {
    graph.iter().filter_map(|(_, n)| n.ty.level).max().unwrap_or(0)
}

/// Lowers a placed graph with planned linear maps.
///
/// # Errors
/// Missing placement or plan, a chain that is too short or does not fit the bootstraps, scales that cannot be made
/// to meet, or values for which the modulus has no room ([`PassError::Room`]).
pub fn run(graph: &Verified<SlotGraph>, config: &Config) -> Result<Schedule, PassError> {
    check(graph, config)?;
    let mut round = Round { graph, config, freed: scales::freed(graph), urgent: vec![] };
    loop {
        // Every retry frees an edge or makes a bootstrap urgent, so there is an end.
        match round.settle()? {
            Settled::Schedule(schedule) => return Ok(*schedule),
            Settled::Free(edge) => {
                round.freed.insert(edge);
            }
            Settled::Urgent(id) => round.urgent.push(id),
        }
    }
}

fn check(graph: &Verified<SlotGraph>, config: &Config) -> Result<(), PassError> {
    for (id, node) in graph.iter() {
        let missing = match &node.op {
            _ if node.ty.level.is_none() => Some("has no level: run `place` first".into()),
            SlotOp::Linear(map) if map.plan.is_none() => {
                Some("has no plan: run `minimize-rotations` first".into())
            }
            SlotOp::Poly { strategy: None, .. } => Some("has no strategy: run `place` first".into()),
            SlotOp::Bootstrap { .. } => refreshed::misfit(&node.ty, config),
            _ => None,
        };
        if let Some(reason) = missing {
            return Err(PassError::at(PASS, graph, id, reason));
        }
    }
    let top = top_level(graph) + config.floor();
    if config.moduli.len() <= top as usize {
        let reason = format!("level {top} with a chain of {} moduli", config.moduli.len());
        return Err(PassError::at(PASS, graph, ValueId(0), reason));
    }
    Ok(())
}
