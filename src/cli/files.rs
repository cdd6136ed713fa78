//! Reading networks, plans, client files, and names of classes.

use std::path::Path;

use anyhow::{Context as _, Result};
#[cfg(feature = "compiler")]
use fhec_frontend::{Import, ImportError};
use fhec_ir::plan::{ClientSpec, Plan, PlanError, PlanId};

use super::kind;
#[cfg(feature = "compiler")]
use super::shapes::ShapeArgs;

/// Reads a plan; every error names the file.
pub(crate) fn load_plan(path: &Path) -> Result<(Plan, PlanId)> {
    named(Plan::load(path), path, false)
}

/// Reads a client file or the client's part of a plan; every error names the file.
pub(crate) fn load_spec(path: &Path) -> Result<ClientSpec> {
    named(ClientSpec::load(path), path, true)
}

/// Puts the file before an error; says what it is if it is none of ours.
fn named<T>(read: Result<T, PlanError>, path: &Path, client: bool) -> Result<T> {
    let read = read.map_err(|error| match error {
        PlanError::Magic { .. } => anyhow::Error::msg(kind::no_plan(path, client)),
        error => error.into(),
    });
    read.with_context(|| path.display().to_string())
}

/// Reads a network; every error names the file.
#[cfg(feature = "compiler")]
pub(crate) fn import(model: &Path, shapes: &ShapeArgs) -> Result<Import> {
    if let Some(reason) = kind::no_network(model) {
        return Err(anyhow::Error::msg(reason).context(model.display().to_string()));
    }
    fhec_frontend::import(model, &shapes.options()).map_err(|error| match error {
        ImportError::Io { .. } => error.into(),
        error => anyhow::Error::new(error).context(model.display().to_string()),
    })
}

/// Longest file of names of classes, in bytes.
#[cfg(any(feature = "compiler", feature = "client"))]
const MAX_CLASSES_FILE: u64 = 1 << 24;

/// Reads names of classes.
#[cfg(any(feature = "compiler", feature = "client"))]
pub(crate) fn read_classes(path: &Path) -> Result<Vec<String>> {
    let read = || {
        let size = std::fs::metadata(path)?.len();
        if size > MAX_CLASSES_FILE {
            anyhow::bail!("{size} bytes are too many for names of classes");
        }
        let bytes = std::fs::read(path)?;
        let text = String::from_utf8(bytes).context("this is no text in UTF-8")?;
        fhec_ir::plan::parse_classes(&text).map_err(anyhow::Error::msg)
    };
    let names = read().with_context(|| path.display().to_string())?;
    if names.is_empty() {
        anyhow::bail!("{}: it holds no names of classes", path.display());
    }
    Ok(names)
}
