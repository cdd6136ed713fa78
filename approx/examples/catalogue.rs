//! Searches the compositions worth using for ReLU and prints `approx/src/catalogue/table.rs`:
//! `cargo run --release -p fhec-approx --example catalogue > approx/src/catalogue/table.rs`.
//!
//! The error of a stage depends on the ratio of its interval's ends only, so it is tabulated once per
//! degree; with these tables all sequences are ranked, and the best of each depth and number of products
//! are tuned exactly.

use std::collections::BTreeMap;

use fhec_approx::{FitError, Parity, Sign, minimax, odd_products};

const DEGREES: [usize; 15] = [3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31];
const STAGES: usize = 4;
/// Ranked precisions that are looked at.
const RANKED: std::ops::Range<f64> = 3.5..16.5;
/// Precisions that are kept.
const KEPT: std::ops::Range<f64> = 4.0..16.0;
/// Ranked values are off by less than this many bits.
const DOUBT: f64 = 0.4;
/// Sequences of a depth and number of products that are tuned.
const TUNED: usize = 12;

/// ln of the interval's ratio of ends, before and after a stage, both again in logarithms.
struct Stage {
    start: f64,
    step: f64,
    values: Vec<f64>,
}

impl Stage {
    fn new(degree: usize) -> Result<Self, FitError> {
        const POINTS: usize = 160;
        let (start, end) = (0.002f64.ln(), 15f64.ln());
        let step = (end - start) / (POINTS - 1) as f64;
        let value = |k: usize| -> Result<f64, FitError> {
            let ratio = (-(start + step * k as f64).exp()).exp();
            let tau = minimax(&|_| 1.0, &|_| 1.0, &[(ratio, 1.0)], Parity::Odd, degree)?.error;
            Ok((2.0 * tau.atanh()).ln())
        };
        Ok(Self { start, step, values: (0..POINTS).map(value).collect::<Result<_, _>>()? })
    }

    fn apply(&self, log: f64) -> f64 {
        let at = ((log - self.start) / self.step).clamp(0.0, (self.values.len() - 1) as f64);
        let k = (at as usize).min(self.values.len() - 2);
        self.values[k] + (at - k as f64) * (self.values[k + 1] - self.values[k])
    }
}

/// α of a sequence, roughly: τ_k/2 = 0.075 ε, near what tuning finds.
fn ranked(stages: &[&Stage]) -> f64 {
    let tail = |log_epsilon: f64| {
        let log = stages.iter().fold((-log_epsilon).ln(), |log, stage| stage.apply(log));
        (0.5 * (0.5 * log.exp()).tanh()).ln()
    };
    let (mut lo, mut hi) = (-14.0, -0.1);
    for _ in 0..40 {
        let middle = 0.5 * (lo + hi);
        if tail(middle) > 0.075f64.ln() + middle { lo = middle } else { hi = middle }
    }
    -(0.075f64.log2() + hi * std::f64::consts::LOG2_E)
}

fn sequences() -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = Vec::new();
    let mut last: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..STAGES {
        last = last.iter().flat_map(|s| DEGREES.iter().map(move |d| [&s[..], &[*d]].concat())).collect();
        all.extend(last.iter().cloned());
    }
    all
}

fn cost(degrees: &[usize]) -> (u32, u32) {
    let depth = degrees.iter().map(|d| (d + 1).next_power_of_two().ilog2()).sum();
    (depth, degrees.iter().map(|d| odd_products(*d)).sum())
}

type Cells<T> = BTreeMap<(u32, u32), Vec<(f64, T)>>;

/// Best α of all cells that cost no more.
fn best_within<T>(cells: &Cells<T>, (depth, products): (u32, u32), strictly: bool) -> f64 {
    let cheaper = cells.iter().filter(|((d, p), _)| *d <= depth && *p <= products);
    let others = cheaper.filter(|(cell, _)| !strictly || **cell != (depth, products));
    others.flat_map(|(_, list)| list.iter().map(|(alpha, _)| *alpha)).fold(f64::NEG_INFINITY, f64::max)
}

fn main() -> Result<(), FitError> {
    let mut stages = BTreeMap::new();
    for degree in DEGREES {
        stages.insert(degree, Stage::new(degree)?);
    }
    let mut cells: Cells<Vec<usize>> = BTreeMap::new();
    for degrees in sequences() {
        let used: Vec<&Stage> = degrees.iter().filter_map(|d| stages.get(d)).collect();
        let alpha = ranked(&used);
        if RANKED.contains(&alpha) {
            cells.entry(cost(&degrees)).or_default().push((alpha, degrees));
        }
    }
    let mut tuned: Cells<Sign> = BTreeMap::new();
    for (cell, list) in &cells {
        let best = best_within(&cells, *cell, false);
        let mut worth: Vec<_> = list.iter().filter(|(alpha, _)| *alpha > best - DOUBT).collect();
        worth.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (_, degrees) in worth.into_iter().take(TUNED) {
            let sign = Sign::for_relu(degrees)?;
            tuned.entry(*cell).or_default().push((-sign.relu_error().log2(), sign));
        }
        if let Some(list) = tuned.get_mut(cell) {
            list.sort_by(|a, b| b.0.total_cmp(&a.0));
            list.truncate(1);
        }
    }
    let mut rows: Vec<_> = tuned
        .iter()
        .filter(|(cell, list)| KEPT.contains(&list[0].0) && list[0].0 > best_within(&tuned, **cell, true))
        .map(|(cell, list)| (list[0].0, cell, &list[0].1))
        .collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    println!("//! Made by `cargo run --release -p fhec-approx --example catalogue`.\n");
    println!("use super::composition::{{Composition, of}};\n");
    println!("#[rustfmt::skip]\npub(super) const TABLE: &[Composition] = &[");
    for (alpha, (depth, products), sign) in rows {
        let degrees = &sign.degrees;
        println!("    of(&{degrees:?}, {:?}, {alpha:.3}, {depth}, {products}),", sign.epsilon);
    }
    println!("];");
    Ok(())
}
