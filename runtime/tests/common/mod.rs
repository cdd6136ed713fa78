//! Plans and engines for tests.

// Every test binary uses some of these.
#![allow(dead_code, unused_macros)]

use std::sync::Arc;

use fhec_backend::Chain;
use fhec_ckks::bootstrap::{BootstrapSpec, EvalModSpec, KernelCosts, insecure_test_bootstrap};
use fhec_ckks::params::{Parameters, ParametersLiteral, insecure_test_params};
use fhec_ir::layout::{Axis, Layout};
use fhec_ir::plan::{BootstrapData, Gadget, ParameterData, Plan, PlanId, Report};
use fhec_ir::schedule::{PackedValue, Recipe, Schedule, ScheduleHeader, ScheduleOp, random, scale};
use fhec_ir::{Constant, Verified, verify};

/// What an engine around a clear one, its field `inner`, does not change: the values.
macro_rules! values_of_inner {
    () => {
        fn ty(&self, value: &ClearValue) -> ScheduleType {
            value.ty
        }

        fn value_bytes(&self, value: &ClearValue) -> usize {
            self.inner.value_bytes(value)
        }

        fn plain_bytes(&self, plain: &Self::Plain) -> usize {
            self.inner.plain_bytes(plain)
        }
    };
}

/// A small ring without security.
pub(crate) fn small_parameters(log_n: u32, levels: usize) -> Parameters {
    let q: Vec<u32> = std::iter::once(45).chain(std::iter::repeat_n(38, levels)).collect();
    insecure_test_params(log_n, &q, &[49, 49, 49]).unwrap()
}

/// A ring of degree 2^13 with 128 bits of security and two levels.
pub(crate) fn secure_parameters() -> Parameters {
    Parameters::new(&ParametersLiteral::from_bits(13, &[45, 38, 38], &[49]).unwrap()).unwrap()
}

pub(crate) fn data(parameters: &Parameters) -> ParameterData {
    let gadget = |level| {
        let shape = parameters.key_shape(level);
        Gadget { special: shape.special as u32, digit_limbs: shape.digit_limbs as u32 }
    };
    ParameterData {
        id: parameters.id().0,
        log_n: parameters.log_n(),
        q: parameters.q().to_vec(),
        p: parameters.p().to_vec(),
        scale_bits: 38,
        gadgets: (0..parameters.q().len()).map(gadget).collect(),
        bootstrap: None,
    }
}

/// A parameter set with a bootstrap: for the engine, for a plan, and the bytes of the bootstrap's keys.
pub(crate) type Bootstrapped = (Parameters, ParameterData, u64);

/// A small ring without security, with a bootstrap from level 3 to level 6.
pub(crate) fn bootstrapped() -> Bootstrapped {
    let (parameters, spec) = insecure_test_bootstrap(3).unwrap();
    with_bootstrap(parameters, &spec)
}

/// The same ring with a bootstrap that keeps 2^7 of 2^9 slots apart.
pub(crate) fn sparsely_bootstrapped() -> Bootstrapped {
    let (parameters, all) = insecure_test_bootstrap(3).unwrap();
    let (slots_to_coeffs, coeffs_to_slots) = (vec![3, 2, 2], vec![4, 3]);
    let spec = BootstrapSpec { log_slots: 7, slots_to_coeffs, coeffs_to_slots, ..all };
    with_bootstrap(parameters, &spec)
}

/// A ring of degree 2^16 with 128 bits of security and a bootstrap from level 3 to level 15.
pub(crate) fn secure_bootstrapped() -> Bootstrapped {
    let spec = BootstrapSpec {
        log_slots: 15,
        log_joined: 0,
        slots_to_coeffs: vec![5, 5, 5],
        residual_levels: 12,
        eval_mod: EvalModSpec { degree: 46, doublings: 2, ..EvalModSpec::default() },
        coeffs_to_slots: vec![4, 4, 4, 3],
        message_ratio: 10.0,
        scale: 2f64.powi(40),
    };
    let literal = spec.literal(16, [50.0, 34.0, 40.0, 49.9, 49.4], &[50.0; 10]).unwrap();
    with_bootstrap(Parameters::new(&literal).unwrap(), &spec)
}

fn with_bootstrap(parameters: Parameters, spec: &BootstrapSpec) -> Bootstrapped {
    let chain = Chain::bootstrapped(parameters, spec, &KernelCosts::default()).unwrap();
    let costs = chain.bootstrap.unwrap();
    (chain.parameters, chain.data, costs.key_bytes)
}

/// A random schedule for [`bootstrapped`] parameters.
pub(crate) fn bootstrapped_schedule(data: &ParameterData, seed: u64, steps: usize) -> Verified<Schedule> {
    let options = random::Options {
        slots: 1 << (data.log_n - 1),
        moduli: data.q.iter().map(|&q| q as f64).collect(),
        scale: 2f64.powi(40),
        steps,
        bootstrap: data.bootstrap.as_ref().map(BootstrapData::header),
    };
    random::schedule(seed, &options)
}

pub(crate) fn random_schedule(parameters: &Parameters, seed: u64, steps: usize) -> Verified<Schedule> {
    let moduli = parameters.q().iter().map(|&q| q as f64).collect();
    let (slots, scale) = (parameters.slots(), 2f64.powi(38));
    let options = random::Options { slots, moduli, scale, steps, bootstrap: None };
    random::schedule(seed, &options)
}

pub(crate) fn plan(parameters: &Parameters, schedule: Verified<Schedule>) -> (Arc<Plan>, PlanId) {
    plan_with(data(parameters), schedule, 0)
}

pub(crate) fn plan_with(
    data: ParameterData,
    schedule: Verified<Schedule>,
    bootstrap_bytes: u64,
) -> (Arc<Plan>, PlanId) {
    let plan = Plan::assemble(data, schedule, &[], Report::default(), bootstrap_bytes).unwrap();
    let id = plan.id().unwrap();
    (Arc::new(plan), id)
}

/// A 3×3 convolution with zero padding of an 8×8 image by double-hoisted rotations, then a squaring and a bias.
pub(crate) fn convolution(parameters: &Parameters, kernel: [f32; 9]) -> Verified<Schedule> {
    let slots = parameters.slots();
    let image = || Layout {
        slots,
        ciphertexts: 1,
        axes: vec![Axis::strided(1, 0), Axis::strided(1, 0), Axis::strided(8, 8), Axis::strided(8, 1)],
        replicas: vec![],
    };
    let packed = |name: &str| PackedValue { name: name.into(), layout: image() };
    let header = ScheduleHeader {
        slots,
        moduli: parameters.q().iter().map(|&q| q as f64).collect(),
        inputs: vec![packed("image")],
        outputs: vec![packed("logits")],
        layouts: vec![image()],
        ..ScheduleHeader::default()
    };
    let mut g = Schedule::new("conv", header);
    let delta = 2f64.powi(38);
    let top = parameters.max_level() as u32;
    let x = g.push_input(0, 0, top, delta);
    let digits = g.push_inferred(ScheduleOp::Hoist, vec![x], "conv").unwrap();
    let (mut args, mut recipes) = (vec![], vec![]);
    for (k, &w) in kernel.iter().enumerate() {
        let (dy, dx) = (k as i64 / 3 - 1, k as i64 % 3 - 1);
        let inside = |p: i64, d: i64| (0..8).contains(&(p + d));
        let tap = |p: i64| if inside(p / 8, dy) && inside(p % 8, dx) { w } else { 0.0 };
        let mask: Vec<f32> = (0..64).map(tap).collect();
        let value = g.add_constant(Constant::new([1, 1, 8, 8], mask));
        recipes.push(Recipe::Spread { value, row: 0, layout: 0, ct: 0 });
        let step = (8 * dy + dx).rem_euclid(slots as i64) as u32;
        args.push(g.push_inferred(ScheduleOp::RotateExt { step }, vec![digits], "conv").unwrap());
    }
    let plain_scale = scale::plain_scale_for(delta, delta, g.header.moduli[top as usize]);
    let y = g.push_inferred(ScheduleOp::MulAcc { recipes, plain_scale }, args, "conv").unwrap();
    let y = g.push_inferred(ScheduleOp::ModDownRescale, vec![y], "conv").unwrap();
    let y = g.push_inferred(ScheduleOp::Mul, vec![y, y], "square").unwrap();
    let y = g.push_inferred(ScheduleOp::RelinRescale, vec![y], "square").unwrap();
    let bias = g.add_constant(Constant::new([1, 1, 1, 1], [0.25]));
    let recipe = Recipe::Spread { value: bias, row: 0, layout: 0, ct: 0 };
    let y = g.push_inferred(ScheduleOp::AddPlain { recipe }, vec![y], "bias").unwrap();
    g.add_output("logits#0", y);
    verify(g).unwrap()
}

/// Products of a dense map as pairs, moved, folded, and not rescaled: the error is the input's.
pub(crate) fn folded(parameters: &Parameters) -> Verified<Schedule> {
    let mut g = (*random_schedule(parameters, 1, 0)).clone();
    g.outputs.clear();
    g.header.outputs = vec![PackedValue { name: "y".into(), layout: random::flat(parameters.slots(), 1) }];
    let digits = g.push_inferred(ScheduleOp::Hoist, vec![fhec_ir::ValueId(0)], "").unwrap();
    let babies =
        [0, 1].map(|step| g.push_inferred(ScheduleOp::RotateExt { step }, vec![digits], "").unwrap());
    let pair = |k| Recipe::Pair { map: 0, re: Some(k), im: Some(6 - k) };
    let sums = [0, 2].map(|k| {
        let sum = ScheduleOp::MulAcc { recipes: vec![pair(k), pair(k + 1)], plain_scale: 2f64.powi(38) };
        g.push_inferred(sum, babies.to_vec(), "").unwrap()
    });
    let giant = g.push_inferred(ScheduleOp::Giant { step: 2 }, vec![sums[1]], "").unwrap();
    let sum = g.push_inferred(ScheduleOp::Add, vec![sums[0], giant], "").unwrap();
    let y = g.push_inferred(ScheduleOp::Fold { step: 12 }, vec![sum], "").unwrap();
    let y = g.push_inferred(ScheduleOp::ModDown, vec![y], "").unwrap();
    g.add_output("y#0", y);
    verify(g).unwrap()
}

/// Drops to the bootstrap's level, refreshes and squares. Slots repeat as the bootstrap asks for.
pub(crate) fn refresh(data: &ParameterData) -> Verified<Schedule> {
    let slots = 1 << (data.log_n - 1);
    let period = 1 << data.bootstrap.as_ref().unwrap().log_slots;
    let packed = |name: &str| PackedValue { name: name.into(), layout: random::flat(slots, 1) };
    let header = ScheduleHeader {
        slots,
        moduli: data.q.iter().map(|&q| q as f64).collect(),
        inputs: vec![packed("x")],
        outputs: vec![packed("y")],
        bootstrap: data.bootstrap.as_ref().map(BootstrapData::header),
        ..ScheduleHeader::default()
    };
    let mut g = Schedule::new("refresh", header);
    // Slots up to 2 at half the nominal scale.
    let x = g.push_input(0, 0, 4, 2f64.powi(39));
    let x = g.push_inferred(ScheduleOp::Drop { level: 3 }, vec![x], "").unwrap();
    let refresh = ScheduleOp::Bootstrap { range: 2.0, period, with_next: false };
    let y = g.push_inferred(refresh, vec![x], "refresh").unwrap();
    let y = g.push_inferred(ScheduleOp::Mul, vec![y, y], "").unwrap();
    let y = g.push_inferred(ScheduleOp::RelinRescale, vec![y], "").unwrap();
    g.add_output("y#0", y);
    verify(g).unwrap()
}

/// What [`convolution`] computes.
pub(crate) fn expected(kernel: [f32; 9], image: &[f64]) -> Vec<f64> {
    let at = |y: i64, x: i64| {
        if (0..8).contains(&y) && (0..8).contains(&x) { image[(8 * y + x) as usize] } else { 0.0 }
    };
    let pixel = |p: i64| {
        let sum: f64 =
            (0..9).map(|k| f64::from(kernel[k as usize]) * at(p / 8 + k / 3 - 1, p % 8 + k % 3 - 1)).sum();
        sum * sum + 0.25
    };
    (0..64).map(pixel).collect()
}
