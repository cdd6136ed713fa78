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
    let mut kept: Vec<State> = Vec::new();
    for state in states {
        let beats = |k: &State| k.levels.iter().zip(&state.levels).all(|(a, b)| a >= b);
        if !kept.iter().any(beats) {
            kept.push(state);
        }
    }
    kept
}
