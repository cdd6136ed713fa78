//! States of the search, and which of them are kept.

/// What a bootstrap costs beyond its price: among equals the extraction with the fewest wins.
const TIE: f64 = 1e-9;

/// What a series of decisions has led to.
pub(super) struct State {
    /// For every live e-class, in order, one more than its level; 0 if it was not computed.
    pub levels: Box<[u16]>,
    /// Of all that was decided.
    pub price: f64,
    /// The rest costs at least that.
    pub behind: f64,
    /// E-classes bootstrapped.
    pub bootstraps: u32,
    /// Number of the last decision.
    pub decision: Option<usize>,
}

impl State {
    /// Price, with a little more for each bootstrap.
    pub(super) fn key(&self) -> f64 {
        self.price + TIE * f64::from(self.bootstraps)
    }

    /// Cheapest first; among equals a fixed order keeps compilation deterministic, and puts those first that dominate.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.key().total_cmp(&other.key()).then_with(|| other.levels.cmp(&self.levels))
    }
}

/// Keeps the most promising states.
pub(super) fn keep_best(states: &mut Vec<State>, count: usize) {
    let least = |s: &State| s.key() + s.behind;
    states.sort_by(|a, b| least(a).total_cmp(&least(b)).then_with(|| a.order(b)));
    states.truncate(count);
}

/// Drops every state that another one beats: the same e-classes computed, nowhere lower, no dearer. Cheapest first.
pub(super) fn undominated(mut states: Vec<State>) -> Vec<State> {
    // Dearer states cannot dominate cheaper ones.
    states.sort_by(State::order);
    let lanes = Lanes::of(&states);
    let mut kept: Vec<u64> = Vec::new();
    let mut packed = vec![0; lanes.words];
    states.retain(|state| {
        lanes.pack(&state.levels, &mut packed);
        let beaten = kept.chunks_exact(lanes.words).any(|k| lanes.covers(k, &packed));
        if !beaten {
            kept.extend_from_slice(&packed);
        }
        !beaten
    });
    states
}

/// Levels side by side in words, to be compared all at once: a lane each, whose highest bit is 0.
struct Lanes {
    bits: u32,
    /// Words of a state.
    words: usize,
    /// The highest bit of every lane.
    high: u64,
}

impl Lanes {
    /// As narrow as the levels allow.
    fn of(states: &[State]) -> Self {
        let most = states.iter().flat_map(|s| s.levels.iter().copied()).max().unwrap_or(0);
        let bits = if most < 1 << 7 { 8 } else { 32 };
        let lanes = (64 / bits) as usize;
        let high = (0..64).step_by(bits as usize).fold(0, |high, at| high | 1 << (at + bits - 1));
        let classes = states.first().map_or(0, |s| s.levels.len());
        Self { bits, words: classes.div_ceil(lanes).max(1), high }
    }

    fn pack(&self, levels: &[u16], words: &mut [u64]) {
        let lanes = (64 / self.bits) as usize;
        let word = |levels: &[u16]| levels.iter().fold(0, |word, l| word << self.bits | u64::from(*l));
        words.fill(0);
        words.iter_mut().zip(levels.chunks(lanes)).for_each(|(to, levels)| *to = word(levels));
    }

    /// True if no level of `a` is below that of `b`: then no lane borrows from its highest bit.
    fn covers(&self, a: &[u64], b: &[u64]) -> bool {
        a.iter().zip(b).all(|(a, b)| ((a | self.high) - b) & self.high == self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(levels: &[u16], price: f64) -> State {
        State { levels: levels.into(), price, behind: 0.0, bootstraps: 0, decision: None }
    }

    #[test]
    fn what_is_nowhere_lower_and_no_dearer_beats() {
        for (classes, most) in
            [(0, 3), (1, 3), (3, 3), (8, 3), (9, 3), (5, 127), (5, 128), (3, 300), (17, 40)]
        {
            let mut seed = 1u64;
            let mut random = |n: u64| {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (seed >> 33) % n
            };
            let mut draw = || -> (Vec<u16>, f64) {
                ((0..classes).map(|_| random(most + 1) as u16).collect(), random(20) as f64)
            };
            let states: Vec<(Vec<u16>, f64)> = (0..200).map(|_| draw()).collect();
            let kept = undominated(states.iter().map(|(levels, price)| state(levels, *price)).collect());
            let beats = |a: &(Vec<u16>, f64), levels: &[u16], price: f64| {
                a.1 <= price && a.0.iter().zip(levels).all(|(a, b)| a >= b)
            };
            for k in &kept {
                let same = |a: &(Vec<u16>, f64)| a.0[..] == *k.levels && a.1 == k.price;
                assert!(states.iter().all(|a| same(a) || !beats(a, &k.levels, k.price)));
            }
            for (levels, price) in &states {
                assert!(kept.iter().any(|k| beats(&(k.levels.to_vec(), k.price), levels, *price)));
            }
        }
    }
}
