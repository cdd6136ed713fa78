//! How deep a network is.

use fhec_ir::Verified;
use fhec_ir::slot::SlotGraph;
use fhec_passes::nominal::MAX_LEVELED;
use fhec_passes::place;
use fhec_passes::{PassError, lower};

/// Whether a packed network takes more levels than are worth having without bootstraps.
///
/// # Errors
/// Of the pass `place`.
pub(crate) fn needs_bootstraps(packed: &Verified<SlotGraph>) -> Result<bool, PassError> {
    let placed = place::run(packed, &place::Config::default())?;
    Ok(lower::top_level(&placed) > MAX_LEVELED)
}
