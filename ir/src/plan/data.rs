//! Plain data of a plan.

use serde::{Deserialize, Serialize};

use super::preprocessing::Preprocessing;
use crate::layout::Layout;
use crate::schedule::BootstrapHeader;
use crate::tensor::TensorGraph;

/// How ciphertexts of one level are decomposed for key switching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Gadget {
    /// Special primes used, from the first.
    pub special: u32,
    /// Limbs of a digit.
    pub digit_limbs: u32,
}

impl Gadget {
    /// Number of digits of a ciphertext or key of `level`.
    pub fn digits(self, level: u32) -> u32 {
        (level + 1).div_ceil(self.digit_limbs.max(1))
    }
}

/// A parameter set as data; the engine builds and checks its own from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParameterData {
    /// The engine's identity of the set.
    pub id: [u8; 32],
    /// log2 of the ring degree N.
    pub log_n: u32,
    /// Primes of the ciphertext modulus, base first.
    pub q: Vec<u64>,
    /// Special primes.
    pub p: Vec<u64>,
    /// Nominal scale, in bits.
    pub scale_bits: u32,
    /// Decomposition per level: a key of level L serves ciphertexts of level ℓ ≤ L with the same gadget.
    pub gadgets: Vec<Gadget>,
    /// The bootstrap that the chain was made for.
    pub bootstrap: Option<BootstrapData>,
}

impl ParameterData {
    /// Bytes in memory of a key-switching key of `level`: 2·β·N words of each of the ℓ+1+k moduli, of as many half bytes
    /// as the modulus needs (16 if those are more than 15). Levels beyond the chain count as the highest.
    pub fn key_bytes(&self, level: u32) -> u64 {
        let level = level.min(self.gadgets.len().saturating_sub(1) as u32);
        let Some(gadget) = self.gadgets.get(level as usize) else { return 0 };
        let bits = |q: &u64| match 64 - q.leading_zeros() {
            bits @ ..=60 => u64::from(bits).next_multiple_of(4),
            _ => 64,
        };
        let moduli =
            self.q.iter().take(level as usize + 1).chain(self.p.iter().take(gadget.special as usize));
        2 * u64::from(gadget.digits(level)) * moduli.map(bits).sum::<u64>() * (1u64 << self.log_n.min(31)) / 8
    }
}

/// A bootstrap as data, on a chain q_0 | SlotsToCoeffs | residual levels | EvalMod | CoeffsToSlots: the engine derives
/// matrices, polynomial and keys from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BootstrapData {
    /// log2 of the number of slots that are kept apart: operands repeat after as many.
    pub log_slots: u32,
    /// DFT stages merged per level, in the order applied; they sum to `log_slots`.
    pub slots_to_coeffs: Vec<u32>,
    /// Levels left to computations after a bootstrap, those of SlotsToCoeffs not counted.
    pub residual_levels: u32,
    /// The modular reduction.
    pub eval_mod: EvalModData,
    /// DFT stages merged per level, in the order applied; they sum to `log_slots`.
    pub coeffs_to_slots: Vec<u32>,
    /// log2 of q_0 over the scale of the message when it is raised.
    pub message_ratio: f64,
    /// Nominal scale Δ: operands have scale × value of magnitude Δ at most.
    pub scale: f64,
    /// Predicted: rms error that a bootstrap adds to slots in [−1, 1] at scale Δ.
    pub error: f64,
}

/// The modular reduction of a bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvalModData {
    /// Bound on the multiples of q_0.
    pub bound: u32,
    /// Even degree of the inner cosine.
    pub degree: u32,
    /// Doublings.
    pub doublings: u32,
}

impl EvalModData {
    /// Levels used: a square, a polynomial of half the degree in it, and the doublings.
    pub fn levels(&self) -> u32 {
        1 + (self.degree / 2 + 1).next_power_of_two().trailing_zeros() + self.doublings
    }
}

impl BootstrapData {
    /// What a schedule needs to know of it.
    pub fn header(&self) -> BootstrapHeader {
        let level_in = self.slots_to_coeffs.len() as u32;
        let (level_out, period) = (level_in + self.residual_levels, 1 << self.log_slots.min(31));
        BootstrapHeader { level_in, level_out, scale: self.scale, period }
    }

    /// Highest level of its chain.
    pub fn top_level(&self) -> u32 {
        self.header().level_out + self.eval_mod.levels() + self.coeffs_to_slots.len() as u32
    }
}

/// A relinearisation or conjugation key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelKey {
    /// Highest level it serves.
    pub level: u32,
    /// Size in memory.
    pub bytes: u64,
}

/// A rotation key, or one for a rotation and a conjugation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationKey {
    /// Slots; S + k for a rotation by k that a conjugation follows.
    pub step: u32,
    /// Highest level it serves.
    pub level: u32,
    /// Size in memory.
    pub bytes: u64,
}

/// The evaluation keys of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyManifest {
    /// By level.
    pub relinearisation: Vec<LevelKey>,
    /// By (step, level).
    pub rotations: Vec<RotationKey>,
    /// Size in memory of the keys of the bootstrap, which follow from [`BootstrapData`]; 0 without one. A key of the
    /// same shape that is also listed above is counted twice.
    pub bootstrap_bytes: u64,
}

impl KeyManifest {
    /// Size of all keys in memory.
    pub fn bytes(&self) -> u64 {
        let of_levels = self.relinearisation.iter().map(|k| k.bytes);
        let sizes = of_levels.chain(self.rotations.iter().map(|k| k.bytes));
        sizes.fold(self.bootstrap_bytes, u64::saturating_add)
    }

    /// Level of the key that serves a relinearisation at `level`.
    pub fn relinearisation_for(&self, level: u32, gadgets: &[Gadget]) -> Option<u32> {
        pick(self.relinearisation.iter().map(|k| k.level), level, gadgets)
    }

    /// Level of the key that serves a rotation by `step` at `level`.
    pub fn rotation_for(&self, step: u32, level: u32, gadgets: &[Gadget]) -> Option<u32> {
        let first = self.rotations.partition_point(|k| k.step < step);
        let keys = self.rotations[first..].iter().take_while(|k| k.step == step);
        pick(keys.map(|k| k.level), level, gadgets)
    }
}

/// The lowest of `levels` from `level` on that has the gadget of `level`.
fn pick(levels: impl Iterator<Item = u32>, level: u32, gadgets: &[Gadget]) -> Option<u32> {
    let wanted = gadgets.get(level as usize)?;
    levels.filter(|&l| l >= level && gadgets.get(l as usize) == Some(wanted)).min()
}

/// How a network input is made from bytes: (x/divisor − mean)/std per channel. Empty lists mean 0 and 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalisation {
    /// What bytes are divided by.
    pub divisor: f64,
    /// One per channel, one for all, or none.
    pub mean: Vec<f64>,
    /// One per channel, one for all, or none.
    pub std: Vec<f64>,
}

impl Default for Normalisation {
    fn default() -> Self {
        Self { divisor: 255.0, mean: vec![], std: vec![] }
    }
}

/// A network input as the client encrypts it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientInput {
    /// Name in the network.
    pub name: String,
    /// Shape and packing.
    pub layout: Layout,
    /// From bytes to numbers; arrays of floats are taken as they are.
    pub normalisation: Normalisation,
    /// What becomes of pictures before.
    pub preprocessing: Preprocessing,
    /// Level at which to encrypt.
    pub level: u32,
    /// Scale at which to encrypt.
    pub scale: f64,
    /// The largest magnitude of a number that the plan is made for: beyond it results may be wrong without a sign of it.
    pub bound: f64,
}

/// A network output as the client decrypts it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientOutput {
    /// Name in the network.
    pub name: String,
    /// Shape and packing.
    pub layout: Layout,
    /// (level, scale) of each ciphertext.
    pub types: Vec<(u32, f64)>,
    /// The largest magnitude of a result that the plan is made for: beyond it values have wrapped around somewhere.
    pub bound: f64,
    /// The largest magnitude of a result that is to be expected, by the samples.
    pub range: f64,
    /// The promise: a result is no further from that of the network in clear, but for one image in 1,024 of the kind that the
    /// samples are of; of results beyond the range as much more as they exceed it.
    pub error: f64,
    /// Whether it is a constant, whose ciphertexts hide nothing.
    pub constant: bool,
}

impl ClientOutput {
    /// −log2 of the promised error, relative to the range.
    pub fn precision_bits(&self) -> f64 {
        (self.range / self.error).log2()
    }
}

/// What a client needs to know of a network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientSection {
    /// Name of the network.
    pub network: String,
    /// Inputs, in order.
    pub inputs: Vec<ClientInput>,
    /// Encrypted outputs, in order.
    pub outputs: Vec<ClientOutput>,
    /// What the client computes of them after decryption, its inputs being the outputs; see [`Tail`](super::Tail).
    pub tail: Option<TensorGraph>,
    /// Names of classes by number; none if they are not known.
    pub classes: Vec<String>,
}

impl ClientSection {
    /// Promised precision: that of the least precise encrypted output.
    pub fn precision_bits(&self) -> f64 {
        self.outputs.iter().map(ClientOutput::precision_bits).fold(f64::INFINITY, f64::min)
    }
}

/// One layer of the report; numbers are of all its instructions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerReport {
    /// Name in the network.
    pub name: String,
    /// Its operator, for people.
    pub op: String,
    /// Packing of its result, for people.
    pub layout: String,
    /// Highest level that goes in.
    pub level_in: u32,
    /// Lowest level of its instructions.
    pub level_out: u32,
    /// Instructions.
    pub instructions: u64,
    /// Key switches for rotations and conjugations.
    pub rotations: u64,
    /// Those of them that share a decomposition.
    pub hoisted_rotations: u64,
    /// All key switches outside bootstraps.
    pub key_switches: u64,
    /// Those of them that relinearise.
    pub relinearisations: u64,
    /// Size in memory of the rotation and relinearisation keys it uses; layers share keys.
    pub key_bytes: u64,
    /// Ciphertexts that are bootstrapped.
    pub bootstraps: u64,
    /// Bootstraps of two of them at once.
    pub pairs: u64,
    /// Plaintext multiplications.
    pub plaintexts: u64,
    /// The same weighted by period/slots.
    pub plaintext_equivalents: f64,
    /// Ciphertexts multiplied by a plaintext and added up.
    pub multiply_accumulates: u64,
    /// Predicted time on one thread, for an image whose plaintexts are at hand.
    pub predicted_seconds: f64,
    /// Predicted time on one thread of making the plaintexts, once.
    pub predicted_plaintext_seconds: f64,
    /// Whether it is proven that all its ciphertexts fit their moduli, for inputs within their bounds; otherwise samples say so.
    pub proven: bool,
}

/// Predicted memory of an evaluation, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryReport {
    /// Evaluation keys, those of the bootstrap included.
    pub keys: u64,
    /// Matrices of the bootstrap.
    pub matrices: u64,
    /// Values alive at once.
    pub values: u64,
    /// Tables of the ring and buffers that it keeps for the next instructions.
    pub working: u64,
    /// Plaintexts kept between images: all, or as many as a memory budget leaves room for.
    pub plaintexts: u64,
}

impl MemoryReport {
    /// All of it.
    pub fn total(&self) -> u64 {
        let parts = [self.keys, self.matrices, self.values, self.working, self.plaintexts];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

/// Where bootstraps were placed, and what that is worth by the same prices: linear maps, polynomials and bootstraps on
/// one thread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlacementReport {
    /// Levels between bootstraps.
    pub levels: u32,
    /// Ciphertexts that are bootstrapped.
    pub bootstraps: u64,
    /// Bootstraps of two of them at once.
    pub pairs: u64,
    /// Slots of a ciphertext that they keep apart.
    pub slots: u64,
    /// Modelled seconds of the placement.
    pub seconds: f64,
    /// Modelled seconds of bootstrapping what is exhausted, and of how many values; None where that cannot be done.
    pub naive: Option<(f64, u64)>,
    /// Whether no placement is cheaper; otherwise the search was cut off.
    pub exact: bool,
}

/// What a memory budget cost: rotation keys whose steps were composed of others, and plaintexts made for every image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BudgetReport {
    /// The budget.
    pub bytes: u64,
    /// Rotation keys, those of bootstraps not counted, before steps were composed.
    pub keys_before: u64,
    /// Their size in memory.
    pub key_bytes_before: u64,
    /// Modelled seconds on one thread of each image, more than with these keys and with all plaintexts kept.
    pub seconds: f64,
    /// Modelled seconds on one thread of each image, more than for the plan that was fastest regardless of memory.
    pub seconds_in_all: f64,
}

/// The whole network in numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// log2 QP.
    pub log_qp: f64,
    /// Estimated security.
    pub security_bits: f64,
    /// Ciphertexts that are bootstrapped.
    pub bootstraps: u64,
    /// Bootstraps of two of them at once.
    pub pairs: u64,
    /// Predicted time on one thread, evaluation only, for an image whose plaintexts are at hand.
    pub predicted_seconds: f64,
    /// Predicted time on one thread of making the plaintexts, once: the first image takes as much longer.
    pub predicted_plaintext_seconds: f64,
    /// Threads that the cost table knows of, and how many times faster than one they are together.
    pub threads: u32,
    /// See `threads`.
    pub speedup: f64,
    /// Predicted peak memory of the evaluation.
    pub memory: MemoryReport,
    /// Where bootstraps were placed; None without bootstraps.
    pub placement: Option<PlacementReport>,
    /// What the memory budget cost; None if it cost nothing.
    pub budget: Option<BudgetReport>,
    /// Samples that bound the values.
    pub samples: u32,
    /// Samples beside them that bound nothing, since the network diverges on them.
    pub diverging: u32,
    /// The layer that loses most of the precision, its channel where that is known, and the bits before and behind it, for people.
    pub amplifier: Option<String>,
    /// By layer, in order.
    pub layers: Vec<LayerReport>,
}

impl Report {
    /// Predicted time on as many threads as the cost table knows of.
    pub fn wall_seconds(&self) -> f64 {
        self.predicted_seconds / self.speedup.max(1.0)
    }

    /// Sum of a number over the layers.
    pub fn total(&self, number: impl Fn(&LayerReport) -> u64) -> u64 {
        self.layers.iter().map(number).fold(0, u64::saturating_add)
    }
}
