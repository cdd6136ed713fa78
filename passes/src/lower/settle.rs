//! Rounds of lowering, until all scales meet.

use std::collections::BTreeSet;

use fhec_ir::schedule::{Schedule, ScheduleType};
use fhec_ir::slot::SlotGraph;
use fhec_ir::{ValueId, Verified};

use super::config::{Config, PASS};
use super::lowering::Lowering;
use super::ops::{Outcome, Stop};
use super::refreshed::{self, Refreshed};
use super::room::{self, Stray};
use super::scales::{self, Edge, Edges, Targets};
use crate::PassError;

/// Lowering under some decisions on scales.
pub(super) struct Round<'g> {
    pub graph: &'g Verified<SlotGraph>,
    pub config: &'g Config,
    /// Operands that get a scale of their own, for a level that they have to spare.
    pub freed: Edges,
    /// Bootstraps whose operands get their scale before those of others.
    pub urgent: Vec<ValueId>,
}

/// What came of the decisions.
pub(super) enum Settled {
    Schedule(Box<Schedule>),
    /// Try again with this operand freed.
    Free(Edge),
    /// Try again with this bootstrap first.
    Urgent(ValueId),
}

impl Round<'_> {
    /// Lowers until all additions meet.
    pub(super) fn settle(&self) -> Result<Settled, PassError> {
        let mut targets = Targets::new(self.graph, &self.freed);
        let mut asked = false;
        let (mut raised, mut nudges) = (BTreeSet::new(), 0);
        // Every pass that ends early settles one addition for good, and nudges are counted, so there is an end.
        loop {
            match Lowering::new(self.graph, self.config, &targets, &self.freed).run() {
                Err(Stop::Refused(error)) => return Err(error),
                Err(Stop::Scales { at, ratio }) => {
                    let args = &self.graph.node(at).args;
                    if targets.make_meet(args[0], args[1], ratio) {
                        continue;
                    }
                    return scales::spare(self.graph, &self.freed, at).map(Settled::Free).ok_or_else(|| {
                        let reason = format!(
                            "its operands' scales differ by a factor of {ratio} that nothing can absorb"
                        );
                        PassError::at(PASS, self.graph, at, reason)
                    });
                }
                Ok(Outcome { schedule, refreshed, types }) => {
                    if let Some(stray) = room::stray(self.config, &types, &raised) {
                        nudges += 1;
                        let moved = nudges <= MAX_NUDGES && targets.nudge(stray.id, stray.by);
                        if stray.by < 1.0 {
                            raised.insert(stray.id);
                            continue;
                        }
                        if moved {
                            continue;
                        }
                        return Err(self.no_room(stray, types[stray.id.index()]));
                    }
                    if asked || refreshed.iter().all(Refreshed::fits_well) {
                        return self.judge(schedule, &refreshed);
                    }
                    asked = true;
                    refreshed::ask(&mut targets, refreshed, &self.urgent);
                }
            }
        }
    }

    /// That a value does not fit, whatever the scales are.
    fn no_room(&self, stray: Stray, ty: ScheduleType) -> PassError {
        PassError::Room {
            node: self.graph.describe(stray.id),
            range: self.config.ranges[stray.id.index()],
            scale_bits: ty.scale.log2(),
            level: ty.level,
            missing: stray.by.log2(),
        }
    }

    /// Accepts a schedule whose additions meet, or says what may bring the bootstraps' operands closer to their scales.
    fn judge(&self, schedule: Schedule, refreshed: &[Refreshed]) -> Result<Settled, PassError> {
        for r in refreshed.iter().filter(|r| !r.fits() || r.lost_bits() > MAX_LOST_BITS) {
            if let Some(edge) = scales::spare_before(self.graph, &self.freed, r.operand) {
                return Ok(Settled::Free(edge));
            }
            if r.fits() {
                let place = self.graph.describe(r.id);
                tracing::warn!(
                    "lower: {place} loses {:.0} bits, its operand's scale is bound",
                    r.lost_bits()
                );
            } else if !self.urgent.contains(&r.id) {
                return Ok(Settled::Urgent(r.id));
            } else {
                let reason = format!(
                    "its operand's scale is {:.1} bits too high for its range, and bound by other values",
                    -r.lost_bits()
                );
                return Err(PassError::at(PASS, self.graph, r.id, reason));
            }
        }
        Ok(Settled::Schedule(Box::new(schedule)))
    }
}

/// Bits by which the scale of a bootstrap's operand may fall short before something is done about it.
const MAX_LOST_BITS: f64 = 3.0;

/// Changes of scales for the sake of room, over all rounds: each settles a value unless another one moves it again.
const MAX_NUDGES: usize = 256;
