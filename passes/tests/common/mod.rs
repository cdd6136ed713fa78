//! What the tests of the passes on packed values share: runs of the pipeline, a form of graphs for people, comparisons.
#![allow(dead_code, reason = "every test binary uses a part")]

pub(crate) mod cases;
pub(crate) mod net;

use std::fmt::Write;

use fhec_ir::layout::{Axis, Factor, Layout};
use fhec_ir::schedule::{BootstrapHeader, Schedule};
use fhec_ir::slot::{LinearMap, SlotGraph, SlotOp};
use fhec_ir::tensor::TensorGraph;
use fhec_ir::{Op, Verified, text, verify};
use fhec_passes::assign_layout::Compaction;
use fhec_passes::estimate::estimator;
use fhec_passes::maps::Prices;
use fhec_passes::{PassError, assign_layout, lower, minimize_rotations, place};

/// Parameters of a run, from the first line of a case: `// run: slots=64 tile=4x4 drift apart levels=4`.
pub(crate) struct Run {
    slots: usize,
    tile: Option<[usize; 2]>,
    compaction: Option<Compaction>,
    /// Moduli are not powers of two, so that scales differ by the way they were reached.
    drift: bool,
    /// Linear maps are not composed.
    apart: bool,
    /// Levels that a bootstrap gives; price of one, and of two ciphertexts at once, in rotations; bound on all slots.
    levels: Option<u32>,
    price: f64,
    pair: f64,
    range: f64,
    /// Slots that bootstraps keep apart; all if not given.
    period: Option<usize>,
}

impl Run {
    fn parse(line: &str) -> Option<Self> {
        let mut run = Self {
            slots: 0,
            tile: None,
            compaction: None,
            drift: false,
            apart: false,
            levels: None,
            price: 50.0,
            pair: f64::INFINITY,
            range: 1.0,
            period: None,
        };
        for word in line.strip_prefix("// run:")?.split_whitespace() {
            match word.split_once('=') {
                Some(("slots", n)) => run.slots = n.parse().ok()?,
                Some(("tile", t)) => {
                    let (h, w) = t.split_once('x')?;
                    run.tile = Some([h.parse().ok()?, w.parse().ok()?]);
                }
                Some(("compact", "first")) => run.compaction = Some(Compaction::First),
                Some(("compact", "joins")) => run.compaction = Some(Compaction::Joins),
                Some(("levels", n)) => run.levels = Some(n.parse().ok()?),
                Some(("price", x)) => run.price = x.parse().ok()?,
                Some(("pair", x)) => run.pair = x.parse().ok()?,
                Some(("range", x)) => run.range = x.parse().ok()?,
                Some(("period", n)) => run.period = Some(n.parse().ok()?),
                None if word == "drift" => run.drift = true,
                None if word == "apart" => run.apart = true,
                _ => return None,
            }
        }
        (run.slots > 0).then_some(run)
    }

    /// The named pass' result, after the passes before it from `assign-layout` on.
    fn to(&self, pass: &str, graph: &Verified<TensorGraph>) -> Result<String, PassError> {
        let (tile, compaction) = (self.tile, self.compaction);
        let compose = !self.apart;
        let config =
            assign_layout::Config { tile, compaction, compose, ..assign_layout::Config::new(self.slots) };
        let packed = pack(graph, &config)?;
        if pass == "assign-layout" {
            return Ok(slot_text(&packed));
        }
        let level = self.levels.map(|_| self.price);
        let config = minimize_rotations::Config { level, ..Default::default() };
        let planned = checked(minimize_rotations::run(&packed, &config)?);
        if pass == "minimize-rotations" {
            return Ok(slot_text(&planned));
        }
        let bootstrap = self.levels.map(|levels| place::Bootstrap {
            levels,
            level_in: LEVEL_IN,
            price: self.price,
            pair_price: self.pair,
            period: self.period.unwrap_or(self.slots),
            ranges: vec![self.range; planned.len()],
        });
        let placed = checked(place::run(&planned, &place::Config { bootstrap, ..place::Config::default() })?);
        if pass == "place" {
            return Ok(slot_text(&placed));
        }
        let period = self.period.unwrap_or(self.slots);
        let mut config = chain(lower::top_level(&placed), self.levels.map(|levels| (levels, period)));
        if self.drift {
            config.moduli.iter_mut().enumerate().for_each(|(k, q)| *q *= 1.0 + k as f64 / 1024.0);
        }
        Ok(schedule_text(&checked(lower::run(&placed, &config)?)))
    }
}

/// Level at which bootstraps begin in the tests.
const LEVEL_IN: u32 = 1;

/// A nominal chain for so many levels, or for bootstraps that give so many and keep so many slots apart.
pub(crate) fn chain(top: u32, bootstrapped: Option<(u32, usize)>) -> lower::Config {
    let Some((levels, period)) = bootstrapped else { return lower::Config::nominal(top, 40, 60) };
    let config = lower::Config::nominal(levels + LEVEL_IN, 40, 60);
    let (scale, period) = (config.scale, period as u32);
    let header = BootstrapHeader { level_in: LEVEL_IN, level_out: levels + LEVEL_IN, scale, period };
    lower::Config { bootstrap: Some(header), ..config }
}

fn checked<O: Op>(graph: fhec_ir::Graph<O>) -> Verified<fhec_ir::Graph<O>> {
    verify(graph).unwrap_or_else(|e| panic!("the result is invalid: {e}"))
}

/// A packed graph for people: layouts as `EXTENT@STRIDE` per axis, digits in brackets, replicas behind `+`; operands of
/// linear maps with their stages; plans by output ciphertext and giant step, babies as `OPERAND#CIPHERTEXT>>STEP`.
pub(crate) fn slot_text(graph: &SlotGraph) -> String {
    let mut out = format!("slot {} slots\n", graph.header.slots);
    for (id, node) in graph.iter() {
        let args: Vec<String> = node.args.iter().map(ToString::to_string).collect();
        let op = match &node.op {
            SlotOp::Linear(map) => linear_text(map, &args),
            SlotOp::Input { name } => format!("Input {name:?}"),
            SlotOp::Poly { coeffs, strategy } => {
                let strategy = strategy.map(|s| format!("{s:?} ")).unwrap_or_default();
                format!("Poly {strategy}{coeffs} {}", args.join(" "))
            }
            SlotOp::Bootstrap { range, with_next } => {
                let with = if *with_next { " with next" } else { "" };
                format!("Bootstrap {} range {range}{with}", args.join(" "))
            }
            SlotOp::AddConst { value } => format!("AddConst {value} {}", args.join(" ")),
            SlotOp::ShiftSum { shifts, factor } => {
                format!(
                    "ShiftSum {}{} times {factor}",
                    args.join(" "),
                    shifts.iter().map(shift_text).collect::<String>()
                )
            }
            other => format!("{} {}", other.mnemonic(), args.join(" ")),
        };
        let _ = write!(out, "  {id} {:?} = {op}", node.name);
        let _ = write!(out, " : {}", layout_text(&node.ty.layout));
        if let Some(level) = node.ty.level {
            let _ = write!(out, " level {level}");
        }
        out.push('\n');
        if let SlotOp::Linear(map) = &node.op {
            plan_text(map, &mut out);
        }
    }
    for output in &graph.outputs {
        let _ = writeln!(out, "  return {:?} {}", output.name, output.value);
    }
    out
}

fn linear_text(map: &LinearMap, args: &[String]) -> String {
    let terms = map.terms.iter().zip(args).map(|(term, arg)| {
        let stages: Vec<&str> = term.stages.iter().map(|s| s.op.mnemonic()).collect();
        format!("{arg}|{}", stages.join("|"))
    });
    format!("Linear {}", terms.collect::<Vec<_>>().join(" + "))
}

fn plan_text(map: &LinearMap, out: &mut String) {
    let Some(plan) = &map.plan else { return };
    let mut group = None;
    for p in &plan.products {
        if group != Some((p.out_ct, p.giant)) {
            let end = if group.is_some() { "\n" } else { "" };
            let _ = write!(out, "{end}      #{} giant {}:", p.out_ct, p.giant);
            group = Some((p.out_ct, p.giant));
        }
        let _ = write!(out, " {}#{}>>{}", p.operand, p.in_ct, p.baby);
    }
    out.push('\n');
    if plan.fold != 0 {
        let _ = writeln!(out, "      halves folded by {}", plan.fold);
    }
    if !plan.reduce.is_empty() {
        let _ = writeln!(out, "      sum over{}", plan.reduce.iter().map(shift_text).collect::<String>());
    }
}

fn shift_text(f: &Factor) -> String {
    format!(" {}@{}", f.extent, f.stride)
}

fn layout_text(layout: &Layout) -> String {
    let axis = |a: &Axis| match a.factors.as_slice() {
        [f] if f.extent == a.extent => format!("{}@{}", f.extent, f.stride),
        digits => {
            let digits: Vec<String> = digits.iter().map(|f| shift_text(f).trim_start().into()).collect();
            format!("{}({})", a.extent, digits.join(" "))
        }
    };
    let mut out = layout.axes.iter().map(axis).collect::<Vec<_>>().join(" ");
    layout.replicas.iter().for_each(|r| out += &format!(" +{}", shift_text(r).trim_start()));
    if layout.ciphertexts > 1 {
        let _ = write!(out, " in {} ciphertexts", layout.ciphertexts);
    }
    out
}

/// A schedule without its header, whose maps `slot_text` shows better.
pub(crate) fn schedule_text(schedule: &Schedule) -> String {
    let text = text::summary(schedule);
    let (_, body) = text.split_once('\n').expect("a header");
    format!("schedule, moduli {:?}\n{}", schedule.header.moduli, body.trim_end_matches("}\n"))
}

fn outcome(input: &str, pass: &str) -> String {
    let Some(run) = input.lines().next().and_then(Run::parse) else {
        return "the first line is not `// run: slots=N [tile=HxW] [compact=first|joins] [drift] [apart] [levels=L] [price=P] [pair=P] [range=R]`\n"
            .into();
    };
    match cases::graph(input) {
        Ok(graph) => run.to(pass, &graph).unwrap_or_else(|e| format!("error: {e}\n")),
        Err(reason) => reason,
    }
}

/// Checks all cases of `tests/cases/PASS`, a pass on packed values.
pub(crate) fn check_cases(pass: &str) {
    cases::check(pass, |input| outcome(input, pass));
}

/// Packs a network, for prices by default.
pub(crate) fn pack(
    graph: &Verified<TensorGraph>,
    config: &assign_layout::Config,
) -> Result<Verified<SlotGraph>, PassError> {
    let estimate = &mut estimator(Prices::default());
    Ok(checked(assign_layout::run(graph, config, estimate)?))
}

/// A packed network with plans of its maps.
pub(crate) fn planned(graph: &Verified<TensorGraph>, config: &assign_layout::Config) -> Verified<SlotGraph> {
    let packed = pack(graph, config).unwrap();
    checked(minimize_rotations::run(&packed, &Default::default()).unwrap())
}

/// Asserts that numbers agree up to a tolerance, relative to the largest of them or 1.
#[track_caller]
pub(crate) fn assert_close(want: &[f64], got: &[f64], tolerance: f64, context: &dyn Fn() -> String) {
    assert_eq!(want.len(), got.len(), "{}", context());
    let scale = want.iter().fold(1.0f64, |m, x| m.max(x.abs()));
    for (k, (a, b)) in want.iter().zip(got).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "element {k}: {a} {b}; {}", context());
    }
}
