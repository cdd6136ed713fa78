//! `lower`: slot IR → schedule IR.
//!
//! Every packed value becomes single ciphertexts with exact levels and scales. Linear maps and polynomials that end in a
//! plaintext product give any scale their result needs, at no price: the plaintext is encoded accordingly. Where an
//! addition finds two scales, they are traced back to such products (or inputs) and the graph is lowered again with
//! scales that make them meet ([`scales`]). The same way bootstraps get operands of the scale that their range asks for.

mod emit;
mod linear;
mod poly;
mod refresh;
mod scales;

use fhec_ir::schedule::{BootstrapHeader, PackedValue, Recipe, Schedule, ScheduleHeader, ScheduleOp, scale};
use fhec_ir::slot::{SlotGraph, SlotOp};
use fhec_ir::{ValueId, Verified};

use crate::PassError;
use emit::Emitter;
use refresh::Refreshed;
use scales::{Edge, Edges, Targets};

const PASS: &str = "lower";

/// Parameters of the pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// q_0, q_1, …: the modulus chain, at least one longer than the highest level.
    pub moduli: Vec<f64>,
    /// Scale of inputs and of results that are free to choose.
    pub scale: f64,
    /// What bootstraps do; None if there are none. Levels of the graph start at its `level_in`, and all bootstraps give
    /// `level_out`, which the chain reaches.
    pub bootstrap: Option<BootstrapHeader>,
}

impl Config {
    /// A chain of powers of two for schedules without parameters: base modulus of `base_bits`, the others at the scale.
    pub fn nominal(levels: u32, scale_bits: u32, base_bits: u32) -> Self {
        let scale = 2f64.powi(scale_bits as i32);
        let mut moduli = vec![2f64.powi(base_bits as i32)];
        moduli.extend((0..levels).map(|_| scale));
        Self { moduli, scale, bootstrap: None }
    }

    /// The level of the schedule that level 0 of the graph stands for.
    fn floor(&self) -> u32 {
        self.bootstrap.map_or(0, |b| b.level_in)
    }
}

/// The highest level of a placed graph: that of its inputs or of bootstraps.
pub fn top_level(graph: &SlotGraph) -> u32 {
    graph.iter().filter_map(|(_, n)| n.ty.level).max().unwrap_or(0)
}

/// Lowers a placed graph with planned linear maps.
///
/// # Errors
/// Missing placement or plan, a chain that is too short or does not fit the bootstraps, or scales that cannot be made
/// to meet.
pub fn run(graph: &Verified<SlotGraph>, config: &Config) -> Result<Schedule, PassError> {
    check(graph, config)?;
    let mut round = Round { graph, config, freed: scales::freed(graph), urgent: vec![] };
    loop {
        // Every retry frees an edge or makes a bootstrap urgent, so there is an end.
        match round.settle()? {
            Settled::Schedule(schedule) => return Ok(*schedule),
            Settled::Free(edge) => {
                round.freed.insert(edge);
            }
            Settled::Urgent(id) => round.urgent.push(id),
        }
    }
}

fn check(graph: &Verified<SlotGraph>, config: &Config) -> Result<(), PassError> {
    for (id, node) in graph.iter() {
        let missing = match &node.op {
            _ if node.ty.level.is_none() => Some("has no level: run `place` first".into()),
            SlotOp::Linear(map) if map.plan.is_none() => {
                Some("has no plan: run `minimize-rotations` first".into())
            }
            SlotOp::Poly { strategy: None, .. } => Some("has no strategy: run `place` first".into()),
            SlotOp::Bootstrap { .. } => refresh::misfit(&node.ty, config),
            _ => None,
        };
        if let Some(reason) = missing {
            return Err(PassError::at(PASS, graph, id, reason));
        }
    }
    let top = top_level(graph) + config.floor();
    if config.moduli.len() <= top as usize {
        let reason = format!("level {top} with a chain of {} moduli", config.moduli.len());
        return Err(PassError::at(PASS, graph, ValueId(0), reason));
    }
    Ok(())
}

/// Lowering under some decisions on scales.
struct Round<'g> {
    graph: &'g Verified<SlotGraph>,
    config: &'g Config,
    /// Operands that get a scale of their own, for a level that they have to spare.
    freed: Edges,
    /// Bootstraps whose operands get their scale before those of others.
    urgent: Vec<ValueId>,
}

/// What came of the decisions.
enum Settled {
    Schedule(Box<Schedule>),
    /// Try again with this operand freed.
    Free(Edge),
    /// Try again with this bootstrap first.
    Urgent(ValueId),
}

impl Round<'_> {
    fn settle(&self) -> Result<Settled, PassError> {
        let mut targets = Targets::new(self.graph, &self.freed);
        let mut asked = false;
        // Every pass that ends early settles one addition for good, so there is an end.
        loop {
            match Lowering::new(self.graph, self.config, &targets, &self.freed).run() {
                Err(Stop::Refused(error)) => return Err(error),
                Err(Stop::Scales { at, ratio }) => {
                    let args = &self.graph.node(at).args;
                    if targets.make_meet(args[0], args[1], ratio) {
                        continue;
                    }
                    return scales::spare(self.graph, &self.freed, at).map(Settled::Free).ok_or_else(|| {
                        let reason = format!(
                            "its operands' scales differ by a factor of {ratio} that nothing can absorb"
                        );
                        PassError::at(PASS, self.graph, at, reason)
                    });
                }
                Ok((schedule, refreshed)) => {
                    if asked || refreshed.iter().all(Refreshed::fits_well) {
                        return self.judge(schedule, &refreshed);
                    }
                    asked = true;
                    refresh::ask(&mut targets, refreshed, &self.urgent);
                }
            }
        }
    }

    /// Accepts a schedule whose additions meet, or says what may bring the bootstraps' operands closer to their scales.
    fn judge(&self, schedule: Schedule, refreshed: &[Refreshed]) -> Result<Settled, PassError> {
        for r in refreshed.iter().filter(|r| !r.fits() || r.lost_bits() > MAX_LOST_BITS) {
            if let Some(edge) = scales::spare_before(self.graph, &self.freed, r.operand) {
                return Ok(Settled::Free(edge));
            }
            if r.fits() {
                let place = self.graph.describe(r.id);
                tracing::warn!(
                    "lower: {place} loses {:.0} bits, its operand's scale is bound",
                    r.lost_bits()
                );
            } else if !self.urgent.contains(&r.id) {
                return Ok(Settled::Urgent(r.id));
            } else {
                let reason = format!(
                    "its operand's scale is {:.1} bits too high for its range, and bound by other values",
                    -r.lost_bits()
                );
                return Err(PassError::at(PASS, self.graph, r.id, reason));
            }
        }
        Ok(Settled::Schedule(Box::new(schedule)))
    }
}

/// Bits by which the scale of a bootstrap's operand may fall short before something is done about it.
const MAX_LOST_BITS: f64 = 3.0;

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
    freed: &'g Edges,
    out: Emitter,
    /// Bootstraps met so far.
    refreshed: Vec<Refreshed>,
    /// Ciphertexts of the next value, a bootstrap together with the last one.
    paired: Option<Vec<ValueId>>,
    /// Ciphertexts of each packed value.
    values: Vec<Vec<ValueId>>,
}

impl<'g> Lowering<'g> {
    fn new(graph: &'g SlotGraph, config: &'g Config, targets: &'g Targets, freed: &'g Edges) -> Self {
        let header = ScheduleHeader {
            slots: graph.header.slots,
            moduli: config.moduli.clone(),
            bootstrap: config.bootstrap,
            ..ScheduleHeader::default()
        };
        let mut schedule = Schedule::new(graph.name.clone(), header);
        schedule.constants.clone_from(&graph.constants);
        let out = Emitter::new(schedule);
        Self { graph, config, targets, freed, out, refreshed: Vec::new(), paired: None, values: Vec::new() }
    }

    fn run(mut self) -> Lowered<(Schedule, Vec<Refreshed>)> {
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
        Ok((schedule, self.refreshed))
    }

    /// Level of the schedule at which a value becomes available.
    fn level(&self, id: ValueId) -> u32 {
        self.graph.ty(id).level.expect("checked before") + self.config.floor()
    }

    /// Ciphertext `ct` of operand `k` of `id`, at `level`; a freed one at the usual scale.
    fn arg(&mut self, id: ValueId, k: usize, ct: usize, level: u32) -> ValueId {
        let value = self.values[self.graph.node(id).args[k].index()][ct];
        if self.freed.contains(&(id, k)) {
            self.out.at_scale(value, level, self.config.scale)
        } else {
            self.out.at_level(value, level)
        }
    }

    /// Ciphertext `ct` of both operands of a sum, at the sum's level; one that is freed follows the other.
    fn summands(&mut self, id: ValueId, ct: usize) -> (ValueId, ValueId) {
        let level = self.level(id);
        let follows = |k: usize| self.freed.contains(&(id, k));
        match (follows(0), follows(1)) {
            (false, true) => {
                let a = self.arg(id, 0, ct, level);
                (a, self.arg_like(id, 1, ct, a))
            }
            (true, false) => {
                let b = self.arg(id, 1, ct, level);
                (self.arg_like(id, 0, ct, b), b)
            }
            _ => (self.arg(id, 0, ct, level), self.arg(id, 1, ct, level)),
        }
    }

    /// Ciphertext `ct` of operand `k` of `id`, at level and scale of `like`.
    fn arg_like(&mut self, id: ValueId, k: usize, ct: usize, like: ValueId) -> ValueId {
        let value = self.values[self.graph.node(id).args[k].index()][ct];
        let ty = self.out.ty(like);
        self.out.at_scale(value, ty.level, ty.scale)
    }

    fn lower(&mut self, id: ValueId) -> Lowered<Vec<ValueId>> {
        let node = self.graph.node(id);
        let level = self.level(id);
        let cts = node.ty.layout.ciphertexts;
        match &node.op {
            SlotOp::Input { name } => Ok(self.lower_input(id, name)),
            SlotOp::Linear(map) => Ok(self.lower_linear(id, map)),
            SlotOp::View if self.freed.contains(&(id, 0)) => {
                Ok((0..cts).map(|ct| self.arg(id, 0, ct, level)).collect())
            }
            SlotOp::View => Ok(self.values[node.args[0].index()].clone()),
            SlotOp::Bootstrap { .. } => Ok(self.lower_bootstrap(id)),
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
                        let (a, b) = self.summands(id, ct);
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
