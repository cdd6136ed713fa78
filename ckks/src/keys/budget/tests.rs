//! Plans, truncated keys, and loading under a budget.

use super::*;
use crate::params::insecure_test_params;
use proptest::prelude::*;
use std::sync::OnceLock;

const LEVELS: usize = 12;

fn params() -> &'static Parameters {
    static PARAMS: OnceLock<Parameters> = OnceLock::new();
    PARAMS.get_or_init(|| {
        let q: Vec<u32> = [45].into_iter().chain([40; LEVELS - 1]).collect();
        insecure_test_params(6, &q, &[50; 6]).unwrap()
    })
}

fn rotation(step: i64, level: usize, count: usize) -> KeyUse {
    KeyUse { key: KeyName::Rotation(step), level, count }
}

#[test]
fn without_a_budget_every_use_has_its_cheapest_key() {
    let params = params();
    let uses = [rotation(1, 3, 1), rotation(1, 9, 1), rotation(1, 3, 5), rotation(-31, 3, 1)];
    let plan = plan_keys(params, &uses, None).unwrap();
    let expected = [3, 9].map(|level| (KeyName::Rotation(1), params.key_shape(level)));
    assert_eq!(plan.keys(), expected, "duplicates, and steps that are the same modulo N/2, are merged");
    assert_eq!(plan.bytes(), [3, 9].map(|l| params.key_bytes(&params.key_shape(l))).iter().sum::<usize>());
    assert!(8 * plan.stored_bytes() < 5 * plan.bytes(), "one half is a seed");
    assert_eq!(plan.shape_for(KeyName::Rotation(1), 4), Some(params.key_shape(9)));
    assert_eq!(plan.shape_for(KeyName::Rotation(1), 10), None);
    assert!(plan_keys(params, &[rotation(32, 3, 1)], None).unwrap().keys().is_empty());
}

#[test]
fn a_higher_key_of_the_same_gadget_serves() {
    let params = params();
    let level = (1..LEVELS).find(|l| params.key_shape(*l).same_gadget(&params.key_shape(l - 1))).unwrap();
    let plan = plan_keys(params, &[rotation(1, level - 1, 1), rotation(1, level, 1)], None).unwrap();
    assert_eq!(plan.keys(), [(KeyName::Rotation(1), params.key_shape(level))]);
    assert_eq!(
        plan.cost(),
        params.key_shape(level).switch_cost(level - 1) + params.key_shape(level).switch_cost(level)
    );
}

#[test]
fn under_a_budget_rare_uses_give_way_first() {
    let params = params();
    let uses = [rotation(1, 3, 1000), rotation(1, 11, 1), rotation(2, 3, 1), rotation(2, 11, 1)];
    let all = plan_keys(params, &uses, None).unwrap();
    let plan = plan_keys(params, &uses, Some(all.bytes() - 1)).unwrap();
    let [low, high] = [3, 11].map(|level| params.key_shape(level));
    let (one, two) = (KeyName::Rotation(1), KeyName::Rotation(2));
    assert_eq!(plan.keys(), [(one, low), (one, high), (two, high)]);
    assert!(plan.cost() > all.cost());
    assert!(plan_keys(params, &uses, Some(all.bytes())).unwrap() == all);

    let needed = 2 * params.key_bytes(&high);
    assert_eq!(plan_keys(params, &uses, Some(needed)).unwrap().keys(), [(one, high), (two, high)]);
    let refused = plan_keys(params, &uses, Some(needed - 1));
    assert!(
        matches!(refused, Err(CkksError::KeyBudget { needed: n, budget }) if n == needed && budget == n - 1)
    );
}

#[test]
fn levels_and_keys_of_encapsulation_are_checked() {
    let params = params();
    let one = |key, level| plan_keys(params, &[KeyUse { key, level, count: 1 }], None);
    assert!(matches!(one(KeyName::Conjugation, LEVELS), Err(CkksError::LevelTooHigh { .. })));
    assert!(matches!(one(KeyName::DenseToSparse, 1), Err(CkksError::LevelTooHigh { .. })));
    let raise = one(KeyName::SparseToDense, 7).unwrap();
    assert_eq!(raise.keys(), [(KeyName::SparseToDense, KeyShape::sparse_to_dense(7))]);
}

fn key_use() -> impl Strategy<Value = KeyUse> {
    let name = prop_oneof![
        Just(KeyName::Relinearization),
        Just(KeyName::Conjugation),
        Just(KeyName::SparseToDense),
        (-3i64..4).prop_map(KeyName::Rotation),
    ];
    (name, 0..LEVELS, 0usize..1000).prop_map(|(key, level, count)| KeyUse { key, level, count })
}

proptest! {
    #[test]
    fn plans_serve_every_use_within_the_budget(
        uses in prop::collection::vec(key_use(), 0..40),
        share in 0.0f64..1.2,
    ) {
        let params = params();
        let all = plan_keys(params, &uses, None).unwrap();
        let budget = (all.bytes() as f64 * share) as usize;
        match plan_keys(params, &uses, Some(budget)) {
            Err(CkksError::KeyBudget { needed, budget: given }) => {
                prop_assert!(given == budget && needed > budget);
                // The number is exact: so much does it.
                prop_assert_eq!(plan_keys(params, &uses, Some(needed)).unwrap().bytes(), needed);
            }
            Err(other) => prop_assert!(false, "{other}"),
            Ok(plan) => {
                prop_assert!(plan.bytes() <= budget);
                prop_assert_eq!(
                    plan.bytes(),
                    plan.keys().iter().map(|(_, shape)| params.key_bytes(shape)).sum::<usize>()
                );
                for KeyUse { key, level, .. } in uses {
                    let name = match key {
                        KeyName::Rotation(step) => KeyName::Rotation(params.normalized_step(step)),
                        other => other,
                    };
                    let served = plan.shape_for(name, level);
                    prop_assert!(name == KeyName::Rotation(0) || served.is_some_and(|s| s.level >= level));
                    prop_assert!(served.is_none_or(|shape| params.admits_key(name, &shape)));
                }
            }
        }
    }
}

#[cfg(feature = "client")]
mod keys {
    use super::*;
    use crate::Serializable;
    use crate::cipher::{Decryptor, SecretEncryptor};
    use crate::encoding::Encoder;
    use crate::eval::Evaluator;
    use crate::keys::{EvaluationKeySet, KeyGenerator, SecretKey, SwitchingKey};
    use std::sync::Arc;

    /// Rotates and squares slots at `level` with keys cut down to it.
    fn switches(secret: &SecretKey, rotate: &SwitchingKey, relinearize: &SwitchingKey, level: usize) {
        let params = secret.parameters();
        let mut set = EvaluationKeySet::new(params);
        for (name, key) in [(KeyName::Rotation(1), rotate), (KeyName::Relinearization, relinearize)] {
            let key = key.truncated(level).unwrap();
            assert_eq!(key.shape(), KeyShape { level, ..rotate.shape() });
            assert_eq!(key.bytes(), params.key_bytes(&key.shape()));
            set.insert(name, key).unwrap();
        }
        // The halves expanded from the seed at the lower level are those of the cut key.
        let bytes = set.to_bytes(params).unwrap();
        let read = EvaluationKeySet::from_bytes(params, &bytes).unwrap();
        let find = |set: &EvaluationKeySet| Arc::clone(set.find(KeyName::Rotation(1), level, None).unwrap());
        assert!(find(&set).rows.iter().zip(&find(&read).rows).all(|(x, y)| x.a == y.a && x.b == y.b));

        let encoder = Encoder::new(params);
        let values: Vec<f64> = (0..params.slots()).map(|i| (i as f64).sin()).collect();
        let plaintext = encoder.encode(&values, level, 2f64.powi(40)).unwrap();
        let ct = SecretEncryptor::new(secret).encrypt(&plaintext).unwrap().expand(params).unwrap();
        let eval = Evaluator::new(Arc::new(set));
        let rotated = eval.rotate(&ct, 1).unwrap();
        let square = eval.relinearize(&eval.square(&ct).unwrap()).unwrap();
        let decryptor = Decryptor::new(secret);
        let close = |ct, i: usize, x: f64| {
            let slots = decryptor.decode_for_self(&encoder, ct).unwrap();
            assert!((slots[i].re - x).abs() < 1e-6, "level {level}, slot {i}: {} for {x}", slots[i].re);
        };
        for i in 0..values.len() {
            close(&rotated, i, values[(i + 1) % values.len()]);
            if level > 0 {
                close(&square, i, values[i] * values[i]);
            }
        }
    }

    #[test]
    fn truncated_keys_switch() {
        let params = params();
        let secret = SecretKey::generate(params).unwrap();
        let generator = KeyGenerator::new(&secret);
        let top = params.key_shape(params.max_level());
        let key = |name| generator.key_with_shape(name, top).unwrap();
        let (rotate, relinearize) = (key(KeyName::Rotation(1)), key(KeyName::Relinearization));
        for level in 0..LEVELS {
            switches(&secret, &rotate, &relinearize, level);
        }
        let low = rotate.truncated(3).unwrap();
        assert!(matches!(low.truncated(4), Err(CkksError::LevelTooHigh { level: 4, max: 3, .. })));
    }

    #[test]
    fn truncated_encapsulation_keys_are_admissible() {
        let params = params();
        let secret = SecretKey::generate(params).unwrap();
        let pair = KeyGenerator::new(&secret).encapsulation_keys(params.max_level()).unwrap();
        for (name, key) in &pair {
            let cut = key.truncated(key.shape().level / 2).unwrap();
            assert!(params.admits_key(*name, &cut.shape()));
            assert_eq!(cut.bytes(), params.key_bytes(&cut.shape()));
        }
    }

    #[test]
    fn files_are_refused_before_anything_is_expanded() {
        let params = params();
        let secret = SecretKey::generate(params).unwrap();
        let uses = [rotation(1, 3, 1), rotation(1, 11, 1), rotation(2, 5, 1)];
        let plan = plan_keys(params, &uses, None).unwrap();
        let generator = KeyGenerator::new(&secret);
        let mut set = EvaluationKeySet::new(params);
        for (name, shape) in plan.keys() {
            set.insert(*name, generator.key_with_shape(*name, *shape).unwrap()).unwrap();
        }
        assert_eq!(set.bytes(), plan.bytes());
        let bytes = set.to_bytes(params).unwrap();
        assert!(bytes.len() > plan.stored_bytes() && bytes.len() < plan.stored_bytes() + 256);
        let read = EvaluationKeySet::read_within(params, &mut &bytes[..], plan.bytes()).unwrap();
        assert_eq!(read, set);
        let mut input = &bytes[..];
        let refused = EvaluationKeySet::read_within(params, &mut input, plan.bytes() - 1);
        assert!(matches!(refused, Err(CkksError::KeyBudget { needed, .. }) if needed == plan.bytes()));
        assert!(bytes.len() - input.len() < 256, "no key was read");
        // Announced but absent keys are refused at once, too.
        let short = EvaluationKeySet::read_within(params, &mut &bytes[..200], usize::MAX);
        assert!(matches!(short, Err(CkksError::Malformed { .. })));
    }
}
