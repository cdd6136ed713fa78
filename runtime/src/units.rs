//! What the executor runs at a time: one instruction, two bootstraps that happen together, all sums over rotations of the
//! same decomposed ciphertexts, or a sum of giant steps.
//!
//! A linear map hoists its operand, rotates it by every baby step and sums products of these rotations with plaintexts,
//! once per giant step. Executed at once, a rotation need not exist as a whole, and its key is read once. A giant step
//! need not exist either: it is added to the others as it is made.

use std::collections::{BTreeMap, BTreeSet};

use fhec_ir::schedule::{Schedule, ScheduleOp};
use fhec_ir::{Node, ValueId};

/// Instructions that are executed together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Instructions whose results only the unit itself reads: `RotateExt`, or `Giant` steps.
    pub(crate) inner: Vec<ValueId>,
    /// Instructions whose results others read: one, which adds up the giant steps if there are such, two bootstraps, or
    /// the `MulAcc` over the rotations.
    pub(crate) results: Vec<ValueId>,
    /// Values read, each once.
    pub(crate) operands: Vec<ValueId>,
}

impl Unit {
    /// Number of instructions.
    pub(crate) fn len(&self) -> usize {
        self.inner.len() + self.results.len()
    }
}

/// The units of a schedule, inputs left out, in order of their first results.
pub(crate) fn units(schedule: &Schedule) -> Vec<Unit> {
    let mut fused = rotated_sums(schedule);
    fused.extend(giant_sums(schedule));
    let inside: BTreeSet<ValueId> =
        fused.iter().flat_map(|u| u.inner.iter().chain(&u.results)).copied().collect();
    let single = schedule
        .iter()
        .filter(|(id, node)| !inside.contains(id) && !matches!(node.op, ScheduleOp::Input { .. }));
    // The second of two bootstraps comes with the first.
    let single = single.filter(|(id, _)| schedule.partner(*id).is_none_or(|other| other > *id));
    fused.extend(single.map(|(id, _)| {
        let results: Vec<ValueId> = [Some(id), schedule.partner(id)].into_iter().flatten().collect();
        let operands: BTreeSet<_> = results.iter().flat_map(|id| &schedule.node(*id).args).copied().collect();
        Unit { inner: vec![], results, operands: operands.into_iter().collect() }
    }));
    fused.sort_unstable_by_key(|u| u.results[0]);
    fused
}

/// Sums of giant steps, with those that nothing else reads.
fn giant_sums(schedule: &Schedule) -> Vec<Unit> {
    let users = schedule.users();
    let outputs: BTreeSet<ValueId> = schedule.outputs.iter().map(|o| o.value).collect();
    let is_inner = |id: &ValueId| {
        let is_giant = matches!(schedule.node(*id).op, ScheduleOp::Giant { .. });
        is_giant && users[id.index()].len() == 1 && !outputs.contains(id)
    };
    let unit = |(id, node): (ValueId, &Node<ScheduleOp>)| {
        let (inner, others): (BTreeSet<_>, BTreeSet<_>) = node.args.iter().copied().partition(is_inner);
        // One that is added twice has two uses or one user, depending on who counts.
        let once = inner.iter().all(|giant| node.args.iter().filter(|arg| *arg == giant).count() == 1);
        let read = inner.iter().map(|giant| schedule.node(*giant).args[0]);
        let operands: BTreeSet<ValueId> = others.into_iter().chain(read).collect();
        (once && !inner.is_empty()).then(|| Unit {
            inner: inner.into_iter().collect(),
            results: vec![id],
            operands: operands.into_iter().collect(),
        })
    };
    schedule.iter().filter(|(_, node)| node.op == ScheduleOp::Add).filter_map(unit).collect()
}

/// Sums that share rotations, with these.
fn rotated_sums(schedule: &Schedule) -> Vec<Unit> {
    let is_rotation = |id: &ValueId| matches!(schedule.node(*id).op, ScheduleOp::RotateExt { .. });
    let mut is_sum: Vec<bool> = schedule
        .iter()
        .map(|(_, n)| matches!(n.op, ScheduleOp::MulAcc { .. }) && n.args.iter().all(is_rotation))
        .collect();
    let users = schedule.users();
    let outputs: BTreeSet<ValueId> = schedule.outputs.iter().map(|o| o.value).collect();
    let mut sets = Sets::new(schedule.len());
    for (id, node) in schedule.iter().filter(|(id, _)| is_sum[id.index()]) {
        node.args.iter().for_each(|rotation| sets.join(id.index(), rotation.index()));
    }
    // A rotation that something else reads has to exist.
    let mut broken = BTreeSet::new();
    for id in schedule.ids().filter(|id| is_rotation(id)) {
        if outputs.contains(&id) || users[id.index()].iter().any(|user| !is_sum[user.index()]) {
            broken.insert(sets.of(id.index()));
        }
    }
    for sum in 0..is_sum.len() {
        is_sum[sum] &= !broken.contains(&sets.of(sum));
    }
    let mut by_set: BTreeMap<usize, (BTreeSet<ValueId>, Vec<ValueId>)> = BTreeMap::new();
    for (id, node) in schedule.iter().filter(|(id, _)| is_sum[id.index()]) {
        let (rotations, results) = by_set.entry(sets.of(id.index())).or_default();
        rotations.extend(&node.args);
        results.push(id);
    }
    let unit = |(rotations, results): (BTreeSet<ValueId>, Vec<ValueId>)| {
        let operands: BTreeSet<_> = rotations.iter().map(|r| schedule.node(*r).args[0]).collect();
        // Where an operand comes after a result it may depend on it.
        let independent = operands.last() < results.first();
        let (inner, operands) = (rotations.into_iter().collect(), operands.into_iter().collect());
        independent.then_some(Unit { inner, results, operands })
    };
    by_set.into_values().filter_map(unit).collect()
}

/// Disjoint sets of numbers.
struct Sets(Vec<usize>);

impl Sets {
    fn new(len: usize) -> Self {
        Self((0..len).collect())
    }

    /// The set that `x` is in.
    fn of(&mut self, mut x: usize) -> usize {
        while self.0[x] != x {
            self.0[x] = self.0[self.0[x]];
            x = self.0[x];
        }
        x
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.of(a), self.of(b));
        self.0[a] = b;
    }
}

#[cfg(test)]
mod tests {
    use fhec_ir::schedule::BootstrapHeader;
    use fhec_ir::schedule::random::{self, Options};

    use super::*;

    fn schedule(seed: u64) -> fhec_ir::Verified<Schedule> {
        let moduli = vec![2f64.powi(50), 2f64.powi(40), 2f64.powi(40), 2f64.powi(40), 2f64.powi(40)];
        let scale = 2f64.powi(40);
        let header = BootstrapHeader { level_in: 1, level_out: 4, scale, period: 16 };
        let bootstrap = Some(header).filter(|_| seed % 2 == 1);
        random::schedule(seed, &Options { slots: 16, moduli, scale, steps: 60, bootstrap })
    }

    #[test]
    fn every_instruction_is_in_one_unit_and_operands_come_before() {
        let (mut fused, mut pairs) = ([0; 2], 0);
        for seed in 0..200 {
            let schedule = schedule(seed);
            let units = units(&schedule);
            let mut made = vec![0; schedule.len()];
            units.iter().flat_map(|u| u.inner.iter().chain(&u.results)).for_each(|v| made[v.index()] += 1);
            for (id, node) in schedule.iter() {
                let is_input = matches!(node.op, ScheduleOp::Input { .. });
                assert_eq!(made[id.index()], usize::from(!is_input), "{}", schedule.describe(id));
            }
            for unit in &units {
                assert!(unit.operands.is_sorted() && unit.operands.last() < unit.results.first());
                let inside = |v: &ValueId| unit.inner.contains(v);
                let reads = unit.results.iter().flat_map(|v| &schedule.node(*v).args);
                assert!(reads.clone().all(|v| inside(v) || unit.operands.contains(v)));
                if !unit.inner.is_empty() {
                    fused[usize::from(schedule.node(unit.results[0]).op == ScheduleOp::Add)] += 1;
                }
                pairs += usize::from(unit.inner.is_empty() && unit.results.len() == 2);
            }
            // Nothing outside a unit reads what is inner.
            for unit in &units {
                let read = |v: &ValueId| unit.operands.contains(v);
                assert!(units.iter().flat_map(|u| &u.inner).all(|v| !read(v)));
            }
        }
        assert!(fused.iter().all(|n| *n > 20), "{fused:?} units of rotations and of giant steps");
        assert!(pairs > 20, "{pairs} pairs");
    }
}
