//! Files that hold inputs of networks: arrays, rows, records and pictures.

use std::error::Error;
use std::path::Path;
use std::rc::Rc;

use fhec::plan::{Normalisation, Preprocessing, Resize};
use fhec::runtime::input::{DataSet, InputType, LoadOptions, Source, write_npy};

use super::{Load, Loaded, Target, accept, same};

/// A network's input of a shape.
fn input(shape: &[usize]) -> InputType {
    let normalisation = Normalisation { divisor: 255.0, mean: vec![0.5], std: vec![0.25] };
    let preprocessing = Preprocessing::default();
    InputType { name: "x".into(), shape: shape.to_vec(), normalisation, preprocessing }
}

/// All records of a file, as the network takes them.
fn tensors(path: &Path, input: &InputType, options: LoadOptions) -> Result<Vec<Vec<Vec<f64>>>, String> {
    let source = Source { path: path.into(), record: None };
    let set = DataSet::open(vec![input.clone()], &[source], options).map_err(|e| e.to_string())?;
    // Hostile counts may be long, records then are short.
    (0..set.len().min(64)).map(|k| set.tensors(k).map_err(|e| e.to_string())).collect()
}

fn target(
    (kind, extension): (&str, &'static str),
    bytes: Vec<u8>,
    input: InputType,
    options: LoadOptions,
) -> Result<Target<'static>, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("whole").with_extension(extension);
    std::fs::write(&path, &bytes)?;
    let expected = tensors(&path, &input, options)?;
    let load: Load<'static> = Rc::new(move |path| -> Loaded {
        let found = accept!(tensors(path, &input, options));
        if found.iter().flatten().flatten().any(|x| !x.is_finite()) {
            return Err("a number of an input is not finite".into());
        }
        Ok(same(found == expected))
    });
    Ok(Target::unguarded(kind, extension, bytes, load))
}

/// A file of each kind that needs no packing.
pub(super) fn targets() -> Result<Vec<Target<'static>>, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (plain, scaled) = (LoadOptions::default(), LoadOptions { resize: true, ..LoadOptions::default() });
    let numbers: Vec<f64> = (0..3 * 64).map(|k| f64::from(k) / 100.0 - 1.0).collect();
    let mut npy = vec![];
    write_npy(&mut npy, &[3, 1, 8, 8], &numbers)?;
    let row = |row: &[f64]| row.iter().map(|x| format!(",{x}")).collect::<String>();
    let rows = numbers.chunks(16).take(5).enumerate().map(|(k, r)| format!("{k}{}\n", row(r)));
    let csv = format!("label{}\n{}", ",x".repeat(16), rows.collect::<String>());
    let mut idx = vec![0, 0, 8, 3];
    [4u32, 9, 7].iter().for_each(|extent| idx.extend(extent.to_be_bytes()));
    idx.extend((0..4 * 9 * 7).map(|k| k as u8));
    let png = std::fs::read(root.join("examples/mnist/seven.png"))?;
    let jpeg = std::fs::read(root.join("runtime/tests/pictures/444_progressive.jpg"))?;
    let cropped = InputType {
        preprocessing: Preprocessing {
            resize: Some(Resize::ShortSide(12)),
            crop: true,
            ..Preprocessing::default()
        },
        ..input(&[1, 3, 8, 8])
    };
    Ok(vec![
        target(("npy", "npy"), npy, input(&[1, 1, 8, 8]), plain)?,
        target(("csv", "csv"), csv.into_bytes(), input(&[1, 16]), plain)?,
        target(("idx", "idx"), idx, input(&[1, 1, 8, 8]), scaled)?,
        target(("png", "png"), png, input(&[1, 1, 16, 16]), scaled)?,
        target(("jpeg", "jpg"), jpeg, cropped, scaled)?,
    ])
}
