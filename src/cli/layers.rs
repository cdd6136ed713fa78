//! Time and error of each layer of a run.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use fhec_ckks::keys::SecretKey;
use fhec_ir::ValueId;
use fhec_ir::plan::{LayerReport, Plan};
use fhec_ir::schedule::Layers;
use fhec_ir::schedule::interp::{Observer, Packed, interpret_all};
use fhec_runtime::Span;
use fhec_runtime::ckks::CkksValue;
use fhec_runtime::client::Client;
use serde_json::{Value, json};

use super::Context;

/// How far slots are from those of the run in clear.
#[derive(Clone, Copy, Default)]
struct Deviation {
    squares: f64,
    slots: usize,
    largest: f64,
}

impl Deviation {
    fn of(found: &[f64], clear: &[f64]) -> Self {
        let mut sum = Self { slots: found.len(), ..Self::default() };
        for (a, b) in found.iter().zip(clear) {
            let error = (a - b).abs();
            sum.squares += error * error;
            sum.largest = if error > sum.largest || error.is_nan() { error } else { sum.largest };
        }
        sum
    }

    fn add(&mut self, other: Self) {
        self.squares += other.squares;
        self.slots += other.slots;
        self.largest =
            if other.largest > self.largest || other.largest.is_nan() { other.largest } else { self.largest };
    }

    /// −log2 of the rms and of the largest error; none without slots.
    fn bits(&self) -> Option<(f64, f64)> {
        let mean = self.squares / self.slots as f64;
        (self.slots > 0).then(|| (-mean.sqrt().log2(), -self.largest.log2()))
    }
}

/// Sums over the runs so far.
#[derive(Clone, Copy, Default)]
struct Row {
    seconds: f64,
    error: Deviation,
}

/// The layers of a plan, with what they took and how precise their results were.
pub(crate) struct LayerTable {
    layers: Layers,
    rows: Vec<Row>,
    runs: usize,
}

impl LayerTable {
    /// A table without runs.
    pub(crate) fn new(plan: &Plan) -> Self {
        let layers = Layers::new(&plan.schedule);
        let rows = vec![Row::default(); layers.names.len()];
        Self { layers, rows, runs: 0 }
    }

    /// Runs the schedule in clear: what every layer's results should be, and the outputs.
    ///
    /// # Errors
    /// If the inputs do not fit.
    pub(crate) fn watch<'a>(
        &self,
        plan: &Plan,
        packed: &Packed,
        client: &'a Client,
        secret: &'a SecretKey,
    ) -> Result<Watch<'a>> {
        let layer: HashMap<_, _> = self.layers.results(&plan.schedule).into_iter().collect();
        let mut results = Results { layer, clear: HashMap::new() };
        interpret_all(&plan.schedule, &[packed], &mut results)?;
        Ok(Watch { client, secret, clear: results.clear, noted: Mutex::default() })
    }

    /// Adds the times of a run and, if it was watched, its errors.
    ///
    /// # Errors
    /// If a value could not be decrypted.
    pub(crate) fn add(&mut self, spans: &[Span], watch: Option<Watch<'_>>) -> Result<()> {
        self.runs += 1;
        for (k, span) in spans.iter().enumerate() {
            if let Some(layer) = self.layers.of(ValueId(k as u32)) {
                self.rows[layer].seconds += span.seconds;
            }
        }
        let noted = watch.map(|w| w.noted.into_inner().unwrap_or_else(PoisonError::into_inner));
        for note in noted.into_iter().flatten() {
            let (layer, deviation) = note?;
            self.rows[layer].error.add(deviation);
        }
        Ok(())
    }

    /// Layers with what the plan says of them.
    fn reported<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = (&'a str, &'a Row, LayerReport)> {
        let reports: HashMap<&str, &LayerReport> =
            plan.report.layers.iter().map(|l| (l.name.as_str(), l)).collect();
        let rows = self.layers.names.iter().zip(&self.rows);
        rows.map(move |(name, row)| {
            let report = reports.get(name.as_str()).copied().cloned();
            (name.as_str(), row, report.unwrap_or_default())
        })
    }

    /// Prints the table: means over the runs, errors of all of them.
    pub(crate) fn show(&self, plan: &Plan, context: &Context) {
        context.answer(format!(
            "\n{:<32} {:>7} {:>9} {:>9} {:>8} {:>8}  {}",
            "layer", "levels", "seconds", "predicted", "rms bits", "max bits", "op"
        ));
        for (name, row, report) in self.reported(plan) {
            let name: String = name.chars().take(32).collect();
            let levels = format!("{}→{}", report.level_in, report.level_out);
            let bits = |bits: Option<f64>| bits.map_or("–".into(), |b| format!("{b:.1}"));
            let (rms, worst) = row.error.bits().unzip();
            context.answer(format!(
                "{name:<32} {levels:>7} {:>9.3} {:>9.3} {:>8} {:>8}  {}",
                row.seconds / self.runs.max(1) as f64,
                report.predicted_seconds,
                bits(rms),
                bits(worst),
                report.op
            ));
        }
    }

    /// The table under stable names.
    pub(crate) fn json(&self, plan: &Plan) -> Value {
        let row = |(name, row, report): (&str, &Row, LayerReport)| {
            let (rms, worst) = row.error.bits().unzip();
            json!({
                "name": name, "op": report.op, "level_in": report.level_in, "level_out": report.level_out,
                "seconds": row.seconds / self.runs.max(1) as f64,
                "predicted_seconds": report.predicted_seconds,
                "rms_error_bits": rms, "worst_error_bits": worst,
            })
        };
        self.reported(plan).map(row).collect()
    }
}

/// Compares the results of layers with those in clear as they are made; only numbers are kept.
pub(crate) struct Watch<'a> {
    client: &'a Client,
    secret: &'a SecretKey,
    /// Layer and slots of the values that leave a layer.
    clear: HashMap<ValueId, (usize, Vec<f64>)>,
    noted: Mutex<Vec<Result<(usize, Deviation)>>>,
}

impl Watch<'_> {
    /// Decrypts and compares a value if it leaves a layer.
    pub(crate) fn observe(&self, id: ValueId, value: &CkksValue) {
        let Some((layer, clear)) = self.clear.get(&id) else { return };
        let note = match self.client.slots(self.secret, value) {
            Ok(None) => return,
            Ok(Some(found)) => Ok((*layer, Deviation::of(&found, clear))),
            Err(error) => Err(error.into()),
        };
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }
}

/// Collects the layers' results in a run in clear.
struct Results {
    /// By value, the layer that it is a result of.
    layer: HashMap<ValueId, usize>,
    /// The same with its slots.
    clear: HashMap<ValueId, (usize, Vec<f64>)>,
}

impl Observer for Results {
    fn value(&mut self, _: usize, id: ValueId, slots: &[f64]) {
        if let Some(layer) = self.layer.get(&id) {
            self.clear.insert(id, (*layer, slots.to_vec()));
        }
    }
}
