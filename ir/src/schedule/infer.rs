//! Types of results: the one place that says what level and scale an instruction gives.

use super::{Kind, Recipe, Schedule, ScheduleHeader, ScheduleOp, ScheduleType, scale};
use crate::ValueId;

/// Largest magnitude, in bits, of the integer that a scalar is encoded as.
const MAX_SCALAR_BITS: i32 = 120;

/// Why an instruction does not fit its operands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {message}")]
pub struct InferError {
    /// `S1` to `S7`.
    pub invariant: &'static str,
    /// What is wrong.
    pub message: String,
}

type Checked<T = ()> = Result<T, InferError>;

fn fail<T>(invariant: &'static str, message: impl Into<String>) -> Checked<T> {
    Err(InferError { invariant, message: message.into() })
}

fn ensure(ok: bool, invariant: &'static str, message: impl FnOnce() -> String) -> Checked {
    if ok { Ok(()) } else { fail(invariant, message()) }
}

/// Type of what `op` computes from operands of the given types, checking S1, S2, S3, S5, S7 and that scalars
/// and scales are sensible numbers. [`ScheduleOp::Input`] has the type it is given.
///
/// # Errors
/// The first broken invariant.
pub fn infer(header: &ScheduleHeader, op: &ScheduleOp, args: &[ScheduleType]) -> Checked<ScheduleType> {
    use ScheduleOp as O;
    check_count(op, args.len())?;
    let Some(&x) = args.first() else { return fail("S1", "the type of an input is not inferred") };
    let step_of = |step: u32| ensure((step as usize) < header.slots, "S5", || format!("rotation by {step}"));
    let one = |kinds: &[Kind]| {
        ensure(kinds.contains(&x.kind), "S1", || format!("operand is {:?}, not one of {kinds:?}", x.kind))
    };
    let with = |kind| ScheduleType { kind, ..x };
    match op {
        O::Input { .. } => fail("S1", "the type of an input is not inferred"),
        O::Hoist => one(&[Kind::Ct]).map(|()| with(Kind::Digits)),
        O::RotateHoisted { step }
        | O::Rotate { step }
        | O::Giant { step }
        | O::Fold { step }
        | O::RotateExt { step } => {
            let (from, to) = match op {
                O::RotateHoisted { .. } => (Kind::Digits, Kind::Ct),
                O::RotateExt { .. } => (Kind::Digits, Kind::Ext),
                O::Rotate { .. } => (Kind::Ct, Kind::Ct),
                O::Fold { .. } => (Kind::ExtPair, Kind::Ext),
                _ if x.kind == Kind::ExtPair => (Kind::ExtPair, Kind::ExtPair),
                _ => (Kind::Ext, Kind::Ext),
            };
            one(&[from])?;
            step_of(*step)?;
            let zero_allowed = matches!(op, O::RotateExt { .. });
            ensure(zero_allowed || *step != 0, "S5", || "rotation by 0".into())?;
            Ok(with(to))
        }
        O::MulAcc { recipes, plain_scale } => {
            ensure(recipes.len() == args.len(), "S1", || {
                format!("{} recipes for {} operands", recipes.len(), args.len())
            })?;
            one(if op.makes_pair() { &[Kind::Ext] } else { &[Kind::Ct, Kind::Ext] })?;
            alike(args)?;
            let pairs = recipes.iter().filter(|r| matches!(r, Recipe::Pair { .. })).count();
            ensure(pairs == 0 || pairs == recipes.len(), "S1", || {
                "plaintexts with and without pairs".into()
            })?;
            let kind = if pairs > 0 { Kind::ExtPair } else { x.kind };
            scaled(with(kind), *plain_scale)
        }
        O::AddPlain { recipe } => {
            one(&[Kind::Ct])?;
            ensure(!matches!(recipe, Recipe::Pair { .. }), "S1", || "a pair is multiplied by only".into())?;
            Ok(x)
        }
        O::MulScalar { value, plain_scale } => {
            one(&[Kind::Ct])?;
            scalar(*value, *plain_scale)?;
            scaled(x, *plain_scale)
        }
        O::AddScalar { value } => {
            one(&[Kind::Ct])?;
            scalar(*value, x.scale)?;
            Ok(x)
        }
        O::Add => {
            one(&[Kind::Ct, Kind::Ct3, Kind::Ext, Kind::ExtPair])?;
            alike(args).map(|()| x)
        }
        O::Sub => {
            one(&[Kind::Ct, Kind::Ct3])?;
            alike(args).map(|()| x)
        }
        O::Mul => {
            let y = args[1];
            ensure(x.kind == Kind::Ct && y.kind == Kind::Ct, "S1", || "operands are no ciphertexts".into())?;
            ensure(x.level == y.level, "S1", || format!("levels {} and {}", x.level, y.level))?;
            Ok(ScheduleType { kind: Kind::Ct3, level: x.level, scale: scale::multiplied(x.scale, y.scale) })
        }
        O::Relinearize => one(&[Kind::Ct3]).map(|()| with(Kind::Ct)),
        O::Rescale => one(&[Kind::Ct, Kind::Ct3]).and_then(|()| lower(header, x, x.kind)),
        O::RelinRescale => one(&[Kind::Ct3]).and_then(|()| lower(header, x, Kind::Ct)),
        O::ModDown => one(&[Kind::Ext]).map(|()| with(Kind::Ct)),
        O::ModDownRescale => one(&[Kind::Ext]).and_then(|()| lower(header, x, Kind::Ct)),
        O::Drop { level } => {
            one(&[Kind::Ct])?;
            ensure(*level < x.level, "S2", || format!("drop from level {} to {level}", x.level))?;
            Ok(ScheduleType { level: *level, ..x })
        }
        O::Relabel { factor } => {
            one(&[Kind::Ct, Kind::Ct3])?;
            ensure(factor.is_finite() && *factor > 0.0, "S6", || format!("factor {factor}"))?;
            Ok(ScheduleType { scale: scale::relabelled(x.scale, *factor), ..x })
        }
        O::Bootstrap { range, period, .. } => {
            one(&[Kind::Ct])?;
            bootstrapped(header, x, *range, *period)
        }
    }
}

fn check_count(op: &ScheduleOp, count: usize) -> Checked {
    use ScheduleOp as O;
    let expected = match op {
        O::Input { .. } => 0..=0,
        O::Mul | O::Sub => 2..=2,
        O::MulAcc { .. } | O::Add => 1..=usize::MAX,
        _ => 1..=1,
    };
    ensure(expected.contains(&count), "S1", || format!("{count} operand(s)"))
}

fn alike(args: &[ScheduleType]) -> Checked {
    let x = args[0];
    for (k, y) in args.iter().enumerate().skip(1) {
        ensure(y.kind == x.kind, "S1", || format!("operand {k} is {:?}, operand 0 {:?}", y.kind, x.kind))?;
        ensure(y.level == x.level, "S3", || {
            format!("operand {k} has level {}, operand 0 {}", y.level, x.level)
        })?;
        ensure(scale::addable(x.scale, y.scale), "S3", || {
            format!("operand {k} has scale {:e}, operand 0 {:e}", y.scale, x.scale)
        })?;
    }
    Ok(())
}

fn scalar(value: f64, plain_scale: f64) -> Checked {
    let encoded = value * plain_scale;
    ensure(encoded.is_finite() && encoded.abs() < 2f64.powi(MAX_SCALAR_BITS), "S6", || {
        format!("scalar {value:e} at scale {plain_scale:e}")
    })
}

fn scaled(x: ScheduleType, plain_scale: f64) -> Checked<ScheduleType> {
    ensure(plain_scale.is_finite() && plain_scale > 0.0, "S6", || {
        format!("plaintext scale {plain_scale:e}")
    })?;
    Ok(ScheduleType { scale: scale::multiplied(x.scale, plain_scale), ..x })
}

fn lower(header: &ScheduleHeader, x: ScheduleType, kind: Kind) -> Checked<ScheduleType> {
    let modulus = header.moduli.get(x.level as usize).filter(|_| x.level > 0);
    let Some(&modulus) = modulus else { return fail("S2", format!("rescaling at level {}", x.level)) };
    Ok(ScheduleType { kind, level: x.level - 1, scale: scale::rescaled(x.scale, modulus) })
}

fn bootstrapped(header: &ScheduleHeader, x: ScheduleType, range: f64, period: u32) -> Checked<ScheduleType> {
    let Some(bootstrap) = header.bootstrap else { return fail("S7", "the header describes no bootstrap") };
    ensure(x.level == bootstrap.level_in, "S7", || {
        format!("bootstrap at level {} instead of {}", x.level, bootstrap.level_in)
    })?;
    ensure(range.is_finite() && range > 0.0, "S7", || format!("range {range:e}"))?;
    ensure(scale::bootstrappable(x.scale, range, bootstrap.scale), "S7", || {
        format!("slots up to {range} at scale {:e} exceed the bootstrap's {:e}", x.scale, bootstrap.scale)
    })?;
    ensure(period.is_power_of_two() && period <= bootstrap.period, "S7", || {
        format!("slots that repeat after {period}, the bootstrap keeps {} apart", bootstrap.period)
    })?;
    Ok(ScheduleType { level: bootstrap.level_out, ..x })
}

impl Schedule {
    /// Appends an instruction with its inferred type.
    ///
    /// # Errors
    /// As [`infer`]; the schedule is unchanged then.
    ///
    /// # Panics
    /// As [`Graph::push`](crate::Graph::push).
    pub fn push_inferred(
        &mut self,
        op: ScheduleOp,
        args: Vec<ValueId>,
        name: impl Into<String>,
    ) -> Result<ValueId, InferError> {
        let types: Vec<_> = args.iter().map(|a| *self.ty(*a)).collect();
        let ty = infer(&self.header, &op, &types)?;
        Ok(self.push(op, args, ty, name))
    }

    /// Appends the node for ciphertext `ct` of packed input `input`, named `NAME#CT`.
    ///
    /// # Panics
    /// If the header has no such input, or as [`Graph::push`](crate::Graph::push).
    pub fn push_input(&mut self, input: u32, ct: u32, level: u32, scale: f64) -> ValueId {
        let name = format!("{}#{ct}", self.header.inputs[input as usize].name);
        let ty = ScheduleType { kind: Kind::Ct, level, scale };
        self.push(ScheduleOp::Input { name, input, ct }, vec![], ty, "")
    }
}
