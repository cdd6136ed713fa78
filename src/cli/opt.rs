//! `fhec opt`.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use fhec::ir::output::write_atomically;
use fhec::ir::text::Constants;
use fhec::pipeline::Program;
use fhec_passes::Settings;
use serde_json::json;

use super::paths::Paths;
use super::shapes::ShapeArgs;
use super::{Context, constants};

/// Run passes on a program written as text.
#[derive(Args)]
#[command(after_help = "\
The file holds one program of any IR in the language of dumps (docs/ir.md). It is read, verified, given to the passes in
the order named, and printed; without a pass it comes back in its usual form. So a fault of a pass is reported by a file:

  fhec model.onnx --stop-after assign-layout --dump-after assign-layout -q > fault.fir
  fhec opt fault.fir --pass minimize-rotations --pass place --constants model.onnx

Constants of more than a few numbers stand in a dump by their digests. Their numbers come from the network, from a plan, or
from a file that --write-constants made. Parameters of passes are words, in the file's first line behind `// run:` or given
by --set:

  slots=N               slots of a ciphertext to pack for (32768)
  tile=HxW              base tile; by cost if not given
  compact=first|joins   which maps leave interleaving
  apart                 do not compose linear maps
  exact                 keep functions that are no polynomials
  levels=L              levels that a bootstrap gives; without it there are no bootstraps
  price=P  pair=P       of one bootstrap, and of two ciphertexts at once, in rotations (50, never)
  range=R  period=N     bound on all slots, and slots that bootstraps keep apart (1, all)
  drift                 moduli that are not powers of two

Examples:
  fhec opt tests/cases/canonicalize/pad_conv.fir --pass canonicalize
  fhec opt net.fir --pass assign-layout --pass minimize-rotations --set 'slots=64 tile=4x4'")]
pub(crate) struct OptArgs {
    /// A program; `-` for standard input.
    file: PathBuf,
    /// A pass to run; may be given several times.
    #[arg(long, value_name = "PASS", value_parser = super::compile::pass)]
    pass: Vec<String>,
    /// Where the numbers of large constants are: an .onnx, a .plan or a .safetensors file.
    #[arg(long, value_name = "FILE")]
    constants: Option<PathBuf>,
    #[command(flatten)]
    shapes: ShapeArgs,
    /// Parameters of the passes, instead of those of the file.
    #[arg(long, value_name = "WORDS")]
    set: Option<Settings>,
    /// Write the result here instead of printing it.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write all numbers of constants out, so that the result needs no other file.
    #[arg(long)]
    whole: bool,
    /// Write the numbers of the result's constants to a .safetensors file.
    #[arg(long, value_name = "FILE")]
    write_constants: Option<PathBuf>,
}

impl OptArgs {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let paths = Paths::new().reads([&self.file]).reads(&self.constants);
        paths.writes(&self.output).writes(&self.write_constants).check()?;
        let named = || self.file.display().to_string();
        let text = self.text().with_context(named)?;
        // A file test holds what a pass makes of the program behind a line of its own.
        let text = text.split_once("\n---\n").map_or(&text[..], |(input, _)| input);
        let settings = match &self.set {
            Some(settings) => settings.clone(),
            None => Settings::of_text(text).map_err(|e| anyhow!(e)).with_context(named)?,
        };
        let read = |path| constants::read(path, &self.shapes);
        let known = self.constants.as_deref().map_or_else(|| Ok(Constants::default()), read)?;
        let mut program = Program::parse(text, &known).with_context(named)?;
        let progress = context.progress("running passes");
        for (done, pass) in self.pass.iter().enumerate() {
            progress.set(done, self.pass.len());
            program = settings.run(pass, program).with_context(named)?;
        }
        drop(progress);
        if let Some(path) = &self.write_constants {
            constants::write(path, &program.constants())?;
        }
        let result = if self.whole { program.whole_text() } else { program.text() };
        if let Some(path) = &self.output {
            write(path, &result)?;
        }
        if context.json {
            context.json(&json!({ "ir": program.ir(), "text": result }));
        } else if self.output.is_none() {
            context.answer(result.trim_end());
        }
        Ok(())
    }

    fn text(&self) -> Result<String> {
        if self.file != Path::new("-") {
            return Ok(std::fs::read_to_string(&self.file)?);
        }
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        Ok(text)
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    let written = write_atomically(path, None, |out| out.write_all(text.as_bytes()));
    written.with_context(|| path.display().to_string())
}
