//! Payloads of the public objects.

use super::envelope::{self, Kind, Source, put_record};
use super::{Payload, limbs};
use crate::cipher::{Ciphertext, SeededCiphertext};
use crate::error::{CkksError, Result};
use crate::keys::{EvaluationKeySet, PublicKey, SwitchingKey};
use crate::noise::{ASSUMED_MESSAGE_RMS, NoiseModel};
use crate::params::{KeyName, KeyShape, Parameters, ParametersId, ParametersLiteral};
use crate::ring::probe;
use crate::sampling::Seed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
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

    /// Refuses what is not of the form that the reader has room for.
    fn expect(self, source: &Source<'_>, form: Option<CiphertextForm>) -> Result<Self> {
        let same = |form: CiphertextForm| {
            (self.level as usize, self.scale.to_bits()) == (form.level, form.scale.to_bits())
                && usize::from(self.parts) <= form.parts
        };
        if form.is_some_and(|form| !same(form)) {
            return Err(source.malformed("not of the level, the scale and the size that is expected here"));
        }
        Ok(self)
    }
}

/// What a reader expects a ciphertext to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CiphertextForm {
    /// Its level.
    pub level: usize,
    /// Its scale, to the bit.
    pub scale: f64,
    /// Its polynomials at most.
    pub parts: usize,
}

impl Ciphertext {
    /// As [`read_from`](crate::Serializable::read_from), refusing what is of another form before memory is taken for it.
    ///
    /// # Errors
    /// `Malformed`, `ParametersMismatch`, `Memory`, `Io`.
    pub fn read_as(params: &Parameters, form: CiphertextForm, input: &mut impl Read) -> Result<Self> {
        envelope::read(Kind::Ciphertext, Some(params.id()), input, &mut |s| ciphertext(params, s, Some(form)))
    }
}

impl SeededCiphertext {
    /// As [`Ciphertext::read_as`].
    ///
    /// # Errors
    /// As there.
    pub fn read_as(params: &Parameters, form: CiphertextForm, input: &mut impl Read) -> Result<Self> {
        envelope::read(Kind::SeededCiphertext, Some(params.id()), input, &mut |s| {
            seeded(params, s, Some(form))
        })
    }
}

fn ciphertext(
    params: &Parameters,
    source: &mut Source<'_>,
    form: Option<CiphertextForm>,
) -> Result<Ciphertext> {
    let record = CiphertextRecord::read(params, source, &[2, 3])?.expect(source, form)?;
    let parts = (0..record.parts)
        .map(|_| limbs::get(params.ring(), source, record.q_limbs(), 0))
        .collect::<Result<_>>()?;
    // Estimates are not stored: what is read counts as fresh.
    let estimate = NoiseModel::new(params).fresh_public(ASSUMED_MESSAGE_RMS);
    Ok(Ciphertext { id: params.id(), parts, scale: record.scale, estimate })
}

fn seeded(
    params: &Parameters,
    source: &mut Source<'_>,
    form: Option<CiphertextForm>,
) -> Result<SeededCiphertext> {
    let record = CiphertextRecord::read(params, source, &[1])?.expect(source, form)?;
    let seed = seed(source)?;
    let c0 = limbs::get(params.ring(), source, record.q_limbs(), 0)?;
    let estimate = NoiseModel::new(params).fresh_secret(ASSUMED_MESSAGE_RMS);
    Ok(SeededCiphertext { id: params.id(), seed, c0, scale: record.scale, estimate })
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
        ciphertext(params, source, None)
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
        seeded(params, source, None)
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
        Ok(evaluation_keys(params, source, &Wanted::default())?.set)
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

/// What a reader wants of a set of keys.
#[derive(Default)]
struct Wanted<'a> {
    /// Most bytes in memory.
    budget: Option<usize>,
    /// Only keys that serve one of these; all if not given.
    needs: Option<&'a [(KeyName, KeyShape)]>,
}

impl Wanted<'_> {
    /// Which of the keys to hold: for each need the one that [`EvaluationKeySet::find`] would find.
    fn held(&self, params: &Parameters, entries: &[(KeyName, KeyShape)]) -> Result<Vec<bool>> {
        let Some(needs) = self.needs else { return Ok(vec![true; entries.len()]) };
        let mut held = vec![false; entries.len()];
        let elements: Vec<_> = entries.iter().map(|(name, _)| params.galois_element(*name)).collect();
        for (name, shape) in needs {
            let element = params.galois_element(*name);
            let serves = |k: &usize| elements[*k] == element && entries[*k].1.same_gadget(shape);
            let found = (0..entries.len()).filter(serves).filter(|k| entries[*k].1.level >= shape.level);
            let (key, level, special) = (*name, shape.level, shape.special);
            let best = found.min_by_key(|k| entries[*k].1.preference(level));
            held[best.ok_or(CkksError::MissingKey { key, level, special })?] = true;
        }
        Ok(held)
    }
}

/// Evaluation keys as read.
pub struct ReadKeys {
    /// The keys that are held.
    pub set: EvaluationKeySet,
    /// [`EvaluationKeySet::fingerprint`] of all there are.
    pub fingerprint: [u8; 32],
}

fn evaluation_keys(params: &Parameters, source: &mut Source<'_>, wanted: &Wanted<'_>) -> Result<ReadKeys> {
    let entries = directory(params, source)?;
    let held = wanted.held(params, &entries)?;
    let total = |bytes: &dyn Fn(usize) -> usize| {
        (0..entries.len()).fold(0usize, |sum, k| sum.saturating_add(bytes(k)))
    };
    source.expect(total(&|k| params.stored_key_bytes(&entries[k].1)))?;
    let needed = total(&|k| if held[k] { params.key_bytes(&entries[k].1) } else { 0 });
    if let Some(budget) = wanted.budget.filter(|budget| needed > *budget) {
        return Err(CkksError::KeyBudget { needed, budget });
    }
    probe(needed).map_err(|_| CkksError::Memory { bytes: needed })?;
    let ring = params.ring();
    let mut set = EvaluationKeySet::new(params);
    let (mut seen, mut hasher) = (BTreeSet::new(), blake3::Hasher::new());
    for ((name, shape), held) in entries.into_iter().zip(held) {
        if !seen.insert((params.galois_element(name), shape)) {
            return Err(source.malformed("a key occurs twice"));
        }
        let seed = seed(source)?;
        fingerprint(&mut hasher, name, &shape, &seed)?;
        if held {
            let b = (0..shape.digits())
                .map(|_| limbs::get(ring, source, shape.q_limbs(), shape.special))
                .collect::<Result<_>>()?;
            set.insert(name, SwitchingKey::from_seed(params, shape, seed, b))?;
        } else {
            source.skip(params.stored_key_bytes(&shape) - seed.len())?;
        }
    }
    Ok(ReadKeys { set, fingerprint: *hasher.finalize().as_bytes() })
}

/// Adds a key to a fingerprint.
fn fingerprint(hasher: &mut blake3::Hasher, name: KeyName, shape: &KeyShape, seed: &Seed) -> Result<()> {
    put_record(hasher, &(name, shape))?;
    hasher.update(seed);
    Ok(())
}

impl EvaluationKeySet {
    /// As [`read_from`](crate::Serializable::read_from), refusing a set that would take more than
    /// `budget_bytes` in memory ([`EvaluationKeySet::bytes`]) before any key is read or expanded.
    ///
    /// # Errors
    /// `KeyBudget`; `Malformed`, `ParametersMismatch`, `Memory`, `Io`.
    pub fn read_within(params: &Parameters, input: &mut impl Read, budget_bytes: usize) -> Result<Self> {
        let wanted = Wanted { budget: Some(budget_bytes), needs: None };
        let read = envelope::read(Kind::EvaluationKeys, Some(params.id()), input, &mut |source| {
            evaluation_keys(params, source, &wanted)
        });
        Ok(read?.set)
    }

    /// As [`read_from`](crate::Serializable::read_from), holding only the keys that serve one of `needs`; the others are
    /// passed over. One that is missing is told before any key is read.
    ///
    /// # Errors
    /// `MissingKey`; `Malformed`, `ParametersMismatch`, `Memory`, `Io`.
    pub fn read_needed(
        params: &Parameters,
        input: &mut impl Read,
        needs: &[(KeyName, KeyShape)],
    ) -> Result<ReadKeys> {
        let wanted = Wanted { budget: None, needs: Some(needs) };
        envelope::read(Kind::EvaluationKeys, Some(params.id()), input, &mut |source| {
            evaluation_keys(params, source, &wanted)
        })
    }

    /// A digest of names, shapes and seeds, hence of the uniform halves: it tells sets apart that were made apart, and costs
    /// nothing. It does not cover the other halves.
    ///
    /// # Errors
    /// None in practice; the signature follows the other functions.
    pub fn fingerprint(&self) -> Result<[u8; 32]> {
        let mut hasher = blake3::Hasher::new();
        self.iter().try_for_each(|(name, key)| fingerprint(&mut hasher, name, &key.shape, &key.seed))?;
        Ok(*hasher.finalize().as_bytes())
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
