//! Runs that are taken up again.

mod common;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fhec_ir::schedule::{Kind, Schedule, ScheduleOp, random};
use fhec_ir::{ValueId, Verified};
use fhec_runtime::clear::{ClearEngine, ClearValue};
use fhec_runtime::resume::{Checkpoints, Keep};
use fhec_runtime::{ExecuteOptions, Execution, PlaintextStore, RunError, execute_resumed};

type Known = Vec<(ValueId, ClearValue)>;

fn inputs(engine: &ClearEngine, schedule: &Schedule, seed: u64) -> Vec<Vec<ClearValue>> {
    let packed = random::inputs(seed, schedule);
    let mut values: Vec<Vec<ClearValue>> = packed.iter().map(|_| vec![]).collect();
    for (id, node) in schedule.iter() {
        if let ScheduleOp::Input { input, ct, .. } = node.op {
            let slots = packed[input as usize][ct as usize].clone();
            values[input as usize].push(engine.input(slots, node.ty.level, node.ty.scale, u64::from(id.0)));
        }
    }
    values
}

/// The results' slots, and the values that were computed.
type Ran = (Vec<Vec<f64>>, BTreeSet<ValueId>);

fn run(
    schedule: &Verified<Schedule>,
    (seed, threads): (u64, usize),
    known: Known,
    keep: Option<Keep<'_, ClearValue>>,
) -> Result<Ran, RunError> {
    let engine = ClearEngine::exact(schedule);
    let inputs = inputs(&engine, schedule, seed);
    let (store, computed) = (PlaintextStore::new(0), Mutex::new(BTreeSet::new()));
    let observe = |id: ValueId, _: &ClearValue| {
        assert!(computed.lock().unwrap().insert(id), "{id} twice");
    };
    let options = ExecuteOptions { threads, ..ExecuteOptions::default() };
    let checkpoints = Checkpoints { known, keep, pace: Duration::ZERO };
    let Execution { outputs, .. } =
        execute_resumed(&engine, schedule, inputs, &store, &options, &observe, checkpoints)?;
    let slots = outputs.iter().flatten().map(|value| value.slots.clone()).collect();
    Ok((slots, computed.into_inner().unwrap()))
}

#[test]
fn a_run_goes_on_from_each_of_its_checkpoints() {
    let (_, data, _) = common::bootstrapped();
    let mut resumed = 0;
    for seed in 0..30 {
        let schedule = common::bootstrapped_schedule(&data, seed, 40);
        let threads = 1 + seed as usize % 3;
        let kept: Mutex<Vec<Known>> = Mutex::default();
        let keep = |values: &[(ValueId, Arc<ClearValue>)]| {
            assert!(values.is_sorted_by(|a, b| a.0 < b.0));
            assert!(values.iter().all(|(id, _)| schedule.ty(*id).kind == Kind::Ct));
            let values = values.iter().map(|(id, value)| (*id, (**value).clone()));
            kept.lock().unwrap().push(values.collect());
        };
        let (expected, whole) = run(&schedule, (seed, threads), vec![], Some(&keep)).unwrap();
        for known in kept.into_inner().unwrap() {
            let ids: Vec<ValueId> = known.iter().map(|(id, _)| *id).collect();
            let (found, again) = run(&schedule, (seed, threads), known, None).unwrap();
            assert_eq!(found, expected, "seed {seed}");
            assert!(again.is_subset(&whole) && again.len() < whole.len(), "seed {seed}");
            // What is known is computed at most as the other half of two bootstraps.
            let twice = ids.iter().filter(|id| again.contains(id));
            let mut partners = twice.map(|id| schedule.partner(*id).expect("one of two"));
            assert!(partners.all(|partner| again.contains(&partner)), "seed {seed}");
            resumed += 1;
        }
    }
    assert!(resumed > 10, "{resumed} checkpoints");
}

#[test]
fn values_of_another_type_are_refused() {
    let (_, data, _) = common::bootstrapped();
    let schedule = common::refresh(&data);
    let engine = ClearEngine::exact(&schedule);
    let slots = vec![0.5; schedule.header.slots];
    let refreshed = schedule.iter().find(|(_, n)| matches!(n.op, ScheduleOp::Bootstrap { .. })).unwrap().0;
    let ty = *schedule.ty(refreshed);
    let known = |level| vec![(refreshed, engine.input(slots.clone(), level, ty.scale, 7))];
    let (_, again) = run(&schedule, (1, 1), known(ty.level), None).unwrap();
    assert_eq!(again.first().map(|id| id.0 > refreshed.0), Some(true));
    let error = run(&schedule, (1, 1), known(ty.level - 1), None).unwrap_err();
    assert!(matches!(error, RunError::Input(_)), "{error}");
}

#[cfg(feature = "client")]
mod files {
    use super::*;

    use fhec_runtime::KeptError;
    use fhec_runtime::client::Client;
    use fhec_runtime::files::Checkpoint;
    use fhec_runtime::server::Server;

    #[test]
    fn a_server_goes_on_from_a_file() {
        let (parameters, data, bytes) = common::bootstrapped();
        let (plan, id) = common::plan_with(data.clone(), common::refresh(&data), bytes);
        let client = Client::with_parameters(plan.client_spec().unwrap(), parameters.clone()).unwrap();
        let keys = client.generate_keys(None).unwrap();
        let server =
            Server::new((plan.clone(), id), &parameters, (keys.evaluation.clone(), keys.id), 0).unwrap();
        let encrypt =
            || client.encrypt((&keys.secret, keys.id), &[vec![0.5; plan.schedule.header.slots]]).unwrap();
        let (inputs, others) = (encrypt(), encrypt());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.checkpoint");
        let options = ExecuteOptions::default();

        // A run that ends before a checkpoint is due leaves none.
        let whole = server.run_kept(inputs.clone(), &options, &parameters, &file).unwrap();
        assert!(!file.exists());

        let refreshed =
            plan.schedule.iter().find(|(_, n)| matches!(n.op, ScheduleOp::Bootstrap { .. })).unwrap().0;
        let seen = Mutex::new(vec![]);
        let observe = |at: ValueId, value: &fhec_runtime::ckks::CkksValue| {
            if at == refreshed
                && let fhec_runtime::ckks::CkksValue::Ct(ct) = value
            {
                let value = fhec_runtime::ckks::CkksValue::Ct(ct.clone());
                seen.lock().unwrap().push((at, Arc::new(value)));
            }
        };
        server.run_observed(inputs.clone(), &options, &observe).unwrap();
        let seen = seen.into_inner().unwrap();
        let save = |request| {
            Checkpoint::save(&file, &parameters, (id, keys.id, request), &seen).unwrap();
        };
        save(inputs.request);
        let resumed = server.run_kept(inputs.clone(), &options, &parameters, &file).unwrap();
        assert_eq!(resumed.outputs, whole.outputs);
        let ran = |k: ValueId| resumed.execution.spans[k.index()].seconds > 0.0;
        assert!(!ran(refreshed) && ran(plan.schedule.outputs[0].value));
        assert!(file.exists(), "until the result is safe");
        Server::forget(&file);
        assert!(!file.exists());
        Server::forget(&file);

        // Of another request, of another plan, damaged.
        save(inputs.request);
        let run = |inputs| server.run_kept(inputs, &options, &parameters, &file).map(|_| ());
        assert!(matches!(run(others), Err(KeptError::Other { .. })));
        assert!(file.exists(), "it may be wanted yet");
        let bytes = std::fs::read(&file).unwrap();
        for damaged in [&bytes[..bytes.len() - 1], &bytes[..200], b"something else", b""] {
            std::fs::write(&file, damaged).unwrap();
            assert!(matches!(run(inputs.clone()), Err(KeptError::File(_))));
        }
        let mut other = bytes;
        other[80] ^= 1;
        std::fs::write(&file, other).unwrap();
        assert!(matches!(run(inputs), Err(KeptError::File(_))));
    }
}
