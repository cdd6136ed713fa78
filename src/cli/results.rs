//! What a client makes of decrypted outputs, and how it is shown.

use std::path::PathBuf;

use anyhow::{Error, Result};
use clap::Args;
use fhec_ir::plan::{ClientSection, Tail, largest};
use serde_json::{Map, Value, json};

use super::files::read_classes;
use super::release::{Release, decimals};

/// How results are shown.
#[derive(Args)]
pub(crate) struct ResultArgs {
    /// Give the encrypted outputs as they are, without what the client runs after decryption.
    #[arg(long)]
    pub(crate) raw: bool,
    /// Names of classes: one per line, or JSON; those of the plan if not given.
    #[arg(long, value_name = "FILE")]
    pub(crate) classes: Option<PathBuf>,
    /// What of the results is shown: `round`, the digits that the plan promises to be right and one more; `exact`, all of
    /// them; `argmax`, the class alone; `flood:BITS,RELEASES`, with noise that hides that of so many results up to
    /// 2^-(BITS/2).
    #[arg(long, value_name = "HOW", default_value = "round", value_parser = Release::parse)]
    pub(crate) release: Release,
}

/// Makes what the user sees of the encrypted outputs of a plan.
pub(crate) struct Results {
    tail: Tail,
    raw: bool,
    classes: Vec<String>,
    /// Names and shapes of what is shown.
    shown: Vec<(String, Vec<usize>)>,
    release: Release,
    /// Decimals of the encrypted outputs that are right.
    decimals: Vec<i32>,
}

impl Results {
    /// For a plan's client section.
    pub(crate) fn new(client: &ClientSection, args: &ResultArgs) -> Result<Self> {
        let tail = Tail::of(client)?;
        let classes = args.classes.as_deref().map_or_else(|| Ok(client.classes.clone()), read_classes)?;
        let shown = if args.raw {
            client.outputs.iter().map(|o| (o.name.clone(), o.layout.shape())).collect()
        } else {
            tail.results().iter().map(|r| (r.name.clone(), r.shape.clone())).collect()
        };
        let decimals = client.outputs.iter().map(decimals).collect();
        Ok(Self { tail, raw: args.raw, classes, shown, release: args.release, decimals })
    }

    /// Names and shapes of what is shown.
    pub(crate) fn shown(&self) -> &[(String, Vec<usize>)] {
        &self.shown
    }

    /// Names of classes; none if they are not known.
    pub(crate) fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Whether the client's part is left out.
    pub(crate) fn is_raw(&self) -> bool {
        self.raw
    }

    /// How many results are shown.
    pub(crate) fn count(&self) -> usize {
        self.shown.len()
    }

    /// What is shown of decrypted outputs, row-major.
    pub(crate) fn of(&self, raw: &[Vec<f64>]) -> Result<Vec<Vec<f64>>> {
        if self.raw { Ok(raw.to_vec()) } else { self.tail.run(raw).map_err(Error::msg) }
    }

    /// Whether the client runs something for what is shown.
    pub(crate) fn has_tail(&self) -> bool {
        !self.raw && !self.tail.steps().is_empty()
    }

    /// The class that results say.
    pub(crate) fn top1(&self, results: &[Vec<f64>]) -> usize {
        if self.raw { results.first().map_or(0, |r| largest(r)) } else { self.tail.top1(results) }
    }

    /// The name of a class; none if it has none.
    pub(crate) fn class(&self, top1: usize) -> Option<&str> {
        self.classes.get(top1).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// `3 (cat)`, or the number alone.
    pub(crate) fn class_text(&self, top1: usize) -> String {
        self.class(top1).map_or_else(|| top1.to_string(), |name| format!("{top1} ({name})"))
    }

    /// Results with their shapes, as files have them.
    pub(crate) fn shaped(&self, results: &[Vec<f64>]) -> Vec<(Vec<usize>, Vec<f64>)> {
        self.shown.iter().zip(results).map(|((_, shape), data)| (shape.clone(), data.clone())).collect()
    }

    /// Whether the class is all that is shown.
    pub(crate) fn class_alone(&self) -> bool {
        self.release == Release::ArgMax
    }

    /// Results under their stable names: numbers are flat, row-major, their extents beside them.
    pub(crate) fn json(&self, results: &[Vec<f64>]) -> Value {
        let named = self.shown.iter().zip(results);
        let outputs: Map<_, _> = named.map(|((name, _), data)| (name.clone(), json!(data))).collect();
        let shapes: Map<_, _> = self.shown.iter().map(|(name, shape)| (name.clone(), json!(shape))).collect();
        let top1 = self.top1(results);
        if self.class_alone() {
            return json!({ "top1": top1, "class": self.class(top1) });
        }
        json!({
            "output": results.first(), "outputs": outputs, "shapes": shapes,
            "top1": top1, "class": self.class(top1),
        })
    }

    /// A line for each result, if more than the class is shown.
    pub(crate) fn lines(&self, results: &[Vec<f64>]) -> Vec<String> {
        if self.class_alone() {
            return vec![];
        }
        let rounded = self.release == Release::Round && !self.has_tail();
        let digits = |k: usize| self.decimals.get(k).filter(|_| rounded).map_or(SHOWN_DECIMALS, |d| *d);
        let lines = self.shown.iter().zip(results).enumerate();
        lines.map(|(k, ((name, _), data))| line_of(name, data, digits(k))).collect()
    }
}

/// Most decimals on a line.
const SHOWN_DECIMALS: i32 = 4;

/// `name: 0.12 -3.4 …`, at most so many numbers.
pub(crate) fn line(name: &str, values: &[f64]) -> String {
    line_of(name, values, SHOWN_DECIMALS)
}

fn line_of(name: &str, values: &[f64], decimals: i32) -> String {
    const SHOWN: usize = 16;
    let decimals = decimals.clamp(0, SHOWN_DECIMALS) as usize;
    let numbers: Vec<_> = values.iter().take(SHOWN).map(|x| format!("{x:.decimals$}")).collect();
    let more = if values.len() > SHOWN { format!(" … ({} in all)", values.len()) } else { String::new() };
    format!("{name}: {}{more}", numbers.join(" "))
}
