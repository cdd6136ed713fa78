//! Damaged and hostile files: errors, never panics, bounded memory.

#[path = "common/proto.rs"]
mod proto;

use std::path::Path;

use fhec_frontend::{ImportError, Options, import_bytes};
use proptest::prelude::*;
use proto::{floats, graph, input, int, ints, longs, model, node};
use tract_onnx::pb::{GraphProto, NodeProto, StringStringEntryProto, TensorProto};

#[track_caller]
fn refused(graph: GraphProto, expected: &str) {
    let options = Options { max_constant_elements: 1 << 20, ..Options::default() };
    match import_bytes(&model(graph), &options) {
        Ok(import) => panic!("imported: {}", fhec_ir::text::print(&*import.graph)),
        Err(e) => assert!(e.to_string().contains(expected), "{e}"),
    }
}

fn conv() -> NodeProto {
    let mut conv = node("Conv", &["x", "w"], &["h"]);
    conv.attribute = vec![ints("pads", &[1, 1, 1, 1])];
    conv
}

/// A small network with a little of everything that has attributes.
fn seed_model() -> Vec<u8> {
    let mut pool = node("AveragePool", &["h"], &["p"]);
    pool.attribute = vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
    let mut concat = node("Concat", &["p", "p"], &["c"]);
    concat.attribute = vec![int("axis", 1)];
    let nodes = vec![
        conv(),
        node("Relu", &["h"], &["r"]),
        pool,
        concat,
        node("Mul", &["c", "c"], &["s"]),
        node("Slice", &["s", "starts", "ends"], &["t"]),
        node("Resize", &["t", "", "scales"], &["z"]),
        node("Shape", &["z"], &["shape"]),
        node("Reshape", &["z", "shape"], &["y"]),
    ];
    let weights = (0..36).map(|i| i as f32 / 36.0 - 0.5).collect();
    let initialisers = vec![
        floats("w", &[2, 2, 3, 3], weights),
        longs("starts", &[0, 1]),
        longs("ends", &[1, 3]),
        floats("scales", &[4], vec![1.0, 1.0, 2.0, 2.0]),
    ];
    model(graph(nodes, initialisers))
}

#[test]
fn the_seed_is_valid() {
    import_bytes(&seed_model(), &Options::default()).unwrap();
}

#[test]
fn malformed_graphs() {
    let w = || floats("w", &[2, 2, 3, 3], vec![0.1; 36]);
    refused(graph(vec![node("Relu", &["nowhere"], &["y"])], vec![]), "`nowhere`, which does not exist");
    refused(graph(vec![], vec![]), "`y`, which does not exist");
    let cycle = vec![node("Add", &["x", "b"], &["y"]), node("Relu", &["y"], &["b"])];
    refused(graph(cycle, vec![]), "cycle");
    let twice = vec![node("Relu", &["x"], &["y"]), node("Abs", &["x"], &["y"])];
    refused(graph(twice, vec![]), "computed twice");
    let mut loss = conv();
    loss.output = vec!["y".into()];
    refused(graph(vec![loss.clone()], vec![floats("w", &[2, 2, 3, 3], vec![0.1; 35])]), "35 elements");
    refused(graph(vec![loss.clone()], vec![floats("w", &[2, -2, 3, 3], vec![])]), "negative extent");
    refused(graph(vec![loss.clone()], vec![floats("w", &[1 << 40, 1 << 40], vec![])]), "more than");
    refused(graph(vec![loss.clone()], vec![floats("w", &[2, 2, 3, 3], vec![f32::NAN; 36])]), "NaN");
    let mut strange = w();
    strange.data_type = 99;
    refused(graph(vec![loss.clone()], vec![strange]), "data type 99");
    for (name, values) in [
        ("strides", [0, 1]),
        ("strides", [-1, 1]),
        ("dilations", [i64::MAX, 1]),
        ("kernel_shape", [5, 3]),
        ("kernel_shape", [0, 0]),
    ] {
        let mut bad = loss.clone();
        bad.attribute.push(ints(name, &values));
        refused(graph(vec![bad], vec![w()]), "`the_Conv`");
    }
    let mut bad = loss.clone();
    bad.attribute = vec![ints("pads", &[i64::MAX; 4])];
    refused(graph(vec![bad], vec![w()]), "`the_Conv`");
    refused(
        GraphProto {
            input: vec![input("x", &[1, i64::MAX, 8])],
            ..graph(vec![node("Relu", &["x"], &["y"])], vec![])
        },
        "`x`",
    );
}

#[test]
fn external_data() {
    let entry = |key: &str, value: &str| StringStringEntryProto { key: key.into(), value: value.into() };
    let mut tensor = floats("w", &[2, 2, 3, 3], vec![]);
    tensor.data_location = Some(1);
    tensor.external_data = vec![entry("location", "weights.bin")];
    let mut conv = conv();
    conv.output = vec!["y".into()];
    let bytes = model(graph(vec![conv.clone()], vec![tensor.clone()]));
    let error = import_bytes(&bytes, &Options::default()).unwrap_err();
    assert!(error.to_string().contains("weights.bin"), "{error}");

    let folder = std::env::temp_dir().join(format!("fhec-frontend-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("net.onnx");
    let import = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        fhec_frontend::import(&path, &Options::default())
    };
    let missing = import(&bytes).unwrap_err().to_string();
    std::fs::write(folder.join("weights.bin"), [0u8; 100]).unwrap();
    let short = import(&bytes).unwrap_err().to_string();
    std::fs::write(folder.join("weights.bin"), [0u8; 144]).unwrap();
    let whole = import(&bytes).map(|import| assert_eq!(import.weight_files, [folder.join("weights.bin")]));
    #[cfg(unix)]
    {
        std::fs::remove_file(folder.join("weights.bin")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(folder.join("weights.bin")).status().unwrap();
        assert!(made.success());
        let waits = import(&bytes).unwrap_err().to_string();
        assert!(waits.contains("no regular file") && waits.contains("weights.bin"), "{waits}");
    }
    tensor.external_data = vec![entry("location", "../../../../../../../../etc/passwd")];
    let outside = import(&model(graph(vec![conv], vec![tensor]))).unwrap_err().to_string();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(missing.contains("weights.bin"), "{missing}");
    assert!(short.contains("too short"), "{short}");
    assert!(outside.contains("outside"), "{outside}");
    whole.unwrap();
}

#[test]
fn constants_are_bounded() {
    let mut fill = node("ConstantOfShape", &["huge"], &["c"]);
    let sum = node("Add", &["x", "c"], &["y"]);
    refused(
        graph(vec![fill.clone(), sum.clone()], vec![longs("huge", &[1 << 20, 1 << 20])]),
        "the_ConstantOfShape",
    );
    fill.input = vec!["small".into()];
    let tile = node("Expand", &["c", "huge"], &["d"]);
    let sum = node("Add", &["x", "d"], &["y"]);
    let shapes = vec![longs("small", &[1, 1]), longs("huge", &[1 << 15, 1 << 15])];
    refused(graph(vec![fill, tile, sum], shapes), "the_Expand");
    let range = node("Range", &["a", "b", "d"], &["y"]);
    let scalar = |name: &str, x: i64| TensorProto { dims: vec![], ..longs(name, &[x]) };
    refused(graph(vec![range], vec![scalar("a", 0), scalar("b", i64::MAX), scalar("d", 1)]), "the_Range");
}

#[test]
fn values_are_bounded() {
    // With the default limits, which no allocation may come near.
    let refused = |graph: GraphProto, names: &[&str]| {
        let error = import_bytes(&model(graph), &Options::default()).unwrap_err().to_string();
        assert!(names.iter().all(|name| error.contains(name)), "{error}");
    };
    let relu = || vec![node("Relu", &["x"], &["y"])];
    // 8.6 GB as it comes in.
    let huge = GraphProto { input: vec![input("x", &[1, 1 << 31])], ..graph(relu(), vec![]) };
    refused(huge, &["`x`", "2147483648 elements"]);
    let tile = vec![node("Expand", &["x", "to"], &["d"]), node("Relu", &["d"], &["y"])];
    refused(graph(tile, vec![longs("to", &[1 << 20, 2, 6, 6])]), &["the_Expand", "elements"]);
    let one = || floats("one", &[1, 1], vec![1.0]);
    for (rows, columns) in [(1 << 15, 1 << 13), (1 << 31, 1 << 31)] {
        let fill = vec![node("Expand", &["one", "to"], &["d"]), node("Add", &["x", "d"], &["y"])];
        refused(graph(fill, vec![one(), longs("to", &[rows, columns])]), &["the_Expand"]);
    }
    let fill = vec![node("ConstantOfShape", &["to"], &["d"]), node("Add", &["x", "d"], &["y"])];
    refused(graph(fill, vec![longs("to", &[1 << 28])]), &["the_ConstantOfShape", "268435456 numbers"]);
}

#[test]
fn every_unsupported_node_is_named() {
    let mut first = node("NonZero", &["x"], &["a"]);
    first.name = "one".into();
    let mut second = node("NonMaxSuppression", &["a"], &["b"]);
    second.name = "two".into();
    let mut third = node("Conv", &["x", "x"], &["c"]);
    third.name = "three".into();
    let last = node("Add", &["b", "c"], &["y"]);
    match import_bytes(&model(graph(vec![first, second, third, last], vec![])), &Options::default()) {
        Err(ImportError::Unsupported(refusals)) => {
            let mut names: Vec<&str> = refusals.iter().map(|r| r.node.as_str()).collect();
            names.sort_unstable();
            assert_eq!(names, ["one", "three", "two"]);
        }
        other => panic!("{other:?}"),
    }
}

fn cases() -> u32 {
    std::env::var("FHEC_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(300)
}

/// Flips, cuts, repeats.
fn mutated(mut bytes: Vec<u8>, edits: &[(u8, usize, usize, u8)]) -> Vec<u8> {
    for &(kind, at, len, value) in edits {
        if bytes.is_empty() {
            break;
        }
        let at = at % bytes.len();
        let end = (at + len % 16).min(bytes.len());
        match kind % 4 {
            0 => bytes[at] ^= value,
            1 => drop(bytes.drain(at..end)),
            2 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => bytes[at] = value,
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_never_panic(edits in prop::collection::vec(any::<(u8, usize, usize, u8)>(), 1..6)) {
        let options = Options { max_constant_elements: 1 << 20, ..Options::default() };
        let _ = import_bytes(&mutated(seed_model(), &edits), &options);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/models/ops/messy_graph.onnx");
        if let Ok(bytes) = std::fs::read(path) {
            let _ = import_bytes(&mutated(bytes, &edits), &options);
        }
    }
}
