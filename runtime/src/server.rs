//! The server's side: a plan, its evaluation keys, and ciphertexts in and out.

use std::path::Path;
use std::sync::Arc;

use fhec_ckks::KeyName;
use fhec_ckks::cipher::Ciphertext;
use fhec_ckks::keys::EvaluationKeySet;
use fhec_ckks::params::{KeyShape, Parameters};
use fhec_ir::ValueId;
use fhec_ir::plan::{Plan, PlanId};

use crate::bootstrap;
use crate::ckks::{self, CkksEngine, CkksValue};
use crate::error::{KeptError, RunError};
use crate::executor::{ExecuteOptions, Execution, Observer, execute_resumed};
use crate::files::{Bundle, Checkpoint, KeySetId};
use crate::plaintexts::PlaintextStore;
use crate::resume::Checkpoints;

/// Bytes of encoded plaintexts to hold for a plan that does not say how many it has.
pub const DEFAULT_PLAINTEXT_BYTES: usize = 2 << 30;

/// Bytes of encoded plaintexts to hold so that as many are kept between runs as the plan's memory provides for.
pub fn plaintext_bytes(plan: &Plan) -> usize {
    match plan.report.memory.plaintexts {
        0 => DEFAULT_PLAINTEXT_BYTES,
        planned => PlaintextStore::<CkksEngine>::budget_for(usize::try_from(planned).unwrap_or(usize::MAX)),
    }
}

/// A plan ready to run.
pub struct Server {
    plan: Arc<Plan>,
    id: PlanId,
    keys: KeySetId,
    engine: CkksEngine,
    plaintexts: PlaintextStore<CkksEngine>,
}

/// Encrypted results with statistics.
pub struct ServerRun {
    /// The results.
    pub outputs: Bundle,
    /// Statistics; its outputs are empty.
    pub execution: Execution<CkksValue>,
}

impl Server {
    /// Prepares a plan with its evaluation keys.
    ///
    /// # Errors
    /// If the keys do not fit the plan.
    pub fn new(
        (plan, id): (Arc<Plan>, PlanId),
        parameters: &Parameters,
        (evaluation, keys): (Arc<EvaluationKeySet>, KeySetId),
        plaintext_bytes: usize,
    ) -> Result<Self, RunError> {
        let engine = CkksEngine::new(parameters, &plan.parameters, &plan.keys, evaluation)?;
        Ok(Self { plan, id, keys, engine, plaintexts: PlaintextStore::new(plaintext_bytes) })
    }

    /// Keeps no plaintexts between runs: for a single one, in which up to `bytes` of them are encoded ahead.
    #[must_use]
    pub fn for_one_run(self, bytes: usize) -> Self {
        Self { plaintexts: PlaintextStore::for_one_run(bytes), ..self }
    }

    /// The engine's parameters for a plan, with all their checks.
    ///
    /// # Errors
    /// If they are refused.
    pub fn parameters(plan: &Plan) -> Result<Parameters, RunError> {
        ckks::parameters(&plan.parameters)
    }

    /// The keys that a plan needs: what to read of a file of keys.
    ///
    /// # Errors
    /// If parameters and bootstrap do not suit each other.
    pub fn key_needs(plan: &Plan, parameters: &Parameters) -> Result<Vec<(KeyName, KeyShape)>, RunError> {
        let mut needs = ckks::key_requests(&plan.keys, &plan.parameters);
        let circuit = bootstrap::circuit(parameters, &plan.parameters);
        let circuit = circuit.map_err(|e| RunError::Parameters(e.to_string()))?;
        needs.extend(circuit.iter().flat_map(bootstrap::key_needs));
        Ok(needs)
    }

    /// Bytes of encoded plaintexts kept at present.
    pub fn plaintext_bytes(&self) -> usize {
        self.plaintexts.bytes()
    }

    /// Runs the plan on encrypted inputs.
    ///
    /// # Errors
    /// If the inputs were made for another plan, by another key set, or are not what the plan takes; or the run
    /// fails.
    pub fn run(&self, inputs: Bundle, options: &ExecuteOptions<'_>) -> Result<ServerRun, RunError> {
        self.run_observed(inputs, options, &|_, _| {})
    }

    /// [`Server::run`], showing every value as it is made.
    ///
    /// # Errors
    /// As [`Server::run`].
    pub fn run_observed(
        &self,
        inputs: Bundle,
        options: &ExecuteOptions<'_>,
        observe: Observer<'_, CkksValue>,
    ) -> Result<ServerRun, RunError> {
        self.run_from(inputs, options, observe, Checkpoints::default())
    }

    /// [`Server::run`], with checkpoints in a file: where there is one of this request the run goes on from there. The file
    /// stays until the result is safe: [`Server::forget`]. A checkpoint that cannot be written is a warning.
    ///
    /// # Errors
    /// As [`Server::run`]; a file that is no checkpoint of this plan, of these keys and this request.
    pub fn run_kept(
        &self,
        inputs: Bundle,
        options: &ExecuteOptions<'_>,
        parameters: &Parameters,
        file: &Path,
    ) -> Result<ServerRun, KeptError> {
        let known = self.known(&inputs, parameters, file)?;
        let made_for = (self.id, self.keys, inputs.request);
        let keep = |values: &[(ValueId, Arc<CkksValue>)]| {
            if let Err(error) = Checkpoint::save(file, parameters, made_for, values) {
                tracing::warn!("no checkpoint: {error}");
            }
        };
        let checkpoints = Checkpoints { known, keep: Some(&keep), ..Checkpoints::default() };
        Ok(self.run_from(inputs, options, &|_, _| {}, checkpoints)?)
    }

    /// Removes the checkpoint of a run whose result is safe. One that cannot be removed is a warning.
    pub fn forget(file: &Path) {
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!("the checkpoint {} stays: {error}", file.display());
            }
            _ => {}
        }
    }

    /// What a checkpoint of this request has, if there is one.
    fn known(
        &self,
        inputs: &Bundle,
        parameters: &Parameters,
        file: &Path,
    ) -> Result<Vec<(ValueId, CkksValue)>, KeptError> {
        if !file.exists() {
            return Ok(vec![]);
        }
        let checkpoint = Checkpoint::load(file, parameters, (self.id, &self.plan.schedule))?;
        if (checkpoint.keys, checkpoint.request) != (inputs.keys, inputs.request) {
            return Err(KeptError::Other { file: file.to_owned() });
        }
        Ok(checkpoint.values.into_iter().map(|(id, ct)| (id, CkksValue::Ct(ct))).collect())
    }

    fn run_from(
        &self,
        inputs: Bundle,
        options: &ExecuteOptions<'_>,
        observe: Observer<'_, CkksValue>,
        checkpoints: Checkpoints<'_, CkksValue>,
    ) -> Result<ServerRun, RunError> {
        if inputs.plan != self.id {
            return Err(RunError::Input(format!(
                "they were encrypted for plan {}, this is {}",
                inputs.plan, self.id
            )));
        }
        if inputs.keys != self.keys {
            return Err(RunError::Input("they were encrypted with keys of another key set".into()));
        }
        let request = inputs.request;
        let header = &self.plan.schedule.header;
        let names: Vec<_> = inputs.values.iter().map(|(name, _)| name.as_str()).collect();
        if !names.iter().copied().eq(header.inputs.iter().map(|p| p.name.as_str())) {
            return Err(RunError::Input(format!("they are named {names:?}")));
        }
        let wrap = |cts: Vec<Ciphertext>| cts.into_iter().map(CkksValue::Ct).collect();
        let values = inputs.values.into_iter().map(|(_, cts)| wrap(cts)).collect();
        let (engine, schedule) = (&self.engine, &self.plan.schedule);
        let mut execution =
            execute_resumed(engine, schedule, values, &self.plaintexts, options, observe, checkpoints)?;
        let mut values = Vec::with_capacity(header.outputs.len());
        for (packed, cts) in header.outputs.iter().zip(std::mem::take(&mut execution.outputs)) {
            let cts = cts.iter().map(|v| match &**v {
                CkksValue::Ct(ct) => Some(ct.clone()),
                _ => None,
            });
            let cts: Option<Vec<_>> = cts.collect();
            let cts = cts.ok_or_else(|| RunError::Input("an output is no ciphertext".into()))?;
            values.push((packed.name.clone(), cts));
        }
        Ok(ServerRun { outputs: Bundle { plan: self.id, keys: self.keys, request, values }, execution })
    }
}
