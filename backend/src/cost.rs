//! How long an instruction takes on one thread.
//!
//! Times are sums of four kernels, each scaled from N = 2^16: a transform of one limb by N·log N, the others by N.
//! With ℓ limbs, k special primes, β digits of α limbs:
//!
//! * decompose (ModUp): ℓ + β(ℓ+k−α) transforms, β·α·(ℓ+k−α) conversions
//! * inner product: 2β(ℓ+k) multiply-accumulates
//! * ModDown of two polynomials: 2k + 2ℓ transforms, 2kℓ conversions
//!
//! The default table was fitted to measured key switches of 6 to 24 limbs (2 to 5 digits), which it reproduces
//! within 12 %.

use fhec_ir::plan::ParameterData;
use fhec_ir::schedule::{Kind, Recipe, ScheduleOp, ScheduleType};

/// Microseconds of the kernels at N = 2^16 on one thread.
#[derive(Clone, Debug, PartialEq)]
pub struct CostTable {
    /// A transform of one limb, either direction.
    pub ntt: f64,
    /// Multiplying two limbs and adding.
    pub mac: f64,
    /// Converting one limb to one other modulus.
    pub convert: f64,
    /// Reading, adding and writing one limb.
    pub add: f64,
    /// Embedding a full vector of N/2 slots, without its transforms.
    pub embed: f64,
    /// Computing a full vector of N/2 slots from the weights.
    pub evaluate: f64,
}

impl Default for CostTable {
    fn default() -> Self {
        Self { ntt: 110.0, mac: 20.0, convert: 15.0, add: 15.0, embed: 1500.0, evaluate: 300.0 }
    }
}

/// Costs of instructions for one parameter set.
#[derive(Clone, Debug)]
pub struct CostModel<'p> {
    parameters: &'p ParameterData,
    table: CostTable,
    /// Microseconds.
    bootstrap: f64,
}

impl<'p> CostModel<'p> {
    /// Scales the table to the ring.
    pub fn new(parameters: &'p ParameterData, table: &CostTable) -> Self {
        let n = f64::from(1u32 << parameters.log_n.min(31)) / 65536.0;
        let n_log_n = n * f64::from(parameters.log_n) / 16.0;
        let CostTable { ntt, mac, convert, add, embed, evaluate } = *table;
        let table = CostTable {
            ntt: ntt * n_log_n,
            mac: mac * n,
            convert: convert * n,
            add: add * n,
            embed: embed * n_log_n,
            evaluate: evaluate * n,
        };
        Self { parameters, table, bootstrap: 0.0 }
    }

    /// Prices a bootstrap at so many seconds; the engine has its own formulas for it.
    pub fn with_bootstrap(self, seconds: f64) -> Self {
        Self { bootstrap: seconds * 1e6, ..self }
    }

    /// (ℓ, k, α, β) at a level.
    fn shape(&self, level: u32) -> (f64, f64, f64, f64) {
        let g = self.parameters.gadgets[level as usize];
        let (limbs, special) = (f64::from(level + 1), f64::from(g.special));
        (limbs, special, f64::from(g.digit_limbs.min(level + 1)), f64::from(g.digits(level)))
    }

    /// Decomposing one polynomial.
    pub fn mod_up(&self, level: u32) -> f64 {
        let (l, k, a, b) = self.shape(level);
        (l + b * (l + k - a)) * self.table.ntt + b * a * (l + k - a) * self.table.convert
    }

    fn inner_product(&self, level: u32) -> f64 {
        let (l, k, _, b) = self.shape(level);
        2.0 * b * (l + k) * self.table.mac
    }

    /// Dividing `polynomials` of them by P, and by the level's modulus as well if `rescale`.
    fn mod_down(&self, level: u32, polynomials: f64, rescale: bool) -> f64 {
        let (l, k, _, _) = self.shape(level);
        let (l, k) = if rescale { (l - 1.0, k + 1.0) } else { (l, k) };
        polynomials * ((k + l) * self.table.ntt + k * l * self.table.convert)
    }

    fn rescale(&self, level: u32, polynomials: f64) -> f64 {
        let l = f64::from(level);
        polynomials * ((1.0 + l) * self.table.ntt + l * self.table.convert)
    }

    /// Microseconds of an instruction on operands of the given types, without its plaintexts.
    pub fn instruction(&self, op: &ScheduleOp, args: &[ScheduleType]) -> f64 {
        use ScheduleOp as O;
        let Some(x) = args.first() else { return 0.0 };
        let level = x.level;
        let (l, k, _, _) = self.shape(level);
        let width = if x.kind == Kind::Ext { l + k } else { l };
        let polynomials = x.kind.polynomials() as f64;
        match op {
            O::Input { .. } | O::Relabel { .. } => 0.0,
            O::Hoist => self.mod_up(level),
            O::RotateExt { step: 0 } => 2.0 * l * self.table.mac,
            O::RotateExt { .. } => self.inner_product(level),
            O::RotateHoisted { .. } => self.inner_product(level) + self.mod_down(level, 2.0, false),
            O::Rotate { .. } | O::Relinearize => {
                self.mod_up(level) + self.inner_product(level) + self.mod_down(level, 2.0, false)
            }
            O::RelinRescale => {
                self.mod_up(level) + self.inner_product(level) + self.mod_down(level, 2.0, true)
            }
            O::Giant { .. } => {
                self.mod_down(level, 1.0, false) + self.mod_up(level) + self.inner_product(level)
            }
            O::MulAcc { .. } => args.len() as f64 * 2.0 * width * self.table.mac,
            O::AddPlain { .. } | O::AddScalar { .. } => l * self.table.add,
            O::Bootstrap { .. } => self.bootstrap,
            O::MulScalar { .. } => 2.0 * l * self.table.mac,
            O::Add | O::Sub => (args.len() as f64 - 1.0) * polynomials * width * self.table.add,
            O::Mul => 4.0 * l * self.table.mac,
            O::Rescale => self.rescale(level, polynomials),
            O::ModDown => self.mod_down(level, 2.0, false),
            O::ModDownRescale => self.mod_down(level, 2.0, true),
            O::Drop { level } => 2.0 * f64::from(level + 1) * self.table.add,
        }
    }

    /// Microseconds of evaluating and encoding a plaintext for an operand, `weight` being its period over S.
    pub fn plaintext(&self, recipe: &Recipe, operand: ScheduleType, weight: f64) -> f64 {
        let (l, k, _, _) = self.shape(operand.level);
        let limbs = if operand.kind == Kind::Ext { l + k } else { l };
        let evaluate = if matches!(recipe, Recipe::Spread { .. }) { 0.2 } else { 1.0 } * self.table.evaluate;
        weight * (evaluate + self.table.embed + limbs * (self.table.ntt + self.table.add))
    }

    /// Bytes of a value in memory.
    pub fn value_bytes(&self, ty: ScheduleType) -> u64 {
        let (l, k, _, b) = self.shape(ty.level);
        let limbs = match ty.kind {
            Kind::Ct | Kind::Ct3 => ty.kind.polynomials() as f64 * l,
            Kind::Ext => 2.0 * (l + k),
            Kind::Digits => l + b * (l + k),
        };
        (8 * limbs as u64) << self.parameters.log_n
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhec_ir::plan::Gadget;

    #[test]
    fn the_default_table_reproduces_the_measured_key_switches() {
        // (limbs, special, digits, milliseconds) at N = 2^16.
        let measured =
            [(6, 3, 2, 6.6), (10, 5, 2, 11.8), (16, 8, 2, 19.7), (16, 4, 4, 24.4), (24, 5, 5, 45.0)];
        for (limbs, special, digits, milliseconds) in measured {
            let digit_limbs = u32::div_ceil(limbs, digits);
            let parameters = ParameterData {
                id: [0; 32],
                log_n: 16,
                q: vec![1; limbs as usize],
                p: vec![1; special as usize],
                scale_bits: 40,
                gadgets: vec![Gadget { special, digit_limbs }; limbs as usize],
                bootstrap: None,
            };
            let x = ScheduleType { kind: Kind::Ct, level: limbs - 1, scale: 1.0 };
            let model = CostModel::new(&parameters, &CostTable::default());
            let predicted = model.instruction(&ScheduleOp::Rotate { step: 1 }, &[x]) / 1000.0;
            assert!((predicted / milliseconds - 1.0).abs() < 0.15, "{limbs} limbs: {predicted} ms");
        }
    }
}
