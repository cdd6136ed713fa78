//! What a rotation costs by level.

/// Price of a rotation by level of the schedule, in any unit; does not fall with the level. Above the last level it is
/// that of the last. By default in rotations at level 9.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelPrices(Vec<f64>);

/// Levels that a formula is asked about: more than any chain has.
const MAX_LEVELS: u32 = 128;

impl LevelPrices {
    /// The price at each level from 0 on; at least one.
    pub fn new(prices: impl IntoIterator<Item = f64>) -> Self {
        Self(prices.into_iter().collect())
    }

    /// The price at a level.
    pub fn at(&self, level: u32) -> f64 {
        self.0.get(level as usize).or(self.0.last()).copied().unwrap_or(0.0)
    }
}

impl Default for LevelPrices {
    fn default() -> Self {
        Self::new((0..MAX_LEVELS).map(rotation_price))
    }
}

/// Price of a rotation at a level, in rotations at level 9: digits and limbs both grow with the level.
fn rotation_price(level: u32) -> f64 {
    let limbs = f64::from(level + 1);
    (0.04 * limbs) * (1.0 + 0.15 * limbs)
}
