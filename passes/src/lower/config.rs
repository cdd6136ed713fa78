//! Parameters of the pass.

use fhec_ir::schedule::BootstrapHeader;

/// Name of the pass.
pub(super) const PASS: &str = "lower";

/// Parameters of the pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// q_0, q_1, …: the modulus chain, at least one longer than the highest level.
    pub moduli: Vec<f64>,
    /// Scale of inputs and of results that are free to choose.
    pub scale: f64,
    /// What bootstraps do; None if there are none. Levels of the graph start at its `level_in`, and all bootstraps give
    /// `level_out`, which the chain reaches.
    pub bootstrap: Option<BootstrapHeader>,
    /// Without bootstraps, the level of the schedule that level 0 of the graph stands for: more than 0 if one prime is no base
    /// wide enough.
    pub floor: u32,
    /// By value of the graph, a bound on its slots, for which the modulus of its level shall have room; empty if none is
    /// known. Graphs with bootstraps have scales that follow the ranges of these instead.
    pub ranges: Vec<f64>,
}

impl Config {
    /// A chain of powers of two for schedules without parameters: base modulus of `base_bits`, the others at the scale.
    pub fn nominal(levels: u32, scale_bits: u32, base_bits: u32) -> Self {
        let scale = 2f64.powi(scale_bits as i32);
        let mut moduli = vec![2f64.powi(base_bits as i32)];
        moduli.extend((0..levels).map(|_| scale));
        Self { moduli, scale, bootstrap: None, floor: 0, ranges: vec![] }
    }

    /// The level of the schedule that level 0 of the graph stands for.
    pub(super) fn floor(&self) -> u32 {
        self.bootstrap.map_or(self.floor, |b| b.level_in)
    }
}
