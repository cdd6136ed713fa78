//! Do the parts of a plan agree?

use std::collections::HashSet;

use super::classes::check_classes;
use super::tail::Tail;
use super::{
    BootstrapData, ClientInput, ClientSection, ClientSpec, KeyManifest, ParameterData, Plan, PlanError,
};
use crate::schedule::ScheduleOp;
use crate::schedule::keys::key_needs;

type Checked = Result<(), String>;

const MAX_PRIMES: usize = 256;
const MAX_VALUES: usize = 1024;
const MAX_TOTAL_POSITIONS: usize = 1 << 28;
/// Bounds on the multiples of q_0 that bootstraps add, for a secret of 32 coefficients ±1: at 13 one of 2^58 bootstraps at
/// N = 2^16 fails, at 14 one of 2^81. The engine has the law.
const BOUNDS: std::ops::RangeInclusive<u32> = 14..=64;
/// Most DFT stages merged into one matrix of a bootstrap: 2^(1 + 8) diagonals.
const MAX_MERGED: u32 = 8;

fn ensure(ok: bool, message: impl FnOnce() -> String) -> Checked {
    if ok { Ok(()) } else { Err(message()) }
}

impl Plan {
    /// Checks that the parts agree with each other.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn check(&self) -> Result<(), PlanError> {
        check_plan(self).map_err(PlanError::Inconsistent)
    }
}

impl ClientSpec {
    /// Checks that the parts agree with each other.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn check(&self) -> Result<(), PlanError> {
        check_client(&self.parameters, &self.keys, &self.client).map_err(PlanError::Inconsistent)
    }
}

fn check_plan(plan: &Plan) -> Checked {
    let Plan { parameters, schedule, keys, client, .. } = plan;
    check_client(parameters, keys, client)?;
    let header = &schedule.header;
    ensure(header.slots == 1 << (parameters.log_n - 1), || {
        format!("{} slots at log2 N = {}", header.slots, parameters.log_n)
    })?;
    let same = header.moduli.iter().zip(&parameters.q).all(|(m, &q)| *m == q as f64);
    ensure(same && header.moduli.len() == parameters.q.len(), || {
        "the schedule was planned for other primes".into()
    })?;
    ensure(header.bootstrap == parameters.bootstrap.as_ref().map(BootstrapData::header), || {
        "the schedule was planned for another bootstrap".into()
    })?;
    let needs = key_needs(schedule);
    for (step, level) in needs.rotations {
        ensure(keys.rotation_for(step, level, &parameters.gadgets).is_some(), || {
            format!("no key for rotation by {step} at level {level}")
        })?;
    }
    for level in needs.relinearisations {
        ensure(keys.relinearisation_for(level, &parameters.gadgets).is_some(), || {
            format!("no key for relinearisation at level {level}")
        })?;
    }
    check_interface(plan)
}

/// The client section says what the schedule's inputs and outputs are.
fn check_interface(plan: &Plan) -> Checked {
    let Plan { schedule, client, .. } = plan;
    let header = &schedule.header;
    let inputs = client.inputs.iter().map(|i| (&i.name, &i.layout));
    let outputs = client.outputs.iter().map(|o| (&o.name, &o.layout));
    let same = inputs.eq(header.inputs.iter().map(|p| (&p.name, &p.layout)))
        && outputs.eq(header.outputs.iter().map(|p| (&p.name, &p.layout)));
    ensure(same, || "client section and schedule name different inputs or outputs".into())?;
    for (id, node) in schedule.iter() {
        if let ScheduleOp::Input { input, .. } = &node.op {
            let wanted = &client.inputs[*input as usize];
            ensure(
                node.ty.level == wanted.level && node.ty.scale.to_bits() == wanted.scale.to_bits(),
                || format!("{} differs from the client section in level or scale", schedule.describe(id)),
            )?;
        }
    }
    let types = client.outputs.iter().flat_map(|o| &o.types);
    let same = types.zip(&schedule.outputs).all(|((level, scale), output)| {
        let ty = schedule.ty(output.value);
        ty.level == *level && ty.scale.to_bits() == scale.to_bits()
    });
    ensure(same, || "the client section's output levels or scales are not the schedule's".into())
}

fn check_client(parameters: &ParameterData, keys: &KeyManifest, client: &ClientSection) -> Checked {
    check_parameters(parameters)?;
    check_keys(parameters, keys)?;
    let (slots, levels) = (1usize << (parameters.log_n - 1), parameters.q.len() as u32);
    let count = client.inputs.len().max(client.outputs.len());
    ensure(count <= MAX_VALUES && !client.outputs.is_empty(), || format!("{count} inputs or outputs"))?;
    let type_ok = |level: u32, scale: f64| level < levels && scale.is_finite() && scale > 0.0;
    let bound_ok = |bound: f64| bound.is_finite() && bound > 0.0;
    let mut layouts = Vec::new();
    let mut names = HashSet::new();
    for input in &client.inputs {
        ensure(names.insert(&input.name), || format!("input {:?} occurs twice", input.name))?;
        ensure(type_ok(input.level, input.scale), || format!("level or scale of input {:?}", input.name))?;
        ensure(bound_ok(input.bound), || format!("bound {} of input {:?}", input.bound, input.name))?;
        let fits = input.normalisation.check(&input.layout.shape());
        fits.map_err(|e| format!("normalisation of input {:?}: {e}", input.name))?;
        layouts.push(&input.layout);
    }
    names.clear();
    for output in &client.outputs {
        ensure(names.insert(&output.name), || format!("output {:?} occurs twice", output.name))?;
        let types = output.types.len() == output.layout.ciphertexts
            && output.types.iter().all(|&(level, scale)| type_ok(level, scale));
        ensure(types, || format!("levels or scales of output {:?}", output.name))?;
        ensure(bound_ok(output.bound), || format!("bound {} of output {:?}", output.bound, output.name))?;
        ensure(bound_ok(output.range), || format!("range {} of output {:?}", output.range, output.name))?;
        ensure(bound_ok(output.error), || format!("error {} of output {:?}", output.error, output.name))?;
        layouts.push(&output.layout);
    }
    let total = layouts.iter().map(|l| l.slots.saturating_mul(l.ciphertexts)).fold(0, usize::saturating_add);
    ensure(total <= MAX_TOTAL_POSITIONS, || "inputs and outputs are too large".into())?;
    layouts.into_iter().try_for_each(|layout| {
        ensure(layout.slots == slots, || format!("a layout of {} slots", layout.slots))?;
        layout.check()
    })?;
    client.check_preprocessing()?;
    check_classes(&client.classes)?;
    let raw: Vec<_> = client.outputs.iter().map(|o| (o.name.clone(), o.layout.shape())).collect();
    Tail::new(&raw, client.tail.as_ref()).map(|_| ())
}

impl ClientSection {
    /// Whether what becomes of pictures fits the inputs.
    pub(super) fn check_preprocessing(&self) -> Checked {
        let check = |input: &ClientInput| {
            let fits = input.preprocessing.check(&input.layout.shape());
            fits.map_err(|e| format!("preprocessing of input {:?}: {e}", input.name))
        };
        self.inputs.iter().try_for_each(check)
    }
}

fn check_parameters(parameters: &ParameterData) -> Checked {
    let ParameterData { log_n, q, p, gadgets, .. } = parameters;
    ensure((4..=17).contains(log_n), || format!("log2 N = {log_n}"))?;
    let primes = 1..=MAX_PRIMES;
    ensure(primes.contains(&q.len()) && primes.contains(&p.len()), || {
        format!("{} and {} primes", q.len(), p.len())
    })?;
    ensure(q.iter().chain(p).all(|&m| (2..1 << 62).contains(&m)), || "a prime is out of range".into())?;
    ensure(gadgets.len() == q.len(), || format!("{} gadgets for {} levels", gadgets.len(), q.len()))?;
    for g in gadgets {
        let fits = g.digit_limbs >= 1 && g.digit_limbs <= g.special && g.special as usize <= p.len();
        ensure(fits, || format!("{g:?} with {} special primes", p.len()))?;
    }
    parameters.bootstrap.as_ref().map_or(Ok(()), |b| check_bootstrap(b, *log_n, q.len()))
}

/// The engine's limits, and bounds on the work of deriving matrices and keys.
fn check_bootstrap(b: &BootstrapData, log_n: u32, levels: usize) -> Checked {
    ensure((1..log_n).contains(&b.log_slots), || format!("a bootstrap of 2^{} slots", b.log_slots))?;
    for stages in [&b.slots_to_coeffs, &b.coeffs_to_slots] {
        let sizes = stages.len() <= levels && stages.iter().all(|s| (1..=MAX_MERGED).contains(s));
        ensure(sizes && stages.iter().sum::<u32>() == b.log_slots, || {
            format!(
                "a bootstrap with {} DFT matrices that do not make up 2^{} slots",
                stages.len(),
                b.log_slots
            )
        })?;
    }
    let e = &b.eval_mod;
    let eval_mod = BOUNDS.contains(&e.bound)
        && (2..=126).contains(&e.degree)
        && e.degree <= 4 * e.bound
        && e.degree.is_multiple_of(2)
        && e.doublings <= 6;
    ensure(eval_mod, || format!("a bootstrap with {e:?}"))?;
    let residual = (1..=levels as u32).contains(&b.residual_levels);
    ensure(residual && b.top_level() as usize + 1 == levels, || {
        format!("a bootstrap with {} residual levels on a chain of {levels} primes", b.residual_levels)
    })?;
    let numbers = (1.0..=40.0).contains(&b.message_ratio)
        && (1.0..=2f64.powi(62)).contains(&b.scale)
        && (0.0..1.0).contains(&b.error);
    ensure(numbers, || "message ratio, scale or error of the bootstrap".into())
}

fn check_keys(parameters: &ParameterData, keys: &KeyManifest) -> Checked {
    ensure(parameters.bootstrap.is_some() == (keys.bootstrap_bytes > 0), || {
        "the manifest's bootstrap keys are not the parameters'".into()
    })?;
    let (levels, slots) = (parameters.q.len() as u32, 1u32 << (parameters.log_n - 1));
    let size_ok = |level: u32, bytes: u64| level < levels && parameters.key_bytes(level) == bytes;
    let relinearisation = keys.relinearisation.windows(2).all(|w| w[0].level < w[1].level)
        && keys.relinearisation.iter().all(|k| size_ok(k.level, k.bytes));
    ensure(relinearisation, || "the manifest's relinearisation keys are malformed".into())?;
    let rotations = keys.rotations.windows(2).all(|w| (w[0].step, w[0].level) < (w[1].step, w[1].level))
        && keys.rotations.iter().all(|k| (1..2 * slots).contains(&k.step) && size_ok(k.level, k.bytes));
    ensure(rotations, || "the manifest's rotation keys are malformed".into())
}
