//! Extraction is exact: it agrees with brute force on small random problems.

use fhec_ir::tensor::random::Rng;
use fhec_passes::place::extract::{Alternative, Class, Problem, needed_levels, solve};

#[test]
fn extraction_agrees_with_brute_force() {
    for seed in 0..400 {
        let problem = random_problem(&mut Rng(seed));
        let best = brute_force(&problem);
        let solution = solve(&problem, usize::MAX);
        assert!((solution.price - best).abs() < 1e-9, "seed {seed}: {} {best}\n{problem:#?}", solution.price);
        assert_eq!(
            price_of(&problem, &solution.chosen, &solution.levels),
            Some(solution.price),
            "seed {seed}"
        );
    }
}

fn random_problem(rng: &mut Rng) -> Problem {
    let mut below = |n: usize| {
        // SplitMix64
        rng.0 = rng.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = rng.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    };
    let count = 3 + below(3);
    let mut classes =
        vec![Class { alternatives: vec![Alternative { children: vec![], depth: 0, rotations: 0.1 }] }];
    for c in 1..count {
        let alternatives = (0..1 + below(2)).map(|_| {
            let mut children: Vec<usize> = (0..1 + below(2)).map(|_| below(c)).collect();
            children.sort_unstable();
            children.dedup();
            Alternative { children, depth: below(3) as u32, rotations: 1.0 + below(20) as f64 }
        });
        classes.push(Class { alternatives: alternatives.collect() });
    }
    Problem { classes, outputs: vec![count - 1], price: |level| 1.0 + f64::from(level * level) }
}

/// Price of a complete assignment, None if it is not valid.
fn price_of(problem: &Problem, chosen: &[Option<usize>], levels: &[u32]) -> Option<f64> {
    let need = needed_levels(problem);
    let mut price = 0.0;
    for (c, class) in problem.classes.iter().enumerate() {
        let Some(k) = chosen[c] else {
            if problem.outputs.contains(&c) {
                return None;
            }
            continue;
        };
        let a = &class.alternatives[k];
        let executes = levels[c] + a.depth;
        if a.children.iter().any(|child| chosen[*child].is_none() || levels[*child] < executes) {
            return None;
        }
        if levels[c] < need[c] || (a.children.is_empty() && levels[c] > need[c]) {
            return None;
        }
        price += a.rotations * (problem.price)(executes);
    }
    Some(price)
}

fn brute_force(problem: &Problem) -> f64 {
    let top = needed_levels(problem).into_iter().max().unwrap();
    let options: Vec<Vec<(Option<usize>, u32)>> = problem
        .classes
        .iter()
        .map(|class| {
            let computed = (0..class.alternatives.len()).flat_map(|k| (0..=top).map(move |l| (Some(k), l)));
            computed.chain([(None, 0)]).collect()
        })
        .collect();
    let mut best = f64::INFINITY;
    let mut at = vec![0; options.len()];
    loop {
        let picks: Vec<_> = at.iter().zip(&options).map(|(i, o)| o[*i]).collect();
        let (chosen, levels): (Vec<_>, Vec<_>) = picks.into_iter().unzip();
        if let Some(price) = price_of(problem, &chosen, &levels) {
            best = best.min(price);
        }
        let Some(k) = (0..at.len()).find(|k| at[*k] + 1 < options[*k].len()) else { return best };
        at[..k].fill(0);
        at[k] += 1;
    }
}
