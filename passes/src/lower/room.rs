//! Room for values: which scales are too high for what the modulus of a level holds, and which are too low to be precise.
//!
//! Pools divide by relabelling, which multiplies the scale, and squares square what its scale strays from the usual one.
//! Higher up the modulus has room for that. Near the bottom the scales on which such a value depends have to be lower.

use std::collections::BTreeSet;

use fhec_ir::ValueId;
use fhec_ir::schedule::{ScheduleType, scale};

use super::config::Config;

/// A value of which another scale is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stray {
    pub(super) id: ValueId,
    /// What its scale should be divided by: more than 1 where it is too high.
    pub(super) by: f64,
}

/// Bits by which a scale may fall short of the usual one before it is asked to be higher.
const MAX_LOST_BITS: i32 = 6;

/// The value whose scale exceeds its room most; if there is none, the one whose scale is lowest, unless it was `raised`
/// before or is low for no more than a few bits. `types` are those of the values' first ciphertexts.
pub(super) fn stray(config: &Config, types: &[ScheduleType], raised: &BTreeSet<ValueId>) -> Option<Stray> {
    if config.bootstrap.is_some() || config.ranges.len() != types.len() {
        return None;
    }
    let room = scale::room(&config.moduli);
    // A scale beyond the modulus is none, however small the values are.
    let limit = |ty: &ScheduleType, range: f64| room[ty.level as usize] - range.max(1.0).log2();
    let values = || types.iter().zip(&config.ranges).enumerate();
    let excess = values().map(|(k, (ty, range))| (k, ty.scale.log2() - limit(ty, *range)));
    if let Some((k, bits)) = excess.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, bits)| *bits > SLACK_BITS)
    {
        // A little more than needed, so that rounding does not leave it above.
        return Some(Stray { id: id(k), by: bits.exp2() * (1.0 + scale::TOLERANCE) });
    }
    let low = values().filter(|(k, _)| !raised.contains(&id(*k)));
    let (k, (ty, range)) = low.min_by(|a, b| a.1.0.scale.total_cmp(&b.1.0.scale))?;
    let wanted = config.scale.log2().min(limit(ty, *range));
    let lost = wanted - ty.scale.log2();
    (lost > f64::from(MAX_LOST_BITS)).then(|| Stray { id: id(k), by: (-lost).exp2() })
}

/// What primes differ from powers of two by, summed over a chain.
const SLACK_BITS: f64 = 1.0 / 64.0;

fn id(k: usize) -> ValueId {
    ValueId(k as u32)
}

#[cfg(test)]
mod tests {
    use fhec_ir::schedule::Kind;

    use super::*;

    fn types(logs: &[(u32, f64)]) -> Vec<ScheduleType> {
        logs.iter()
            .map(|(level, log)| ScheduleType { kind: Kind::Ct, level: *level, scale: log.exp2() })
            .collect()
    }

    #[test]
    fn what_exceeds_its_room_most_comes_first_then_what_is_lowest() {
        let mut config = Config::nominal(2, 30, 37);
        config.ranges = vec![1.0; 3];
        let none = BTreeSet::new();
        let stray =
            |logs: &[(u32, f64)], raised: &BTreeSet<ValueId>| super::stray(&config, &types(logs), raised);
        assert!(stray(&[(2, 60.0), (1, 40.0), (0, 36.0)], &none).is_none());
        let high = stray(&[(2, 60.0), (1, 70.0), (0, 44.0)], &none).unwrap();
        assert_eq!((high.id.0, high.by.log2().round()), (2, 8.0));
        let low = stray(&[(2, 60.0), (1, 10.0), (0, 20.0)], &none).unwrap();
        assert_eq!((low.id.0, low.by.log2().round()), (1, -20.0));
        let low = stray(&[(2, 60.0), (1, 10.0), (0, 20.0)], &BTreeSet::from([ValueId(1)])).unwrap();
        assert_eq!((low.id.0, low.by.log2().round()), (2, -10.0));
    }

    #[test]
    fn large_values_leave_less_room() {
        let mut config = Config::nominal(0, 30, 37);
        config.ranges = vec![1024.0];
        let stray = super::stray(&config, &types(&[(0, 30.0)]), &BTreeSet::new()).unwrap();
        assert_eq!(stray.by.log2().round(), 4.0);
        config.ranges.clear();
        assert!(super::stray(&config, &types(&[(0, 30.0)]), &BTreeSet::new()).is_none());
    }
}
