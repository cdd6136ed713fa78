//! `fhec inspect`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use fhec_ir::plan::{Plan, PlanId};
use fhec_ir::text;
use serde_json::{Value, json};

use super::output::bytes;
use super::{Context, html};

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
    let layers: Vec<_> = report
        .layers
        .iter()
        .map(|l| {
            json!({
                "name": l.name, "op": l.op, "layout": l.layout, "level_in": l.level_in, "level_out": l.level_out,
                "rotations": l.rotations, "hoisted_rotations": l.hoisted_rotations,
                "key_switches": l.key_switches, "plaintexts": l.plaintexts,
                "plaintext_equivalents": l.plaintext_equivalents, "instructions": l.instructions,
                "predicted_seconds": l.predicted_seconds,
            })
        })
        .collect();
    json!({
        "plan_id": id.to_string(), "network": plan.client.network,
        "n": 1u64 << plan.parameters.log_n, "log_qp": report.log_qp, "security_bits": report.security_bits,
        "scale_bits": plan.parameters.scale_bits, "levels": plan.parameters.q.len() - 1,
        "bootstraps": report.bootstraps,
        "rotations": report.total(|l| l.rotations),
        "hoisted_rotations": report.total(|l| l.hoisted_rotations),
        "key_switches": report.total(|l| l.key_switches),
        "plaintexts": report.total(|l| l.plaintexts),
        "plaintext_equivalents": report.layers.iter().map(|l| l.plaintext_equivalents).sum::<f64>(),
        "rotation_keys": plan.keys.rotations.len(), "key_bytes": plan.keys.bytes(), "plan_bytes": plan_bytes,
        "predicted_seconds": report.predicted_seconds, "predicted_peak_bytes": report.predicted_peak_bytes,
        "predicted_precision_bits": plan.client.precision_bits, "layers": layers,
    })
}

impl InspectArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        if self.model.extension().is_some_and(|e| e == "onnx") {
            return self.network(context);
        }
        let (plan, id) = super::load_plan(&self.model)?;
        match self.ir {
            Some(Stage::Schedule) => {
                context.say(text::summary(&*plan.schedule));
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
            table(plan, &numbers, context);
        }
        Ok(())
    }

    #[cfg(not(feature = "compiler"))]
    fn network(&self, _: &Context) -> Result<()> {
        bail!("this fhec was built without the compiler")
    }

    #[cfg(feature = "compiler")]
    fn network(&self, context: &Context) -> Result<()> {
        let mut dumped = None;
        let wanted = self.ir;
        let compiled = self.compile.observed(&self.model, context, &mut |program, _| {
            let stage = match program.ir() {
                "tensor" => Stage::Tensor,
                "slot" => Stage::Slot,
                _ => Stage::Schedule,
            };
            if Some(stage) == wanted {
                dumped = Some(program.summary());
            }
        })?;
        match (wanted, dumped) {
            (Some(_), Some(text)) => context.say(text),
            (Some(stage), None) => bail!("compilation does not reach the {stage:?} IR"),
            (None, _) => {
                let plan = compiled.plan.context("compilation stopped before there was a plan")?;
                return self.show(&plan, plan.id()?, 0, context);
            }
        }
        Ok(())
    }
}

fn table(plan: &Plan, numbers: &Value, context: &Context) {
    let report = &plan.report;
    let text = |key: &str| numbers[key].to_string();
    context.say(format!("network    {}", plan.client.network));
    context.say(format!(
        "ring       N = 2^{}, log QP = {:.0}, {:.0} bits of security, {} levels of {} bits",
        plan.parameters.log_n,
        report.log_qp,
        report.security_bits,
        text("levels"),
        text("scale_bits"),
    ));
    context.say(format!(
        "work       {} rotations ({} hoisted), {} key switches, {} plaintexts ({:.1} full ones)",
        text("rotations"),
        text("hoisted_rotations"),
        text("key_switches"),
        text("plaintexts"),
        numbers["plaintext_equivalents"].as_f64().unwrap_or(0.0),
    ));
    context.say(format!("keys       {} for rotation, {}", text("rotation_keys"), bytes(plan.keys.bytes())));
    context.say(format!(
        "predicted  {:.2} s on one thread, {} of memory, {:.1} bits after the point",
        report.predicted_seconds,
        bytes(report.predicted_peak_bytes),
        plan.client.precision_bits,
    ));
    let header = format!(
        "{:<32} {:>7} {:>9} {:>11} {:>9}  {}",
        "layer", "levels", "rotations", "plaintexts", "seconds", "op"
    );
    context.say(format!("\n{header}"));
    for l in &report.layers {
        let levels = format!("{}→{}", l.level_in, l.level_out);
        let name: String = l.name.chars().take(32).collect();
        context.say(format!(
            "{name:<32} {levels:>7} {:>9} {:>11} {:>9.3}  {}",
            l.rotations, l.plaintexts, l.predicted_seconds, l.op
        ));
    }
}
