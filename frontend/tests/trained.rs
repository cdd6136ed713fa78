//! Trained networks of the test data: logits agree with onnxruntime's, polynomial forms are recognised.

mod common;

use std::io::Read;
use std::path::Path;

use common::{difference, read_npy, run, shared};
use fhec_frontend::{Import, Options, import};
use fhec_ir::tensor::{Tensor, TensorOp};

fn normalised(pixels: &[u8], shape: [usize; 4], mean: &[f64], std: &[f64]) -> Tensor<f64> {
    let plane = shape[2] * shape[3];
    let value = |(i, &p): (usize, &u8)| (f64::from(p) / 255.0 - mean[i / plane]) / std[i / plane];
    Tensor::new(shape.to_vec(), pixels.iter().enumerate().map(value).collect())
}

fn row(logits: &Tensor<f64>, i: usize) -> Tensor<f64> {
    let n = logits.shape[1];
    Tensor::new([1, n], logits.data[i * n..(i + 1) * n].to_vec())
}

fn load(path: &Path) -> Import {
    import(path, &Options::default()).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn check(name: &str, import: &Import, image: Tensor<f64>, logits: &Tensor<f64>, i: usize) {
    let d = difference(&run(import, &[image])[0], &row(logits, i));
    println!("{name} image {i}: {d:.1e}");
    assert!(d < 1e-4, "{name} image {i}: {d:.2e}");
}

#[test]
fn cifar10() {
    let Some(shared) = shared() else { return };
    let records = std::fs::read(shared.join("cifar10/test_8000.bin")).unwrap();
    let other = (&[0.4914, 0.4822, 0.4465], &[0.2023, 0.1994, 0.201]);
    let imagenet = (&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]);
    for (name, vector, (mean, std)) in [
        ("ace_resnet20_cifar10_pre", "ace_resnet20_cifar10_pre", other),
        ("resnet110_mpcnn_ts", "resnet110_mpcnn_ts", other),
        ("resnet20_cifar10_bn", "resnet20_cifar10_ts", imagenet),
        ("resnet20_cifar10_dyn", "resnet20_cifar10_ts", imagenet),
        ("resnet20_cifar10_ts", "resnet20_cifar10_ts", imagenet),
        ("resnet44_cifar10_dyn", "resnet44_cifar10_ts", imagenet),
        ("resnet44_cifar10_ts", "resnet44_cifar10_ts", imagenet),
        ("resnet20_cifar10_sft_d4", "resnet20_cifar10_sft_d4", imagenet),
        ("resnet20_cifar10_sft_d4_pow", "resnet20_cifar10_sft_d4", imagenet),
    ] {
        let import = load(&shared.join(format!("models/cifar10/{name}.onnx")));
        let logits = read_npy(&shared.join(format!("vectors/cifar10/{vector}.logits.npy")));
        for i in [0, 17] {
            let image = normalised(&records[i * 3073 + 1..][..3072], [1, 3, 32, 32], mean, std);
            check(name, &import, image, &logits, i);
        }
    }
}

#[test]
fn mnist() {
    let Some(shared) = shared() else { return };
    let file = common::files(&shared.join("mnist"), "gz");
    let images = file.iter().find(|p| {
        let name = p.file_name().unwrap().to_string_lossy().into_owned();
        name.contains("8000") && name.contains("images")
    });
    let Some(images) = images else { panic!("no test images in {file:?}") };
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(images).unwrap()).read_to_end(&mut bytes).unwrap();
    for (name, pad) in [
        ("heir_lenet5_relu_avgpool_mnist", 2),
        ("lenet5_relu_mnist", 0),
        ("lenet_square_avgpool_mnist", 0),
        ("mlp_relu_mnist", 0),
    ] {
        let import = load(&shared.join(format!("models/mnist/{name}.onnx")));
        let logits = read_npy(&shared.join(format!("vectors/mnist/{name}.logits.npy")));
        for i in [0, 5] {
            let image = normalised(&bytes[16 + i * 784..][..784], [1, 1, 28, 28], &[0.1307], &[0.3081]);
            let side = 28 + 2 * pad;
            let mut padded = Tensor::zeros([1, 1, side, side]);
            for (k, &x) in image.data.iter().enumerate() {
                padded.data[(k / 28 + pad) * side + k % 28 + pad] = x;
            }
            check(name, &import, padded, &logits, i);
        }
    }
}

/// Shape and numbers of a polynomial's coefficients.
type Coeffs = (Vec<usize>, Vec<f32>);

/// Operators of a graph, and the coefficients of its polynomials.
fn outline(import: &Import) -> (Vec<&'static str>, Vec<Coeffs>) {
    let mnemonics = import.graph.iter().map(|(_, n)| fhec_ir::Op::mnemonic(&n.op)).collect();
    let polys = import.graph.iter().filter_map(|(_, n)| match n.op {
        TensorOp::Poly { coeffs, .. } => {
            let c = import.graph.constant(coeffs);
            Some((c.shape.clone(), c.data.to_vec()))
        }
        _ => None,
    });
    (mnemonics, polys.collect())
}

#[test]
fn polynomials_are_recognised() {
    let Some(shared) = shared() else { return };
    let models = shared.join("models");
    let (ops, polys) = outline(&load(&models.join("cifar10/resnet20_cifar10_sft_d4.onnx")));
    let (pow_ops, pow_polys) = outline(&load(&models.join("cifar10/resnet20_cifar10_sft_d4_pow.onnx")));
    assert_eq!(ops, pow_ops);
    assert_eq!(polys.len(), 19);
    assert_eq!(polys, pow_polys);
    assert!(polys.iter().all(|(shape, _)| shape[0] == 5 && shape[1] >= 16));
    assert!(!ops.contains(&"Mul") && ops.iter().filter(|o| **o == "Add").count() == 9);

    let (ops, polys) = outline(&load(&models.join("mnist/mnist_sft_d2.onnx")));
    assert_eq!(ops, ["Input", "Conv", "Poly", "Conv", "Poly", "Reshape", "Gemm"]);
    assert_eq!(polys.iter().map(|(s, _)| s.clone()).collect::<Vec<_>>(), [vec![3, 16], vec![3, 32]]);

    let (_, polys) = outline(&load(&models.join("mnist/lenet_square_avgpool_mnist.onnx")));
    assert_eq!(polys, vec![(vec![3, 1], vec![0.0, 0.0, 1.0]); 3]);
}

#[test]
fn activations_are_recognised() {
    let Some(shared) = shared() else { return };
    let import = load(&shared.join("models/ops/activations_poly_friendly.onnx"));
    let (mut ops, _) = outline(&import);
    // The last ones are the client's.
    ops.extend(
        import.tail.iter().flat_map(|tail| tail.iter().map(|(_, node)| fhec_ir::Op::mnemonic(&node.op))),
    );
    for op in ["Swish", "Gelu", "Mish"] {
        assert!(ops.contains(&op), "{op} not in {ops:?}");
    }
    let (ops, _) = outline(&load(&shared.join("models/detect/yolov5n_bccd_320_heads.onnx")));
    assert_eq!(ops.iter().filter(|o| **o == "Swish").count(), 57);
}

/// Bytes of an image as the detectors want them: (x − offset)·factor, and blue first if asked.
fn detector_input(bytes: &[u8], shape: &[usize], offset: f64, factor: f64, bgr: bool) -> Tensor<f64> {
    let mut planes: Vec<&[u8]> = bytes.chunks(shape[2] * shape[3]).collect();
    if bgr {
        planes.reverse();
    }
    let data = planes.concat().iter().map(|&b| (f64::from(b) - offset) * factor).collect();
    Tensor::new(shape.to_vec(), data)
}

/// What is decrypted of a detector: channels and height of each output, sorted.
fn decrypted(import: &fhec_frontend::Import) -> Vec<(usize, usize)> {
    let mut shapes: Vec<(usize, usize)> = Vec::new();
    for output in &import.graph.outputs {
        let node = import.graph.node(output.value);
        // No layout is changed before.
        assert_eq!(fhec_ir::Op::mnemonic(&node.op), "Conv", "{}", output.name);
        let &[1, channels, height, _] = &node.ty[..] else { panic!("{:?}", node.ty) };
        shapes.push((channels, height));
    }
    sorted(shapes)
}

fn sorted(mut shapes: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    shapes.sort_unstable();
    shapes
}

#[test]
fn detectors() {
    let Some(shared) = shared() else { return };
    let yunet = [1, 4, 10].map(|channels| [10, 20, 40].map(|side| (channels, side)));
    // Classes and objects are two outputs.
    let yunet = [&yunet[0][..], &yunet[0], &yunet[1], &yunet[2]].concat();
    let faces = [(4, 8), (4, 15), (6, 4), (6, 30), (8, 8), (8, 15), (12, 4), (12, 30)];
    for (name, image, offset, factor, bgr, raw) in [
        ("fastestdet_coco_352", "zidane_352x352", 0.0, 1.0 / 255.0, true, vec![(1, 22), (4, 22), (80, 22)]),
        ("ultralight_face_RFB_320", "zidane_240x320", 127.0, 1.0 / 128.0, false, faces.to_vec()),
        ("ultralight_face_RFB_320_nopost", "zidane_240x320", 127.0, 1.0 / 128.0, false, faces.to_vec()),
        ("yunet_n_320", "zidane_320x320", 0.0, 1.0, true, yunet),
        (
            "yolov5n_bccd_320_decode",
            "bccd_320x320",
            0.0,
            1.0 / 255.0,
            false,
            vec![(24, 10), (24, 20), (24, 40)],
        ),
    ] {
        let import = load(&shared.join(format!("models/detect/{name}.onnx")));
        assert_eq!(decrypted(&import), sorted(raw), "{name}");
        let bytes = std::fs::read(shared.join(format!("vectors/inputs/{image}.u8"))).unwrap();
        let (input, _) = import.graph.inputs().next().unwrap();
        let x = detector_input(&bytes, import.graph.ty(input), offset, factor, bgr);
        for (output, got) in import.output_names().zip(import.run(&[x]).unwrap()) {
            let want = read_npy(&shared.join(format!("vectors/detect/{name}.{output}.npy")));
            let d = difference(&got, &want);
            assert!(d < 1e-4, "{name} {output}: {d:.1e}");
        }
    }
}

/// The largest detector is not too large for a client.
#[test]
fn a_large_head() {
    let Some(shared) = shared() else { return };
    let import = load(&shared.join("models/detect/yolov5n_coco_640_decode.onnx"));
    assert_eq!(decrypted(&import), [(255, 20), (255, 40), (255, 80)]);
}

#[test]
fn unpacked_zoo() {
    let Some(shared) = shared() else { return };
    let cifar = (&[0.4914, 0.4822, 0.4465], &[0.2023, 0.1994, 0.201]);
    let imagenet = (&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]);
    for (name, image, (mean, std)) in [
        ("densenet_bc_40_12_cifar_bn", "bccd_32x32", cifar),
        ("densenet_bc_40_12_cifar_ts", "bccd_32x32", cifar),
        ("unet_b8_256", "bccd_256x256", imagenet),
        ("unet_nearest_b8_192x256", "bccd_192x256", imagenet),
    ] {
        let import = load(&shared.join(format!("models/zoo/{name}.onnx")));
        let bytes = std::fs::read(shared.join(format!("vectors/inputs/{image}.u8"))).unwrap();
        let (input, _) = import.graph.inputs().next().unwrap();
        let shape: [usize; 4] = import.graph.ty(input)[..].try_into().unwrap();
        let x = normalised(&bytes, shape, mean, std);
        let want = read_npy(&shared.join(format!("vectors/zoo/{name}.out0.npy")));
        let d = difference(&run(&import, &[x])[0], &want);
        // These networks amplify rounding.
        assert!(d < 1e-3, "{name}: {d:.1e}");
    }
}

/// tract, another runtime, agrees as well.
#[test]
fn tract_agrees() {
    let Some(shared) = shared() else { return };
    for name in ["mnist/lenet5_relu_mnist", "mnist/mnist_sft_d2", "cifar10/resnet20_cifar10_sft_d4_pow"] {
        let path = shared.join(format!("models/{name}.onnx"));
        let import = load(&path);
        let (input, _) = import.graph.inputs().next().unwrap();
        let mut rng = fhec_ir::tensor::random::Rng(3);
        let x = fhec_ir::tensor::random::tensor(&mut rng, import.graph.ty(input));
        let want = fhec_frontend::reference::run_tract(&path, &[x.cast()]).unwrap();
        let d = difference(&run(&import, &[x])[0], &want[0].cast());
        assert!(d < 1e-5, "{name}: {d:.1e}");
    }
}
