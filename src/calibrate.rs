//! This machine's table of costs.

use std::time::{Duration, Instant, SystemTime};

use fhec_backend::cost::CostTable;
use fhec_ckks::CkksError;
use fhec_ckks::calibrate::{Calibration, measure};
use fhec_ir::slot::{LinearMap, SlotOp, encode};
use fhec_ir::tensor::{TensorGraph, TensorOp, Window};
use fhec_ir::{Constant, verify};
use fhec_passes::pipeline::{Config, Program};
use fhec_passes::{PassError, Pipeline};

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrateError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] CkksError),
    /// The network whose plaintexts are computed: a bug here.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// Its plaintexts: a bug here.
    #[error("{0}")]
    Plaintexts(String),
}

/// Measures what kernels take on this machine, and how much faster `threads` threads are than one. Takes a few seconds
/// and half a gigabyte; other programs that run meanwhile falsify it.
///
/// # Errors
/// If the system gives no threads.
pub fn calibrate(threads: usize) -> Result<CostTable, CalibrateError> {
    let Calibration { kernels, speedup, threads } = measure(threads)?;
    let evaluate = evaluation()?;
    let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    Ok(CostTable { machine: machine(threads), date, evaluate, threads, speedup, kernels })
}

/// The processor as the system names it.
fn machine(threads: usize) -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|l| l.strip_prefix("model name")).and_then(|l| l.split_once(':'));
    let name = name.map_or(std::env::consts::ARCH, |(_, name)| name.trim());
    format!("{name}, {threads} threads")
}

/// Slots at N = 2^16, and a convolution of the size that fills them: channels, side, kernel.
const SLOTS: usize = 1 << 15;
const CONVOLUTION: [usize; 3] = [16, 32, 3];

/// Microseconds for a full vector among the plaintexts of a convolution.
fn evaluation() -> Result<f64, CalibrateError> {
    let [channels, side, kernel] = CONVOLUTION;
    let mut graph = TensorGraph::new("calibration", ());
    let data: Vec<f32> = (0..channels * channels * kernel * kernel).map(|i| (0.7 * i as f32).sin()).collect();
    let weight = graph.add_constant(Constant::new(vec![channels, channels, kernel, kernel], data));
    let window = Window { kernel: [kernel; 2], stride: [1; 2], dilation: [1; 2], pads: [kernel / 2; 4] };
    let input = TensorOp::Input { name: "x".into(), shape: vec![1, channels, side, side] };
    let internal = |e: &dyn std::fmt::Display| CalibrateError::Plaintexts(e.to_string());
    let x = graph.push_inferred(input, vec![], "x").map_err(|e| internal(&e))?;
    let conv = TensorOp::Conv { window, groups: 1, weight, bias: None };
    let y = graph.push_inferred(conv, vec![x], "conv").map_err(|e| internal(&e))?;
    graph.add_output("y", y);
    let graph = verify(graph).map_err(|e| internal(&e))?;
    let mut pipeline = Pipeline::standard(Config::nominal(SLOTS));
    pipeline.stop_after("minimize-rotations");
    let Program::Slot(packed) = pipeline.run(Program::Tensor(graph), &mut |_, _| {})? else {
        return Err(CalibrateError::Plaintexts("no packed network".into()));
    };
    let maps: Vec<&LinearMap> = packed
        .iter()
        .filter_map(|(_, node)| if let SlotOp::Linear(map) = &node.op { Some(&**map) } else { None })
        .collect();
    let (mut least, mut full) = (Duration::MAX, 0.0);
    for _ in 0..3 {
        let start = Instant::now();
        let vectors = maps.iter().map(|map| encode::products(map, &packed.constants));
        let vectors = vectors.collect::<Result<Vec<_>, _>>().map_err(CalibrateError::Plaintexts)?;
        least = least.min(start.elapsed());
        full = vectors.iter().flatten().map(|v| v.len() as f64 / SLOTS as f64).sum();
    }
    Ok(least.as_secs_f64() * 1e6 / f64::max(full, f64::MIN_POSITIVE))
}
