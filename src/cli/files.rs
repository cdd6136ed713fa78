//! Reading plans and client files.

use std::path::Path;

use anyhow::{Context as _, Result};
use fhec_ir::plan::{ClientSpec, Plan, PlanId};

/// Reads a plan; every error names the file.
pub(crate) fn load_plan(path: &Path) -> Result<(Plan, PlanId)> {
    Plan::load(path).with_context(|| path.display().to_string())
}

/// Reads a client file or the client's part of a plan; every error names the file.
pub(crate) fn load_spec(path: &Path) -> Result<ClientSpec> {
    ClientSpec::load(path).with_context(|| path.display().to_string())
}
