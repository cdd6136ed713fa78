//! The simulator against the reference interpreter and the clear engine.

mod common;

use fhec_ir::plan::ParameterData;
use fhec_ir::schedule::interp::interpret;
use fhec_ir::schedule::{Schedule, random};
use fhec_ir::simulate::{Image, Simulated, Simulator};
use fhec_ir::{ValueId, Verified};
use fhec_runtime::clear::ClearEngine;
use fhec_runtime::{ExecuteOptions, PlaintextStore, execute};

/// Images of random slots.
fn images(schedule: &Schedule, count: u64) -> Vec<Image> {
    (0..count)
        .map(|number| Image { number, inputs: random::inputs(number, schedule), exact: false })
        .collect()
}

fn check_exact(schedule: &Verified<Schedule>, data: &ParameterData, count: u64) {
    let simulator = Simulator::new(schedule, data, 0).unwrap().exact();
    let images = images(schedule, count);
    for (found, image) in simulator.run(&images).unwrap().iter().zip(&images) {
        assert_eq!(found.outputs, interpret(schedule, &image.inputs).unwrap());
        assert_eq!((found.diverges, found.exceeds), (None, None));
    }
}

#[test]
fn without_noise_it_is_the_interpreter() {
    let parameters = common::small_parameters(6, 4);
    let (_, bootstrapped, _) = common::bootstrapped();
    for seed in 0..20 {
        check_exact(
            &common::random_schedule(&parameters, seed, 30),
            &common::data(&parameters),
            1 + seed % 6,
        );
        check_exact(&common::bootstrapped_schedule(&bootstrapped, seed, 40), &bootstrapped, 1 + seed % 3);
    }
}

#[test]
fn long_plaintexts_and_rotations_across_tiles() {
    let kernel = [0.1, -0.2, 0.3, 0.4, 0.5, -0.6, 0.7, -0.1, 0.2];
    let parameters = common::small_parameters(12, 3);
    check_exact(&common::convolution(&parameters, kernel), &common::data(&parameters), 5);
}

#[test]
fn noise_depends_on_image_and_seed_only() {
    let (_, data, _) = common::bootstrapped();
    let schedule = common::bootstrapped_schedule(&data, 3, 40);
    let images = images(&schedule, 5);
    let simulator = Simulator::new(&schedule, &data, 7).unwrap();
    let together = simulator.run(&images).unwrap();
    let alone: Vec<Simulated> = images.chunks(1).flat_map(|i| simulator.run(i).unwrap()).collect();
    assert_eq!(together, alone);
    let other = Simulator::new(&schedule, &data, 8).unwrap().run(&images).unwrap();
    assert!(together.iter().zip(&other).all(|(a, b)| a.outputs != b.outputs));
    let renumbered = Image { number: 9, ..images[0].clone() };
    assert_ne!(simulator.run(&[renumbered]).unwrap()[0].outputs, together[0].outputs);
}

/// Rms over the slots of all outputs.
fn rms(slots: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = slots.fold((0, 0.0), |(n, sum), x| (n + 1, sum + x * x));
    (sum / f64::from(count)).sqrt()
}

#[test]
fn noise_has_the_size_that_the_model_gives() {
    let parameters = common::small_parameters(12, 3);
    let data = common::data(&parameters);
    let kernel = [0.1, -0.2, 0.3, 0.4, 0.5, -0.6, 0.7, -0.1, 0.2];
    check_noise(&common::convolution(&parameters, kernel), &data);
    check_noise(&common::folded(&parameters), &data);
}

fn check_noise(schedule: &Verified<Schedule>, data: &ParameterData) {
    let images = images(schedule, 4);
    let simulator = Simulator::new(schedule, data, 1).unwrap();
    let pairs = simulator.run(&images).unwrap().into_iter().zip(simulator.exact().run(&images).unwrap());
    let errors = pairs.flat_map(|(a, b)| {
        let pairs = a.outputs.concat().concat().into_iter().zip(b.outputs.concat().concat());
        pairs.map(|(a, b)| a - b).collect::<Vec<_>>()
    });
    let ty = *schedule.ty(ValueId(0));
    let run = |engine: &ClearEngine| {
        let input = |slots: &Vec<f64>| engine.input(slots.clone(), ty.level, ty.scale, 1);
        let inputs = images[0].inputs.iter().map(|cts| cts.iter().map(input).collect()).collect();
        let store = PlaintextStore::new(0);
        let run = execute(engine, schedule, inputs, &store, &ExecuteOptions::default()).unwrap();
        run.outputs[0][0].clone()
    };
    let engine = ClearEngine::modelled(schedule, data, None);
    let clear = run(&engine);
    let (found, expected) = (rms(errors), engine.slot_error(&clear));
    assert!((0.8..1.25).contains(&(found / expected)), "{found:e}, not {expected:e}");
    let noisy = run(&ClearEngine::modelled(schedule, data, Some(1)));
    let found = rms(noisy.slots.iter().zip(&clear.slots).map(|(a, b)| a - b));
    assert!((0.7..1.3).contains(&(found / expected)), "{found:e}, not {expected:e}");
}

#[test]
fn images_that_leave_their_range_are_named() {
    let (_, data, _) = common::bootstrapped();
    let schedule = common::refresh(&data);
    let bootstrap = schedule.iter().find(|(_, n)| n.name == "refresh").unwrap().0;
    let simulator = Simulator::new(&schedule, &data, 0).unwrap();
    let largest = [2.0, 2.1, -7.0, 1e6, f64::NAN, f64::INFINITY];
    let image = |x: f64| (0..512).map(|k| if k == 77 { x } else { 0.5 }).collect::<Vec<f64>>();
    let images = largest.iter().zip(0..);
    let images: Vec<_> =
        images.map(|(x, number)| Image { number, inputs: vec![vec![image(*x)]], exact: false }).collect();
    let found = simulator.run(&images).unwrap();
    let exceeds: Vec<_> = found.iter().map(|s| s.exceeds.map(|e| (e.at, (10.0 * e.ratio).round()))).collect();
    let at = |ratio| Some((bootstrap, ratio));
    assert_eq!(exceeds[..4], [None, at(11.0), at(35.0), at(5e6)]);
    let diverges: Vec<_> = found.iter().map(|s| s.diverges).collect();
    let input = Some(ValueId(0));
    assert_eq!(diverges, [None, None, None, Some(bootstrap), input, input]);
    assert!(found[4].outputs[0][0][77].is_nan());
    assert_eq!(found[..3], simulator.run(&images[..3]).unwrap(), "the others are as without them");
}

#[test]
fn slots_that_do_not_repeat_as_promised_are_named() {
    let (_, data, _) = common::sparsely_bootstrapped();
    let schedule = common::refresh(&data);
    let bootstrap = schedule.iter().find(|(_, n)| n.name == "refresh").unwrap().0;
    // One copy of a slot differs from the others; the last one is out of range.
    let image = |x: f64| (0..512).map(|k| if k == 77 { x } else { 0.5 }).collect::<Vec<f64>>();
    let images: Vec<_> = [0.5, 0.75, -7.0]
        .into_iter()
        .zip(0..)
        .map(|(x, number)| Image { number, inputs: vec![vec![image(x)]], exact: false })
        .collect();
    let found = Simulator::new(&schedule, &data, 0).unwrap().run(&images).unwrap();
    let uneven: Vec<_> = found.iter().map(|s| s.uneven.map(|e| (e.at, (1000.0 * e.ratio).round()))).collect();
    assert_eq!(uneven, [None, Some((bootstrap, 125.0)), None]);
    assert!(found[2].exceeds.is_some());

    let ty = *schedule.ty(ValueId(0));
    let run = |engine: &ClearEngine, x: f64| {
        let input = engine.input(image(x), ty.level, ty.scale, 1);
        let store = PlaintextStore::new(0);
        execute(engine, &schedule, vec![vec![input]], &store, &ExecuteOptions::default()).map(|_| ())
    };
    for engine in [ClearEngine::exact(&schedule), ClearEngine::modelled(&schedule, &data, Some(3))] {
        run(&engine, 0.5).unwrap();
        let refused = run(&engine, 0.75).unwrap_err().to_string();
        assert!(refused.contains("refresh") && refused.contains("repeat after 128 differ"), "{refused}");
    }
}

#[test]
fn images_that_do_not_fit_are_refused() {
    let (_, data, _) = common::bootstrapped();
    let schedule = common::refresh(&data);
    let simulator = Simulator::new(&schedule, &data, 0).unwrap();
    for inputs in [vec![], vec![vec![vec![0.0; 511]]]] {
        let error = simulator.run(&[Image { number: 0, inputs, exact: false }]).unwrap_err();
        assert!(error.to_string().contains("511 slots") || error.to_string().contains("0 inputs"), "{error}");
    }
}
