//! How deep a network is.

use fhec_ir::Verified;
use fhec_ir::slot::SlotGraph;
use fhec_passes::place::{Config, Placer};

/// Levels that a packed network takes without bootstraps.
pub(crate) fn levels(packed: &Verified<SlotGraph>) -> u32 {
    Placer::new(packed).levels(&Config::default())
}
