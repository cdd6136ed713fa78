//! Extraction against an integer linear programme, on random problems larger than brute force can do.

use fhec_ir::tensor::random::Rng;
use fhec_passes::place::LevelPrices;
use fhec_passes::place::extract::{Alternative, Bootstraps, EClass, Problem, Solution, solve};
use microlp::{ComparisonOp, Error, OptimizationDirection, Variable};

/// An e-class computed by an alternative, available at a level: a variable of the programme.
struct Pick {
    class: usize,
    alternative: usize,
    /// Before a bootstrap.
    level: u32,
    executes: u32,
    variable: Variable,
}

/// The programme of a problem with bootstraps. A pick may be made if each e-class it reads has one that is high enough, or is
/// bootstrapped, alone or together with one before the pick's. An e-class is paid once however often it is read.
struct Oracle<'p> {
    problem: &'p Problem,
    rules: &'p Bootstraps,
    programme: microlp::Problem,
    picks: Vec<Pick>,
    bootstrapped: Vec<Variable>,
    /// Two e-classes that are bootstrapped together, the earlier one first.
    together: Vec<([usize; 2], Variable)>,
}

impl<'p> Oracle<'p> {
    fn new(problem: &'p Problem) -> Self {
        let rules = problem.bootstraps.as_ref().unwrap();
        let mut programme = microlp::Problem::new(OptimizationDirection::Minimize);
        let mut picks = Vec::new();
        for (class, EClass { alternatives }) in problem.classes.iter().enumerate() {
            for (alternative, a) in alternatives.iter().enumerate() {
                let highest = rules.levels.checked_sub(a.headroom + a.depth);
                for level in highest.into_iter().flat_map(|highest| 0..=highest) {
                    let executes = level + a.depth;
                    let price = a.rotations * problem.price.at(executes + rules.floor);
                    let variable = programme.add_binary_var(price);
                    picks.push(Pick { class, alternative, level, executes, variable });
                }
            }
        }
        let refresh = |price: &f64| match price.is_finite() {
            true => programme.add_binary_var(*price),
            false => programme.add_integer_var(0.0, (0, 0)),
        };
        let bootstrapped = rules.prices.iter().map(refresh).collect();
        let classes = problem.classes.len();
        let pairs = (0..classes).flat_map(|b| (0..b).map(move |a| ([a, b], rules.together(a, b))));
        let pairs: Vec<_> = pairs.filter(|(_, price)| price.is_finite()).collect();
        let together =
            pairs.into_iter().map(|(pair, price)| (pair, programme.add_binary_var(price))).collect();
        Self { problem, rules, programme, picks, bootstrapped, together }
    }

    fn alternative(&self, pick: &Pick) -> &Alternative {
        &self.problem.classes[pick.class].alternatives[pick.alternative]
    }

    /// The picks that meet a condition, each times a factor.
    fn those(&self, factor: f64, of: impl Fn(&Pick) -> bool) -> Vec<(Variable, f64)> {
        self.picks.iter().filter(|p| of(p)).map(|p| (p.variable, factor)).collect()
    }

    /// Picks of an e-class that read another one at a level or above, less what makes it readable there, are at most 0.
    fn readable(&self, class: usize, child: usize, level: u32) -> Vec<(Variable, f64)> {
        let mut row = self.those(1.0, |p| {
            p.class == class && p.executes >= level && self.alternative(p).children.contains(&child)
        });
        row.extend(self.those(-1.0, |p| p.class == child && p.level >= level));
        row.push((self.bootstrapped[child], -1.0));
        let exists = |pair: &[usize; 2]| pair.contains(&child) && pair[1] < class;
        row.extend(self.together.iter().filter(|(pair, _)| exists(pair)).map(|(_, v)| (*v, -1.0)));
        row
    }

    /// The least price; None if nothing is possible.
    fn least(mut self) -> Option<f64> {
        let mut rows = Vec::new();
        for (class, EClass { alternatives }) in self.problem.classes.iter().enumerate() {
            let once = self.those(1.0, |p| p.class == class);
            let must =
                if self.problem.outputs.contains(&class) { ComparisonOp::Eq } else { ComparisonOp::Le };
            rows.push((once, must, 1.0));
            // Only what is computed from something is bootstrapped.
            let own = |pair: &[usize; 2]| pair.contains(&class);
            let together = self.together.iter().filter(|(pair, _)| own(pair)).map(|(_, v)| *v);
            for fresh in together.chain([self.bootstrapped[class]]) {
                let mut refreshed =
                    self.those(-1.0, |p| p.class == class && !self.alternative(p).children.is_empty());
                refreshed.push((fresh, 1.0));
                rows.push((refreshed, ComparisonOp::Le, 0.0));
            }
            for child in (0..class).filter(|c| alternatives.iter().any(|a| a.children.contains(c))) {
                for level in 0..=self.rules.levels {
                    rows.push((self.readable(class, child, level), ComparisonOp::Le, 0.0));
                }
            }
        }
        rows.into_iter().for_each(|(row, op, bound)| self.programme.add_constraint(&row, op, bound));
        match self.programme.solve() {
            Ok(outcome) => Some(outcome.into_solution().expect("no limit was set").objective()),
            Err(Error::Infeasible) => None,
            Err(error) => panic!("{error}"),
        }
    }
}

fn square(level: u32) -> f64 {
    1.0 + f64::from(level * level)
}

/// A random problem of up to 20 e-classes: alternatives that read different e-classes, joins over any distance.
fn random_problem(rng: &mut Rng) -> Problem {
    let count = rng.range(10, 20);
    let levels = rng.range(2, 5) as u32;
    let input = Alternative { children: vec![], depth: 0, headroom: 0, rotations: 0.1 };
    let mut classes = vec![EClass { alternatives: vec![input] }];
    for c in 1..count {
        let alternatives = (0..rng.range(1, 3)).map(|_| {
            let near = c - rng.range(1, c.min(2));
            let mut children = vec![near];
            if rng.once_in(3) {
                children.push(rng.range(0, c - 1));
            }
            children.sort_unstable();
            children.dedup();
            let (depth, headroom) = (rng.range(0, 2) as u32, u32::from(rng.once_in(8)));
            Alternative { children, depth, headroom, rotations: rng.range(1, 20) as f64 }
        });
        classes.push(EClass { alternatives: alternatives.collect() });
    }
    let price = |_| if rng.once_in(8) { f64::INFINITY } else { rng.range(1, 150) as f64 };
    let prices: Vec<f64> = (0..count).map(price).collect();
    let shares = shares(rng, &prices);
    let mut outputs = vec![count - 1];
    if rng.once_in(3) {
        outputs.insert(0, count - 2);
    }
    let bootstraps = Some(Bootstraps { levels, floor: rng.range(0, 1) as u32, prices, shares });
    Problem { classes, outputs, price: LevelPrices::new((0..64).map(square)), bootstraps }
}

/// Blocks of convolutions and activations, each evaluated flat and dear or deep and cheap, with shortcuts around the blocks.
fn residual_problem(rng: &mut Rng) -> Problem {
    let mut classes = vec![];
    let mut push = |alternatives: Vec<(Vec<usize>, u32, usize)>| {
        let alternative = |(children, depth, rotations): (Vec<usize>, u32, usize)| Alternative {
            children,
            depth,
            headroom: 0,
            rotations: rotations as f64,
        };
        classes.push(EClass { alternatives: alternatives.into_iter().map(alternative).collect() });
        classes.len() - 1
    };
    let mut x = push(vec![(vec![], 0, 1)]);
    for _ in 0..rng.range(2, 3) {
        let mut y = x;
        for _ in 0..2 {
            y = push(vec![(vec![y], 1, rng.range(5, 30))]);
            let flat = rng.range(4, 9);
            y = push(vec![(vec![y], 2, flat), (vec![y], 3, rng.range(1, flat))]);
        }
        x = push(vec![(vec![x, y], 0, 1)]);
    }
    let prices: Vec<f64> = (0..classes.len()).map(|_| rng.range(20, 400) as f64).collect();
    let shares = vec![f64::INFINITY; classes.len()];
    let bootstraps = Some(Bootstraps { levels: rng.range(4, 6) as u32, floor: 0, prices, shares });
    Problem { outputs: vec![x], classes, price: LevelPrices::new((0..64).map(square)), bootstraps }
}

/// Blocks of two layers, the second of which reads what the block began with too, at one price for all bootstraps.
fn crossed_problem(rng: &mut Rng) -> Problem {
    let alternative = |children: Vec<usize>, rotations: usize| Alternative {
        children,
        depth: 1,
        headroom: 0,
        rotations: rotations as f64,
    };
    let mut classes = vec![EClass { alternatives: vec![Alternative { depth: 0, ..alternative(vec![], 1) }] }];
    for _ in 0..rng.range(4, 6) {
        let x = classes.len() - 1;
        for children in [vec![x], vec![x, x + 1]] {
            classes.push(EClass { alternatives: vec![alternative(children, rng.range(1, 10))] });
        }
    }
    let price = rng.range(40, 100) as f64;
    let (prices, share) = (vec![price; classes.len()], price * 0.05 * rng.range(10, 15) as f64);
    let shares = vec![share; classes.len()];
    let bootstraps = Some(Bootstraps { levels: rng.range(2, 3) as u32, floor: 0, prices, shares });
    let price = LevelPrices::new((0..64).map(|level| 1.0 + f64::from(level)));
    Problem { outputs: vec![classes.len() - 1], classes, price, bootstraps }
}

/// Parts of the prices that a few e-classes pay when two are bootstrapped together; infinite for the others.
fn shares(rng: &mut Rng, prices: &[f64]) -> Vec<f64> {
    let share =
        |price: &f64| if rng.once_in(3) { price * 0.1 * rng.range(4, 7) as f64 } else { f64::INFINITY };
    prices.iter().map(share).collect()
}

fn count(solution: &Solution) -> usize {
    solution.bootstrapped.iter().filter(|b| **b).count()
}

#[test]
fn extraction_agrees_with_an_integer_programme() {
    let (mut several, mut together, mut impossible) = (0, 0, 0);
    for seed in 0..90 {
        let mut rng = Rng(seed);
        let problem = match seed % 6 {
            0 | 3 => residual_problem(&mut rng),
            1 => crossed_problem(&mut rng),
            _ => random_problem(&mut rng),
        };
        let least = Oracle::new(&problem).least();
        let solution = solve(&problem, usize::MAX);
        several += usize::from(solution.as_ref().is_some_and(|s| count(s) > 1));
        let at_once = |s: &Solution| s.together.iter().any(Option::is_some);
        together += usize::from(solution.as_ref().is_some_and(at_once));
        impossible += usize::from(solution.is_none());
        match (least, solution) {
            (None, None) => {}
            (Some(least), Some(s)) if (least - s.price).abs() <= 1e-6 * least => {}
            (least, s) => panic!("seed {seed}: {least:?}, found {s:?}\n{problem:#?}"),
        }
    }
    println!("{several} with several bootstraps, {together} with two at once, {impossible} impossible");
    assert!(several > 40 && together > 5 && impossible > 0, "{several} {together} {impossible}");
}
