//! Plans that share rotation steps, and so rotation keys.

use std::collections::{BTreeSet, HashMap};

use fhec_ir::slot::{MapPlan, SlotOp};

use crate::maps::{Candidates, rotation_steps};

/// Rounds over all kinds of maps; they settle earlier as a rule.
const ROUNDS: usize = 4;

/// Rotation steps of an op that are not a matter of choice.
pub(super) fn fixed(op: &SlotOp) -> Vec<u32> {
    match op {
        SlotOp::ShiftSum { shifts, .. } => {
            shifts.iter().flat_map(|s| (0..s.extent.ilog2()).map(|k| (s.stride << k) as u32)).collect()
        }
        SlotOp::Linear(map) => map.plan.iter().flat_map(|p| rotation_steps(p, map.output.slots)).collect(),
        _ => vec![],
    }
}

/// A plan for each kind of maps, of `counts` maps each, from its candidates. All begin with their first one; then one kind
/// after the other takes what is cheapest beside the others, each rotation step that no other one has at the price `key`.
/// Steps are those of ciphertexts of `slots` slots.
pub(super) fn shared(
    candidates: Vec<Candidates>,
    counts: &[usize],
    fixed: impl Iterator<Item = u32>,
    (key, slots): (f64, usize),
) -> Vec<MapPlan> {
    let steps: Vec<Vec<BTreeSet<u32>>> = candidates
        .iter()
        .map(|plans| plans.iter().map(|(plan, _)| rotation_steps(plan, slots)).collect())
        .collect();
    let mut uses: HashMap<u32, usize> = HashMap::new();
    fixed.for_each(|step| *uses.entry(step).or_default() += 1);
    let mut chosen = vec![0; candidates.len()];
    for steps in &steps {
        steps[0].iter().for_each(|step| *uses.entry(*step).or_default() += 1);
    }
    for _ in 0..ROUNDS {
        let before = chosen.clone();
        for (k, steps) in steps.iter().enumerate() {
            for step in &steps[chosen[k]] {
                *uses.entry(*step).or_default() -= 1;
            }
            let price = |at: &usize| {
                let new = steps[*at].iter().filter(|step| uses.get(step).is_none_or(|n| *n == 0)).count();
                candidates[k][*at].1 * counts[k] as f64 + key * new as f64
            };
            let best = (0..steps.len()).min_by(|a, b| price(a).total_cmp(&price(b)));
            chosen[k] = best.expect("every map has a plan");
            for step in &steps[chosen[k]] {
                *uses.entry(*step).or_default() += 1;
            }
        }
        if chosen == before {
            break;
        }
    }
    candidates.into_iter().zip(chosen).map(|(mut plans, at)| plans.swap_remove(at).0).collect()
}

/// The plan that is cheapest beside others with these rotation steps.
pub(super) fn beside(
    mut candidates: Candidates,
    known: &BTreeSet<u32>,
    (key, slots): (f64, usize),
) -> MapPlan {
    let price = |(plan, price): &(MapPlan, f64)| {
        price + key * rotation_steps(plan, slots).difference(known).count() as f64
    };
    let best = (0..candidates.len()).min_by(|a, b| price(&candidates[*a]).total_cmp(&price(&candidates[*b])));
    candidates.swap_remove(best.expect("every map has a plan")).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhec_ir::layout::Factor;
    use fhec_ir::slot::Product;

    fn plan(babies: &[u32], sums: &[usize]) -> MapPlan {
        let product = |&baby| Product { out_ct: 0, giant: 0, operand: 0, in_ct: 0, baby };
        let reduce = sums.iter().map(|&stride| Factor { extent: 2, stride }).collect();
        MapPlan { products: babies.iter().map(product).collect(), reduce, fold: 0 }
    }

    #[test]
    fn a_dearer_plan_wins_if_others_have_its_keys() {
        let one = vec![(plan(&[0, 1, 2, 3], &[8]), 1.0)];
        let two = vec![(plan(&[0, 5, 6, 7], &[]), 1.0), (plan(&[0, 1, 2, 8], &[]), 1.5)];
        let chosen = |counts: &[usize], key, fixed: Vec<u32>| {
            let plans = shared(vec![one.clone(), two.clone()], counts, fixed.into_iter(), (key, 64));
            assert_eq!(plans[0], one[0].0);
            two.iter().position(|(plan, _)| *plan == plans[1]).unwrap()
        };
        assert_eq!(chosen(&[1, 1], 0.1, vec![]), 0, "three keys for 0.3");
        assert_eq!(chosen(&[1, 1], 0.2, vec![]), 1, "three keys for 0.6");
        assert_eq!(chosen(&[1, 2], 0.2, vec![]), 0, "twice the loss");
        assert_eq!(chosen(&[1, 1], 0.2, vec![6]), 0, "one of them is there");
        assert_eq!(rotation_steps(&one[0].0, 64), BTreeSet::from([1, 2, 3, 8]));
        let mut halved = one[0].0.clone();
        halved.products.push(Product { giant: 16, ..halved.products[1] });
        assert_eq!(rotation_steps(&halved, 64), BTreeSet::from([1, 2, 3, 8, 16]));
        halved.products.push(Product { giant: 36, ..halved.products[1] });
        halved.fold = 20;
        assert_eq!(rotation_steps(&halved, 64), BTreeSet::from([1, 2, 3, 8, 16, 20, 64, 84]));
    }
}
