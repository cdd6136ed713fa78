//! `assign-layout` preserves meaning: the packed network computes what the tensors compute.

mod common;

use common::assert_close;
use fhec_ir::tensor::random::{self, Options};
use fhec_ir::{slot, tensor, text};
use fhec_passes::assign_layout::{Compaction, Config};

#[test]
fn packed_random_networks_equal_their_tensors() {
    let mut compacted = 0;
    for seed in 0..200 {
        let graph = random::graph(seed, &Options::default());
        let inputs = random::inputs(&graph, seed ^ 0x5eed);
        let want = tensor::run(&graph, &inputs).unwrap();
        for slots in [64, 1024, 16384] {
            let compaction = [None, Some(Compaction::First), Some(Compaction::Joins)][seed as usize % 3];
            let config = Config { compaction, ..Config::new(slots) };
            let packed = common::pack(&graph, &config).unwrap();
            let never = Config { compaction: Some(Compaction::Never), ..config };
            compacted += usize::from(packed != common::pack(&graph, &never).unwrap());
            let context =
                || format!("seed {seed}, {slots} slots\n{}\n{}", text::print(&*graph), text::print(&*packed));
            for (want, got) in want.iter().zip(&slot::interp::run(&packed, &inputs).unwrap()) {
                assert_eq!(want.shape, got.shape);
                assert_close(&want.data, &got.data, 1e-9, &context);
            }
        }
    }
    println!("{compacted} with compacted maps");
    assert!(compacted > 60, "{compacted}");
}
