//! Chebyshev polynomials in a schedule, by the instructions that compute them.

use std::collections::{BTreeMap, HashMap};

use super::{Schedule, ScheduleOp};
use crate::ValueId;

/// The arguments of the Chebyshev polynomials that a schedule computes, by the instruction that squares them: values meant
/// to lie within [−1, 1], where all T_k do, too, and outside of which T_k grows as a k-th power.
///
/// An argument x is known by T_2(x) = 2x² − 1, lowered as x·x + x·x − 1. Polynomials T_k(x) that are themselves multiplied
/// in this way, as in T_{a+b} = 2·T_a·T_b − T_{a−b}, are no arguments.
pub fn squared_arguments(schedule: &Schedule) -> BTreeMap<ValueId, ValueId> {
    let mut squares = BTreeMap::new();
    // Of a T_k, k > 1, its argument.
    let mut argument_of: HashMap<ValueId, ValueId> = HashMap::new();
    for (id, node) in schedule.iter() {
        let doubled = match node.op {
            ScheduleOp::AddScalar { value: -1.0 } | ScheduleOp::Sub => node.args[0],
            _ => continue,
        };
        let Some((product, [a, b])) = doubled_product(schedule, doubled) else { continue };
        let known = argument_of.get(&a).or(argument_of.get(&b)).copied();
        match known {
            Some(x) => {
                argument_of.insert(id, x);
            }
            None if a == b && node.op != ScheduleOp::Sub => {
                squares.insert(product, a);
                argument_of.insert(id, a);
            }
            None => {}
        }
    }
    squares
}

/// The product p and its factors, of a sum p + p.
fn doubled_product(schedule: &Schedule, sum: ValueId) -> Option<(ValueId, [ValueId; 2])> {
    let node = schedule.node(sum);
    let [p, q] = node.args[..] else { return None };
    if node.op != ScheduleOp::Add || p != q {
        return None;
    }
    let product = undone(schedule, p, |op| {
        matches!(op, ScheduleOp::Relinearize | ScheduleOp::Rescale | ScheduleOp::RelinRescale)
    });
    let node = schedule.node(product);
    let [a, b] = node.args[..] else { return None };
    let factor = |x| undone(schedule, x, |op| matches!(op, ScheduleOp::Drop { .. }));
    (node.op == ScheduleOp::Mul).then(|| (product, [factor(a), factor(b)]))
}

/// The value before the instructions of one operand that `skipped` holds of.
fn undone(schedule: &Schedule, mut id: ValueId, skipped: impl Fn(&ScheduleOp) -> bool) -> ValueId {
    while skipped(&schedule.node(id).op) {
        id = schedule.node(id).args[0];
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{PackedValue, ScheduleHeader, random};

    /// 2ab.
    fn twice(g: &mut Schedule, a: ValueId, b: ValueId) -> (ValueId, ValueId) {
        let mut push = |op, args: &[ValueId]| g.push_inferred(op, args.to_vec(), "").unwrap();
        let product = push(ScheduleOp::Mul, &[a, b]);
        let rescaled = push(ScheduleOp::RelinRescale, &[product]);
        (product, push(ScheduleOp::Add, &[rescaled, rescaled]))
    }

    /// T_2 of a value, and the square that it takes.
    fn second(g: &mut Schedule, x: ValueId) -> (ValueId, ValueId) {
        let (square, twice) = twice(g, x, x);
        (square, g.push_inferred(ScheduleOp::AddScalar { value: -1.0 }, vec![twice], "").unwrap())
    }

    #[test]
    fn arguments_are_what_the_first_squares_are_of() {
        let scale = 2f64.powi(40);
        let packed = |name: &str| PackedValue { name: name.into(), layout: random::flat(16, 1) };
        let header = ScheduleHeader {
            slots: 16,
            moduli: [vec![2f64.powi(50)], vec![scale; 6]].concat(),
            inputs: vec![packed("x")],
            outputs: vec![packed("y")],
            ..ScheduleHeader::default()
        };
        let mut g = Schedule::new("chebyshev", header);
        let x = g.push_input(0, 0, 6, scale);
        // Squares of other kinds: x² − 1, 2x² + 1, 2x².
        let product = g.push_inferred(ScheduleOp::Mul, vec![x, x], "").unwrap();
        let square = g.push_inferred(ScheduleOp::RelinRescale, vec![product], "").unwrap();
        g.push_inferred(ScheduleOp::AddScalar { value: -1.0 }, vec![square], "").unwrap();
        let doubled = g.push_inferred(ScheduleOp::Add, vec![square, square], "").unwrap();
        g.push_inferred(ScheduleOp::AddScalar { value: 1.0 }, vec![doubled], "").unwrap();
        assert!(squared_arguments(&g).is_empty());

        // T_2, T_3 and with it T_6, T_4, of x at a lower level.
        let lower = g.push_inferred(ScheduleOp::Drop { level: 5 }, vec![x], "").unwrap();
        let (of_x, t2) = second(&mut g, lower);
        let again = g.push_inferred(ScheduleOp::Drop { level: 4 }, vec![x], "").unwrap();
        let (_, twice) = twice(&mut g, t2, again);
        let low = g.push_inferred(ScheduleOp::Drop { level: 3 }, vec![x], "").unwrap();
        let t3 = g.push_inferred(ScheduleOp::Sub, vec![twice, low], "").unwrap();
        let (_, t6) = second(&mut g, t3);
        second(&mut g, t2);
        // A polynomial in the sum of what the first one computes.
        let t2 = g.push_inferred(ScheduleOp::Drop { level: 2 }, vec![t2], "").unwrap();
        let sum = g.push_inferred(ScheduleOp::Add, vec![t2, t6], "").unwrap();
        let (of_sum, _) = second(&mut g, sum);
        assert_eq!(squared_arguments(&g), BTreeMap::from([(of_x, x), (of_sum, sum)]));
    }
}
