//! Random valid schedules, for tests of this crate and of those that execute schedules.

use super::interp::Packed;
use super::scale::{addable, bootstrappable, plain_scale_for};
use super::{BootstrapHeader, Kind, PackedValue, Recipe, Schedule, ScheduleHeader, ScheduleOp, ScheduleType};
use crate::layout::{Axis, Layout};
use crate::slot::{LinearMap, MapPlan, Product, Stage, Term};
use crate::tensor::TensorOp;
use crate::{Constant, ValueId, Verified, verify};

/// What [`schedule`] builds on.
#[derive(Clone, Debug)]
pub struct Options {
    /// Slots, a power of two of at least 8.
    pub slots: usize,
    /// Moduli, base first.
    pub moduli: Vec<f64>,
    /// Scale of fresh ciphertexts and of results.
    pub scale: f64,
    /// Steps, each of one to about ten instructions.
    pub steps: usize,
    /// The bootstrap, if schedules shall have some; of all slots, since values repeat by chance only. Values then stay
    /// within its levels.
    pub bootstrap: Option<BootstrapHeader>,
}

/// splitmix64: reproducible, and good enough to pick from lists.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator of one fixed sequence per seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// Uniform in [−1, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// Largest magnitude of a slot that the generator lets happen.
const MAX_BOUND: f64 = 4.0;

/// A random schedule in which no slot exceeds 4 when the inputs lie in [−1, 1].
pub fn schedule(seed: u64, options: &Options) -> Verified<Schedule> {
    let mut g = Generator::new(seed, options);
    for _ in 0..options.steps {
        g.step();
    }
    g.finish()
}

/// Packed inputs with every slot uniform in [−1, 1).
pub fn inputs(seed: u64, schedule: &Schedule) -> Packed {
    let mut rng = Rng::new(seed ^ 0x5eed);
    let slots = schedule.header.slots;
    let mut vector = || (0..slots).map(|_| rng.unit()).collect::<Vec<_>>();
    schedule.header.inputs.iter().map(|p| (0..p.layout.ciphertexts).map(|_| vector()).collect()).collect()
}

/// The layout of a vector over whole ciphertexts.
pub fn flat(slots: usize, ciphertexts: usize) -> Layout {
    Layout { slots, ciphertexts, axes: vec![Axis::strided(slots * ciphertexts, 1)], replicas: vec![] }
}

struct Generator<'o> {
    options: &'o Options,
    rng: Rng,
    graph: Schedule,
    /// Ciphertexts to choose from, with bounds of their slots.
    pool: Vec<(ValueId, f64)>,
}

impl<'o> Generator<'o> {
    fn new(seed: u64, options: &'o Options) -> Self {
        let mut rng = Rng::new(seed);
        let slots = options.slots;
        let input = |name: &str, cts| PackedValue { name: name.into(), layout: flat(slots, cts) };
        let header = ScheduleHeader {
            slots,
            moduli: options.moduli.clone(),
            inputs: vec![input("x", 2), input("y", 1)],
            layouts: vec![flat(slots, 1), flat(slots, 2)],
            bootstrap: options.bootstrap,
            ..ScheduleHeader::default()
        };
        let mut graph = Schedule::new("random", header);
        let map = dense_map(&mut graph, &mut rng);
        graph.header.maps.push(map);
        for (shape, size) in [(vec![3, 1], 3), (vec![2 * slots], 2 * slots), (vec![slots], slots)] {
            let data: Vec<f32> = (0..size).map(|_| rng.unit() as f32).collect();
            graph.add_constant(Constant::new(shape, data));
        }
        let top = options.bootstrap.map_or(options.moduli.len() as u32 - 1, |b| b.level_out);
        let pool = [(0, 0), (0, 1), (1, 0)]
            .map(|(input, ct)| (graph.push_input(input, ct, top, options.scale), 1.0))
            .to_vec();
        Self { options, rng, graph, pool }
    }

    fn pick(&mut self) -> (ValueId, f64) {
        // Recent values twice as often, so that schedules get deep.
        let n = self.pool.len();
        let i = self.rng.below(2 * n);
        self.pool[if i < n { i } else { n - 1 - (i - n) / 2 }]
    }

    fn push(&mut self, op: ScheduleOp, args: Vec<ValueId>) -> ValueId {
        let name = if self.rng.below(3) == 0 { "layer" } else { "" };
        self.graph.push_inferred(op, args, name).expect("the generator builds valid instructions")
    }

    fn ty(&self, v: ValueId) -> ScheduleType {
        *self.graph.ty(v)
    }

    fn modulus(&self, level: u32) -> f64 {
        self.options.moduli[level as usize]
    }

    fn rotation(&mut self) -> u32 {
        1 + self.rng.below(self.options.slots - 1) as u32
    }

    /// A recipe all of whose slots lie in [−1, 1].
    fn recipe(&mut self) -> Recipe {
        let products = self.graph.header.maps[0].plan.as_ref().map_or(0, |p| p.products.len());
        // The constants of the dense map come first.
        let first = self.graph.constants.len() as u32 - 3;
        let constant = |k| crate::ConstId(first + k);
        match self.rng.below(5) {
            0 => Recipe::Bias { map: 0, ct: 0 },
            1 => Recipe::Spread { value: constant(0), row: self.rng.below(3) as u32, layout: 0, ct: 0 },
            2 => Recipe::Spread { value: constant(1), row: 0, layout: 1, ct: self.rng.below(2) as u32 },
            3 => Recipe::Spread { value: constant(2), row: 0, layout: 0, ct: 0 },
            _ => Recipe::Product { map: 0, product: self.rng.below(products) as u32 },
        }
    }

    fn recipes(&mut self, n: usize) -> Vec<Recipe> {
        (0..n).map(|_| self.recipe()).collect()
    }

    fn step(&mut self) {
        let (x, bound) = self.pick();
        let ScheduleType { level, scale, .. } = self.ty(x);
        let back = plain_scale_for(self.options.scale, scale, self.modulus(level));
        let low = self.options.bootstrap.map_or(0, |b| b.level_in);
        if let Some(header) = self.options.bootstrap
            && self.rng.below(4) == 0
        {
            return self.bootstrap(x, bound, header);
        }
        match self.rng.below(12) {
            0 => {
                let step = self.rotation();
                let y = self.push(ScheduleOp::Rotate { step }, vec![x]);
                self.pool.push((y, bound));
            }
            1 => {
                let digits = self.push(ScheduleOp::Hoist, vec![x]);
                for _ in 0..1 + self.rng.below(3) {
                    let step = self.rotation();
                    let y = self.push(ScheduleOp::RotateHoisted { step }, vec![digits]);
                    self.pool.push((y, bound));
                }
            }
            2 | 3 if level > low => self.double_hoisted(x, bound, back),
            4 if level > low => self.multiply_accumulate(x, bound, back),
            5 if level > low => {
                let value = self.rng.unit();
                let y = self.push(ScheduleOp::MulScalar { value, plain_scale: back }, vec![x]);
                let y = self.push(ScheduleOp::Rescale, vec![y]);
                self.pool.push((y, bound));
            }
            6 if bound + 1.0 <= MAX_BOUND => {
                let recipe = self.recipe();
                let y = self.push(ScheduleOp::AddPlain { recipe }, vec![x]);
                self.pool.push((y, bound + 1.0));
            }
            7 if bound + 1.0 <= MAX_BOUND => {
                let value = self.rng.unit();
                let y = self.push(ScheduleOp::AddScalar { value }, vec![x]);
                self.pool.push((y, bound + 1.0));
            }
            8 | 9 if level > low => self.multiply(x, bound),
            10 => self.add(x, bound),
            11 if level > low.max(1) => {
                let y = self.push(ScheduleOp::Drop { level: level - 1 }, vec![x]);
                self.pool.push((y, bound));
            }
            _ if bound <= 2.0 => {
                let factor = 1.0 + 0.5 * self.rng.unit();
                let y = self.push(ScheduleOp::Relabel { factor }, vec![x]);
                self.pool.push((y, bound * factor));
            }
            _ => {}
        }
    }

    /// Refreshes a value, or two at once.
    fn bootstrap(&mut self, x: ValueId, bound: f64, header: BootstrapHeader) {
        let other = self.pick();
        let wanted = if self.rng.below(2) == 0 { vec![(x, bound), other] } else { vec![(x, bound)] };
        let operands: Vec<_> = wanted.into_iter().filter_map(|(x, b)| self.operand(x, b, header)).collect();
        for (k, (x, range)) in operands.iter().enumerate() {
            let with_next = k + 1 < operands.len();
            let y = self
                .push(ScheduleOp::Bootstrap { range: *range, period: header.period, with_next }, vec![*x]);
            self.pool.push((y, *range));
        }
    }

    /// Shrinks slots or scale until the bootstrap takes them, and drops to its level.
    fn operand(&mut self, mut x: ValueId, mut bound: f64, header: BootstrapHeader) -> Option<(ValueId, f64)> {
        let ScheduleType { level, scale, .. } = self.ty(x);
        if !bootstrappable(scale, bound, header.scale) {
            if level == header.level_in {
                return None;
            }
            let value = if self.rng.below(2) == 0 { 1.0 / bound } else { 1.0 };
            bound *= value;
            let plain_scale = plain_scale_for(header.scale / bound, scale, self.modulus(level));
            x = self.push(ScheduleOp::MulScalar { value, plain_scale }, vec![x]);
            x = self.push(ScheduleOp::Rescale, vec![x]);
        }
        if self.ty(x).level > header.level_in {
            x = self.push(ScheduleOp::Drop { level: header.level_in }, vec![x]);
        }
        Some((x, bound))
    }

    /// Pairs of products of the dense map.
    fn pairs(&mut self, n: usize) -> Vec<Recipe> {
        let products = self.graph.header.maps[0].plan.as_ref().map_or(0, |p| p.products.len());
        let mut product = || Some(self.rng.below(products) as u32);
        let parts: Vec<_> = (0..n).map(|_| (product(), product())).collect();
        let pair = |(re, im)| match self.rng.below(4) {
            0 => Recipe::Pair { map: 0, re, im: None },
            1 => Recipe::Pair { map: 0, re: None, im },
            _ => Recipe::Pair { map: 0, re, im },
        };
        parts.into_iter().map(pair).collect()
    }

    fn double_hoisted(&mut self, x: ValueId, bound: f64, plain_scale: f64) {
        let digits = self.push(ScheduleOp::Hoist, vec![x]);
        let mut sums = vec![];
        let groups = 1 + self.rng.below(2);
        if bound * 4.0 > MAX_BOUND * 2.0 {
            return;
        }
        let pairs = self.rng.below(2) == 0;
        for g in 0..groups {
            let n = if pairs && groups > 1 { 1 } else { 1 + self.rng.below(2) };
            let babies: Vec<_> = (0..n)
                .map(|k| {
                    let step = if k == 0 { 0 } else { self.rotation() };
                    self.push(ScheduleOp::RotateExt { step }, vec![digits])
                })
                .collect();
            let recipes = if pairs { self.pairs(n) } else { self.recipes(n) };
            let sum = self.push(ScheduleOp::MulAcc { recipes, plain_scale }, babies);
            let step = self.rotation();
            sums.push(if g == 0 { sum } else { self.push(ScheduleOp::Giant { step }, vec![sum]) });
        }
        let mut sum = self.push(ScheduleOp::Add, sums);
        if pairs {
            let step = self.rotation();
            sum = self.push(ScheduleOp::Fold { step }, vec![sum]);
        }
        let y = if self.rng.below(2) == 0 {
            self.push(ScheduleOp::ModDownRescale, vec![sum])
        } else {
            let y = self.push(ScheduleOp::ModDown, vec![sum]);
            self.push(ScheduleOp::Rescale, vec![y])
        };
        if bound * 4.0 <= MAX_BOUND {
            self.pool.push((y, bound * 4.0));
        }
    }

    fn multiply_accumulate(&mut self, x: ValueId, bound: f64, plain_scale: f64) {
        let ty = self.ty(x);
        let (mut args, mut total) = (vec![x], bound);
        for (y, b) in self.pool.clone() {
            let other = self.ty(y);
            if other.level == ty.level && addable(ty.scale, other.scale) && total + b <= MAX_BOUND && y != x {
                args.push(y);
                total += b;
            }
        }
        let recipes = self.recipes(args.len());
        let y = self.push(ScheduleOp::MulAcc { recipes, plain_scale }, args);
        let y = self.push(ScheduleOp::Rescale, vec![y]);
        self.pool.push((y, total));
    }

    fn multiply(&mut self, x: ValueId, bound: f64) {
        let level = self.ty(x).level;
        let partners: Vec<_> = self
            .pool
            .iter()
            .copied()
            .filter(|(y, b)| self.ty(*y).level == level && b * bound <= MAX_BOUND)
            .collect();
        let Some(&(y, b)) = partners.get(self.rng.below(partners.len().max(1))) else { return };
        let mut product = self.push(ScheduleOp::Mul, vec![x, y]);
        let mut bound = bound * b;
        if self.rng.below(3) == 0 && 2.0 * bound <= MAX_BOUND {
            product = self.push(ScheduleOp::Add, vec![product, product]);
            bound *= 2.0;
        }
        let orders: [&[ScheduleOp]; 3] = [
            &[ScheduleOp::RelinRescale],
            &[ScheduleOp::Relinearize, ScheduleOp::Rescale],
            &[ScheduleOp::Rescale, ScheduleOp::Relinearize],
        ];
        for op in orders[self.rng.below(3)] {
            product = self.push(op.clone(), vec![product]);
        }
        self.pool.push((product, bound));
    }

    fn add(&mut self, x: ValueId, bound: f64) {
        let ty = self.ty(x);
        let partner = self.pool.iter().copied().rev().find(|(y, b)| {
            let other = self.ty(*y);
            other.level == ty.level && addable(ty.scale, other.scale) && bound + b <= MAX_BOUND
        });
        let Some((y, b)) = partner else { return };
        let op = if self.rng.below(2) == 0 { ScheduleOp::Add } else { ScheduleOp::Sub };
        let z = self.push(op, vec![x, y]);
        self.pool.push((z, bound + b));
    }

    fn finish(mut self) -> Verified<Schedule> {
        let last: Vec<_> = self.pool.iter().rev().take(3).map(|(v, _)| *v).collect();
        let slots = self.options.slots;
        for (name, values) in [("a", &last[..1]), ("b", &last[1..])] {
            let layout = flat(slots, values.len());
            self.graph.header.outputs.push(PackedValue { name: name.into(), layout });
            for (ct, v) in values.iter().enumerate() {
                self.graph.add_output(format!("{name}#{ct}"), *v);
            }
        }
        debug_assert!(self.graph.iter().all(|(_, n)| n.ty.kind != Kind::Digits || n.op == ScheduleOp::Hoist));
        verify(self.graph).expect("the generator builds valid schedules")
    }
}

/// A dense layer of 4 inputs and outputs with all its diagonals, weights in [−1, 1], as baby steps 0, 1 and giant
/// steps that are even.
fn dense_map(graph: &mut Schedule, rng: &mut Rng) -> LinearMap {
    let slots = graph.header.slots;
    let mut constant = |shape: Vec<usize>| {
        let size = shape.iter().product();
        let data: Vec<f32> = (0..size).map(|_| rng.unit() as f32).collect();
        graph.add_constant(Constant::new(shape, data))
    };
    let op = TensorOp::Gemm { weight: constant(vec![4, 4]), bias: Some(constant(vec![4])) };
    let layout = Layout {
        slots,
        ciphertexts: 1,
        axes: vec![Axis::strided(1, 0), Axis::strided(4, 1)],
        replicas: vec![],
    };
    let mut products: Vec<_> = (0..7)
        .map(|k| {
            let offset = (k + slots - 3) % slots;
            let (baby, giant) = ((offset % 2) as u32, (offset - offset % 2) as u32);
            Product { out_ct: 0, giant, operand: 0, in_ct: 0, baby }
        })
        .collect();
    products.sort_unstable();
    let stage = Stage { op, operand: 0, in_shapes: vec![vec![1, 4]], out_shape: vec![1, 4] };
    LinearMap {
        inputs: vec![layout.clone()],
        terms: vec![Term { stages: vec![stage] }],
        output: layout,
        open: false,
        plan: Some(MapPlan { products, reduce: vec![], fold: 0 }),
    }
}
