//! Traces of runs for chrome://tracing and Perfetto.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};
use fhec_ir::Op;
use fhec_ir::output::write_atomically;
use fhec_ir::schedule::{Layers, Schedule, ScheduleOp};
use fhec_runtime::Span;
use serde_json::{Value, json};

/// When and where the instructions of one or several runs were executed, in the
/// [trace event format](https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU): a complete
/// event per instruction, a process per run, its threads those of the executor.
pub(crate) struct Trace {
    path: PathBuf,
    start: Instant,
    runs: usize,
    events: Vec<Value>,
}

impl Trace {
    /// An empty trace that will be written to `path`.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, start: Instant::now(), runs: 0, events: vec![] }
    }

    /// Seconds since the trace began.
    pub(crate) fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Adds a run that began at `start`, in seconds of [`Trace::now`].
    pub(crate) fn add(&mut self, name: &str, schedule: &Schedule, start: f64, spans: &[Span]) {
        let (pid, layers) = (self.runs, Layers::new(schedule));
        self.runs += 1;
        let named = |what: &str, tid: usize, name: String| json!({"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}});
        self.events.push(named("process_name", 0, name.to_string()));
        let workers = spans.iter().map(|s| s.worker + 1).max().unwrap_or(0);
        self.events.extend((0..workers).map(|w| named("thread_name", w, format!("worker {w}"))));
        let executed = schedule.iter().zip(spans);
        let executed = executed
            .filter(|((_, node), span)| !matches!(node.op, ScheduleOp::Input { .. }) && span.seconds > 0.0);
        self.events.extend(executed.map(|((id, node), span)| {
            let (op, layer) = (node.op.mnemonic(), layers.name(id));
            json!({
                "ph": "X", "name": format!("{op} {layer}"), "cat": op, "pid": pid, "tid": span.worker,
                "ts": 1e6 * (start + span.start), "dur": 1e6 * span.seconds,
                "args": {
                    "value": id.to_string(), "layer": layer, "kind": format!("{:?}", node.ty.kind),
                    "level": node.ty.level, "scale_bits": node.ty.scale.log2(),
                },
            })
        }));
    }

    /// Writes the trace, atomically.
    pub(crate) fn save(&self) -> Result<()> {
        let trace = json!({ "traceEvents": self.events, "displayTimeUnit": "ms" });
        let written = write_atomically(&self.path, None, |out| Ok(serde_json::to_writer(out, &trace)?));
        written.with_context(|| self.path.display().to_string())
    }
}
