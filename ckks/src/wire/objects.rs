//! Payloads of the public objects.

use super::envelope::{self, Kind, Source, put_record};
use super::{Payload, limbs};
use crate::cipher::{Ciphertext, SeededCiphertext};
use crate::error::{CkksError, Result};
use crate::keys::{EvaluationKeySet, PublicKey, SwitchingKey};
use crate::noise::{ASSUMED_MESSAGE_RMS, NoiseModel};
use crate::params::{KeyName, KeyShape, Parameters, ParametersId, ParametersLiteral};
use crate::sampling::Seed;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};

/// Most keys in a set.
const MAX_KEYS: u32 = 1 << 16;

#[derive(Serialize, Deserialize)]
struct CiphertextRecord {
    level: u32,
    parts: u8,
    scale: f64,
}

impl CiphertextRecord {
    fn read(params: &Parameters, source: &mut Source<'_>, parts: &[u8]) -> Result<Self> {
        let record: Self = source.record()?;
        if record.level as usize > params.max_level() {
            return Err(source.malformed("level out of range"));
        }
        if !parts.contains(&record.parts) {
            return Err(source.malformed("number of polynomials out of range"));
        }
        if !(record.scale.is_finite() && record.scale > 0.0) {
            return Err(source.malformed("bad scale"));
        }
        Ok(record)
    }

    fn q_limbs(&self) -> usize {
        self.level as usize + 1
    }
}

fn seed(source: &mut Source<'_>) -> Result<Seed> {
    let mut seed = [0; 32];
    source.fill(&mut seed)?;
    Ok(seed)
}

impl Payload for Ciphertext {
    fn kind() -> Kind {
        Kind::Ciphertext
    }

    fn id(&self) -> ParametersId {
        self.id
    }

    fn put(&self, params: &Parameters, out: &mut dyn Write) -> Result<()> {
        let parts = self.parts.len() as u8;
        put_record(out, &CiphertextRecord { level: self.level() as u32, parts, scale: self.scale })?;
        self.parts.iter().try_for_each(|p| limbs::put(params.ring(), p, out))
    }

    fn get(params: &Parameters, source: &mut Source<'_>) -> Result<Self> {
        let record = CiphertextRecord::read(params, source, &[2, 3])?;
        let parts = (0..record.parts)
            .map(|_| limbs::get(params.ring(), source, record.q_limbs(), 0))
            .collect::<Result<_>>()?;
        // Estimates are not stored: what is read counts as fresh.
        let estimate = NoiseModel::new(params).fresh_public(ASSUMED_MESSAGE_RMS);
        Ok(Self { id: params.id(), parts, scale: record.scale, estimate })
    }
}

impl Payload for SeededCiphertext {
    fn kind() -> Kind {
        Kind::SeededCiphertext
    }

    fn id(&self) -> ParametersId {
        self.id
    }

    fn put(&self, params: &Parameters, out: &mut dyn Write) -> Result<()> {
        put_record(out, &CiphertextRecord { level: self.level() as u32, parts: 1, scale: self.scale })?;
        out.write_all(&self.seed)?;
        limbs::put(params.ring(), &self.c0, out)
    }

    fn get(params: &Parameters, source: &mut Source<'_>) -> Result<Self> {
        let record = CiphertextRecord::read(params, source, &[1])?;
        let seed = seed(source)?;
        let c0 = limbs::get(params.ring(), source, record.q_limbs(), 0)?;
        let estimate = NoiseModel::new(params).fresh_secret(ASSUMED_MESSAGE_RMS);
        Ok(Self { id: params.id(), seed, c0, scale: record.scale, estimate })
    }
}

impl Payload for PublicKey {
    fn kind() -> Kind {
        Kind::PublicKey
    }

    fn id(&self) -> ParametersId {
        self.id
    }

    fn put(&self, params: &Parameters, out: &mut dyn Write) -> Result<()> {
        out.write_all(&self.seed)?;
        limbs::put(params.ring(), &self.b, out)
    }

    fn get(params: &Parameters, source: &mut Source<'_>) -> Result<Self> {
        let seed = seed(source)?;
        let b = limbs::get(params.ring(), source, params.q().len(), 1)?;
        Ok(Self::from_seed(params, seed, b))
    }
}

impl Payload for EvaluationKeySet {
    fn kind() -> Kind {
        Kind::EvaluationKeys
    }

    fn id(&self) -> ParametersId {
        self.parameters_id()
    }

    fn put(&self, params: &Parameters, out: &mut dyn Write) -> Result<()> {
        put_record(out, &(self.len() as u32))?;
        self.iter().try_for_each(|(name, key)| put_record(out, &(name, key.shape)))?;
        for (_, key) in self.iter() {
            out.write_all(&key.seed)?;
            key.rows
                .iter()
                .try_for_each(|row| limbs::put(params.ring(), &row.b.unpack(params.ring()), out))?;
        }
        Ok(())
    }

    fn get(params: &Parameters, source: &mut Source<'_>) -> Result<Self> {
        evaluation_keys(params, source, None)
    }
}

/// Names and shapes of the keys that follow, checked.
fn directory(params: &Parameters, source: &mut Source<'_>) -> Result<Vec<(KeyName, KeyShape)>> {
    let count: u32 = source.record()?;
    if count > MAX_KEYS {
        return Err(source.malformed("too many keys"));
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        let (name, shape): (KeyName, KeyShape) = source.record()?;
        if !params.admits_key(name, &shape) {
            return Err(source.malformed("key shape not admissible"));
        }
        if let KeyName::Rotation(step) | KeyName::ConjugateRotation(step) = name
            && !(1..params.slots() as i64).contains(&step)
        {
            return Err(source.malformed("rotation step out of range"));
        }
        entries.push((name, shape));
    }
    Ok(entries)
}

/// Reads a set that takes at most `budget` bytes in memory.
fn evaluation_keys(
    params: &Parameters,
    source: &mut Source<'_>,
    budget: Option<usize>,
) -> Result<EvaluationKeySet> {
    let entries = directory(params, source)?;
    let total = |bytes: &dyn Fn(&KeyShape) -> usize| {
        entries.iter().fold(0usize, |sum, (_, shape)| sum.saturating_add(bytes(shape)))
    };
    source.expect(total(&|shape| params.stored_key_bytes(shape)))?;
    let needed = total(&|shape| params.key_bytes(shape));
    if let Some(budget) = budget.filter(|budget| needed > *budget) {
        return Err(CkksError::KeyBudget { needed, budget });
    }
    let (ring, count) = (params.ring(), entries.len());
    let mut set = EvaluationKeySet::new(params);
    for (name, shape) in entries {
        let seed = seed(source)?;
        let b = (0..shape.digits())
            .map(|_| limbs::get(ring, source, shape.q_limbs(), shape.special))
            .collect::<Result<_>>()?;
        set.insert(name, SwitchingKey::from_seed(params, shape, seed, b))?;
    }
    if set.len() != count {
        return Err(source.malformed("a key occurs twice"));
    }
    Ok(set)
}

impl EvaluationKeySet {
    /// As [`read_from`](crate::Serializable::read_from), refusing a set that would take more than
    /// `budget_bytes` in memory ([`EvaluationKeySet::bytes`]) before any key is read or expanded.
    ///
    /// # Errors
    /// `KeyBudget`; `Malformed`, `ParametersMismatch`, `Io`.
    pub fn read_within(params: &Parameters, input: &mut impl Read, budget_bytes: usize) -> Result<Self> {
        envelope::read(Kind::EvaluationKeys, Some(params.id()), input, &mut |source| {
            evaluation_keys(params, source, Some(budget_bytes))
        })
    }
}

impl Parameters {
    /// Bytes of a key of `shape` when stored: seed, and the b halves packed.
    pub fn stored_key_bytes(&self, shape: &KeyShape) -> usize {
        32 + shape.digits() * limbs::packed_bytes(self.ring(), shape.q_limbs(), shape.special)
    }

    /// The parameter set as bytes.
    ///
    /// # Errors
    /// None in practice; the signature follows the other objects.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        envelope::write(Kind::Parameters, self.id(), &mut out, &mut |w| put_record(w, self.literal()))?;
        Ok(out)
    }

    /// Reads a parameter set and checks it like [`Parameters::new`].
    ///
    /// # Errors
    /// `Malformed`, `Parameters`, `ParametersMismatch` if the stored identity is not the literal's.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes;
        let params = envelope::read(Kind::Parameters, None, &mut rest, &mut |source| {
            let literal: ParametersLiteral = source.record()?;
            let params = Self::new(&literal)?;
            let (expected, found) = (params.id(), source.id);
            if expected != found {
                return Err(CkksError::ParametersMismatch { expected, found });
            }
            Ok(params)
        })?;
        envelope::nothing_left(Kind::Parameters, rest)?;
        Ok(params)
    }
}
