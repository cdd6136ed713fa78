//! Inferences, one after the other, with one set of keys.

use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use fhec_ir::plan::{Plan, PlanId};
use fhec_runtime::ExecuteOptions;
use fhec_runtime::boxes::Detection;
use fhec_runtime::client::{Client, Keys};
use fhec_runtime::server::Server;
use serde_json::{Value, json};

use crate::cli::Context;
use crate::cli::boxes::Boxes;
use crate::cli::check::{Reference, closest, max_abs_error};
use crate::cli::decrypt::warn_of_bounds;
use crate::cli::figures::merge;
use crate::cli::layers::LayerTable;
use crate::cli::output::{bytes, failure, peak_rss_bytes};
use crate::cli::release::Releaser;
use crate::cli::results::{Results, line};
use crate::cli::tasks::{Failed, Task};
use crate::cli::trace::Trace;

/// A plan with what it is compared with.
pub(crate) struct Model {
    pub(crate) plan: Arc<Plan>,
    pub(crate) id: PlanId,
    pub(crate) reference: Reference,
}

/// What infers.
pub(crate) struct Session<'a> {
    pub(crate) context: &'a Context,
    pub(crate) model: &'a Model,
    pub(crate) client: Client,
    pub(crate) keys: Keys,
    pub(crate) seconds_keygen: f64,
    pub(crate) server: Server,
    pub(crate) results: Results,
    pub(crate) releaser: Releaser,
    pub(crate) boxes: Option<Boxes>,
    pub(crate) check: bool,
    pub(crate) layers: Option<LayerTable>,
    pub(crate) trace: Option<Trace>,
    /// Of errors beyond the plan's precision the worst, and what was allowed.
    pub(crate) beyond: Option<(f64, f64)>,
}

/// What became of an input.
struct Outcome {
    /// As it is shown.
    outputs: Vec<Vec<f64>>,
    top1: usize,
    /// In the picture; none if they are not asked for.
    boxes: Vec<Detection>,
    clear: Option<Clear>,
    seconds: f64,
}

/// What it is compared with.
struct Clear {
    /// As it is shown.
    outputs: Vec<Vec<f64>>,
    top1: usize,
    /// Largest difference of the decrypted outputs, before the client's part: what the plan's precision is about.
    error: f64,
}

impl Outcome {
    fn agrees(&self) -> Option<bool> {
        self.clear.as_ref().map(|c| c.top1 == self.top1)
    }

    fn error(&self) -> Option<f64> {
        self.clear.as_ref().map(|c| c.error)
    }
}

/// Sums over inputs.
#[derive(Default)]
struct Totals {
    count: usize,
    seconds: f64,
    worst: Option<f64>,
    agree: usize,
    labelled: usize,
    correct: usize,
}

impl Totals {
    fn add(&mut self, task: &Task, outcome: &Outcome) {
        self.count += 1;
        self.seconds += outcome.seconds;
        self.worst = outcome.error().map(|e| e.max(self.worst.unwrap_or(0.0))).or(self.worst);
        self.agree += usize::from(outcome.agrees() == Some(true));
        self.labelled += usize::from(task.label.is_some());
        self.correct += usize::from(task.label == Some(outcome.top1));
    }

    fn mean_seconds(&self) -> f64 {
        self.seconds / self.count.max(1) as f64
    }

    fn line(&self, failed: usize) -> String {
        let Self { count, worst, agree, labelled, correct, .. } = self;
        let mut line = format!("{count} inputs, {:.2} s each", self.mean_seconds());
        if let Some(worst) = worst {
            line += &format!(", {agree}/{count} as in clear, largest error {worst:.2e}");
        }
        if *labelled > 0 {
            line += &format!(", {correct}/{labelled} correct");
        }
        if failed > 0 {
            line += &format!(", {failed} failed");
        }
        line
    }
}

impl Session<'_> {
    /// Runs all inputs. Those that could not be opened are among the results.
    pub(crate) fn run(mut self, tasks: &[Task], failed: &[Failed]) -> Result<()> {
        let alone = tasks.len() == 1 && failed.is_empty();
        let mut totals = Totals::default();
        let mut entries: Vec<Value> = failed.iter().map(|f| failure(&f.name, &f.error)).collect();
        let mut only = None;
        for (number, task) in tasks.iter().enumerate() {
            match self.infer(number, task) {
                Ok(outcome) => {
                    totals.add(task, &outcome);
                    self.show(task, &outcome, alone);
                    if self.context.json {
                        entries.push(self.entry(task, &outcome));
                    }
                }
                Err(error) => {
                    entries.push(failure(&task.name, &error));
                    if alone {
                        only = Some(error);
                    } else {
                        self.context.report(&error);
                    }
                }
            }
        }
        let given = tasks.len() + failed.len();
        let failed = given - totals.count;
        if !alone {
            self.context.answer(totals.line(failed));
        }
        self.finish(&totals, failed, entries, || match only {
            Some(error) => Err(error),
            None if failed > 0 => bail!("{failed} of {given} inputs failed"),
            None => Ok(()),
        })
    }

    fn infer(&mut self, number: usize, task: &Task) -> Result<Outcome> {
        let plan = &self.model.plan;
        let tensors = task.data.tensors(task.record)?;
        let secret = (&self.keys.secret, self.keys.id);
        let bundle = self.client.encrypt(secret, &tensors)?;
        let watch = match &self.layers {
            Some(layers) if self.check => {
                let inputs = plan.client.inputs.iter().zip(&tensors);
                let packed = inputs.map(|(i, t)| i.layout.pack(t)).collect();
                Some(layers.watch(plan, &packed, &self.client, secret.0)?)
            }
            _ => None,
        };
        let start = self.trace.as_ref().map_or(0.0, Trace::now);
        let progress = self.context.progress("running");
        let report = |done, total| progress.set(done, total);
        let options = ExecuteOptions { threads: self.context.threads, progress: Some(&report) };
        let observe = |id, value: &_| {
            watch.iter().for_each(|w| w.observe(id, value));
        };
        let run = self.server.run_observed(bundle, &options, &observe)?;
        drop(progress);
        let raw = self.client.decrypt(secret, &run.outputs)?;
        warn_of_bounds(&plan.client.outputs, &raw, self.context);
        // Compared is what came out, shown is what may be released of it.
        let top1 = self.results.top1(&self.results.of(&raw)?);
        let outputs = self.results.of(&self.releaser.release(raw.clone(), self.context)?)?;
        let boxes = match &self.boxes {
            Some(of) => {
                let picture = task.data.picture(task.record)?;
                of.find(&outputs, Some(&picture), (number, &task.name))?
            }
            None => vec![],
        };
        if let Some(layers) = &mut self.layers {
            layers.add(&run.execution.spans, watch)?;
        }
        if let Some(trace) = &mut self.trace {
            trace.add(&task.name, &plan.schedule, start, &run.execution.spans);
        }
        let clear = if self.check { Some(self.compare(&tensors, &raw)?) } else { None };
        Ok(Outcome { top1, outputs, boxes, clear, seconds: run.execution.seconds })
    }

    /// Compares decrypted outputs with those in clear, and remembers what the plan's precision does not allow.
    fn compare(&mut self, tensors: &[Vec<f64>], raw: &[Vec<f64>]) -> Result<Clear> {
        let plan = &self.model.plan;
        let clear = self.model.reference.outputs(plan, tensors)?;
        let (error, allowed) = closest(plan, &clear, raw);
        let worse = |(worst, of): &(f64, f64)| error / allowed > worst / of;
        if error > allowed && self.beyond.as_ref().is_none_or(worse) {
            self.beyond = Some((error, allowed));
        }
        let outputs = self.results.of(&clear)?;
        Ok(Clear { top1: self.results.top1(&outputs), outputs, error: max_abs_error(&clear, raw) })
    }

    /// Tells what became of an input; of a single one all.
    fn show(&self, task: &Task, outcome: &Outcome, alone: bool) {
        let class = match &self.boxes {
            Some(_) => format!("{} boxes", outcome.boxes.len()),
            None => self.results.class_text(outcome.top1),
        };
        let error = outcome.error().map(|e| format!(", error {e:.2e}"));
        if !alone {
            let label = task.label.map_or(String::new(), |l| format!(", label {l}"));
            let error = error.unwrap_or_default();
            self.context.answer(format!("{}: {class}{label} ({:.2} s{error})", task.name, outcome.seconds));
            return;
        }
        self.results.lines(&outcome.outputs).iter().for_each(|line| self.context.answer(line));
        if let Some(clear) = outcome.clear.as_ref().filter(|_| self.results.has_tail()) {
            // The error is of what the client's part is run on.
            self.context.answer(line("in clear", clear.outputs.first().map_or(&[], Vec::as_slice)));
        }
        let against = error.map_or(String::new(), |e| format!("{e} against clear"));
        let peak = bytes(peak_rss_bytes());
        let told = match &self.boxes {
            Some(of) => {
                of.lines(&outcome.boxes).iter().for_each(|line| self.context.answer(line));
                "evaluated".to_string()
            }
            None => format!("largest: {class}"),
        };
        self.context.answer(format!("{told} ({:.2} s, {peak}{against})", outcome.seconds));
    }

    fn entry(&self, task: &Task, outcome: &Outcome) -> Value {
        let mut entry = json!({ "input": task.name, "label": task.label, "seconds": outcome.seconds });
        merge(&mut entry, self.results.json(&outcome.outputs));
        if let Some(of) = &self.boxes {
            merge(&mut entry, json!({ "boxes": of.json(&outcome.boxes) }));
        }
        if let Some(clear) = &outcome.clear {
            let compared = json!({
                "clear_output": clear.outputs.first(), "max_abs_error": clear.error,
                "agrees": clear.top1 == outcome.top1,
            });
            merge(&mut entry, compared);
        }
        entry
    }

    /// Ends with what runs and layers took.
    fn finish(
        &self,
        totals: &Totals,
        failed: usize,
        entries: Vec<Value>,
        verdict: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let ratio = |n: usize, of: usize| (of > 0).then(|| n as f64 / of as f64);
        let mut result = json!({
            "images": totals.count, "failed": failed, "mean_seconds": totals.mean_seconds(),
            "seconds_keygen": self.seconds_keygen,
            "agreement": self.check.then(|| ratio(totals.agree, totals.count)).flatten(),
            "accuracy": ratio(totals.correct, totals.labelled), "max_abs_error": totals.worst,
            "peak_rss_bytes": peak_rss_bytes(), "results": entries,
        });
        if let Some(layers) = self.layers.as_ref().filter(|_| totals.count > 0) {
            layers.show(&self.model.plan, self.context);
            result["layers"] = layers.json(&self.model.plan);
        }
        self.context.end(result, || {
            self.trace.as_ref().map_or(Ok(()), Trace::save)?;
            self.boxes.as_ref().map_or(Ok(()), Boxes::finish)?;
            verdict()?;
            match self.beyond {
                Some((error, allowed)) => Err(anyhow!(
                    "an error against clear is {error:.2e}, the plan promises {allowed:.2e} at most ({:.1} bits of its range)",
                    self.model.plan.client.precision_bits()
                )),
                None => Ok(()),
            }
        })
    }
}
