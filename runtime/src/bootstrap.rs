//! The bootstrap of a plan: its circuit, its keys, and its matrices, which are encoded when they are first needed.

use std::sync::{Mutex, OnceLock, PoisonError};

use fhec_ckks::KeyName;
use fhec_ckks::bootstrap::{BootstrapCircuit, BootstrapError, BootstrapSpec, Bootstrapper, EvalModSpec};
use fhec_ckks::cipher::Ciphertext;
use fhec_ckks::eval::Evaluator;
use fhec_ckks::keys::EvaluationKeySet;
use fhec_ckks::params::{KeyShape, Parameters};
use fhec_ir::plan::{BootstrapData, KeyManifest, ParameterData};

use crate::error::RunError;

/// The engine's description of a plan's bootstrap.
fn spec(data: &BootstrapData) -> BootstrapSpec {
    BootstrapSpec {
        log_slots: data.log_slots,
        log_joined: 0,
        slots_to_coeffs: data.slots_to_coeffs.clone(),
        residual_levels: data.residual_levels as usize,
        eval_mod: EvalModSpec {
            bound: data.eval_mod.bound,
            degree: data.eval_mod.degree as usize,
            doublings: data.eval_mod.doublings,
        },
        coeffs_to_slots: data.coeffs_to_slots.clone(),
        message_ratio: data.message_ratio,
        scale: data.scale,
    }
}

/// The circuit of a plan's bootstrap, if it has one.
///
/// # Errors
/// If parameters and bootstrap do not suit each other.
pub fn circuit(
    parameters: &Parameters,
    data: &ParameterData,
) -> Result<Option<BootstrapCircuit>, BootstrapError> {
    data.bootstrap.as_ref().map(|b| BootstrapCircuit::new(parameters, &spec(b))).transpose()
}

/// All keys that a bootstrap needs.
pub(crate) fn key_needs(circuit: &BootstrapCircuit) -> impl Iterator<Item = (KeyName, KeyShape)> + use<> {
    let encapsulation = [
        (KeyName::DenseToSparse, KeyShape::dense_to_sparse()),
        (KeyName::SparseToDense, KeyShape::sparse_to_dense(circuit.spec().top_level())),
    ];
    circuit.keys().into_iter().chain(encapsulation)
}

/// A bootstrap ready to be used, once its matrices are encoded.
pub(crate) struct Bootstrap {
    circuit: BootstrapCircuit,
    bootstrapper: OnceLock<Bootstrapper>,
    building: Mutex<()>,
}

impl Bootstrap {
    /// The bootstrap of a plan, if it has one.
    ///
    /// # Errors
    /// If it does not suit the parameters or the manifest, or one of its keys is missing.
    pub(crate) fn new(
        parameters: &Parameters,
        data: &ParameterData,
        manifest: &KeyManifest,
        keys: &EvaluationKeySet,
    ) -> Result<Option<Self>, RunError> {
        let circuit = circuit(parameters, data).map_err(|e| RunError::Parameters(e.to_string()))?;
        let Some(circuit) = circuit else { return Ok(None) };
        let bytes = circuit.key_bytes() as u64;
        if bytes != manifest.bootstrap_bytes {
            let told = manifest.bootstrap_bytes;
            return Err(RunError::Parameters(format!("bootstrap keys of {bytes} bytes, not {told}")));
        }
        for (name, shape) in key_needs(&circuit) {
            keys.find(name, shape.level, Some(&shape)).map_err(RunError::MissingKey)?;
        }
        Ok(Some(Self { circuit, bootstrapper: OnceLock::new(), building: Mutex::new(()) }))
    }

    /// The bootstrapper; encodes the matrices on the first call, on all threads of the current rayon pool.
    ///
    /// # Errors
    /// If they cannot be encoded.
    pub(crate) fn ready(&self) -> Result<&Bootstrapper, BootstrapError> {
        if let Some(ready) = self.bootstrapper.get() {
            return Ok(ready);
        }
        // One run encodes them, others wait.
        let _guard = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = self.bootstrapper.get() {
            return Ok(ready);
        }
        let built = Bootstrapper::new(self.circuit.clone())?;
        Ok(self.bootstrapper.get_or_init(|| built))
    }

    /// Bytes of the encoded matrices; 0 before they are needed.
    pub(crate) fn bytes(&self) -> usize {
        self.bootstrapper.get().map_or(0, Bootstrapper::bytes)
    }

    /// Refreshes `ct`, whose slots at its scale are of magnitude Δ at most. The result has its scale.
    ///
    /// # Errors
    /// Those of the engine.
    pub(crate) fn refresh(
        &self,
        evaluator: &Evaluator,
        ct: &Ciphertext,
    ) -> Result<Ciphertext, BootstrapError> {
        let mut fresh = self.ready()?.bootstrap(evaluator, &self.relabelled(ct))?;
        fresh.set_scale(ct.scale());
        Ok(fresh)
    }

    /// Refreshes two ciphertexts at once, as [`Bootstrap::refresh`] does either; their scales may differ.
    ///
    /// # Errors
    /// Those of the engine.
    pub(crate) fn refresh_pair(
        &self,
        evaluator: &Evaluator,
        cts: [&Ciphertext; 2],
    ) -> Result<[Ciphertext; 2], BootstrapError> {
        let [a, b] = cts.map(|ct| self.relabelled(ct));
        let mut fresh = self.ready()?.bootstrap_pair(evaluator, &a, &b)?;
        fresh.iter_mut().zip(cts).for_each(|(fresh, ct)| fresh.set_scale(ct.scale()));
        Ok(fresh)
    }

    /// The ciphertext as the circuit wants it: at the nominal scale, whatever numbers its slots then seem to hold. Only
    /// their magnitude matters to the circuit.
    fn relabelled(&self, ct: &Ciphertext) -> Ciphertext {
        let mut operand = ct.clone();
        operand.set_scale(self.circuit.spec().scale);
        operand
    }
}
