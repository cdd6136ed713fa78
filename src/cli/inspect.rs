//! `fhec inspect`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
#[cfg(feature = "compiler")]
use fhec::pipeline::Program;
use fhec_ir::plan::{BudgetReport, LayerReport, MemoryReport, PlacementReport, Plan, PlanId, Report};
use fhec_ir::text;
use serde_json::{Value, json};

use super::output::bytes;
use super::{Context, html, load_plan};

/// A stage of compilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// The network.
    Tensor,
    /// Packed values.
    Slot,
    /// Ciphertexts.
    Schedule,
}

/// Show what a plan holds and costs.
#[derive(Args)]
#[command(after_help = "\
A plan holds the schedule only; give the .onnx to see earlier stages.

Examples:
  fhec inspect model.plan
  fhec inspect model.plan --json | jq .rotations
  fhec inspect model.onnx --ir slot
  fhec inspect model.plan --html report.html")]
pub(crate) struct InspectArgs {
    /// A plan, or an ONNX network.
    model: PathBuf,
    /// Print the program at this stage, large constants elided.
    #[arg(long, value_name = "STAGE")]
    ir: Option<Stage>,
    /// Write a report for the browser.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[cfg(feature = "compiler")]
    #[command(flatten)]
    compile: super::compile::ModelArgs,
}

/// The numbers of a plan under their stable names.
pub(crate) fn numbers(plan: &Plan, id: PlanId, plan_bytes: u64) -> Value {
    let report = &plan.report;
    let mut numbers = json!({
        "plan_id": id.to_string(), "network": plan.client.network,
        "n": 1u64 << plan.parameters.log_n, "log_qp": report.log_qp, "security_bits": report.security_bits,
        "scale_bits": plan.parameters.scale_bits, "levels": plan.parameters.q.len() - 1,
        "bootstraps": report.bootstraps, "bootstrap_pairs": report.pairs,
        "rotation_keys": plan.keys.rotations.len(), "key_bytes": plan.keys.bytes(), "plan_bytes": plan_bytes,
        "predicted_seconds": report.predicted_seconds, "predicted_wall_seconds": report.wall_seconds(),
        "predicted_threads": report.threads, "predicted_plaintext_seconds": report.predicted_plaintext_seconds,
        "predicted_peak_bytes": report.memory.total(), "predicted_memory": report.memory,
        "placement": report.placement, "budget": report.budget,
        "predicted_precision_bits": plan.client.precision_bits,
    });
    merge(&mut numbers, work(&report.layers));
    let layers = numbers["layers"].as_array_mut().into_iter().flatten();
    for (layer, l) in layers.zip(&report.layers) {
        layer["predicted_seconds"] = json!(l.predicted_seconds);
        layer["predicted_plaintext_seconds"] = json!(l.predicted_plaintext_seconds);
        layer["key_bytes"] = json!(l.key_bytes);
    }
    numbers
}

/// The counts of a schedule, in all and by layer: what is known without parameters.
pub(crate) fn work(layers: &[LayerReport]) -> Value {
    let total = |f: fn(&LayerReport) -> u64| layers.iter().map(f).sum::<u64>();
    let by_layer = layers.iter().map(|l| {
        json!({
            "name": l.name, "op": l.op, "layout": l.layout, "level_in": l.level_in, "level_out": l.level_out,
            "rotations": l.rotations, "hoisted_rotations": l.hoisted_rotations,
            "relinearisations": l.relinearisations, "key_switches": l.key_switches, "bootstraps": l.bootstraps,
            "bootstrap_pairs": l.pairs,
            "plaintexts": l.plaintexts, "plaintext_equivalents": l.plaintext_equivalents,
            "multiply_accumulates": l.multiply_accumulates, "instructions": l.instructions,
        })
    });
    json!({
        "instructions": total(|l| l.instructions),
        "rotations": total(|l| l.rotations),
        "hoisted_rotations": total(|l| l.hoisted_rotations),
        "relinearisations": total(|l| l.relinearisations),
        "key_switches": total(|l| l.key_switches),
        "multiply_accumulates": total(|l| l.multiply_accumulates),
        "plaintexts": total(|l| l.plaintexts),
        "plaintext_equivalents": layers.iter().map(|l| l.plaintext_equivalents).sum::<f64>(),
        "layers": by_layer.collect::<Vec<_>>(),
    })
}

/// Adds the entries of `more`.
pub(crate) fn merge(numbers: &mut Value, more: Value) {
    if let (Value::Object(numbers), Value::Object(more)) = (numbers, more) {
        numbers.extend(more);
    }
}

/// The line of a table that says what a schedule does.
pub(crate) fn work_line(numbers: &Value) -> String {
    let text = |key: &str| numbers[key].to_string();
    format!(
        "{} instructions, {} rotations ({} hoisted), {} key switches, {} plaintexts ({:.1} full ones)",
        text("instructions"),
        text("rotations"),
        text("hoisted_rotations"),
        text("key_switches"),
        text("plaintexts"),
        numbers["plaintext_equivalents"].as_f64().unwrap_or(0.0),
    )
}

/// An IR as an answer.
fn show_ir(text: String, context: &Context) {
    if context.json {
        context.json(&json!({ "ir": text }));
    }
    context.answer(text);
}

impl InspectArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        if self.model.extension().is_some_and(|e| e == "onnx") {
            return self.network(context);
        }
        let (plan, id) = load_plan(&self.model)?;
        match self.ir {
            Some(Stage::Schedule) => {
                show_ir(text::summary(&*plan.schedule), context);
                return Ok(());
            }
            Some(stage) => bail!("a plan holds the schedule only; give the .onnx to see the {stage:?} IR"),
            None => {}
        }
        let size = std::fs::metadata(&self.model).map_or(0, |m| m.len());
        self.show(&plan, id, size, context)
    }

    fn show(&self, plan: &Plan, id: PlanId, size: u64, context: &Context) -> Result<()> {
        let numbers = numbers(plan, id, size);
        if let Some(path) = &self.html {
            let page = html::report(&numbers);
            std::fs::write(path, page).with_context(|| path.display().to_string())?;
            context.say(format!("{}: report", path.display()));
        } else if context.json {
            context.json(&numbers);
        } else {
            table(plan, &numbers).iter().for_each(|line| context.answer(line));
        }
        Ok(())
    }

    #[cfg(not(feature = "compiler"))]
    fn network(&self, _: &Context) -> Result<()> {
        bail!("this fhec was built without the compiler")
    }

    #[cfg(feature = "compiler")]
    fn network(&self, context: &Context) -> Result<()> {
        let wanted = self.ir;
        let keep = |program: &Program, _: &str| {
            let stage = match program.ir() {
                "tensor" => Stage::Tensor,
                "slot" => Stage::Slot,
                _ => Stage::Schedule,
            };
            Some(stage) == wanted
        };
        let (compiled, mut watched) = self.compile.watched(&self.model, context, &keep)?;
        match (wanted, watched.dumps.pop()) {
            (Some(_), Some((_, text))) => show_ir(text, context),
            (Some(stage), None) => bail!("compilation does not reach the {stage:?} IR"),
            (None, _) => {
                let plan = compiled.plan.context("compilation stopped before there was a plan")?;
                return self.show(&plan, plan.id()?, 0, context);
            }
        }
        Ok(())
    }
}

/// A plan in lines for people.
pub(crate) fn table(plan: &Plan, numbers: &Value) -> Vec<String> {
    let report = &plan.report;
    let text = |key: &str| numbers[key].to_string();
    let mut lines = vec![
        format!("network    {}", plan.client.network),
        format!(
            "ring       N = 2^{}, log QP = {:.0}, {:.0} bits of security, {} levels of {} bits",
            plan.parameters.log_n,
            report.log_qp,
            report.security_bits,
            text("levels"),
            text("scale_bits"),
        ),
        format!("work       {}", work_line(numbers)),
        format!("keys       {} for rotation, {}", text("rotation_keys"), bytes(plan.keys.bytes())),
    ];
    lines.extend(report.placement.as_ref().map(placement));
    lines.extend(report.budget.as_ref().map(budget));
    lines.extend(predictions(plan));
    lines.push(String::new());
    lines.extend(layers(&report.layers));
    lines
}

/// The line that says what foresight is worth.
fn placement(placement: &PlacementReport) -> String {
    let PlacementReport { levels, bootstraps, pairs, slots, seconds, naive, exact } = placement;
    let cheapest = if *exact { "the cheapest placement" } else { "perhaps not the cheapest placement" };
    let naive = match naive {
        Some((seconds, bootstraps)) => {
            format!("{seconds:.2} s with {bootstraps} placed where levels run out")
        }
        None => "where levels run out none may be placed".into(),
    };
    let pairs = match pairs {
        0 => String::new(),
        1 => ", two of them at once".into(),
        n => format!(", {n} times two of them at once"),
    };
    format!(
        "bootstraps {bootstraps} of 2^{} slots{pairs}, {levels} levels apart: {seconds:.2} s modelled, {cheapest}; {naive}",
        slots.max(&1).ilog2(),
    )
}

/// The line that says what a memory budget cost.
fn budget(budget: &BudgetReport) -> String {
    let BudgetReport { bytes: limit, keys_before, key_bytes_before, seconds, seconds_in_all } = budget;
    format!(
        "budget     {}: {seconds_in_all:.2} s more than without, {seconds:.2} s of them for composed steps ({keys_before} keys \
         of {} before) and plaintexts made anew",
        bytes(*limit),
        bytes(*key_bytes_before),
    )
}

fn predictions(plan: &Plan) -> [String; 2] {
    let Report { predicted_seconds, predicted_plaintext_seconds, threads, memory, .. } = &plan.report;
    let time = format!(
        "predicted  {predicted_seconds:.2} s on one thread, {:.2} s on {threads}; {predicted_plaintext_seconds:.2} s once \
         for plaintexts; {:.1} bits after the point",
        plan.report.wall_seconds(),
        plan.client.precision_bits,
    );
    let MemoryReport { keys, matrices, values, working, plaintexts } = *memory;
    let memory = format!(
        "memory     {}: keys {}, bootstrap matrices {}, values {}, working memory {}, plaintexts {}",
        bytes(memory.total()),
        bytes(keys),
        bytes(matrices),
        bytes(values),
        bytes(working),
        bytes(plaintexts)
    );
    [time, memory]
}

/// A line per layer, one of headings before and one of sums after them.
fn layers(layers: &[LayerReport]) -> Vec<String> {
    let head = format!(
        "{:<28} {:>7} {:>9} {:>5} {:>5} {:>6} {:>9} {:>9} {:>8}  {}",
        "layer", "levels", "rotations", "relin", "boots", "plain", "full ones", "keys", "seconds", "op"
    );
    let line = |l: &LayerReport| {
        let name: String = l.name.chars().take(28).collect();
        let levels = if l.level_out <= l.level_in {
            format!("{}→{}", l.level_in, l.level_out)
        } else {
            String::new()
        };
        // Those that share a decomposition, and those that do not.
        let rotations = match (l.hoisted_rotations, l.rotations - l.hoisted_rotations) {
            (0, 0) => "0".into(),
            (hoisted, full) => format!("{hoisted}+{full}"),
        };
        format!(
            "{name:<28} {levels:>7} {rotations:>9} {:>5} {:>5} {:>6} {:>9.1} {:>9} {:>8.3}  {}",
            l.relinearisations,
            l.bootstraps,
            l.plaintexts,
            l.plaintext_equivalents,
            bytes(l.key_bytes),
            l.predicted_seconds,
            l.op
        )
    };
    let sum = |f: fn(&LayerReport) -> u64| layers.iter().map(f).sum::<u64>();
    let all = LayerReport {
        name: "all".into(),
        level_out: u32::MAX,
        rotations: sum(|l| l.rotations),
        hoisted_rotations: sum(|l| l.hoisted_rotations),
        relinearisations: sum(|l| l.relinearisations),
        bootstraps: sum(|l| l.bootstraps),
        plaintexts: sum(|l| l.plaintexts),
        plaintext_equivalents: layers.iter().map(|l| l.plaintext_equivalents).sum(),
        predicted_seconds: layers.iter().map(|l| l.predicted_seconds).sum(),
        ..LayerReport::default()
    };
    // Layers share keys: their sum says nothing.
    let last = line(&all).replacen(&format!("{:>9}", bytes(0)), &format!("{:>9}", ""), 1);
    std::iter::once(head).chain(layers.iter().map(line)).chain([last.trim_end().to_string()]).collect()
}
