//! `lower`: slot IR → schedule IR.
//!
//! Every packed value becomes single ciphertexts with exact levels and scales. Linear maps and polynomials that end in a
//! plaintext product give any scale their result needs, at no price: the plaintext is encoded accordingly. Where an
//! addition finds two scales, they are traced back to such products (or inputs) and the graph is lowered again with
//! scales that make them meet ([`scales`]).

mod emit;
mod linear;
mod poly;
mod scales;

use fhec_ir::schedule::{PackedValue, Recipe, Schedule, ScheduleHeader, ScheduleOp, scale};
use fhec_ir::slot::{SlotGraph, SlotOp};
use fhec_ir::{ValueId, Verified};

use crate::PassError;
use emit::Emitter;
use scales::Targets;

const PASS: &str = "lower";

/// Parameters of the pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// q_0, q_1, …: the modulus chain, at least one longer than the highest level.
    pub moduli: Vec<f64>,
    /// Scale of inputs and of results that are free to choose.
    pub scale: f64,
}

impl Config {
    /// A chain of powers of two for schedules without parameters: base modulus of `base_bits`, the others at the scale.
    pub fn nominal(levels: u32, scale_bits: u32, base_bits: u32) -> Self {
        let scale = 2f64.powi(scale_bits as i32);
        let mut moduli = vec![2f64.powi(base_bits as i32)];
        moduli.extend((0..levels).map(|_| scale));
        Self { moduli, scale }
    }
}

/// The highest level of a placed graph: that of its inputs.
pub fn top_level(graph: &SlotGraph) -> u32 {
    graph.iter().filter_map(|(_, n)| n.ty.level).max().unwrap_or(0)
}

/// Lowers a placed graph with planned linear maps.
///
/// # Errors
/// Missing placement or plan, a chain that is too short, or scales that cannot be made to meet.
pub fn run(graph: &Verified<SlotGraph>, config: &Config) -> Result<Schedule, PassError> {
    for (id, node) in graph.iter() {
        let missing = match &node.op {
            _ if node.ty.level.is_none() => Some("has no level: run `place` first"),
            SlotOp::Linear(map) if map.plan.is_none() => Some("has no plan: run `minimize-rotations` first"),
            SlotOp::Poly { strategy: None, .. } => Some("has no strategy: run `place` first"),
            _ => None,
        };
        if let Some(reason) = missing {
            return Err(PassError::at(PASS, graph, id, reason));
        }
    }
    if config.moduli.len() <= top_level(graph) as usize {
        let reason = format!("level {} with a chain of {} moduli", top_level(graph), config.moduli.len());
        return Err(PassError::at(PASS, graph, ValueId(0), reason));
    }
    // Every round that ends early settles one addition for good, so there is an end.
    let mut targets = Targets::new(graph);
    loop {
        match Lowering::new(graph, config, &targets).run() {
            Ok(schedule) => return Ok(schedule),
            Err(Stop::Refused(error)) => return Err(error),
            Err(Stop::Scales { at, ratio }) => {
                let args = &graph.node(at).args;
                if !targets.make_meet(args[0], args[1], ratio) {
                    let reason =
                        format!("its operands' scales differ by a factor of {ratio} that nothing can absorb");
                    return Err(PassError::at(PASS, graph, at, reason));
                }
            }
        }
    }
}

/// Why a round ended early.
enum Stop {
    Refused(PassError),
    /// The first operand of the addition at `at` has `ratio` times the scale of the second.
    Scales {
        at: ValueId,
        ratio: f64,
    },
}

type Lowered<T> = Result<T, Stop>;

/// One round of lowering.
struct Lowering<'g> {
    graph: &'g SlotGraph,
    config: &'g Config,
    targets: &'g Targets,
    out: Emitter,
    /// Ciphertexts of each packed value.
    values: Vec<Vec<ValueId>>,
}

impl<'g> Lowering<'g> {
    fn new(graph: &'g SlotGraph, config: &'g Config, targets: &'g Targets) -> Self {
        let header = ScheduleHeader {
            slots: graph.header.slots,
            moduli: config.moduli.clone(),
            ..ScheduleHeader::default()
        };
        let mut schedule = Schedule::new(graph.name.clone(), header);
        schedule.constants.clone_from(&graph.constants);
        Self { graph, config, targets, out: Emitter::new(schedule), values: Vec::new() }
    }

    fn run(mut self) -> Lowered<Schedule> {
        for id in self.graph.ids() {
            self.out.begin_layer(&self.graph.node(id).name);
            let value = self.lower(id)?;
            if let Some(reason) = self.out.refusal() {
                return Err(Stop::Refused(PassError::at(PASS, self.graph, id, reason)));
            }
            self.values.push(value);
        }
        let mut schedule = self.out.finish();
        for output in &self.graph.outputs {
            let layout = self.graph.ty(output.value).layout.clone();
            schedule.header.outputs.push(PackedValue { name: output.name.clone(), layout });
            for (ct, value) in self.values[output.value.index()].iter().enumerate() {
                schedule.add_output(format!("{}#{ct}", output.name), *value);
            }
        }
        Ok(schedule)
    }

    /// Level at which a value becomes available.
    fn level(&self, id: ValueId) -> u32 {
        self.graph.ty(id).level.expect("checked before")
    }

    /// Ciphertext `ct` of operand `k` of `id`, at `level`.
    fn arg(&mut self, id: ValueId, k: usize, ct: usize, level: u32) -> ValueId {
        let value = self.values[self.graph.node(id).args[k].index()][ct];
        self.out.at_level(value, level)
    }

    fn lower(&mut self, id: ValueId) -> Lowered<Vec<ValueId>> {
        let node = self.graph.node(id);
        let level = self.level(id);
        let cts = node.ty.layout.ciphertexts;
        match &node.op {
            SlotOp::Input { name } => Ok(self.lower_input(id, name)),
            SlotOp::Linear(map) => Ok(self.lower_linear(id, map)),
            SlotOp::View => Ok(self.values[node.args[0].index()].clone()),
            SlotOp::ShiftSum { shifts, factor } => {
                let sum = |ct: usize, lowering: &mut Self| {
                    let mut x = lowering.arg(id, 0, ct, level);
                    for shift in shifts {
                        x = lowering.out.sum_of_shifts(x, shift.extent, shift.stride);
                    }
                    if *factor == 1.0 {
                        x
                    } else {
                        lowering.out.emit(ScheduleOp::Relabel { factor: *factor }, vec![x])
                    }
                };
                Ok((0..cts).map(|ct| sum(ct, self)).collect())
            }
            SlotOp::Poly { coeffs, strategy } => {
                let strategy = strategy.expect("checked before");
                let poly = poly::PolyLowering::new(self, id, *coeffs, strategy);
                Ok((0..cts).map(|ct| poly.lower(self, ct)).collect())
            }
            SlotOp::AddConst { value } => {
                let layout = self.out.layout(&node.ty.layout);
                let add = |ct: usize, lowering: &mut Self| {
                    let x = lowering.arg(id, 0, ct, level);
                    let recipe = Recipe::Spread { value: *value, row: 0, layout, ct: ct as u32 };
                    lowering.out.emit(ScheduleOp::AddPlain { recipe }, vec![x])
                };
                Ok((0..cts).map(|ct| add(ct, self)).collect())
            }
            SlotOp::Mul => {
                let product = |ct: usize, lowering: &mut Self| {
                    let a = lowering.arg(id, 0, ct, level + 1);
                    let b = lowering.arg(id, 1, ct, level + 1);
                    lowering.out.product(a, b)
                };
                Ok((0..cts).map(|ct| product(ct, self)).collect())
            }
            SlotOp::Add | SlotOp::Sub => {
                let op = if node.op == SlotOp::Add { ScheduleOp::Add } else { ScheduleOp::Sub };
                (0..cts)
                    .map(|ct| {
                        let (a, b) = (self.arg(id, 0, ct, level), self.arg(id, 1, ct, level));
                        let (sa, sb) = (self.out.ty(a).scale, self.out.ty(b).scale);
                        if !scale::addable(sa, sb) {
                            return Err(Stop::Scales { at: id, ratio: sa / sb });
                        }
                        Ok(self.out.emit(op.clone(), vec![a, b]))
                    })
                    .collect()
            }
            _ => Err(Stop::Refused(PassError::at(PASS, self.graph, id, "has no encrypted execution"))),
        }
    }

    fn lower_input(&mut self, id: ValueId, name: &str) -> Vec<ValueId> {
        let layout = &self.graph.ty(id).layout;
        let scale = self.config.scale * self.targets.factor(id);
        self.out.input(name, layout, self.level(id), scale)
    }

    /// Scale that the result of `id` should have, where it is free.
    fn target(&self, id: ValueId) -> f64 {
        self.config.scale * self.targets.factor(id)
    }
}
