//! Watching a compilation: progress, details, and what is reported afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use fhec::ir::text::Constants;
use fhec::pipeline::{Program, Timing};
use fhec::{CompileError, Fidelity, Observer, Stage, Summary};

use serde_json::{Value, json};

use super::Context;
use super::output::Progress;

/// Makes the text that is kept of the program that a pass made, if any is.
pub(crate) type Keep<'a> = dyn Fn(&Program, &str) -> Option<String> + Sync + 'a;

/// Shows how far a compilation is, and keeps what its verb asks for.
pub(crate) struct Watching<'a> {
    context: &'a Context,
    progress: Progress,
    /// What to keep of the program that a pass made.
    keep: &'a Keep<'a>,
    watched: Watched,
}

/// What was seen.
#[derive(Default)]
pub(crate) struct Watched {
    /// Texts that were kept, by pass.
    pub(crate) dumps: Vec<(&'static str, String)>,
    /// The constants of the programs that texts were kept of.
    pub(crate) constants: Constants,
    /// What the passes took that led to the result.
    pub(crate) timings: Vec<Timing>,
    /// How functions were replaced, if there were any.
    pub(crate) functions: Option<Value>,
    /// What every stage took.
    pub(crate) stages: BTreeMap<Stage, Duration>,
}

impl<'a> Watching<'a> {
    /// Keeps what `keep` makes of programs.
    pub(crate) fn new(context: &'a Context, keep: &'a Keep<'a>) -> Self {
        Self { context, progress: context.progress("compiling"), keep, watched: Watched::default() }
    }

    /// Ends the progress.
    pub(crate) fn finish(self) -> Watched {
        self.watched
    }

    fn candidate(&self, what: &str, candidate: &Summary) {
        self.context.detail(format!("candidate {} {what}: {candidate}", candidate.number));
    }
}

impl Observer for Watching<'_> {
    fn stage_progress(&mut self, stage: Stage, done: usize, total: usize) {
        self.progress.set_named(doing(stage), done, total);
    }

    fn stage_ended(&mut self, stage: Stage, took: Duration) {
        *self.watched.stages.entry(stage).or_default() += took;
    }

    fn approximated(&mut self, fidelity: &Fidelity) {
        for replacement in &fidelity.replaced {
            self.context.detail(replacement.to_string());
        }
        self.context.say(format!("functions  {fidelity}"));
        if fidelity.is_doubtful() {
            self.context.remark(
                "polynomials in place of functions change what the network says: ask for more precise ones",
            );
        }
        self.watched.functions = Some(functions(fidelity));
    }

    fn candidate_lowered(&mut self, candidate: &Summary) {
        self.candidate("fits", candidate);
    }

    fn candidate_refused(&mut self, candidate: &Summary, why: &CompileError) {
        self.candidate(&format!("refused ({why})"), candidate);
    }

    fn less_precise(&mut self, got: f64, wanted: f64, amplifier: Option<&str>) {
        let lost = amplifier.map_or_else(String::new, |at| format!("; most is lost in {at}"));
        self.context.remark(format!(
            "the results have {got:.1} bits of precision, {wanted} were aimed at{lost}: --precision-bits refuses less"
        ));
    }

    fn original_not_run(&mut self, why: &str) {
        self.context.detail(format!("the import is not compared with its file: {why}"));
    }

    fn candidate_taken(&mut self, candidate: &Summary) {
        self.candidate("taken", candidate);
    }

    fn pass_finished(&mut self, program: &Program, timing: Timing) {
        self.context.detail(format!("{:9.3} s  {}", timing.run.as_secs_f64(), timing.pass));
        self.watched.timings.push(timing);
        if let Some(text) = (self.keep)(program, timing.pass) {
            self.watched.dumps.push((timing.pass, text));
            self.watched.constants.merge(program.constants());
        }
    }
}

/// How functions were replaced, for scripts.
fn functions(fidelity: &Fidelity) -> Value {
    let replaced = fidelity.replaced.iter().map(|r| {
        json!({
            "node": r.node, "function": r.function, "range": [r.range.lo, r.range.hi], "by": r.by, "levels": r.depth,
            "products": r.products, "error": r.error, "growth": r.growth,
        })
    });
    json!({
        "method": fidelity.method.to_string(), "samples": fidelity.samples, "agreeing": fidelity.agreeing,
        "correct_before": fidelity.correct.map(|c| c.0), "correct_after": fidelity.correct.map(|c| c.1),
        "relative_rms": fidelity.relative_rms, "largest_error": fidelity.largest_error,
        "replaced": replaced.collect::<Vec<_>>(),
    })
}

/// What a stage does, for a progress bar.
fn doing(stage: Stage) -> &'static str {
    match stage {
        Stage::Packing => "packing",
        Stage::Original => "comparing the import with the file",
        Stage::Bounds | Stage::Ranges => "running samples",
        Stage::Approximation => "replacing functions",
        Stage::Design => "designing chains",
        Stage::Placement => "placing",
        Stage::Search => "searching",
        _ => "compiling",
    }
}

/// What a stage did, beside the time it took.
pub(crate) fn done(stage: Stage) -> &'static str {
    match stage {
        Stage::Packing => "passes before place, all rounds",
        Stage::Original => "samples by the file and by its import",
        Stage::Bounds => "bounds from samples",
        Stage::Ranges => "ranges of functions' operands",
        Stage::Approximation => "choice of polynomials for functions",
        Stage::Design => "design of chains, beside that",
        Stage::Placement => "placement on each",
        Stage::Search => "lowering of candidates, and fitting",
        Stage::Emission => "predictions and plan",
        _ => "others",
    }
}
