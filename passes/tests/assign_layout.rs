//! `assign-layout` preserves meaning: the packed network computes what the tensors compute.

mod common;

use common::assert_close;
use fhec_ir::slot::{SlotGraph, SlotOp};
use fhec_ir::tensor::random::{self, Options};
use fhec_ir::tensor::{TensorGraph, TensorOp};
use fhec_ir::{ValueId, slot, tensor, text, verify};
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

/// The network with inputs in an order of axes that it permutes at once, without the axis of batches.
fn entered_hwc(graph: &TensorGraph) -> TensorGraph {
    let mut new = TensorGraph::new(graph.name.clone(), ());
    new.constants.clone_from(&graph.constants);
    let mut renamed = Vec::with_capacity(graph.len());
    for (_, node) in graph.iter() {
        let mut push = |op, args: Vec<ValueId>| new.push_inferred(op, args, "x").unwrap();
        renamed.push(match &node.op {
            TensorOp::Input { name, shape } => {
                let [n, c, h, w] = shape[..] else { panic!("{shape:?}") };
                assert_eq!(n, 1);
                let input = push(TensorOp::Input { name: name.clone(), shape: vec![h, w, c] }, vec![]);
                let batched = push(TensorOp::Reshape { out: vec![1, h, w, c] }, vec![input]);
                push(TensorOp::Transpose { perm: vec![0, 3, 1, 2] }, vec![batched])
            }
            op => push(op.clone(), node.args.iter().map(|a| renamed[a.index()]).collect()),
        });
    }
    graph.outputs.iter().for_each(|o| new.add_output(o.name.clone(), renamed[o.value.index()]));
    new
}

#[test]
fn movements_at_the_entry_cost_nothing() {
    let mut tried = 0;
    for seed in 0..100 {
        let graph = random::graph(seed, &Options::default());
        let maps = graph.inputs().all(|(id, _)| matches!(graph.ty(id)[..], [1, _, _, _]));
        // What several nodes read is not permuted at once.
        if !maps {
            continue;
        }
        let hwc = verify(entered_hwc(&graph)).unwrap();
        let inputs = random::inputs(&hwc, seed ^ 0x5eed);
        let want = tensor::run(&hwc, &inputs).unwrap();
        let config = Config::new(1024);
        let (packed, twin) = (common::pack(&hwc, &config).unwrap(), common::pack(&graph, &config).unwrap());
        let context = || format!("seed {seed}\n{}\n{}", text::print(&*hwc), text::print(&*packed));
        for (want, got) in want.iter().zip(&slot::interp::run(&packed, &inputs).unwrap()) {
            assert_close(&want.data, &got.data, 1e-9, &context);
        }
        let ops = |g: &SlotGraph| g.iter().filter(|(_, n)| n.op != SlotOp::View).count();
        assert_eq!(ops(&packed), ops(&twin), "{}", context());
        tried += 1;
    }
    assert!(tried > 50, "{tried}");
}
