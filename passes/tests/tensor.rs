//! The passes on tensor graphs keep the meaning of random networks.

use fhec_ir::tensor::bounds::{Bounds, Interval};
use fhec_ir::tensor::random::{self, Options};
use fhec_ir::tensor::{TensorGraph, TensorOp, run, run_observed};
use fhec_ir::{Verified, verify};
use fhec_passes::approximate::{Approximation, Method, Ranges};
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

/// Ranges as seen on the inputs of `seed`, a little wider.
fn seen(graph: &Verified<TensorGraph>, seed: u64) -> Vec<Option<Bounds>> {
    let mut ranges = vec![None; graph.len()];
    run_observed(graph, &random::inputs(graph, seed), |id, value| {
        let channels = value.shape.get(1).copied().unwrap_or(1);
        let plane = value.shape.iter().skip(2).product::<usize>().max(1);
        let mut all: Vec<Option<Interval>> = vec![None; channels];
        for (k, block) in value.data.chunks(plane).enumerate() {
            let seen = Interval::around(block.iter().copied());
            let margin = 0.05 * (seen.hi - seen.lo) + 1e-3 * seen.magnitude();
            let seen = Interval::new(seen.lo - margin, seen.hi + margin);
            let known = &mut all[k % channels];
            *known = Some(known.map_or(seen, |k| k.hull(seen)));
        }
        ranges[id.index()] =
            all.into_iter().collect::<Option<Vec<_>>>().filter(|a| !a.is_empty()).map(Bounds::per_channel);
    })
    .unwrap();
    ranges
}

fn config(graph: &Verified<TensorGraph>, seed: u64, method: Method, alpha: f64) -> approximate::Config {
    let ranges = seen(graph, seed);
    let approximation = Approximation {
        ranges: std::sync::Arc::new(move |_| Ok(Ranges { values: ranges.clone(), spreads: vec![] })),
        method,
        methods: Default::default(),
        alpha,
    };
    approximate::Config { exact_activations: false, approximation: Some(approximation) }
}

/// How far errors of 2^−14 of every function's range may be carried: what as large a change of all functions' results makes, and more.
fn allowed(graph: &Verified<TensorGraph>, seed: u64) -> f64 {
    let functions = graph.iter().filter(|(_, n)| !approximate::is_polynomial(&n.op)).count();
    let inputs = random::inputs(graph, seed);
    let exact = run(graph, &inputs).unwrap();
    let largest = exact.iter().flat_map(|t| &t.data).fold(1.0f64, |m, x| m.max(x.abs()));
    let mut internal = 1.0f64;
    run_observed(graph, &inputs, |_, value| {
        internal = value.data.iter().fold(internal, |m, x| m.max(x.abs()));
    })
    .unwrap();
    2f64.powi(-14) * 64.0 * (1 + functions) as f64 * internal / largest.min(internal)
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
        let config = approximate::Config { exact_activations: true, approximation: None };
        keeps_meaning(seed, &Options::default(), |g| approximate::run(g, &config))?;
    }

    #[test]
    fn approximate_is_close(seed: u64) {
        let options = Options { nodes: 4 + (seed % 16) as usize, ..Options::default() };
        let graph = random::graph(seed, &options);
        let method = approximate::composite(14.0).unwrap();
        match approximate::run(&graph, &config(&graph, seed, method, 14.0)) {
            Ok(result) => {
                let result = verify(result).map_err(|e| TestCaseError::fail(e.to_string()))?;
                prop_assert!(result.iter().all(|(_, n)| approximate::is_polynomial(&n.op)));
                let (d, allowed) = (difference(&result, &graph, seed), allowed(&graph, seed));
                prop_assert!(d < allowed, "differs by {:e} of {:e}\n{}\n{}", d, allowed,
                    fhec_ir::text::print(&*graph), fhec_ir::text::print(&*result));
            }
            // Functions that are not defined on their ranges.
            Err(PassError::Refused { nodes, .. }) => prop_assert!(
                nodes.iter().all(|n| n.reason.contains("not defined") || n.reason.contains("not known")), "{:?}", nodes),
            Err(e) => return Err(TestCaseError::fail(e.to_string())),
        }
    }
}
