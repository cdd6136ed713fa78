//! Designing chains with bootstraps.

use fhec_backend::{BootstrapRequest, Chain, ChainError};
use fhec_ckks::bootstrap::Designer;
use rayon::prelude::*;

use super::shape::Shape;
use crate::observer::Stage;
use crate::request::Request;
use crate::watch::Watch;

/// Levels between bootstraps, and a chain with so many.
pub(crate) type LevelledChain = (u32, Chain);

/// Designs chains with bootstraps in one ring.
pub(crate) struct Designs<'c> {
    pub(crate) request: &'c Request,
    pub(crate) watch: Watch<'c>,
    pub(crate) log_n: u32,
}

impl Designs<'_> {
    /// For each shape the most precise chain with a bootstrap whose keys fit `key_bytes`, and its variants.
    ///
    /// # Errors
    /// If there is none for any of them.
    pub(crate) fn chains(
        &self,
        key_bytes: usize,
        shapes: &[Shape],
    ) -> Result<Vec<LevelledChain>, ChainError> {
        self.watch
            .stage(Stage::Design, |steps| self.designed(key_bytes, shapes, &|| steps.step(shapes.len())))
    }

    fn designed(
        &self,
        key_bytes: usize,
        shapes: &[Shape],
        done: &(dyn Fn() + Sync),
    ) -> Result<Vec<LevelledChain>, ChainError> {
        // What a designer keeps serves shapes of the same scale and slots.
        let alike = |a: &Shape, b: &Shape| (a.scale_bits, a.log_slots) == (b.scale_bits, b.log_slots);
        let runs: Vec<&[Shape]> = shapes.chunk_by(alike).collect();
        let designed = runs.into_par_iter().flat_map_iter(|run| {
            let mut designer = Designer::new(&self.request.costs.kernels);
            let design = |shape: &Shape| {
                let chain = self.most_precise(&mut designer, shape, key_bytes);
                done();
                Ok((shape.levels, chain?))
            };
            run.iter().map(design).collect::<Vec<_>>()
        });
        let designed: Vec<Result<LevelledChain, ChainError>> = designed.collect();
        let (mut chains, mut refusal) = (Vec::new(), None);
        for designed in designed {
            match designed {
                Ok((levels, chain)) => {
                    chains.extend(chain.variants().into_iter().map(|chain| (levels, chain)));
                }
                Err(error) => refusal = Some(error),
            }
        }
        match refusal {
            Some(refusal) if chains.is_empty() => Err(refusal),
            _ => Ok(chains),
        }
    }

    /// The most precise chain of a shape.
    fn most_precise(
        &self,
        designer: &mut Designer,
        shape: &Shape,
        key_bytes: usize,
    ) -> Result<Chain, ChainError> {
        let mut design = |precision| {
            let request = BootstrapRequest {
                levels: shape.levels as usize,
                level_bits: shape.scale_bits,
                precision,
                key_bytes: Some(key_bytes),
                log_n: Some(self.log_n),
                log_slots: shape.log_slots,
                ..BootstrapRequest::default()
            };
            fhec_backend::select_bootstrapped(&request, designer)
        };
        let mut refusal = None;
        for precision in shape.precisions() {
            match design(*precision) {
                Ok(chain) => return Ok(chain),
                Err(error) => refusal = Some(error),
            }
        }
        Err(refusal.expect("there is a precision to try"))
    }
}
