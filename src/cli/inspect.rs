//! `fhec inspect`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
#[cfg(feature = "compiler")]
use fhec::pipeline::Program;
use fhec_ir::output::write_atomically;
use fhec_ir::plan::{ClientSpec, Plan, PlanId};
use fhec_ir::text;
use serde_json::json;

use super::figures::{client_numbers, client_table, numbers, table};
use super::files::load_plan;
#[cfg(feature = "compiler")]
use super::given::{COMPILED, Given};
use super::paths::Paths;
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

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tensor => "tensor",
            Self::Slot => "slot",
            Self::Schedule => "schedule",
        })
    }
}

/// Show what a plan or client file holds and costs.
#[derive(Args)]
#[command(after_help = "\
A plan holds the schedule only; give the .onnx to see earlier stages.

Examples:
  fhec inspect model.plan
  fhec inspect model.plan --json | jq .rotations
  fhec inspect model.onnx --ir slot
  fhec inspect model.onnx --ir slot --layer /layer1/0
  fhec inspect model.plan --html report.html")]
pub(crate) struct InspectArgs {
    /// A plan, a client file, or an ONNX network.
    model: PathBuf,
    /// Print the program at this stage, in the language of docs/ir.md.
    #[arg(long, value_name = "STAGE")]
    ir: Option<Stage>,
    /// Of that only one layer, or what lies below a name.
    #[arg(long, value_name = "NAME", requires = "ir")]
    layer: Option<String>,
    /// Write a report for the browser.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[cfg(feature = "compiler")]
    #[command(flatten)]
    compile: Given<super::compile::ModelArgs>,
    #[cfg(feature = "compiler")]
    #[command(flatten)]
    data: Given<super::compile::SampleArgs>,
}

/// An IR as an answer.
fn show_ir(text: &str, context: &Context) {
    if context.json {
        context.json(&json!({ "ir": text }));
    }
    context.answer(text.trim_end());
}

impl InspectArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        self.paths().writes(&self.html).check()?;
        if self.model.extension().is_some_and(|e| e == "onnx") {
            return self.network(context);
        }
        #[cfg(feature = "compiler")]
        {
            self.compile.none(COMPILED)?;
            self.data.none(COMPILED)?;
        }
        let (plan, id) = match load_plan(&self.model) {
            Ok(plan) => plan,
            Err(error) => return self.client(error, context),
        };
        match self.ir {
            Some(Stage::Schedule) => {
                let schedule = &*plan.schedule;
                let part = |layer: &str| text::print_layer(schedule, layer).unwrap_or_default();
                let text = self.layer.as_deref().map(part);
                show_ir(&self.some(text.unwrap_or_else(|| text::print(schedule)))?, context);
                return Ok(());
            }
            Some(stage) => bail!("a plan holds the schedule only; give the .onnx to see the {stage} IR"),
            None => {}
        }
        let size = std::fs::metadata(&self.model).map_or(0, |m| m.len());
        self.show(&plan, id, size, context)
    }

    #[cfg(feature = "compiler")]
    fn paths(&self) -> Paths {
        self.compile.args.paths(&self.model)
    }

    #[cfg(not(feature = "compiler"))]
    fn paths(&self) -> Paths {
        Paths::new().reads([&self.model])
    }

    fn show(&self, plan: &Plan, id: PlanId, size: u64, context: &Context) -> Result<()> {
        let numbers = numbers(plan, id, size);
        if let Some(path) = &self.html {
            let page = html::report(&numbers);
            let written = write_atomically(path, None, |out| out.write_all(page.as_bytes()));
            written.with_context(|| path.display().to_string())?;
            context.say(format!("{}: report", path.display()));
        } else if context.json {
            context.json(&numbers);
        } else {
            table(plan, &numbers).iter().for_each(|line| context.answer(line));
        }
        Ok(())
    }

    /// Shows a client file; `error` says why the file is no plan.
    fn client(&self, error: anyhow::Error, context: &Context) -> Result<()> {
        let Ok(spec) = ClientSpec::load(&self.model) else { return Err(error) };
        if self.ir.is_some() || self.html.is_some() {
            bail!("{}: a client file holds neither programs nor predictions", self.model.display());
        }
        if context.json {
            context.json(&client_numbers(&spec));
        }
        client_table(&spec).iter().for_each(|line| context.answer(line));
        Ok(())
    }

    /// A text that is not empty, or that there is no such layer.
    fn some(&self, text: String) -> Result<String> {
        match &self.layer {
            Some(layer) if text.is_empty() => {
                bail!("no node of this stage is named {layer:?}; --ir without --layer shows the names")
            }
            _ => Ok(text),
        }
    }

    #[cfg(not(feature = "compiler"))]
    fn network(&self, _: &Context) -> Result<()> {
        bail!("this fhec was built without the compiler")
    }

    #[cfg(feature = "compiler")]
    fn network(&self, context: &Context) -> Result<()> {
        let wanted = self.ir;
        let layer = self.layer.as_deref();
        let keep = |program: &Program, _: &str| {
            let stage = match program.ir() {
                "tensor" => Stage::Tensor,
                "slot" => Stage::Slot,
                _ => Stage::Schedule,
            };
            // What has no such layer is kept as nothing, so that the last program decides.
            let text = || layer.map_or_else(|| program.text(), |l| program.layer_text(l).unwrap_or_default());
            (Some(stage) == wanted).then(text)
        };
        let (compiled, mut watched) =
            self.compile.args.watched(&self.model, self.data.args, context, &keep)?;
        match (wanted, watched.dumps.pop()) {
            (Some(_), Some((_, text))) => show_ir(&self.some(text)?, context),
            (Some(stage), None) => bail!("compilation does not reach the {stage} IR"),
            (None, _) => {
                let plan = compiled.plan.context("compilation stopped before there was a plan")?;
                return self.show(&plan, plan.id()?, 0, context);
            }
        }
        Ok(())
    }
}
