//! How long the instructions of a schedule take, and how much memory values take.
//!
//! Formulas over kernel times: those of the engine ([`Pricing`]) for ciphertexts, and two more for plaintexts. The
//! runtime executes multiply-accumulates over rotations of decomposed ciphertexts fused with these rotations, limb by
//! limb: keys are streamed, rotations and plaintexts stay in the cache. A plaintext is evaluated and embedded once,
//! kept as integers, and lifted to its moduli each time it is used.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use fhec_ckks::cost::{KernelCosts, Pricing};
use fhec_ckks::params::KeyShape;
use fhec_ir::plan::{Gadget, ParameterData};
use fhec_ir::schedule::{Kind, Recipe, Schedule, ScheduleOp, ScheduleType};
use serde::{Deserialize, Serialize};

use crate::chain::BootstrapCosts;
use crate::facts::Facts;

/// What the sum of a fold adds up: the pair itself and three images.
const FOLD_TERMS: f64 = 4.0;

/// What a machine's kernels take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostTable {
    /// Which machine, for people.
    pub machine: String,
    /// When it was measured, for people.
    pub date: String,
    /// Microseconds to compute the slots of one full plaintext (N = 2^16) from the weights.
    pub evaluate: f64,
    /// Threads for which `speedup` holds.
    pub threads: usize,
    /// How many times faster an evaluation is on so many threads: less than their number, for they share the memory.
    pub speedup: f64,
    /// Microseconds of the engine's kernels.
    pub kernels: KernelCosts,
}

impl Default for CostTable {
    fn default() -> Self {
        Self {
            machine: "AMD EPYC 9004, 2 cores".into(),
            date: "2026-11-21".into(),
            evaluate: 900.0,
            threads: 2,
            speedup: 1.7,
            kernels: KernelCosts::default(),
        }
    }
}

/// Why a table of costs cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It cannot be read.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    /// It is not in the form that [`CostTable::to_toml`] gives.
    #[error("{0}: {1}")]
    Form(String, Box<toml::de::Error>),
    /// A time that is no positive number.
    #[error("{0}: {1} is {2}; times are positive numbers")]
    Time(String, &'static str, f64),
}

impl CostTable {
    /// Reads a table.
    ///
    /// # Errors
    /// If there is none, it has another form, or times that are no positive numbers.
    pub fn load(path: &Path) -> Result<Self, TableError> {
        let name = || path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| TableError::Io(name(), e))?;
        let table: Self = toml::from_str(&text).map_err(|e| TableError::Form(name(), Box::new(e)))?;
        let wrong = table.entries().into_iter().find(|(_, x)| !(x.is_finite() && *x > 0.0));
        wrong.map_or(Ok(table), |(what, x)| Err(TableError::Time(name(), what, x)))
    }

    /// The numbers by name.
    pub fn entries(&self) -> [(&'static str, f64); 10] {
        let KernelCosts { ntt, product, conversion, read, add, embed, reduce } = self.kernels;
        [
            ("ntt", ntt),
            ("product", product),
            ("conversion", conversion),
            ("read", read),
            ("add", add),
            ("embed", embed),
            ("reduce", reduce),
            ("evaluate", self.evaluate),
            ("threads", self.threads as f64),
            ("speedup", self.speedup),
        ]
    }

    /// The table as a file.
    pub fn to_toml(&self) -> String {
        let mut text = String::from("# Microseconds on one limb of 2^16 words, one thread.\n");
        let table = toml::to_string(self).expect("numbers and strings have a TOML form");
        let _ = write!(text, "{table}");
        text
    }
}

/// What an instruction takes, in microseconds on one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Price {
    /// For every image.
    pub each: f64,
    /// More for the first: evaluating and embedding plaintexts that are kept from then on.
    pub first: f64,
}

/// Costs of instructions for one parameter set.
#[derive(Clone, Debug)]
pub struct CostModel<'p> {
    parameters: &'p ParameterData,
    pricing: Pricing,
    /// Microseconds.
    evaluate: f64,
    bootstrap: f64,
    /// Of two ciphertexts at once.
    pair: f64,
}

impl<'p> CostModel<'p> {
    /// Scales the table to the ring.
    pub fn new(parameters: &'p ParameterData, table: &CostTable) -> Self {
        let n = (f64::from(parameters.log_n) - 16.0).exp2();
        let pricing = Pricing::new(parameters.log_n, &table.kernels);
        Self { parameters, pricing, evaluate: table.evaluate * n, bootstrap: 0.0, pair: 0.0 }
    }

    /// With the price of bootstraps, for which the engine has its own formulas.
    pub fn with_bootstrap(self, costs: &BootstrapCosts) -> Self {
        Self { bootstrap: costs.seconds * 1e6, pair: costs.pair_seconds * 1e6, ..self }
    }

    /// Shape of keys for a level, and the level.
    fn shape(&self, level: u32) -> (usize, KeyShape) {
        let Gadget { special, digit_limbs } = self.parameters.gadgets[level as usize];
        let (level, special) = (level as usize, special as usize);
        (level, KeyShape { level, special, digit_limbs: digit_limbs as usize })
    }

    /// Limbs of each polynomial of a value.
    fn limbs(&self, ty: ScheduleType) -> f64 {
        let special = self.parameters.gadgets[ty.level as usize].special;
        f64::from(ty.level + 1 + if ty.kind.over_qp() { special } else { 0 })
    }

    /// Microseconds of a whole rotation.
    pub fn rotation(&self, level: u32) -> f64 {
        let (level, shape) = self.shape(level);
        self.pricing.key_switch(level, &shape, 0)
    }

    /// Decomposing one polynomial.
    pub fn hoist(&self, level: u32) -> f64 {
        let (level, shape) = self.shape(level);
        self.pricing.mod_up(level, &shape)
    }

    /// A hoisted rotation over QP.
    pub fn baby(&self, level: u32) -> f64 {
        let (level, shape) = self.shape(level);
        self.pricing.inner(level, &shape)
    }

    /// A giant step over QP.
    pub fn giant(&self, level: u32) -> f64 {
        let (level, shape) = self.shape(level);
        self.pricing.giant(level, &shape)
    }

    /// Adding the imaginary half of a pair to the real one: a giant step and two more images of the same digits, and
    /// the sum of them all.
    pub fn fold(&self, level: u32) -> f64 {
        let (_, shape) = self.shape(level);
        let sum = 2.0 * FOLD_TERMS * shape.total_limbs() as f64 * self.pricing.kernels().product;
        self.giant(level) + 2.0 * self.baby(level) + sum
    }

    /// A product of an operand over QP with a plaintext in the cache, accumulated.
    pub fn product(&self, level: u32) -> f64 {
        let (_, shape) = self.shape(level);
        2.0 * shape.total_limbs() as f64 * self.pricing.kernels().product
    }

    /// Lifting a plaintext over QP of `weight` = period/S to its moduli.
    pub fn lift(&self, level: u32, weight: f64) -> f64 {
        let (_, shape) = self.shape(level);
        self.lifted(shape.total_limbs() as f64, weight)
    }

    fn lifted(&self, limbs: f64, weight: f64) -> f64 {
        let log_n = f64::from(self.parameters.log_n);
        let kernels = self.pricing.kernels();
        let transform = kernels.ntt * ((log_n + weight.log2()) / log_n).max(0.1);
        limbs * weight * (transform + kernels.reduce)
    }

    /// What the instructions of a schedule take, one by one.
    pub fn schedule(&self, schedule: &Schedule, facts: &Facts) -> Vec<Price> {
        let fused = fused(schedule);
        let mut known = std::collections::HashSet::new();
        schedule
            .iter()
            .map(|(id, node)| {
                let args: Vec<_> = node.args.iter().map(|a| *schedule.ty(*a)).collect();
                let mut price =
                    Price { each: self.instruction(&node.op, &args, fused[id.index()]), first: 0.0 };
                if schedule.partner(id).is_some() {
                    price.each = self.pair / 2.0;
                }
                for (recipe, x) in node.op.recipes().iter().zip(&args) {
                    let weight = facts.get(recipe).map_or(1.0, |f| f.weight);
                    price.each += self.lifted(self.limbs(*x), weight);
                    if known.insert((*recipe, x.level, x.kind)) {
                        price.first += self.evaluation(recipe, weight);
                    }
                }
                price
            })
            .collect()
    }

    /// Microseconds of an instruction on operands of the given types, without its plaintexts and by itself. `fused`: as part of a
    /// fused kernel, see [`fused`].
    pub fn instruction(&self, op: &ScheduleOp, args: &[ScheduleType], fused: bool) -> f64 {
        use ScheduleOp as O;
        let Some(x) = args.first() else { return 0.0 };
        let (level, shape) = self.shape(x.level);
        let pricing = &self.pricing;
        let kernels = pricing.kernels();
        let words = x.kind.polynomials() as f64 * self.limbs(*x);
        let count = args.len() as f64;
        match op {
            O::Input { .. } | O::Relabel { .. } => 0.0,
            O::Hoist => pricing.mod_up(level, &shape),
            O::RotateExt { step: 0 } if fused => 0.0,
            O::RotateExt { step: 0 } => words * kernels.add,
            O::RotateExt { .. } if fused => pricing.inner(level, &shape),
            O::RotateExt { .. } => pricing.inner(level, &shape) + words * kernels.add,
            O::RotateHoisted { .. } => {
                pricing.inner(level, &shape) + 2.0 * pricing.mod_down(level, &shape, 0)
            }
            O::Rotate { .. } | O::Relinearize => pricing.key_switch(level, &shape, 0),
            O::RelinRescale => pricing.key_switch(level, &shape, 1),
            O::Giant { .. } => pricing.giant(level, &shape),
            O::Fold { .. } => self.fold(x.level),
            O::MulAcc { .. } if fused => count * words * kernels.product,
            O::MulAcc { .. } => count * words * kernels.add.max(kernels.product),
            O::AddPlain { .. } | O::AddScalar { .. } => 0.5 * words * kernels.add,
            O::Bootstrap { .. } => self.bootstrap,
            O::MulScalar { .. } => words * kernels.add,
            O::Add | O::Sub => (count - 1.0) * words * kernels.add,
            O::Mul => pricing.tensor(level),
            O::Rescale => x.kind.polynomials() as f64 * pricing.rescale(level),
            O::ModDown => 2.0 * pricing.mod_down(level, &shape, 0),
            O::ModDownRescale => 2.0 * pricing.mod_down(level, &shape, 1),
            O::Drop { level } => 2.0 * f64::from(level + 1) * kernels.add,
        }
    }

    /// Microseconds of evaluating and embedding a plaintext, `weight` being its period over S.
    fn evaluation(&self, recipe: &Recipe, weight: f64) -> f64 {
        let evaluate = if matches!(recipe, Recipe::Spread { .. }) { 0.2 } else { 1.0 } * self.evaluate;
        weight * (evaluate + self.pricing.kernels().embed)
    }

    /// Bytes in memory of the keys for switches, given by step (0 relinearises, the number of slots conjugates) and level: per step and gadget one key
    /// of the highest level.
    pub(crate) fn key_bytes(&self, switches: impl IntoIterator<Item = (u32, u32)>) -> u64 {
        let gadgets = &self.parameters.gadgets;
        let mut highest: BTreeMap<(u32, Gadget), u32> = BTreeMap::new();
        for (step, level) in switches {
            let known = highest.entry((step, gadgets[level as usize])).or_default();
            *known = level.max(*known);
        }
        highest.into_values().map(|level| self.parameters.key_bytes(level)).sum()
    }

    /// The parameter set.
    pub fn parameters(&self) -> &'p ParameterData {
        self.parameters
    }

    /// Bytes of a value in memory.
    pub fn value_bytes(&self, ty: ScheduleType) -> u64 {
        let (level, shape) = self.shape(ty.level);
        let (limbs, total) = (level + 1, shape.total_limbs());
        let limbs = match ty.kind {
            Kind::Ct | Kind::Ct3 => ty.kind.polynomials() * limbs,
            Kind::Ext | Kind::ExtPair => 2 * total,
            Kind::Digits => limbs + shape.digits_at(level) * total,
        };
        (8 * limbs as u64) << self.parameters.log_n
    }
}

/// Which instructions run in a fused kernel: multiply-accumulates of which all operands are rotations of decomposed
/// ciphertexts, and the rotations that nothing else reads.
pub fn fused(schedule: &Schedule) -> Vec<bool> {
    let rotates = |id: &fhec_ir::ValueId| matches!(schedule.node(*id).op, ScheduleOp::RotateExt { .. });
    let mut fused: Vec<bool> = schedule
        .iter()
        .map(|(_, node)| matches!(node.op, ScheduleOp::MulAcc { .. }) && node.args.iter().all(rotates))
        .collect();
    let users = schedule.users();
    for (id, _) in schedule.iter().filter(|(id, _)| rotates(id)) {
        fused[id.index()] = users[id.index()].iter().all(|user| fused[user.index()]);
    }
    fused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_survives_its_file() {
        let table = CostTable { evaluate: 123.25, threads: 4, ..CostTable::default() };
        let read: CostTable = toml::from_str(&table.to_toml()).unwrap();
        assert_eq!(read, table);
        let error = |text: &str| toml::from_str::<CostTable>(text).unwrap_err().to_string();
        assert!(error("machine = 3").contains("string"), "{}", error("machine = 3"));
        let more = format!("colour = 1\n{}", table.to_toml());
        assert!(error(&more).contains("colour"), "{}", error(&more));
    }

    #[test]
    fn fused_kernels_cost_less_and_the_report_is_the_sum() {
        let chain = crate::bootstrap::tests::small();
        let (slots, moduli, scale) = (chain.slots(), chain.moduli(), chain.scale());
        let bootstrap = chain.bootstrap_header();
        let costs = BootstrapCosts { seconds: 2.0, pair_seconds: 3.0, ..BootstrapCosts::default() };
        let model = CostModel::new(&chain.data, &CostTable::default()).with_bootstrap(&costs);
        let mut kernels = 0;
        for seed in 0..20 {
            let moduli = moduli.clone();
            let options = fhec_ir::schedule::random::Options { slots, moduli, scale, steps: 40, bootstrap };
            let schedule = fhec_ir::schedule::random::schedule(seed, &options);
            let fused = fused(&schedule);
            let users = schedule.users();
            for (id, node) in schedule.iter().filter(|(id, _)| fused[id.index()]) {
                let args: Vec<_> = node.args.iter().map(|a| *schedule.ty(*a)).collect();
                let price = |fused| model.instruction(&node.op, &args, fused);
                assert!(price(true) < price(false), "{node:?}");
                let reads = |a: &fhec_ir::ValueId| fused[a.index()];
                assert!(matches!(node.op, ScheduleOp::MulAcc { .. }) || users[id.index()].iter().all(reads));
                kernels += 1;
            }
            let prices = model.schedule(&schedule, &Facts::new());
            let sum: f64 = prices.iter().map(|p| p.each).sum();
            let report = crate::report::report(&schedule, &model, &Facts::new());
            assert!((report.predicted_seconds - sum * 1e-6).abs() < 1e-9 * sum.max(1.0));
            let layers: f64 = report.layers.iter().map(|l| l.predicted_seconds).sum();
            assert!((layers - report.predicted_seconds).abs() < 1e-9 * sum.max(1.0));
        }
        assert!(kernels > 0);
    }

    #[test]
    fn a_longer_ciphertext_takes_longer() {
        let chain = crate::bootstrap::tests::small();
        let model = CostModel::new(&chain.data, &CostTable::default());
        for level in 1..6 {
            assert!(model.rotation(level) > model.rotation(level - 1));
            assert!(model.baby(level) < model.giant(level) && model.giant(level) < model.rotation(level));
            assert!(model.lift(level, 0.5) < model.lift(level, 1.0));
        }
    }
}
