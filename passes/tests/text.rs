//! The language of the IRs on random networks: every program that a pass makes reads back as it was.

use fhec_ir::tensor::random::{self, Options};
use fhec_ir::text::Constants;
use fhec_passes::Settings;
use fhec_passes::pipeline::{PASSES, Program};
use proptest::prelude::*;

/// A random network with what the passes make of it, as far as they take it.
fn stages(seed: u64) -> Vec<Program> {
    let levels = ["", "levels=4", "levels=6 pair=60 period=8"][(seed % 3) as usize];
    let words =
        format!("slots={} {levels} {}", 64 << (seed % 4), if seed.is_multiple_of(5) { "drift" } else { "" });
    let settings: Settings = words.parse().unwrap();
    let exact = seed.is_multiple_of(2);
    let settings = Settings { exact, ..settings };
    let mut stages = vec![Program::Tensor(random::graph(seed, &Options { exact, ..Options::default() }))];
    for pass in PASSES {
        match settings.run(pass, stages[stages.len() - 1].clone()) {
            Ok(program) => stages.push(program),
            Err(_) => break,
        }
    }
    stages
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn programs_round_trip_at_all_stages(seed: u64) {
        for program in stages(seed) {
            let read = Program::parse(&program.text(), &program.constants());
            prop_assert_eq!(read.as_ref(), Ok(&program), "{}", program.text());
            let read = Program::parse(&program.whole_text(), &Constants::default());
            prop_assert_eq!(read.as_ref(), Ok(&program));
        }
    }

    /// What is read from a damaged text is verified like any other program; nothing panics or takes long.
    #[test]
    fn damaged_texts_never_panic(seed in 0u64..64, damage: Vec<(prop::sample::Index, u8)>) {
        for program in stages(seed) {
            let mut text = program.whole_text().into_bytes();
            for (at, byte) in &damage {
                let at = at.index(text.len());
                text[at] = b' ' + byte % 95;
            }
            let _ = Program::parse(&String::from_utf8_lossy(&text), &Constants::default());
        }
    }
}

/// The properties above are about something.
#[test]
fn the_networks_reach_all_stages() {
    let reached: Vec<usize> = (0..60).map(|seed| stages(seed).len()).collect();
    assert!(reached.iter().filter(|n| **n == PASSES.len() + 1).count() > 5, "{reached:?}");
    let bootstraps = |program: &Program| program.text().contains("= bootstrap ");
    assert!((0..60).any(|seed| stages(seed).iter().any(bootstraps)), "no bootstrap");
}
