//! What the tests of the passes on packed values share: runs of the pipeline, case files.
#![allow(dead_code, reason = "every test binary uses a part")]

use std::path::{Path, PathBuf};

use fhec_ir::schedule::BootstrapHeader;
use fhec_ir::tensor::{TensorGraph, TensorOp};
use fhec_ir::{Op, Verified, text, verify};
use fhec_passes::assign_layout::Compaction;
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
        let packed = checked(assign_layout::run(graph, &config)?);
        if pass == "assign-layout" {
            return Ok(text::print(&*packed));
        }
        let level = self.levels.map(|_| self.price);
        let config = minimize_rotations::Config { level, ..Default::default() };
        let planned = checked(minimize_rotations::run(&packed, &config)?);
        if pass == "minimize-rotations" {
            return Ok(text::print(&*planned));
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
            return Ok(text::print(&*placed));
        }
        let period = self.period.unwrap_or(self.slots);
        let mut config = chain(lower::top_level(&placed), self.levels.map(|levels| (levels, period)));
        if self.drift {
            config.moduli.iter_mut().enumerate().for_each(|(k, q)| *q *= 1.0 + k as f64 / 1024.0);
        }
        Ok(text::print(&*checked(lower::run(&placed, &config)?)))
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

fn outcome(input: &str, pass: &str) -> String {
    let Some(run) = input.lines().next().and_then(Run::parse) else {
        return "the first line is not `// run: slots=N [tile=HxW] [compact=first|joins] [drift] [apart] [levels=L] [price=P] [pair=P] [range=R]`\n"
            .into();
    };
    let graph = match text::parse::<TensorOp>(input, &text::Constants::default()) {
        Ok(graph) => graph,
        Err(e) => return format!("the case does not parse: {e}\n"),
    };
    let graph = match verify(graph) {
        Ok(graph) => graph,
        Err(e) => return format!("the case is invalid: {e}\n"),
    };
    run.to(pass, &graph).unwrap_or_else(|e| format!("error: {e}\n"))
}

/// Checks all cases of `tests/cases/PASS`.
pub(crate) fn check_cases(pass: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases").join(pass);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "fir"));
    files.sort();
    assert!(!files.is_empty(), "no cases in {}", folder.display());
    let bless = std::env::var_os("FHEC_BLESS").is_some();
    let mut failures = Vec::new();
    for file in files {
        let content = std::fs::read_to_string(&file).unwrap();
        let (input, expected) = content.split_once("---\n").unwrap_or((&content, ""));
        let got = outcome(input, pass);
        if bless {
            std::fs::write(&file, format!("{input}---\n{got}")).unwrap();
        } else if got != expected {
            failures.push(format!("{}:\n{got}instead of\n{expected}", file.display()));
        }
    }
    assert!(failures.is_empty(), "{}\nFHEC_BLESS=1 accepts the new results", failures.join("\n"));
}
