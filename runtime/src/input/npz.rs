//! numpy's archives: zip files of arrays.

use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::array::Array;
use super::npy;
use super::source::read_bounded;

/// Name of the array that holds labels, if there is one.
pub(super) const LABELS: &str = "labels";

/// The array of an archive that an input takes: the one of its name, or the only one save labels; and the labels.
pub(super) fn parse(bytes: Vec<u8>, input: &str) -> Result<(Array, Option<Vec<usize>>), String> {
    let broken = |e: zip::result::ZipError| format!("no archive of arrays: {e}");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    let names = archive.file_names().collect::<Result<Vec<_>, _>>().map_err(broken)?;
    let names: Vec<String> =
        names.iter().filter_map(|n| n.strip_suffix(".npy")).map(str::to_string).collect();
    let of_inputs: Vec<&String> = names.iter().filter(|n| *n != LABELS).collect();
    let name = match &of_inputs[..] {
        _ if names.iter().any(|n| n == input) => input,
        [only] => only,
        [] => return Err("it holds no arrays".into()),
        _ => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            return Err(format!(
                "no array is named {input}, as the input is; there are {}",
                names.join(", ")
            ));
        }
    };
    let mut read = |name: &str| {
        let entry = archive.by_name(&format!("{name}.npy")).map_err(broken)?;
        // What an entry claims to unpack to may be a lie, and is not looked at.
        let entry: &mut dyn Read = &mut { entry };
        let bytes = read_bounded(entry).map_err(|e| format!("{name}: {e}"))?;
        npy::parse(bytes.ok_or_else(|| format!("{name} unpacks to more than 1 GiB"))?)
            .map_err(|e| format!("{name}: {e}"))
    };
    let array = read(name)?;
    let labelled = name != LABELS && names.iter().any(|n| n == LABELS);
    let labels = labelled.then(|| read(LABELS)?.labels()).transpose()?;
    Ok((array, labels))
}
