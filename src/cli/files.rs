//! Reading networks, plans and client files.

use std::path::Path;

use anyhow::{Context as _, Result};
#[cfg(feature = "compiler")]
use fhec_frontend::{Import, ImportError};
use fhec_ir::plan::{ClientSpec, Plan, PlanId};

/// Reads a plan; every error names the file.
pub(crate) fn load_plan(path: &Path) -> Result<(Plan, PlanId)> {
    Plan::load(path).with_context(|| path.display().to_string())
}

/// Reads a client file or the client's part of a plan; every error names the file.
pub(crate) fn load_spec(path: &Path) -> Result<ClientSpec> {
    ClientSpec::load(path).with_context(|| path.display().to_string())
}

/// Reads a network; every error names the file.
#[cfg(feature = "compiler")]
pub(crate) fn import(model: &Path) -> Result<Import> {
    fhec_frontend::import(model, &fhec_frontend::Options::default()).map_err(|error| match error {
        ImportError::Io { .. } => error.into(),
        error => anyhow::Error::new(error).context(model.display().to_string()),
    })
}
