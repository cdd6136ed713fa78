//! The CKKS engine: instructions on ciphertexts.

use std::sync::Arc;

use fhec_ckks::cipher::{Ciphertext, ExtCiphertext};
use fhec_ckks::encoding::{CompactPlaintext, Encoder, Plaintext};
use fhec_ckks::eval::{Evaluator, Hoisted, Multiplier};
use fhec_ckks::keys::EvaluationKeySet;
use fhec_ckks::params::{KeyShape, Parameters, ParametersLiteral, SIGMA, Secret};
use fhec_ckks::{CkksError, Complex64, KeyName};
use fhec_ir::plan::{Gadget, KeyManifest, ParameterData};
use fhec_ir::schedule::recipes::Vector;
use fhec_ir::schedule::{Kind, ScheduleOp, ScheduleType};
use fhec_ir::{Node, ValueId};

use crate::bootstrap::Bootstrap;
use crate::engine::{Engine, GiantSum, Place, RotatedSums};
use crate::error::{EngineError, RunError};

/// Builds and checks the engine's parameters from a plan's. This is where security is checked.
///
/// # Errors
/// If the engine refuses them, or they are not what the plan's identity says.
pub fn parameters(data: &ParameterData) -> Result<Parameters, RunError> {
    let literal = ParametersLiteral {
        log_n: data.log_n,
        q: data.q.clone(),
        p: data.p.clone(),
        secret: Secret::UniformTernary,
        sigma: SIGMA,
    };
    let parameters = Parameters::new(&literal).map_err(|e| RunError::Parameters(e.to_string()))?;
    check_identity(&parameters, data)?;
    Ok(parameters)
}

/// Checks that the engine's parameters are those of the plan and admit its key shapes.
///
/// # Errors
/// If not.
pub fn check_identity(parameters: &Parameters, data: &ParameterData) -> Result<(), RunError> {
    if parameters.id().0 != data.id {
        return Err(RunError::Parameters(format!("identity {} is not the plan's", parameters.id())));
    }
    for (level, gadget) in data.gadgets.iter().enumerate() {
        if !parameters.admits(&shape(*gadget, level as u32)) {
            return Err(RunError::Parameters(format!("{gadget:?} does not suit level {level}")));
        }
    }
    Ok(())
}

/// Shape of a key of `level` for a decomposition.
pub fn shape(gadget: Gadget, level: u32) -> KeyShape {
    KeyShape {
        level: level as usize,
        special: gadget.special as usize,
        digit_limbs: gadget.digit_limbs as usize,
    }
}

/// The keys of a manifest as the engine names them, those of the bootstrap not included.
pub fn key_requests(manifest: &KeyManifest, parameters: &ParameterData) -> Vec<(KeyName, KeyShape)> {
    let of = |level: u32| shape(parameters.gadgets[level as usize], level);
    let slots = 1i64 << (parameters.log_n - 1);
    let name = |step: u32| match i64::from(step) - slots {
        0 => KeyName::Conjugation,
        both if both > 0 => KeyName::ConjugateRotation(both),
        _ => KeyName::Rotation(i64::from(step)),
    };
    let relinearisation = manifest.relinearisation.iter().map(|k| (KeyName::Relinearization, of(k.level)));
    let rotations = manifest.rotations.iter().map(|k| (name(k.step), of(k.level)));
    relinearisation.chain(rotations).collect()
}

/// A schedule value under encryption.
pub enum CkksValue {
    /// Two polynomials, or three before relinearisation.
    Ct(Ciphertext),
    /// Over QP.
    Ext(ExtCiphertext),
    /// Over QP, two vectors.
    ExtPair(ExtCiphertext),
    /// Decomposed.
    Digits(Hoisted),
}

impl CkksValue {
    fn ct(&self, at: usize) -> Result<&Ciphertext, EngineError> {
        if let Self::Ct(ct) = self { Ok(ct) } else { Err(EngineError::Kind(at)) }
    }

    fn ext(&self, at: usize) -> Result<&ExtCiphertext, EngineError> {
        if let Self::Ext(ext) = self { Ok(ext) } else { Err(EngineError::Kind(at)) }
    }

    fn pair(&self, at: usize) -> Result<&ExtCiphertext, EngineError> {
        if let Self::ExtPair(ext) = self { Ok(ext) } else { Err(EngineError::Kind(at)) }
    }

    /// What [`ScheduleOp::MulAcc`] over QP gives.
    fn sum(node: &Node<ScheduleOp>, ext: ExtCiphertext) -> Self {
        if node.op.makes_pair() { Self::ExtPair(ext) } else { Self::Ext(ext) }
    }

    fn digits(&self) -> Result<&Hoisted, EngineError> {
        if let Self::Digits(digits) = self { Ok(digits) } else { Err(EngineError::Kind(0)) }
    }
}

/// An encoded plaintext.
pub enum CkksPlain {
    /// Transformed for its level.
    Plain(Plaintext),
    /// For sums over rotations, which transform it as they go.
    Compact(CompactPlaintext),
}

impl CkksPlain {
    fn plain(&self) -> Result<&Plaintext, EngineError> {
        if let Self::Plain(plain) = self { Ok(plain) } else { Err(EngineError::Kind(0)) }
    }

    fn multiplier(&self) -> Multiplier<'_> {
        match self {
            Self::Plain(plain) => plain.into(),
            Self::Compact(plain) => plain.into(),
        }
    }
}

/// Executes on ciphertexts with evaluation keys; cannot decrypt.
pub struct CkksEngine {
    evaluator: Evaluator,
    encoder: Encoder,
    gadgets: Vec<Gadget>,
    bootstrap: Option<Bootstrap>,
}

impl CkksEngine {
    /// An engine for a plan's parameters and keys.
    ///
    /// # Errors
    /// If the keys are of other parameters, or one that the manifest lists or the bootstrap needs is missing.
    pub fn new(
        parameters: &Parameters,
        data: &ParameterData,
        manifest: &KeyManifest,
        keys: Arc<EvaluationKeySet>,
    ) -> Result<Self, RunError> {
        check_identity(parameters, data)?;
        if keys.parameters_id() != parameters.id() {
            let (expected, found) = (parameters.id(), keys.parameters_id());
            return Err(RunError::MissingKey(CkksError::ParametersMismatch { expected, found }));
        }
        for (name, shape) in key_requests(manifest, data) {
            keys.find(name, shape.level, Some(&shape)).map_err(RunError::MissingKey)?;
        }
        let encoder = Encoder::new(parameters);
        let bootstrap = Bootstrap::new(parameters, data, manifest, &keys)?;
        Ok(Self { evaluator: Evaluator::new(keys), encoder, gadgets: data.gadgets.clone(), bootstrap })
    }

    /// Bytes of the bootstrap's matrices; 0 before the first run that needs them.
    pub fn bootstrap_bytes(&self) -> usize {
        self.bootstrap.as_ref().map_or(0, Bootstrap::bytes)
    }

    /// The parameter set.
    pub fn parameters(&self) -> &Parameters {
        self.evaluator.parameters()
    }

    fn encoded<T: Copy + Into<Complex64>>(
        &self,
        slots: &[T],
        place: Place,
    ) -> Result<CkksPlain, EngineError> {
        if place.compact {
            match self.encoder.encode_compact(slots, place.scale) {
                Ok(plain) => return Ok(CkksPlain::Compact(plain)),
                // Too wide for a word, but perhaps not for the level's modulus.
                Err(CkksError::CoefficientTooLarge { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let level = place.level as usize;
        let special = if place.extended { self.gadget(level)?.special } else { 0 };
        Ok(CkksPlain::Plain(self.encoder.encode_ext(slots, level, special, place.scale)?))
    }

    fn gadget(&self, level: usize) -> Result<KeyShape, EngineError> {
        let gadget = self.gadgets.get(level).ok_or(EngineError::Kind(0))?;
        Ok(shape(*gadget, level as u32))
    }

    fn sum(&self, args: &[&CkksValue]) -> Result<CkksValue, EngineError> {
        match args.first() {
            Some(CkksValue::Ct(first)) => {
                let mut sum = first.clone();
                for (k, arg) in args.iter().enumerate().skip(1) {
                    self.evaluator.add_assign(&mut sum, arg.ct(k)?)?;
                }
                Ok(CkksValue::Ct(sum))
            }
            Some(CkksValue::Ext(first)) => {
                let mut sum = first.clone();
                for (k, arg) in args.iter().enumerate().skip(1) {
                    self.evaluator.add_assign_ext(&mut sum, arg.ext(k)?)?;
                }
                Ok(CkksValue::Ext(sum))
            }
            Some(CkksValue::ExtPair(first)) => {
                let mut sum = first.clone();
                for (k, arg) in args.iter().enumerate().skip(1) {
                    self.evaluator.add_assign_ext(&mut sum, arg.pair(k)?)?;
                }
                Ok(CkksValue::ExtPair(sum))
            }
            _ => Err(EngineError::Kind(0)),
        }
    }

    fn multiply_accumulate(
        &self,
        node: &Node<ScheduleOp>,
        args: &[&CkksValue],
        plains: &[Arc<CkksPlain>],
    ) -> Result<CkksValue, EngineError> {
        let plains = plains.iter().map(|p| p.plain()).collect::<Result<Vec<_>, _>>()?;
        if let Some(CkksValue::Ext(_)) = args.first() {
            let args: Vec<_> = args.iter().enumerate().map(|(k, a)| a.ext(k)).collect::<Result<_, _>>()?;
            let terms = args.into_iter().zip(plains);
            return Ok(CkksValue::sum(node, self.evaluator.mul_acc_ext(terms)?));
        }
        let args: Vec<_> = args.iter().enumerate().map(|(k, a)| a.ct(k)).collect::<Result<_, _>>()?;
        let terms = args.into_iter().zip(plains);
        Ok(CkksValue::Ct(self.evaluator.mul_acc(terms)?))
    }
}

impl Engine for CkksEngine {
    type Value = CkksValue;
    type Plain = CkksPlain;

    fn needs_preparation(&self, op: &ScheduleOp) -> bool {
        matches!(op, ScheduleOp::Bootstrap { .. })
    }

    fn prepare(&self) -> Result<(), EngineError> {
        self.bootstrap.as_ref().ok_or(EngineError::NoBootstrap)?.ready()?;
        Ok(())
    }

    fn encode(&self, vector: &Vector, place: Place) -> Result<CkksPlain, EngineError> {
        match &vector.im {
            None => self.encoded(&vector.re, place),
            Some(im) => {
                let at = |k: usize, part: &[f64]| part[k & (part.len() - 1)] / 2.0;
                let slots = (0..vector.period()).map(|k| Complex64::new(at(k, &vector.re), at(k, im)));
                self.encoded(&slots.collect::<Vec<_>>(), place)
            }
        }
    }

    fn apply(
        &self,
        _: ValueId,
        node: &Node<ScheduleOp>,
        args: &[&CkksValue],
        plains: &[Arc<CkksPlain>],
    ) -> Result<CkksValue, EngineError> {
        use CkksValue::{Ct, Digits, Ext, ExtPair};
        use ScheduleOp as O;
        let e = &self.evaluator;
        let x = *args.first().ok_or(EngineError::Kind(0))?;
        let plain = || plains.first().ok_or(EngineError::Kind(0))?.plain();
        Ok(match &node.op {
            O::Input { .. } => return Err(EngineError::Kind(0)),
            O::Hoist => {
                let ct = x.ct(0)?;
                Digits(e.hoist_for(ct, self.gadget(ct.level())?)?)
            }
            O::RotateHoisted { step } => Ct(e.rotate_hoisted(x.digits()?, i64::from(*step))?),
            O::RotateExt { step } => Ext(e.rotate_hoisted_ext(x.digits()?, i64::from(*step))?),
            O::Rotate { step } => Ct(e.rotate(x.ct(0)?, i64::from(*step))?),
            O::Giant { step } => match x {
                ExtPair(pair) => ExtPair(e.giant_ext(pair, i64::from(*step))?),
                _ => Ext(e.giant_ext(x.ext(0)?, i64::from(*step))?),
            },
            O::Fold { step } => Ext(e.fold_ext(x.pair(0)?, i64::from(*step))?),
            O::MulAcc { .. } => self.multiply_accumulate(node, args, plains)?,
            O::AddPlain { .. } => Ct(e.add_plain(x.ct(0)?, plain()?)?),
            O::MulScalar { value, plain_scale } => Ct(e.mul_const(x.ct(0)?, *value, *plain_scale)?),
            O::AddScalar { value } => Ct(e.add_const(x.ct(0)?, *value)?),
            O::Add => self.sum(args)?,
            O::Sub => Ct(e.sub(x.ct(0)?, args.get(1).ok_or(EngineError::Kind(1))?.ct(1)?)?),
            O::Mul if node.args.first() == node.args.get(1) => Ct(e.square(x.ct(0)?)?),
            O::Mul => Ct(e.mul(x.ct(0)?, args.get(1).ok_or(EngineError::Kind(1))?.ct(1)?)?),
            O::Relinearize => Ct(e.relinearize(x.ct(0)?)?),
            O::Rescale => Ct(e.rescale(x.ct(0)?)?),
            O::RelinRescale => Ct(e.relinearize_rescale(x.ct(0)?)?),
            O::ModDown => Ct(e.mod_down(x.ext(0)?)?),
            O::ModDownRescale => Ct(e.mod_down_rescale(x.ext(0)?)?),
            O::Drop { level } => Ct(e.drop_to_level(x.ct(0)?, *level as usize)?),
            O::Relabel { factor } => {
                let mut ct = x.ct(0)?.clone();
                ct.set_scale(fhec_ir::schedule::scale::relabelled(ct.scale(), *factor));
                Ct(ct)
            }
            O::Bootstrap { .. } => {
                Ct(self.bootstrap.as_ref().ok_or(EngineError::NoBootstrap)?.refresh(e, x.ct(0)?)?)
            }
        })
    }

    fn rotated_sums(
        &self,
        sums: &RotatedSums<'_, CkksValue, CkksPlain>,
    ) -> Result<Vec<CkksValue>, EngineError> {
        let mut totals: Vec<Option<ExtCiphertext>> = sums.results.iter().map(|_| None).collect();
        for (operand, digits) in &sums.digits {
            let rotation = |id: &ValueId| match sums.schedule.node(*id) {
                Node { op: ScheduleOp::RotateExt { step }, args, .. } if args.first() == Some(operand) => {
                    Some((*id, i64::from(*step)))
                }
                _ => None,
            };
            let (rotations, steps): (Vec<ValueId>, Vec<i64>) =
                sums.rotations.iter().filter_map(rotation).unzip();
            let mut of = Vec::new();
            let mut groups = Vec::new();
            for (k, (id, plains)) in sums.results.iter().zip(sums.plains).enumerate() {
                let terms = sums.schedule.node(*id).args.iter().zip(plains);
                let terms =
                    terms.filter_map(|(r, p)| Some((rotations.binary_search(r).ok()?, p.multiplier())));
                let group: Vec<_> = terms.collect();
                if !group.is_empty() {
                    of.push(k);
                    groups.push(group);
                }
            }
            let parts = self.evaluator.rotated_sums_ext(digits.digits()?, &steps, &groups)?;
            for (k, part) in of.into_iter().zip(parts) {
                match &mut totals[k] {
                    None => totals[k] = Some(part),
                    Some(total) => self.evaluator.add_assign_ext(total, &part)?,
                }
            }
        }
        let value = |(sum, id): (Option<_>, &ValueId)| {
            Ok(CkksValue::sum(sums.schedule.node(*id), sum.ok_or(EngineError::Kind(0))?))
        };
        totals.into_iter().zip(sums.results).map(value).collect()
    }

    fn giant_sum(&self, sum: &GiantSum<'_, CkksValue>) -> Result<CkksValue, EngineError> {
        let node = sum.schedule.node(sum.sum);
        let pair = node.ty.kind == Kind::ExtPair;
        let term = |(k, id): (usize, &ValueId)| {
            let (value, step) = match (sum.giants.binary_search(id), sum.schedule.node(*id)) {
                (Ok(_), Node { op: ScheduleOp::Giant { step }, args, .. }) => (args[0], i64::from(*step)),
                _ => (*id, 0),
            };
            let value = sum.operand(value)?;
            Ok((if pair { value.pair(k) } else { value.ext(k) }?, step))
        };
        let terms: Vec<_> = node.args.iter().enumerate().map(term).collect::<Result<_, EngineError>>()?;
        let total = self.evaluator.giant_sum_ext(&terms)?;
        Ok(if pair { CkksValue::ExtPair(total) } else { CkksValue::Ext(total) })
    }

    fn bootstrap_pair(
        &self,
        [(_, _, a), (_, _, b)]: [(ValueId, &Node<ScheduleOp>, &CkksValue); 2],
    ) -> Result<Vec<CkksValue>, EngineError> {
        let bootstrap = self.bootstrap.as_ref().ok_or(EngineError::NoBootstrap)?;
        let fresh = bootstrap.refresh_pair(&self.evaluator, [a.ct(0)?, b.ct(0)?])?;
        Ok(fresh.map(CkksValue::Ct).into())
    }

    fn ty(&self, value: &CkksValue) -> ScheduleType {
        match value {
            CkksValue::Ct(ct) => ScheduleType {
                kind: if ct.parts() == 2 { Kind::Ct } else { Kind::Ct3 },
                level: ct.level() as u32,
                scale: ct.scale(),
            },
            CkksValue::Ext(x) => ScheduleType { kind: Kind::Ext, level: x.level() as u32, scale: x.scale() },
            CkksValue::ExtPair(x) => {
                ScheduleType { kind: Kind::ExtPair, level: x.level() as u32, scale: x.scale() }
            }
            CkksValue::Digits(x) => {
                ScheduleType { kind: Kind::Digits, level: x.level() as u32, scale: x.scale() }
            }
        }
    }

    fn value_bytes(&self, value: &CkksValue) -> usize {
        match value {
            CkksValue::Ct(ct) => ct.bytes(),
            CkksValue::Ext(x) | CkksValue::ExtPair(x) => x.bytes(),
            CkksValue::Digits(x) => {
                let (limbs, shape) = (x.level() + 1, x.shape());
                let words = limbs + shape.digits_at(x.level()) * (limbs + shape.special);
                words * self.parameters().n() * 8
            }
        }
    }

    fn plain_bytes(&self, plain: &CkksPlain) -> usize {
        match plain {
            CkksPlain::Plain(plain) => plain.bytes(),
            CkksPlain::Compact(plain) => plain.bytes(),
        }
    }
}
