//! Seeds of the fuzz targets in `fuzz/`: opened files (see [`Sealed::opened`]) of `tests/golden`, and plans of random schedules.

use std::error::Error;
use std::path::Path;

use fhec::plan::Plan;
use fhec::runtime::files::{Bundle, Direction};

use super::sealed::{COMPLETE, Sealed};
use super::small::{Small, common::small_parameters};

/// Bytes of each object in a seed; the rest is that of the golden file.
const HEAD: usize = 256;

/// The byte that chooses number `kind` of three kinds of files, completed.
fn completed(kind: u8) -> u8 {
    COMPLETE.next_multiple_of(3) + kind
}

/// Writes all seeds that are not files as people have them, into a folder per target.
pub(crate) fn write(seeds: &Path) -> Result<(), Box<dyn Error>> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let write = |target: &str, name: &str, bytes: &[u8], choice: u8| {
        std::fs::create_dir_all(seeds.join(target))?;
        std::fs::write(seeds.join(target).join(name), Sealed::open(bytes).opened(choice, HEAD))
    };
    for (target, name, file, choice) in [
        ("plan", "convolution", "v7.plan", 0),
        ("client", "convolution", "v7.client", 0),
        ("keys", "secret", "v2.secret.key", 0),
        ("keys", "public", "v2.public.key", completed(1)),
        ("keys", "evaluation", "v2.evaluation.keys", completed(2)),
        ("ciphertext", "seeded", "v2.image.ct", completed(0)),
        ("ciphertext", "result", "v2.result.ct", completed(2)),
    ] {
        write(target, name, &std::fs::read(golden.join(file))?, choice)?;
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("file");
    let (plan, id) = Plan::load(&golden.join("v7.plan"))?;
    let (parameters, image) = (small_parameters(7, 2), golden.join("v2.image.ct"));
    let inputs = Bundle::load(&image, Direction::Inputs, &parameters, (id, &plan.client))?;
    inputs.save(&path, Direction::Inputs, &parameters)?;
    write("ciphertext", "inputs", &std::fs::read(&path)?, completed(1))?;
    for small in [Small::levelled()?, Small::bootstrapped()?] {
        small.plan.0.save(&path)?;
        write("plan", small.name, &std::fs::read(&path)?, 0)?;
    }
    Ok(())
}
