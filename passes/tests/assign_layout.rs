//! `assign-layout` preserves meaning: the packed network computes what the tensors compute.

use fhec_ir::tensor::random::{self, Options};
use fhec_ir::{slot, tensor, verify};
use fhec_passes::assign_layout::{self, Compaction, Config};

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
            let packed = assign_layout::run(&graph, &config).unwrap();
            let never = Config { compaction: Some(Compaction::Never), ..config };
            compacted += usize::from(packed != assign_layout::run(&graph, &never).unwrap());
            let packed = verify(packed)
                .unwrap_or_else(|e| panic!("seed {seed}: {e}\n{}", fhec_ir::text::print(&*graph)));
            let got = slot::interp::run(&packed, &inputs).unwrap();
            for (want, got) in want.iter().zip(&got) {
                assert_eq!(want.shape, got.shape);
                let scale = want.data.iter().fold(1.0f64, |m, x| m.max(x.abs()));
                for (k, (a, b)) in want.data.iter().zip(&got.data).enumerate() {
                    assert!(
                        (a - b).abs() <= 1e-9 * scale,
                        "seed {seed}, {slots} slots, element {k}: {a} {b}\n{}\n{}",
                        fhec_ir::text::print(&*graph),
                        fhec_ir::text::print(&*packed)
                    );
                }
            }
        }
    }
    println!("{compacted} with compacted maps");
    assert!(compacted > 60, "{compacted}");
}
