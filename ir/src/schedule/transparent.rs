//! Which results hide nothing: ciphertexts that do not depend on the key, since they do not depend on an input.

use super::{Recipe, Schedule, ScheduleOp};

/// By value, whether its ciphertext may be transparent: its second polynomial is 0 whatever the inputs are, if plaintexts that are
/// `small` at a scale are encoded as 0.
pub fn transparent(schedule: &Schedule, small: &dyn Fn(&Recipe, f64) -> bool) -> Vec<bool> {
    use ScheduleOp as O;
    let mut known = Vec::with_capacity(schedule.len());
    for (_, node) in schedule.iter() {
        let all = !node.args.is_empty() && node.args.iter().all(|a| known[a.index()]);
        known.push(match &node.op {
            O::MulScalar { value, plain_scale } => all || (value * plain_scale).round() == 0.0,
            O::MulAcc { recipes, plain_scale } => {
                let vanishes = |k: usize| known[node.args[k].index()] || small(&recipes[k], *plain_scale);
                (0..node.args.len()).all(vanishes)
            }
            O::Sub => all || node.args[0] == node.args[1],
            // Refreshing adds encryptions of 0.
            O::Input { .. } | O::Bootstrap { .. } => false,
            _ => all,
        });
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ValueId;
    use crate::schedule::random;

    #[test]
    fn what_is_multiplied_by_0_or_subtracted_from_itself_hides_nothing() {
        let scale = 2f64.powi(30);
        let moduli = vec![2f64.powi(45), scale, scale];
        let options = random::Options { slots: 16, moduli, scale, steps: 0, bootstrap: None };
        let mut schedule = (*random::schedule(1, &options)).clone();
        let x = ValueId(0);
        let mut push = |op, args: &[ValueId]| schedule.push_inferred(op, args.to_vec(), "").unwrap();
        let zero = push(ScheduleOp::MulScalar { value: 0.0, plain_scale: scale }, &[x]);
        let zero = push(ScheduleOp::Rescale, &[zero]);
        let constant = push(ScheduleOp::AddScalar { value: 2.0 }, &[zero]);
        let difference = push(ScheduleOp::Sub, &[x, x]);
        let input = push(ScheduleOp::Add, &[x, difference]);
        let both = push(ScheduleOp::Add, &[difference, difference]);
        let known = transparent(&schedule, &|_, _| false);
        assert!([zero, constant, difference, both].iter().all(|v| known[v.index()]));
        assert!(!known[x.index()] && !known[input.index()]);
    }
}
