//! Instruction order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fhec_ir::schedule::Schedule;
use fhec_ir::schedule::interp::remaining_uses;
use fhec_ir::{ValueId, Verified, Violations, verify};

use crate::cost::CostModel;
use crate::memory::peak_bytes;

/// List scheduling: among the instructions whose operands exist, always the one that leaves the least memory
/// occupied; among equals, and among those that all need more, the earliest of the given order, which follows the
/// layers. The given order is kept if that is no better.
///
/// # Errors
/// None for a schedule that holds its invariants; the type is the verifier's.
pub fn order(schedule: Verified<Schedule>, costs: &CostModel<'_>) -> Result<Verified<Schedule>, Violations> {
    let before = peak_bytes(&schedule, costs);
    let ordered = permuted(&schedule, &sequence(&schedule, costs));
    if peak_bytes(&ordered, costs) < before { verify(ordered) } else { Ok(schedule) }
}

fn sequence(schedule: &Schedule, costs: &CostModel<'_>) -> Vec<ValueId> {
    let users = schedule.users();
    let mut uses = remaining_uses(schedule);
    // What happens together stands for the first of both here.
    let first = |id: ValueId| schedule.partner(id).map_or(id, |other| id.min(other));
    let mut missing = vec![0; schedule.len()];
    schedule.iter().for_each(|(id, n)| missing[first(id).index()] += n.args.len());
    let mut ready = Ready::default();
    let bytes = |id: ValueId| costs.value_bytes(*schedule.ty(id)) as i64;
    let group = |id: ValueId| [Some(id), schedule.partner(id)].into_iter().flatten();
    let growth = |id: ValueId, uses: &[usize]| {
        let mut args: Vec<_> = group(id).flat_map(|id| schedule.node(id).args.clone()).collect();
        args.sort_unstable();
        let freed = args.chunk_by(|a, b| a == b).filter(|same| uses[same[0].index()] == same.len());
        group(id).map(bytes).sum::<i64>() - freed.map(|same| bytes(same[0])).sum::<i64>()
    };
    for (id, _) in schedule.iter().filter(|(_, n)| n.args.is_empty()) {
        // Inputs are there whatever the order.
        ready.push(id, i64::MIN);
    }
    let mut sequence = Vec::with_capacity(schedule.len());
    while let Some(id) = ready.pop() {
        sequence.extend(group(id));
        for arg in group(id).flat_map(|id| &schedule.node(id).args) {
            uses[arg.index()] -= 1;
            // Its last reader may now be worth more.
            for user in users[arg.index()].iter().filter(|_| uses[arg.index()] <= 2).map(|u| first(*u)) {
                if missing[user.index()] == 0 && !ready.done(user) {
                    ready.push(user, growth(user, &uses));
                }
            }
        }
        for user in group(id).flat_map(|id| &users[id.index()]).map(|u| first(*u)) {
            missing[user.index()] -= 1;
            if missing[user.index()] == 0 {
                ready.push(user, growth(user, &uses));
            }
        }
    }
    sequence
}

/// Ready instructions: those that free memory by how much, then the others in order.
#[derive(Default)]
struct Ready {
    heap: BinaryHeap<Reverse<(i64, ValueId)>>,
    taken: std::collections::HashSet<ValueId>,
}

impl Ready {
    fn push(&mut self, id: ValueId, growth: i64) {
        self.heap.push(Reverse((growth.min(1), id)));
    }

    fn done(&self, id: ValueId) -> bool {
        self.taken.contains(&id)
    }

    /// The best one; older entries of an instruction that was pushed again are skipped.
    fn pop(&mut self) -> Option<ValueId> {
        while let Some(Reverse((_, id))) = self.heap.pop() {
            if self.taken.insert(id) {
                return Some(id);
            }
        }
        None
    }
}

/// The schedule with its nodes in another topological order.
fn permuted(schedule: &Schedule, sequence: &[ValueId]) -> Schedule {
    let mut new = Schedule::new(schedule.name.clone(), schedule.header.clone());
    new.constants = schedule.constants.clone();
    let mut renamed = vec![ValueId(0); schedule.len()];
    for &id in sequence {
        let node = schedule.node(id).clone();
        let args = node.args.iter().map(|a| renamed[a.index()]).collect();
        renamed[id.index()] = new.push(node.op, args, node.ty, node.name);
    }
    for output in &schedule.outputs {
        new.add_output(output.name.clone(), renamed[output.value.index()]);
    }
    new
}
