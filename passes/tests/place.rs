//! Extraction is exact: it agrees with brute force on small random problems.

use fhec_ir::tensor::random::Rng;
use fhec_passes::place::LevelPrices;
use fhec_passes::place::extract::{
    Alternative, Bootstraps, EClass, Problem, Solution, naive, needed_levels, solve,
};

#[test]
fn extraction_agrees_with_brute_force() {
    for seed in 0..400 {
        let problem = random_problem(&mut Rng(seed));
        let best = brute_force(&problem);
        let solution = solve(&problem, usize::MAX).unwrap();
        assert!((solution.price - best).abs() < 1e-9, "seed {seed}: {} {best}\n{problem:#?}", solution.price);
        assert_eq!(
            price_of(&problem, &solution.chosen, &solution.levels),
            Some(solution.price),
            "seed {seed}"
        );
    }
}

/// Every choice of alternatives, by e-class.
fn choices(problem: &Problem) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for class in &problem.classes {
        let with = |choice: &Vec<usize>| {
            let choice = choice.clone();
            (0..class.alternatives.len()).map(move |k| [&choice[..], &[k]].concat()).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with).collect();
    }
    all
}

/// Inputs arrive at the least level that any choice of alternatives needs, and no choice can do with less of what others
/// are said to need.
#[test]
fn needed_levels_are_the_least() {
    let mut optional = 0;
    for seed in 0..400 {
        let problem = random_problem(&mut Rng(seed));
        let need = needed_levels(&problem);
        let mut input = u32::MAX;
        for choice in choices(&problem) {
            let mut levels: Vec<Option<u32>> = vec![None; choice.len()];
            problem.outputs.iter().for_each(|o| levels[*o] = Some(0));
            for c in (0..choice.len()).rev() {
                let Some(level) = levels[c] else { continue };
                let a = &problem.classes[c].alternatives[choice[c]];
                a.children.iter().for_each(|x| levels[*x] = levels[*x].max(Some(level + a.depth)));
            }
            optional += levels.iter().filter(|level| level.is_none()).count();
            input = input.min(levels[0].unwrap_or(u32::MAX));
            for c in 1..choice.len() {
                assert!(levels[c].is_none_or(|level| level >= need[c]), "seed {seed}, {c}\n{problem:#?}");
            }
        }
        assert!(input == u32::MAX || input == need[0], "seed {seed}: {input} {need:?}\n{problem:#?}");
    }
    assert!(optional > 100, "{optional}");
}

fn below(rng: &mut Rng, n: usize) -> usize {
    // SplitMix64
    rng.0 = rng.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = rng.0;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) % n as u64) as usize
}

fn random_problem(rng: &mut Rng) -> Problem {
    let mut below = |n: usize| below(rng, n);
    let count = 3 + below(3);
    let mut classes = vec![EClass { alternatives: vec![alternative(vec![], 0, 0.1)] }];
    for c in 1..count {
        let alternatives = (0..1 + below(2)).map(|_| {
            let mut children: Vec<usize> = (0..1 + below(2)).map(|_| below(c)).collect();
            children.sort_unstable();
            children.dedup();
            let depth = below(3) as u32;
            alternative(children, depth, 1.0 + below(20) as f64)
        });
        classes.push(EClass { alternatives: alternatives.collect() });
    }
    Problem {
        classes,
        outputs: vec![count - 1],
        price: LevelPrices::new((0..64).map(square)),
        bootstraps: None,
    }
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
        price += a.rotations * problem.price.at(executes);
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

fn square(level: u32) -> f64 {
    1.0 + f64::from(level * level)
}

fn alternative(children: Vec<usize>, depth: u32, rotations: f64) -> Alternative {
    Alternative { children, depth, headroom: 0, rotations }
}

#[test]
fn extraction_with_bootstraps_agrees_with_brute_force() {
    let (mut with, mut impossible, mut several, mut together) = (0, 0, 0, 0);
    for seed in 0..1000 {
        let mut rng = Rng(seed);
        let problem = match seed % 5 {
            0 => residual(&mut rng),
            1 => crossed(&mut rng),
            2 => composed(&mut rng),
            _ => bounded(&mut rng),
        };
        let mut best = Best { price: f64::INFINITY, bootstraps: 0 };
        Oracle { problem: &problem, picks: vec![], best: &mut best }.walk(0.0);
        let Some(solution) = solve(&problem, usize::MAX) else {
            assert!(best.price.is_infinite(), "seed {seed}: {problem:#?}");
            impossible += 1;
            continue;
        };
        assert!(
            (solution.price - best.price).abs() < 1e-9,
            "seed {seed}: {solution:?} {best:?}\n{problem:#?}"
        );
        let bootstraps = solution.bootstrapped.iter().filter(|b| **b).count();
        assert_eq!(bootstraps, best.bootstraps, "seed {seed}: {problem:#?}");
        assert!(is_valid(&problem, &solution), "seed {seed}: {solution:?}\n{problem:#?}");
        assert!(naive(&problem).is_none_or(|n| n.price >= solution.price - 1e-9), "seed {seed}");
        with += usize::from(bootstraps > 0);
        several += usize::from(bootstraps > 1);
        together += usize::from(solution.together.iter().any(Option::is_some));
    }
    println!("{with} with bootstraps, {several} with several, {together} with two at once");
    assert!(with > 400 && several > 200 && impossible > 40, "{with} {several} {impossible}");
    assert!(together > 50, "{together}");
}

/// A random problem with bootstraps that give one to three levels; some e-classes may not be bootstrapped.
fn bounded(rng: &mut Rng) -> Problem {
    let mut problem = random_problem(rng);
    for class in problem.classes.iter_mut().skip(1) {
        class.alternatives.iter_mut().for_each(|a| a.headroom = u32::from(below(rng, 8) == 0));
    }
    let count = problem.classes.len();
    let price = |rng: &mut Rng| match below(rng, 8) {
        0 => f64::INFINITY,
        _ => below(rng, 60) as f64,
    };
    let prices: Vec<f64> = (0..count).map(|_| price(rng)).collect();
    let levels = 1 + below(rng, 3) as u32;
    let shares = shares(rng, &prices);
    problem.bootstraps = Some(Bootstraps { levels, floor: below(rng, 2) as u32, prices, shares });
    problem
}

/// Parts of the prices that e-classes pay when two are bootstrapped together: none may, or most may.
fn shares(rng: &mut Rng, prices: &[f64]) -> Vec<f64> {
    let none = below(rng, 3) == 0;
    let mut share = |price: f64| match below(rng, 6) {
        0 => f64::INFINITY,
        k => price * (0.4 + 0.1 * k as f64),
    };
    prices.iter().map(|price| if none { f64::INFINITY } else { share(*price) }).collect()
}

/// Blocks of two layers and a join with what the block began with.
fn residual(rng: &mut Rng) -> Problem {
    let mut classes = vec![EClass { alternatives: vec![alternative(vec![], 0, 0.1)] }];
    let mut push = |children: Vec<usize>, depth: u32, rotations: usize| {
        classes.push(EClass { alternatives: vec![alternative(children, depth, rotations as f64)] });
        classes.len() - 1
    };
    let mut x = 0;
    for _ in 0..2 {
        let a = push(vec![x], 1 + below(rng, 2) as u32, 1 + below(rng, 20));
        let b = push(vec![a], 1, 1 + below(rng, 20));
        x = push(vec![x, b], 0, 1);
    }
    let prices: Vec<f64> = (0..classes.len()).map(|_| 1.0 + below(rng, 100) as f64).collect();
    let shares = shares(rng, &prices);
    let bootstraps = Some(Bootstraps { levels: 2 + below(rng, 2) as u32, floor: 0, prices, shares });
    Problem {
        outputs: vec![classes.len() - 1],
        classes,
        price: LevelPrices::new((0..64).map(square)),
        bootstraps,
    }
}

/// Blocks of two layers, the second of which reads what the block began with too, at one price for all bootstraps.
fn crossed(rng: &mut Rng) -> Problem {
    let mut classes = vec![EClass { alternatives: vec![alternative(vec![], 0, 0.1)] }];
    for _ in 0..3 {
        let x = classes.len() - 1;
        for children in [vec![x], vec![x, x + 1]] {
            let rotations = 1 + below(rng, 10);
            classes.push(EClass { alternatives: vec![alternative(children, 1, rotations as f64)] });
        }
    }
    let (levels, price) = (2 + below(rng, 2) as u32, 40.0 + below(rng, 60) as f64);
    let prices = vec![price; classes.len()];
    let shares = vec![price * (0.5 + 0.05 * below(rng, 5) as f64); classes.len()];
    let bootstraps = Some(Bootstraps { levels, floor: 0, prices, shares });
    let price = LevelPrices::new((0..64).map(|level| 1.0 + f64::from(level)));
    Problem { outputs: vec![classes.len() - 1], classes, price, bootstraps }
}

/// Layers one after the other, each of which may take in the one before, and sometimes a shortcut.
fn composed(rng: &mut Rng) -> Problem {
    let mut classes = vec![EClass { alternatives: vec![alternative(vec![], 0, 0.1)] }];
    let mut before = 0;
    for at in 1..=4 {
        let depth = below(rng, 2) as u32;
        let mut alternatives = vec![alternative(vec![at - 1], 1, 1.0 + below(rng, 10) as f64)];
        if at > 1 && below(rng, 3) > 0 {
            alternatives.push(alternative(vec![before], 1 + depth, 1.0 + below(rng, 30) as f64));
        }
        if below(rng, 4) == 0 {
            alternatives.iter_mut().for_each(|a| a.children.push(0));
            alternatives.iter_mut().for_each(|a| a.children.dedup());
        }
        before = at - 1;
        classes.push(EClass { alternatives });
    }
    let prices: Vec<f64> = (0..classes.len()).map(|_| 1.0 + below(rng, 40) as f64).collect();
    let shares = shares(rng, &prices);
    let bootstraps = Some(Bootstraps { levels: 1 + below(rng, 3) as u32, floor: 0, prices, shares });
    Problem {
        outputs: vec![classes.len() - 1],
        classes,
        price: LevelPrices::new((0..64).map(square)),
        bootstraps,
    }
}

/// What the oracle decides about an e-class: alternative, level before a bootstrap, whether it is bootstrapped by now.
type Pick = Option<(usize, u32, bool)>;

#[derive(Debug)]
struct Best {
    price: f64,
    bootstraps: usize,
}

/// Tries everything that is not dearer than the best so far. Every reader takes the e-class as it is or bootstrapped, whichever it can.
struct Oracle<'p> {
    problem: &'p Problem,
    picks: Vec<Pick>,
    best: &'p mut Best,
}

impl Oracle<'_> {
    fn walk(&mut self, price: f64) {
        let c = self.picks.len();
        if price > self.best.price + 1e-9 {
            return;
        }
        if c == self.problem.classes.len() {
            let bootstraps = self.picks.iter().flatten().filter(|p| p.2).count();
            let less = price < self.best.price - 1e-9;
            if less || price < self.best.price + 1e-9 && bootstraps < self.best.bootstraps {
                *self.best = Best { price, bootstraps };
            }
            return;
        }
        let problem = self.problem;
        let rules = problem.bootstraps.as_ref().unwrap();
        for (k, a) in problem.classes[c].alternatives.iter().enumerate() {
            for level in 0..=rules.levels {
                let executes = level + a.depth;
                let readable = |child: &usize| {
                    self.picks[*child]
                        .is_some_and(|(_, l, fresh)| l >= executes || fresh && rules.levels >= executes)
                };
                if executes + a.headroom > rules.levels || !a.children.iter().all(readable) {
                    continue;
                }
                let price = price + a.rotations * problem.price.at(executes + rules.floor);
                self.picks.push(Some((k, level, false)));
                self.walk(price);
                // An input can come at any level anyway.
                if !a.children.is_empty() {
                    self.bootstrapped(c, price);
                }
                self.picks.pop();
            }
        }
        if !problem.outputs.contains(&c) {
            self.picks.push(None);
            self.walk(price);
            self.picks.pop();
        }
    }

    /// Bootstraps the last e-class, alone or with any that was not.
    fn bootstrapped(&mut self, c: usize, price: f64) {
        let rules = self.problem.bootstraps.as_ref().unwrap();
        self.picks[c].as_mut().unwrap().2 = true;
        if rules.prices[c].is_finite() {
            self.walk(price + rules.prices[c]);
        }
        for with in 0..c {
            let is_input = self.problem.classes[with].alternatives[0].children.is_empty();
            let together = rules.together(with, c);
            if together.is_infinite() || is_input || self.picks[with].is_none_or(|p| p.2) {
                continue;
            }
            self.picks[with].as_mut().unwrap().2 = true;
            self.walk(price + together);
            self.picks[with].as_mut().unwrap().2 = false;
        }
        self.picks[c].as_mut().unwrap().2 = false;
    }
}

fn is_valid(problem: &Problem, solution: &Solution) -> bool {
    let rules = problem.bootstraps.as_ref().unwrap();
    let mut price = 0.0;
    for (c, class) in problem.classes.iter().enumerate() {
        let Some(k) = solution.chosen[c] else { continue };
        let a = &class.alternatives[k];
        let executes = solution.levels[c] + a.depth;
        // Together with a later one it exists when that one does.
        let fresh = |x: usize| solution.bootstrapped[x] && solution.together[x].is_none_or(|y| y < c);
        let available = |child: &usize| {
            solution.chosen[*child].is_some() && (solution.levels[*child] >= executes || fresh(*child))
        };
        if executes + a.headroom > rules.levels || !a.children.iter().all(available) {
            return false;
        }
        price += a.rotations * problem.price.at(executes + rules.floor);
        price += match solution.together[c] {
            Some(with) if solution.together[with] != Some(c) || !solution.bootstrapped[c] => return false,
            Some(with) if with < c => rules.together(with, c),
            None if solution.bootstrapped[c] => rules.prices[c],
            _ => 0.0,
        };
    }
    problem.outputs.iter().all(|o| solution.chosen[*o].is_some()) && (price - solution.price).abs() < 1e-9
}

/// 19 convolutions, each with an activation, and a classifier; a join after every second one.
fn resnet20(bootstrap: f64, pair: f64) -> Problem {
    let mut classes = vec![EClass { alternatives: vec![alternative(vec![], 0, 0.01)] }];
    let mut prices = vec![f64::INFINITY];
    let mut push = |children: Vec<usize>, depth: u32, rotations: f64, cts: f64| {
        classes.push(EClass { alternatives: vec![alternative(children, depth, rotations)] });
        prices.push(cts * bootstrap);
        classes.len() - 1
    };
    let mut layer = |x: usize, shortcut: Option<usize>, cts: f64| {
        let conv = push(vec![x], 1, 60.0 * cts, cts);
        let sum = shortcut.map_or(conv, |s| push(vec![conv, s], 0, 0.01 * cts, cts));
        push(vec![sum], 2, 2.2 * cts, cts)
    };
    let mut x = layer(0, None, 1.0);
    for _ in 0..9 {
        let a = layer(x, None, 1.0);
        x = layer(a, Some(x), 1.0);
    }
    let pool = push(vec![x], 0, 6.0, 1.0);
    let fc = push(vec![pool], 1, 10.0, 1.0);
    let shares = prices.iter().map(|price| price * pair / 2.0).collect();
    let bootstraps = Some(Bootstraps { levels: 12, floor: 3, prices, shares });
    Problem { classes, outputs: vec![fc], price: LevelPrices::default(), bootstraps }
}

#[test]
fn resnet20_takes_milliseconds() {
    for (bootstrap, pair) in [100.0, 300.0, 1000.0].into_iter().flat_map(|b| [(b, 2.0), (b, 1.4)]) {
        let problem = resnet20(bootstrap, pair);
        let begin = std::time::Instant::now();
        let solution = solve(&problem, 500).unwrap();
        let took = begin.elapsed();
        let bootstraps = solution.bootstrapped.iter().filter(|b| **b).count();
        let naive = naive(&problem).unwrap();
        let pairs = solution.together.iter().flatten().count() / 2;
        println!(
            "bootstrap {bootstrap}: {bootstraps}, {pairs} pairs at {:.0} in {took:?}; {naive:?}",
            solution.price
        );
        assert!(took.as_millis() < 100 && !solution.pruned, "{took:?}");
        // 58 levels in steps of 12, the first of which the input brings.
        assert!((4..=6).contains(&bootstraps) || bootstrap < 300.0, "{bootstraps}");
        assert!(solution.price < naive.price, "{} {}", solution.price, naive.price);
    }
}

/// Down and up again: every level of the way down is kept for the same level of the way up.
#[test]
fn u_nets_are_placed_in_time() {
    for (depth, pair) in [2, 3, 4].into_iter().flat_map(|depth| [(depth, f64::INFINITY), (depth, 1.3)]) {
        let mut classes = vec![EClass { alternatives: vec![alternative(vec![], 0, 0.01)] }];
        let mut prices = vec![f64::INFINITY];
        let mut layer = |children: Vec<usize>, cts: f64| {
            for (children, depth, rotations) in [(Some(children), 1, 60.0), (None, 2, 2.2)] {
                let children = children.unwrap_or_else(|| vec![classes.len() - 1]);
                let alternatives = vec![alternative(children, depth, rotations * cts)];
                classes.push(EClass { alternatives });
                prices.push(300.0 * cts);
            }
            classes.len() - 1
        };
        let mut skips = vec![];
        let mut x = 0;
        for k in 0..depth {
            let cts = f64::from(1 << (depth - k));
            x = layer(vec![x], cts);
            x = layer(vec![x], cts);
            skips.push((x, cts));
        }
        x = layer(vec![x], 1.0);
        for (skip, cts) in skips.into_iter().rev() {
            x = layer(vec![x, skip], cts);
            x = layer(vec![x], cts);
        }
        let shares = prices.iter().map(|price| price * pair / 2.0).collect();
        let bootstraps = Some(Bootstraps { levels: 12, floor: 3, prices, shares });
        let problem = Problem { outputs: vec![x], classes, price: LevelPrices::default(), bootstraps };
        let begin = std::time::Instant::now();
        let solution = solve(&problem, 4000).unwrap();
        let took = begin.elapsed();
        let bootstraps = solution.bootstrapped.iter().filter(|b| **b).count();
        println!(
            "U-Net {depth}, pairs at {pair}: {bootstraps} at {:.0} in {took:?}, pruned {}; {:?}",
            solution.price,
            solution.pruned,
            naive(&problem)
        );
        assert!(is_valid(&problem, &solution));
        assert!(took.as_secs() < 5, "{took:?}");
        // Wider ones need a wider frontier to be sure.
        assert!(depth > 3 || !solution.pruned);
    }
}
