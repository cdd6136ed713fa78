//! `minimize-rotations` preserves meaning: executing the plans by rotations gives the tensors' values.

mod common;

use common::assert_close;
use fhec_ir::tensor::random::{self, Options};
use fhec_ir::{slot, tensor, text};
use fhec_passes::assign_layout::{Compaction, Config};

#[test]
fn planned_random_networks_equal_their_tensors() {
    for seed in 0..120 {
        let graph = random::graph(seed, &Options::default());
        let inputs = random::inputs(&graph, seed ^ 0x5eed);
        let want = tensor::run(&graph, &inputs).unwrap();
        for slots in [64, 1024, 8192] {
            let compaction = [None, Some(Compaction::First), Some(Compaction::Joins)][seed as usize % 3];
            let planned = common::planned(&graph, &Config { compaction, ..Config::new(slots) });
            let context = || format!("seed {seed}, {slots} slots\n{}", text::print(&*planned));
            for (want, got) in want.iter().zip(&slot::interp::run(&planned, &inputs).unwrap()) {
                assert_close(&want.data, &got.data, 1e-9, &context);
            }
        }
    }
}
