//! One or many inputs to work on.

use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Error, Result, bail};
use fhec_ir::plan::ClientInput;
use fhec_runtime::input::DataSet;

use super::Context;
use super::records::{DataArgs, range, remark_assumed};

/// One input to work on.
pub(crate) struct Task {
    /// What the input is called.
    pub(crate) name: String,
    /// What it should be.
    pub(crate) label: Option<usize>,
    pub(crate) data: Rc<DataSet>,
    pub(crate) record: usize,
}

/// Inputs that are not to be had, by name, and why.
pub(crate) struct Failed {
    pub(crate) name: String,
    pub(crate) error: Error,
}

/// What is asked for: files with which of their records, and labels.
pub(crate) struct Asked<'a> {
    pub(crate) files: &'a [String],
    pub(crate) range: Option<Range<usize>>,
    pub(crate) labels: Option<&'a Path>,
    pub(crate) data: DataArgs,
}

impl Asked<'_> {
    /// All inputs; what cannot be opened, unless it is all there is.
    pub(crate) fn open(&self, inputs: &[ClientInput], context: &Context) -> Result<(Vec<Task>, Vec<Failed>)> {
        // Of a network with several inputs all files are one.
        let each = if inputs.len() == 1 { 1 } else { self.files.len() };
        let groups: Vec<&[String]> = self.files.chunks(each).collect();
        if groups.len() > 1 && (self.range.is_some() || self.labels.is_some()) {
            bail!("--range and --labels are for one --input");
        }
        let types = self.data.planned(inputs)?;
        let (mut tasks, mut failed) = (vec![], vec![]);
        for files in &groups {
            let open = || {
                let set = self.data.open_labelled(types.clone(), files, self.labels)?;
                let range = range(&set, self.range.clone())?;
                Ok((Rc::new(set), range))
            };
            match open() {
                Ok((data, range)) => tasks.extend(range.map(|record| {
                    let (name, label) = (data.name(record), data.label(record));
                    Task { name, label, data: data.clone(), record }
                })),
                Err(error) if groups.len() == 1 => return Err(error),
                Err(error) => {
                    context.report(&error);
                    failed.push(Failed { name: files.join(" "), error });
                }
            }
        }
        if tasks.is_empty() {
            bail!("all of {} inputs failed", failed.len());
        }
        if let [only] = &tasks[..] {
            // Better now than after keys were made.
            only.data.tensors(only.record)?;
        }
        if let Some(task) = tasks.iter().find(|t| t.data.byte_inputs().next().is_some()) {
            remark_assumed(&task.data, context);
        }
        Ok((tasks, failed))
    }
}
