use std::collections::BTreeMap;

use fhec_ir::plan::{Gadget, ParameterData};
use fhec_ir::schedule::interp::interpret;
use fhec_ir::schedule::keys::key_needs;
use fhec_ir::schedule::{Kind, ScheduleOp, random};
use fhec_ir::verify;

use super::*;

const SLOTS: u32 = 64;

/// Five levels in two decompositions.
fn config(bytes: u64) -> Config {
    let gadget = |special, digit_limbs| Gadget { special, digit_limbs };
    let parameters = ParameterData {
        id: [0; 32],
        log_n: 7,
        q: vec![1 << 50; 5],
        p: vec![1 << 50; 2],
        scale_bits: 40,
        gadgets: vec![gadget(1, 1), gadget(1, 1), gadget(1, 1), gadget(2, 2), gadget(2, 2)],
        bootstrap: None,
    };
    let price = |level| {
        let level = f64::from(level) + 1.0;
        SwitchPrices { rotation: level, hoist: 0.4 * level, giant: 0.8 * level }
    };
    Config { parameters, prices: (0..5).map(price).collect(), bytes, spare: Spare::default() }
}

fn random_schedule(seed: u64) -> Verified<Schedule> {
    let moduli = [50, 40, 40, 40, 40].map(|bits| 2f64.powi(bits)).to_vec();
    let (slots, scale) = (SLOTS as usize, 2f64.powi(40));
    let options = random::Options { slots, moduli, scale, steps: 60, bootstrap: None };
    // Keys of instructions that nothing uses are no matter.
    verify(random::schedule(seed, &options).compacted()).unwrap()
}

/// Bytes of the rotation keys that a schedule needs, and their number; without those that conjugate, which stay.
fn keys(schedule: &Schedule, parameters: &ParameterData) -> (u64, usize) {
    let mut highest: BTreeMap<(Gadget, u32), u32> = BTreeMap::new();
    let rotations = key_needs(schedule).rotations;
    for (step, level) in rotations.into_iter().filter(|(step, _)| *step < SLOTS) {
        let known = highest.entry((parameters.gadgets[level as usize], step)).or_default();
        *known = level.max(*known);
    }
    (highest.values().map(|level| parameters.key_bytes(*level)).sum(), highest.len())
}

#[test]
fn composed_schedules_compute_the_same_with_fewer_keys() {
    let (mut composed, mut fitted) = (0, 0);
    for seed in 0..60 {
        let schedule = random_schedule(seed);
        let inputs = random::inputs(seed, &schedule);
        let expected = interpret(&schedule, &inputs).unwrap();
        let config = config(0);
        let (all, count) = keys(&schedule, &config.parameters);
        for share in [0, 40, 70, 100] {
            let config = Config { bytes: all * share / 100, ..config.clone() };
            let (new, report) = run(&schedule, &config).unwrap();
            let new = verify(new).unwrap();
            assert_eq!(interpret(&new, &inputs).unwrap(), expected, "seed {seed}");
            assert_eq!((report.bytes_before, report.keys_before), (all, count));
            assert_eq!((report.bytes, report.keys), keys(&new, &config.parameters), "seed {seed}");
            assert_eq!(report.fits, report.bytes <= config.bytes);
            assert!(report.bytes <= all && report.seconds >= 0.0);
            composed += usize::from(report.keys < count);
            fitted += usize::from(report.fits && share < 100);
            if share == 100 {
                assert_eq!(*new, *schedule);
                assert_eq!(report.seconds, 0.0);
            }
        }
    }
    assert!(composed > 60 && fitted >= 10, "{composed} composed, {fitted} fit");
}

/// A ciphertext rotated by `steps` after one hoist and summed, then rotated by `giants` each.
fn sums(steps: &[u32], giants: &[u32]) -> Verified<Schedule> {
    use fhec_ir::schedule::{PackedValue, ScheduleHeader};
    let packed = |name: &str| PackedValue { name: name.into(), layout: random::flat(SLOTS as usize, 1) };
    let header = ScheduleHeader {
        slots: SLOTS as usize,
        moduli: vec![2f64.powi(50), 2f64.powi(40), 2f64.powi(40)],
        inputs: vec![packed("x")],
        outputs: vec![packed("y")],
        ..ScheduleHeader::default()
    };
    let mut g = Schedule::new("sums", header);
    let x = g.push_input(0, 0, 2, 2f64.powi(40));
    let digits = g.push_inferred(ScheduleOp::Hoist, vec![x], "map").unwrap();
    let rotated = steps
        .iter()
        .map(|&step| g.push_inferred(ScheduleOp::RotateExt { step }, vec![digits], "map").unwrap());
    let rotated = rotated.collect();
    let sum = g.push_inferred(ScheduleOp::Add, rotated, "map").unwrap();
    let mut parts = vec![sum];
    parts.extend(
        giants.iter().map(|&step| g.push_inferred(ScheduleOp::Giant { step }, vec![sum], "map").unwrap()),
    );
    let sum = g.push_inferred(ScheduleOp::Add, parts, "map").unwrap();
    let y = g.push_inferred(ScheduleOp::ModDownRescale, vec![sum], "map").unwrap();
    g.add_output("y#0", y);
    verify(g).unwrap()
}

#[test]
fn sums_over_rotations_share_rotations_before_the_hoist() {
    let schedule = sums(&[0, 1, 2, 3, 4, 5, 6, 7], &[8, 16, 24]);
    let config = config(0);
    let key = config.parameters.key_bytes(2);
    let (all, report) = run(&schedule, &Config { bytes: 10 * key, ..config.clone() }).unwrap();
    assert_eq!((report.keys_before, report.keys, report.fits), (10, 10, true));
    assert_eq!(all, *schedule);
    let (few, report) = run(&schedule, &Config { bytes: 5 * key, ..config.clone() }).unwrap();
    assert!(report.fits && report.keys <= 5, "{report:?}");
    // A rotation with its hoist serves several steps: fewer than one each.
    let count =
        |schedule: &Schedule, f: fn(&ScheduleOp) -> bool| schedule.iter().filter(|(_, n)| f(&n.op)).count();
    let rotations = count(&few, |op| matches!(op, ScheduleOp::Rotate { .. }));
    assert!(rotations < 4, "{}", fhec_ir::text::print(&few));
    assert_eq!(count(&few, |op| matches!(op, ScheduleOp::RotateExt { .. })), 8);
    let seconds = 3.0
        * (rotations as f64 * 1.4
            + 0.8 * (count(&few, |op| matches!(op, ScheduleOp::Giant { .. })) - 3) as f64);
    assert!((report.seconds - seconds).abs() < 1e-9, "{report:?}, {seconds}");
    // All digits come before the first rotation of any.
    let last = few.iter().filter(|(_, n)| n.ty.kind == Kind::Digits).map(|(id, _)| id).max();
    assert!(last < few.iter().filter(|(_, n)| n.ty.kind == Kind::Ext).map(|(id, _)| id).min());
    insta::assert_snapshot!(fhec_ir::text::print(&few));
}

#[test]
fn what_is_cheaper_goes_first() {
    let schedule = sums(&[0, 1, 2, 3], &[4]);
    let config = config(0);
    let key = config.parameters.key_bytes(2);
    let with = |seconds, bytes| {
        let spare = Spare { bytes: key, seconds };
        run(&schedule, &Config { bytes, spare, ..config.clone() }).unwrap().1
    };
    let cheap = with(0.1, 4 * key + key / 2);
    assert_eq!((cheap.keys, cheap.spared, cheap.fits), (4, key / 2, true));
    assert!((cheap.seconds - 0.05).abs() < 1e-9);
    let dear = with(1000.0, 4 * key);
    assert_eq!((dear.keys, dear.spared, dear.fits), (3, 0, true));
    let least = with(0.1, 0);
    assert!(!least.fits && least.spared == key && least.keys > 0, "{least:?}");
}
