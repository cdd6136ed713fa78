//! Imports every model of the test data that has stored results (trained, zoo, detection), runs the tensor interpreter
//! and tract on it and prints how far they are from onnxruntime: `cargo run --release --example check_zoo [FILTER]`.

use std::error::Error;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Instant;

use fhec_frontend::{Options, import, reference};
use fhec_ir::tensor::{self, Tensor};
use serde_json::Value;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let filter = std::env::args().nth(1).unwrap_or_default();
    let manifest: Value =
        serde_json::from_reader(BufReader::new(std::fs::File::open(shared.join("MANIFEST.json"))?))?;
    let models = manifest.as_object().ok_or("the manifest is no object")?;
    println!("| model | nodes | import s | run s | error | tract's error |\n|---|---|---|---|---|---|");
    for (name, entry) in models {
        let onnx = name.ends_with(".onnx") || name.ends_with(".onnx.xz");
        if onnx && entry.get("input_norm").is_some() && name.contains(&filter) {
            match check(&shared, name, entry) {
                Ok(row) => println!("| {name} | {row} |"),
                Err(e) => println!("| {name} | {e} | | | | |"),
            }
        }
    }
    Ok(())
}

/// Path of the plain file; `.xz` is unpacked into the temporary folder.
fn unpacked(path: &Path) -> Outcome<PathBuf> {
    if path.extension().is_none_or(|e| e != "xz") {
        return Ok(path.into());
    }
    let plain = std::env::temp_dir().join(path.file_stem().ok_or("no name")?);
    if !plain.exists() {
        let mut data = Vec::new();
        lzma_rs::xz_decompress(&mut BufReader::new(std::fs::File::open(path)?), &mut data)
            .map_err(|e| format!("{e:?}"))?;
        std::fs::write(&plain, data)?;
    }
    Ok(plain)
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().map(|a| a.iter().filter_map(Value::as_f64).collect()).unwrap_or_default()
}

/// The input tensor from bytes, as the manifest says.
fn input(bytes: &[u8], shape: &[usize], norm: &Value) -> Outcome<Tensor<f64>> {
    let plane = shape[2] * shape[3];
    let mut data = Vec::with_capacity(bytes.len());
    if let Some(formula) = norm.get("formula").and_then(Value::as_str) {
        let parts = formula.strip_prefix("(u8-").and_then(|f| f.split_once(")*")).ok_or("unknown formula")?;
        let (offset, factor): (f64, f64) = (parts.0.parse()?, parts.1.parse()?);
        data.extend(bytes.iter().map(|&b| (f64::from(b) - offset) * factor));
    } else {
        let (mean, std) = (numbers(&norm["mean"]), numbers(&norm["std"]));
        let value = |(i, &b): (usize, &u8)| (f64::from(b) / 255.0 - mean[i / plane]) / std[i / plane];
        data.extend(bytes.iter().enumerate().map(value));
    }
    if norm.get("order").and_then(Value::as_str) == Some("BGR") {
        let (red, blue) = (data[..plane].to_vec(), data[2 * plane..].to_vec());
        data[..plane].copy_from_slice(&blue);
        data[2 * plane..].copy_from_slice(&red);
    }
    if data.len() != shape.iter().product::<usize>() {
        return Err(format!("{} bytes for {shape:?}", bytes.len()).into());
    }
    Ok(Tensor::new(shape.to_vec(), data))
}

fn read_npy(path: &Path) -> Outcome<Tensor<f64>> {
    let bytes = std::fs::read(path)?;
    let len = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    let header = std::str::from_utf8(&bytes[10..10 + len])?;
    let shape = header.split("'shape': (").nth(1).and_then(|s| s.split(')').next()).ok_or("bad header")?;
    let shape: Vec<usize> = shape.split(',').filter_map(|d| d.trim().parse().ok()).collect();
    let data = bytes[10 + len..].as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b)));
    Ok(Tensor::new(shape, data.collect()))
}

/// Largest difference relative to the largest element, at least 1.
fn difference(got: &[Tensor<f64>], want: &[Tensor<f64>]) -> f64 {
    if got.len() != want.len() {
        return f64::INFINITY;
    }
    let pair = |(a, b): (&Tensor<f64>, &Tensor<f64>)| {
        if a.shape != b.shape {
            return f64::INFINITY;
        }
        let scale = b.data.iter().fold(1f64, |m, x| m.max(x.abs()));
        a.data.iter().zip(&b.data).map(|(x, y)| (x - y).abs() / scale).fold(0.0, f64::max)
    };
    got.iter().zip(want).map(pair).fold(0.0, f64::max)
}

fn check(shared: &Path, name: &str, entry: &Value) -> Outcome<String> {
    let path = unpacked(&shared.join(name))?;
    let start = Instant::now();
    let import = import(&path, &Options::default())?;
    let import_time = start.elapsed().as_secs_f64();
    let shape = import.graph.inputs().next().map(|(id, _)| import.graph.ty(id).clone()).ok_or("no input")?;
    let norm = &entry["input_norm"];
    let (x, wanted) = if let Some(file) = entry.get("test_input").and_then(Value::as_str) {
        let files = entry["test_outputs"].as_array().cloned().unwrap_or_default();
        let wanted: Outcome<Vec<_>> =
            files.iter().filter_map(Value::as_str).map(|f| read_npy(&shared.join(f))).collect();
        (input(&std::fs::read(shared.join(file))?, &shape, norm)?, wanted?)
    } else if name.contains("cifar10") {
        let records = std::fs::read(shared.join("cifar10/test_8000.bin"))?;
        let x = input(&records[1..3073], &shape, norm)?;
        let stem = path.file_stem().ok_or("no name")?.to_string_lossy().replace("_pow", "");
        let file = match entry.get("logits").and_then(Value::as_str) {
            Some(file) => shared.join(file),
            None => shared.join(format!("vectors/cifar10/{stem}.logits.npy")),
        };
        let logits = read_npy(&file)?;
        (x, vec![Tensor::new([1, 10], logits.data[..10].to_vec())])
    } else {
        // Without stored results tract is the judge.
        (tensor::random::tensor(&mut tensor::random::Rng(1), &shape), Vec::new())
    };
    let single: Tensor<f32> = x.cast();
    let start = Instant::now();
    let outputs = import.run(std::slice::from_ref(&single))?;
    let run_time = start.elapsed().as_secs_f64();
    let outputs: Vec<Tensor<f64>> = outputs.iter().map(Tensor::cast).collect();
    let tract = reference::run_tract(&path, &[single]);
    let tract: Result<Vec<Tensor<f64>>, _> = tract.map(|t| t.iter().map(Tensor::cast).collect());
    let (wanted, judge) = match (&tract, wanted.is_empty()) {
        (Ok(tract), true) => (tract.clone(), " (of tract)"),
        _ => (wanted, ""),
    };
    let error = difference(&outputs, &wanted);
    let tract = match tract {
        Ok(tract) => format!("{:.1e}", difference(&tract, &wanted)),
        Err(e) => e.to_string().chars().take(80).collect(),
    };
    Ok(format!("{} | {import_time:.2} | {run_time:.2} | {error:.1e}{judge} | {tract}", import.graph.len()))
}
