//! How deep a network is.

use fhec_ir::Verified;
use fhec_ir::slot::SlotGraph;
use fhec_passes::nominal::MAX_LEVELED;
use fhec_passes::place::{Config, Placer};

/// Whether a packed network takes more levels than are worth having without bootstraps.
pub(crate) fn needs_bootstraps(packed: &Verified<SlotGraph>) -> bool {
    Placer::new(packed).levels(&Config::default()) > MAX_LEVELED
}
