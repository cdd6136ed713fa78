//! `fhec eval`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use fhec_ir::tensor::{self, Tensor};
use fhec_passes::pipeline::{Config, Pipeline, Program};
use serde_json::json;

use super::Context;
use super::decrypt::{output_names, write_outputs};
use super::inspect::Stage;
use super::normalisation::NormArgs;
use super::paths::Paths;
use super::records::{DataArgs, inputs_help, network_types, remark_assumed};
use super::results::line;

/// Evaluate a network in clear at any stage of compilation.
#[derive(Args)]
#[command(after_help = concat!(
    inputs_help!(),
    "
`tensor` runs the network as imported, `slot` its packed form, `schedule` single ciphertexts, in clear: where results
part, there is the wrong pass.

Example:
  fhec eval model.onnx --input in0.npy --output-dir out --ir slot --exact-activations"
))]
pub(crate) struct EvalArgs {
    /// The network.
    model: PathBuf,
    /// One for each input, in order, or one .npz for all.
    #[arg(long, value_name = "FILE", required = true)]
    input: Vec<String>,
    /// Write out0.npy, out1.npy, … to this folder.
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// The stage whose interpreter runs.
    #[arg(long, value_name = "STAGE", default_value = "tensor")]
    ir: Stage,
    /// Keep activations as they are; not at the schedule stage.
    #[arg(long)]
    exact_activations: bool,
    /// log2 of the ring degree to pack for.
    #[arg(long, value_name = "LOG_N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(4..=17))]
    log_n: u32,
    #[command(flatten)]
    norm: NormArgs,
    #[command(flatten)]
    data: DataArgs,
}

impl EvalArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let paths = Paths::new().reads([&self.model]).reads(&self.norm.norm).reads(&self.input);
        paths.writes_in(&self.output_dir, &[]).check()?;
        let import = super::files::import(&self.model, &self.norm.shapes)?;
        let prepared = self.norm.of(&self.model, &import, self.data.scale())?;
        let set = self.data.open(network_types(&import.graph, &prepared), &self.input)?;
        if set.byte_inputs().next().is_some() {
            prepared.remark_raw(&import, context);
        }
        remark_assumed(&set, context);
        let network = import.graph.clone();
        let shapes = network.inputs().map(|(id, _)| network.ty(id).clone());
        let tensors: Vec<Tensor<f64>> = shapes.zip(set.only()?).map(|(s, t)| Tensor::new(s, t)).collect();
        let outputs = match self.ir {
            Stage::Tensor => tensor::run(&network, &tensors)?,
            stage => {
                let mut config = Config::nominal(1 << (self.log_n - 1));
                config.approximate.exact_activations = self.exact_activations;
                let mut pipeline = Pipeline::standard(config);
                if stage == Stage::Slot {
                    pipeline.stop_after("assign-layout");
                }
                let progress = context.progress("compiling");
                let (mut done, total) = (0, pipeline.names().len());
                let program = pipeline.run(Program::Tensor(network), &mut |_, _| {
                    done += 1;
                    progress.set(done, total);
                })?;
                drop(progress);
                run(&program, &tensors)?
            }
        };
        let results = import.finish(outputs)?.into_iter().map(|t| (t.shape, t.data)).collect::<Vec<_>>();
        if let Some(folder) = &self.output_dir {
            let paths = Paths::new().reads([&self.model]).reads(&self.input);
            paths.writes_in([folder], &output_names(results.len())).check_apart()?;
            write_outputs(folder, &results)?;
        }
        for (name, (_, data)) in import.output_names().zip(&results) {
            context.answer(line(name, data));
        }
        if context.json {
            let data: Vec<_> = results.iter().map(|(_, data)| data).collect();
            context.json(&json!({ "output": data.first(), "outputs": data }));
        }
        Ok(())
    }
}

fn run(program: &Program, tensors: &[Tensor<f64>]) -> Result<Vec<Tensor<f64>>> {
    Ok(match program {
        Program::Tensor(g) => tensor::run(g, tensors)?,
        Program::Slot(g) => fhec_ir::slot::interp::run(g, tensors)?,
        Program::Schedule(g) => {
            let header = &g.header;
            let packed: Vec<_> =
                header.inputs.iter().zip(tensors).map(|(p, t)| p.layout.pack(&t.data)).collect();
            let outputs = fhec_ir::schedule::interp::interpret(g, &packed).context("running the schedule")?;
            let unpacked = header.outputs.iter().zip(&outputs);
            unpacked.map(|(p, slots)| Tensor::new(p.layout.shape(), p.layout.unpack(slots))).collect()
        }
    })
}
