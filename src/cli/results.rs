//! What a client makes of decrypted outputs, and how it is shown.

use std::path::PathBuf;

use anyhow::{Error, Result};
use clap::Args;
use fhec_ir::plan::{ClientSection, Tail, largest};
use serde_json::{Map, Value, json};

use super::files::read_classes;

/// How results are shown.
#[derive(Args)]
pub(crate) struct ResultArgs {
    /// Give the encrypted outputs as they are, without what the client runs after decryption.
    #[arg(long)]
    pub(crate) raw: bool,
    /// Names of classes: one per line, or JSON; those of the plan if not given.
    #[arg(long, value_name = "FILE")]
    pub(crate) classes: Option<PathBuf>,
}

/// Makes what the user sees of the encrypted outputs of a plan.
pub(crate) struct Results {
    tail: Tail,
    raw: bool,
    classes: Vec<String>,
    /// Names and shapes of what is shown.
    shown: Vec<(String, Vec<usize>)>,
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
        Ok(Self { tail, raw: args.raw, classes, shown })
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

    /// Results under their stable names: numbers are flat, row-major, their extents beside them.
    pub(crate) fn json(&self, results: &[Vec<f64>]) -> Value {
        let named = self.shown.iter().zip(results);
        let outputs: Map<_, _> = named.map(|((name, _), data)| (name.clone(), json!(data))).collect();
        let shapes: Map<_, _> = self.shown.iter().map(|(name, shape)| (name.clone(), json!(shape))).collect();
        let top1 = self.top1(results);
        json!({
            "output": results.first(), "outputs": outputs, "shapes": shapes,
            "top1": top1, "class": self.class(top1),
        })
    }

    /// A line for each result.
    pub(crate) fn lines(&self, results: &[Vec<f64>]) -> Vec<String> {
        self.shown.iter().zip(results).map(|((name, _), data)| line(name, data)).collect()
    }
}

/// `name: 0.12 -3.4 …`, at most so many numbers.
pub(crate) fn line(name: &str, values: &[f64]) -> String {
    const SHOWN: usize = 16;
    let numbers: Vec<_> = values.iter().take(SHOWN).map(|x| format!("{x:.4}")).collect();
    let more = if values.len() > SHOWN { format!(" … ({} in all)", values.len()) } else { String::new() };
    format!("{name}: {}{more}", numbers.join(" "))
}
