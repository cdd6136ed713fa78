//! The passes on tensor graphs keep the meaning of random networks.

use fhec_ir::tensor::random::{self, Options};
use fhec_ir::tensor::{TensorGraph, TensorOp, run};
use fhec_ir::{Verified, verify};
use fhec_passes::{PassError, absorb, approximate, canonicalize};
use proptest::prelude::*;

/// Largest difference of the outputs of two graphs on the same inputs, relative to the largest element.
fn difference(a: &Verified<TensorGraph>, b: &Verified<TensorGraph>, seed: u64) -> f64 {
    let inputs = random::inputs(a, seed);
    let (a, b) = (run(a, &inputs).unwrap(), run(b, &inputs).unwrap());
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().zip(&b).map(|(a, b)| {
        assert_eq!(a.shape, b.shape);
        let scale = b.data.iter().fold(1.0f64, |m, x| m.max(x.abs()));
        a.data.iter().zip(&b.data).map(|(x, y)| (x - y).abs() / scale).fold(0.0, f64::max)
    });
    pairs.fold(0.0, f64::max)
}

fn keeps_meaning(
    seed: u64,
    options: &Options,
    pass: impl Fn(&Verified<TensorGraph>) -> Result<TensorGraph, PassError>,
) -> Result<(), TestCaseError> {
    let graph = random::graph(seed, options);
    let result = match verify(pass(&graph).unwrap()) {
        Ok(result) => result,
        Err(e) => return Err(TestCaseError::fail(format!("{e}\n{}", fhec_ir::text::print(&*graph)))),
    };
    let d = difference(&result, &graph, seed);
    prop_assert!(
        d < 2e-5,
        "differs by {d:e}\n{}\n{}",
        fhec_ir::text::print(&*graph),
        fhec_ir::text::print(&*result)
    );
    Ok(())
}

fn cases() -> u32 {
    std::env::var("FHEC_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn canonicalize_keeps_meaning(seed: u64) {
        let options = Options { nodes: 4 + (seed % 24) as usize, ..Options::default() };
        keeps_meaning(seed, &options, |g| canonicalize::run(g, &canonicalize::Config::default()))?;
    }

    #[test]
    fn canonicalize_twice_is_canonicalize(seed: u64) {
        let config = canonicalize::Config::default();
        let once = verify(canonicalize::run(&random::graph(seed, &Options::default()), &config).unwrap()).unwrap();
        let twice = canonicalize::run(&once, &config).unwrap();
        prop_assert!(twice.len() <= once.len());
    }

    #[test]
    fn absorb_keeps_meaning(seed: u64) {
        let options = Options { exact: seed.is_multiple_of(4), nodes: 4 + (seed % 24) as usize, ..Options::default() };
        keeps_meaning(seed, &options, |g| absorb::run(g, &absorb::Config::default()))?;
    }

    #[test]
    fn absorb_twice_is_absorb(seed: u64) {
        let graph = random::graph(seed, &Options { exact: false, ..Options::default() });
        let once = verify(absorb::run(&graph, &absorb::Config::default()).unwrap()).unwrap();
        let twice = verify(absorb::run(&once, &absorb::Config::default()).unwrap()).unwrap();
        let monic = |g: &TensorGraph| g.iter().filter(|(_, n)| matches!(n.op, TensorOp::Poly { .. })).count();
        prop_assert_eq!(monic(&once), monic(&twice));
        prop_assert!(difference(&twice, &once, seed) < 1e-5);
    }

    #[test]
    fn approximate_passes_polynomials(seed: u64) {
        let options = Options { exact: false, ..Options::default() };
        keeps_meaning(seed, &options, |g| approximate::run(g, &approximate::Config::default()))?;
    }

    #[test]
    fn approximate_keeps_exact_activations(seed: u64) {
        let config = approximate::Config { exact_activations: true };
        keeps_meaning(seed, &Options::default(), |g| approximate::run(g, &config))?;
    }
}
