//! `minimize-rotations` preserves meaning: executing the plans by rotations gives the tensors' values.

use fhec_ir::tensor::random::{self, Options};
use fhec_ir::{slot, tensor, verify};
use fhec_passes::assign_layout::Compaction;
use fhec_passes::{assign_layout, minimize_rotations};

#[test]
fn planned_random_networks_equal_their_tensors() {
    for seed in 0..120 {
        let graph = random::graph(seed, &Options::default());
        let inputs = random::inputs(&graph, seed ^ 0x5eed);
        let want = tensor::run(&graph, &inputs).unwrap();
        for slots in [64, 1024, 8192] {
            let compaction = [None, Some(Compaction::First), Some(Compaction::Joins)][seed as usize % 3];
            let config = assign_layout::Config { compaction, ..assign_layout::Config::new(slots) };
            let packed = assign_layout::run(&graph, &config).unwrap();
            let packed = verify(packed).unwrap();
            let planned = minimize_rotations::run(&packed, &Default::default()).unwrap();
            let planned = verify(planned).unwrap_or_else(|e| panic!("seed {seed}, {slots} slots: {e}"));
            let got = slot::interp::run(&planned, &inputs).unwrap();
            for (want, got) in want.iter().zip(&got) {
                let scale = want.data.iter().fold(1.0f64, |m, x| m.max(x.abs()));
                for (k, (a, b)) in want.data.iter().zip(&got.data).enumerate() {
                    assert!(
                        (a - b).abs() <= 1e-9 * scale,
                        "seed {seed}, {slots} slots, element {k}: {a} {b}\n{}",
                        fhec_ir::text::print(&*planned)
                    );
                }
            }
        }
    }
}
