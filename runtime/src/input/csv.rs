//! CSV: an input per row.
//!
//! A row has the elements of an input, row-major, or one number more: its label, in the column that the heading calls
//! `label`, else in the first. A heading is a first row with a field that is no number. Fields are separated by commas.

use csv::ReaderBuilder;

use super::array::{Array, Dtype, label};

/// Longest file: numbers take up to four times as many bytes as their text.
const MAX_TEXT: usize = 1 << 28;

/// Parses rows of `elements` numbers: an array of the shape (rows, elements), and labels if rows have them.
pub(super) fn parse(bytes: &[u8], elements: usize) -> Result<(Array, Option<Vec<usize>>), String> {
    if bytes.len() > MAX_TEXT {
        return Err("it is larger than 256 MiB; save the numbers as .npy".into());
    }
    // Rows of different lengths get an error of their own here.
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let (mut numbers, mut labels) = (Vec::<u8>::new(), Vec::new());
    let (mut rows, mut column) = (0usize, 0usize);
    for (k, row) in reader.records().enumerate() {
        let row = row.map_err(|e| e.to_string())?;
        if k == 0 && row.iter().any(|field| number(field).is_none()) {
            column = row.iter().position(|f| f.trim().eq_ignore_ascii_case("label")).unwrap_or(0);
            continue;
        }
        let at = |field: usize| format!("row {}, field {}", k + 1, field + 1);
        let labelled = elements.checked_add(1) == Some(row.len());
        if (!labelled && row.len() != elements) || (rows > 0 && labelled == labels.is_empty()) {
            return Err(format!(
                "row {} has {} fields: {elements} numbers are wanted, in all rows with a label or in none",
                k + 1,
                row.len()
            ));
        }
        let more = numbers.try_reserve(8 * row.len()).is_ok() && labels.try_reserve(1).is_ok();
        if !more {
            return Err(format!("there is too little memory for {} rows", rows + 1));
        }
        for (field, text) in row.iter().enumerate() {
            let number = number(text).ok_or_else(|| format!("{}: {text:?} is no number", at(field)))?;
            if labelled && field == column {
                labels.push(label(number).map_err(|e| format!("{}: {e}", at(field)))?);
            } else {
                numbers.extend(number.to_le_bytes());
            }
        }
        rows += 1;
    }
    let array = Array::new(Dtype::F64, vec![rows, elements], numbers, 0)?;
    Ok((array, (!labels.is_empty()).then_some(labels)))
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}
