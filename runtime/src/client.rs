//! The client's side: keys, encryption, decryption.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fhec_ckks::CkksError;
use fhec_ckks::bootstrap::BootstrapCircuit;
use fhec_ckks::cipher::{Ciphertext, Decryptor, Encryptor, SecretEncryptor, SeededCiphertext};
use fhec_ckks::encoding::{Encoder, Plaintext};
use fhec_ckks::keys::{EvaluationKeySet, KeyGenerator, PublicKey, SecretKey};
use fhec_ckks::params::Parameters;
use fhec_ir::plan::ClientSpec;
use rayon::prelude::*;

use crate::ckks::CkksValue;
use crate::error::{EngineError, FileError, RunError};
use crate::files::{self, Bundle, KeySetId, Kind, NO_PLAN, RequestId, Tags};
use crate::{bootstrap, ckks};

/// What encrypts and decrypts for one plan.
pub struct Client {
    spec: ClientSpec,
    parameters: Parameters,
    encoder: Encoder,
    insists: bool,
}

/// Relative excess over a bound that rounding explains.
const BOUND_SLACK: f64 = 1e-6;

/// All keys of one client.
pub struct Keys {
    /// Identity shared by all of them.
    pub id: KeySetId,
    /// Never leaves the client.
    pub secret: SecretKey,
    /// Lets others encrypt.
    pub public: PublicKey,
    /// For the server.
    pub evaluation: Arc<EvaluationKeySet>,
}

impl Client {
    /// Builds the parameters of a plan and checks them, security included.
    ///
    /// # Errors
    /// If they are refused.
    pub fn new(spec: ClientSpec) -> Result<Self, RunError> {
        let parameters = ckks::parameters(&spec.parameters)?;
        Self::with_parameters(spec, parameters)
    }

    /// As [`Client::new`] with parameters that were built otherwise.
    ///
    /// # Errors
    /// If they are not those of the plan.
    pub fn with_parameters(spec: ClientSpec, parameters: Parameters) -> Result<Self, RunError> {
        ckks::check_identity(&parameters, &spec.parameters)?;
        let encoder = Encoder::new(&parameters);
        Ok(Self { spec, parameters, encoder, insists: false })
    }

    /// Encrypts what lies beyond the bounds that the plan was made for, and gives results beyond them or in clear, which
    /// otherwise are errors.
    #[must_use]
    pub fn allow_out_of_range(self, allow: bool) -> Self {
        Self { insists: allow, ..self }
    }

    /// What the plan says about inputs and outputs.
    pub fn spec(&self) -> &ClientSpec {
        &self.spec
    }

    /// The engine's parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Generates all keys that the plan needs, in parallel on the current rayon pool. `progress` is told how many
    /// evaluation keys are done, of how many.
    ///
    /// # Errors
    /// If the system has no randomness, or manifest or bootstrap ask for a key that the parameters do not admit.
    pub fn generate_keys(
        &self,
        progress: Option<&(dyn Fn(usize, usize) + Sync)>,
    ) -> Result<Keys, EngineError> {
        let secret = SecretKey::generate(&self.parameters)?;
        let generator = KeyGenerator::new(&secret);
        let public = generator.public_key()?;
        let mut requests = ckks::key_requests(&self.spec.keys, &self.spec.parameters);
        let circuit = bootstrap::circuit(&self.parameters, &self.spec.parameters)?;
        requests.extend(circuit.iter().flat_map(BootstrapCircuit::keys));
        // The bootstrap may need one that the manifest lists.
        requests.sort_unstable();
        requests.dedup();
        let top = circuit.map(|c| c.spec().top_level());
        let total = requests.len() + if top.is_some() { 2 } else { 0 };
        let done = AtomicUsize::new(0);
        let keys: Vec<_> = requests
            .par_iter()
            .map(|&(name, shape)| {
                let key = generator.key_with_shape(name, shape)?;
                let count = done.fetch_add(1, Ordering::Relaxed) + 1;
                progress.inspect(|p| p(count, total));
                Ok((name, key))
            })
            .collect::<Result<_, CkksError>>()?;
        let mut evaluation = EvaluationKeySet::new(&self.parameters);
        for (name, key) in keys {
            evaluation.insert(name, key)?;
        }
        if let Some(top) = top {
            for (name, key) in generator.encapsulation_keys(top)? {
                evaluation.insert(name, key)?;
            }
            progress.inspect(|p| p(total, total));
        }
        let id = KeySetId::of(&self.parameters, &public, &evaluation)?;
        Ok(Keys { id, secret, public, evaluation: Arc::new(evaluation) })
    }

    /// Bytes of memory that the evaluation keys take which the plan asks for.
    ///
    /// # Errors
    /// If the parameters do not admit the bootstrap.
    pub fn key_bytes(&self) -> Result<u64, EngineError> {
        let ClientSpec { keys, parameters, .. } = &self.spec;
        let circuit = bootstrap::circuit(&self.parameters, parameters)?;
        let bootstrap = circuit.map_or(0, |c| c.key_bytes() as u64);
        let levels =
            keys.relinearisation.iter().map(|k| k.level).chain(keys.rotations.iter().map(|k| k.level));
        Ok(levels.map(|level| parameters.key_bytes(level)).fold(bootstrap, u64::saturating_add))
    }

    /// Packs and encodes tensors, one for each input, row-major.
    fn encode(&self, tensors: &[Vec<f64>]) -> Result<Vec<(String, Vec<Plaintext>)>, RunError> {
        let inputs = &self.spec.client.inputs;
        if tensors.len() != inputs.len() {
            return Err(RunError::Input(format!("{} inputs instead of {}", tensors.len(), inputs.len())));
        }
        let mut encoded = Vec::with_capacity(inputs.len());
        for (tensor, input) in tensors.iter().zip(inputs) {
            if tensor.len() != input.layout.elements() {
                let (found, wanted) = (tensor.len(), input.layout.shape());
                return Err(RunError::Input(format!(
                    "{:?}: {found} numbers for shape {wanted:?}",
                    input.name
                )));
            }
            let (found, bound) = (magnitude(tensor), input.bound);
            if !self.insists && found > bound * (1.0 + BOUND_SLACK) {
                return Err(RunError::InputRange { input: input.name.clone(), found, bound });
            }
            let slots = input.layout.pack(tensor);
            let encode = |v: &Vec<f64>| self.encoder.encode(v, input.level as usize, input.scale);
            let plains = slots.iter().map(encode).collect::<Result<Vec<_>, _>>();
            let refused = |e: CkksError| RunError::Input(format!("{:?}: {e}", input.name));
            encoded.push((input.name.clone(), plains.map_err(refused)?));
        }
        Ok(encoded)
    }

    /// A request.
    fn bundle(&self, keys: KeySetId, values: Vec<(String, Vec<Ciphertext>)>) -> Result<Bundle, RunError> {
        let request = RequestId::random().map_err(|e| RunError::Input(e.to_string()))?;
        Ok(Bundle { plan: self.spec.plan, keys, request, values })
    }

    /// Encrypts tensors, one for each input, row-major, with the secret key: half the size of
    /// [`Client::encrypt_public`] and less noise.
    ///
    /// # Errors
    /// If they do not fit the plan or lie beyond its bounds ([`RunError::InputRange`]), or the system has no randomness.
    pub fn encrypt_seeded(
        &self,
        secret: &SecretKey,
        tensors: &[Vec<f64>],
    ) -> Result<Vec<(String, Vec<SeededCiphertext>)>, RunError> {
        let encryptor = SecretEncryptor::new(secret);
        each(self.encode(tensors)?, |plain| encryptor.encrypt(plain))
    }

    /// Encrypts with the secret key, in memory.
    ///
    /// # Errors
    /// As [`Client::encrypt_seeded`].
    pub fn encrypt(&self, keys: (&SecretKey, KeySetId), tensors: &[Vec<f64>]) -> Result<Bundle, RunError> {
        let encryptor = SecretEncryptor::new(keys.0);
        let values = each(self.encode(tensors)?, |plain| encryptor.encrypt(plain)?.expand(&self.parameters))?;
        self.bundle(keys.1, values)
    }

    /// Encrypts with a public key.
    ///
    /// # Errors
    /// As [`Client::encrypt_seeded`].
    pub fn encrypt_public(
        &self,
        keys: (PublicKey, KeySetId),
        tensors: &[Vec<f64>],
    ) -> Result<Bundle, RunError> {
        let input = |e: CkksError| RunError::Input(e.to_string());
        let encryptor = Encryptor::new(&self.parameters, keys.0).map_err(input)?;
        let values = each(self.encode(tensors)?, |plain| encryptor.encrypt(plain))?;
        self.bundle(keys.1, values)
    }

    /// Decrypts results into tensors, row-major, in the order of the plan's outputs.
    ///
    /// What comes out holds the ciphertexts' noise, which depends on the secret key: it is for the key's owner. See
    /// [`Decryptor`] before publishing it.
    ///
    /// # Errors
    /// If the bundle was made for another plan or with other keys, is not of the form that the plan gives, or holds results
    /// beyond the plan's bounds ([`RunError::OutputRange`]).
    pub fn decrypt(&self, keys: (&SecretKey, KeySetId), outputs: &Bundle) -> Result<Vec<Vec<f64>>, RunError> {
        let input = |m: String| RunError::Input(m);
        if outputs.plan != self.spec.plan {
            return Err(input(format!("results of plan {}, this is {}", outputs.plan, self.spec.plan)));
        }
        if outputs.keys != keys.1 {
            return Err(input("results of another key set".into()));
        }
        let wanted = &self.spec.client.outputs;
        if outputs.values.len() != wanted.len() {
            return Err(input(format!("{} outputs instead of {}", outputs.values.len(), wanted.len())));
        }
        let decryptor = Decryptor::new(keys.0);
        let mut tensors = Vec::with_capacity(wanted.len());
        for ((name, cts), wanted) in outputs.values.iter().zip(wanted) {
            let types: Vec<_> = cts.iter().map(|ct| (ct.level() as u32, ct.scale())).collect();
            if *name != wanted.name || types != wanted.types || cts.iter().any(|ct| ct.parts() != 2) {
                return Err(input(format!("output {name:?} is not what the plan gives")));
            }
            if !self.insists && !wanted.constant && cts.iter().any(Ciphertext::is_transparent) {
                return Err(RunError::Transparent { output: name.clone() });
            }
            let decode = |ct| decryptor.decode_for_self(&self.encoder, ct);
            let slots = cts.iter().map(|ct| Ok(decode(ct)?.into_iter().map(|z| z.re).collect()));
            let slots: Vec<Vec<f64>> =
                slots.collect::<Result<_, CkksError>>().map_err(|e| input(e.to_string()))?;
            let tensor = wanted.layout.unpack(&slots);
            let (found, bound) = (magnitude(&tensor), wanted.bound);
            if !self.insists && found > bound {
                return Err(RunError::OutputRange { output: name.clone(), found, bound });
            }
            tensors.push(tensor);
        }
        Ok(tensors)
    }

    /// The slots of a value of a run: real parts of what a ciphertext decrypts to, none for a value that is no ciphertext
    /// of two polynomials. For the owner of the key, as [`Client::decrypt`].
    ///
    /// # Errors
    /// If the ciphertext is of other parameters.
    pub fn slots(&self, secret: &SecretKey, value: &CkksValue) -> Result<Option<Vec<f64>>, CkksError> {
        let CkksValue::Ct(ct) = value else { return Ok(None) };
        if ct.parts() != 2 {
            return Ok(None);
        }
        let slots = Decryptor::new(secret).decode_for_self(&self.encoder, ct)?;
        Ok(Some(slots.into_iter().map(|z| z.re).collect()))
    }
}

/// Largest magnitude, that of what is no number being infinite.
fn magnitude(tensor: &[f64]) -> f64 {
    let size = |x: &f64| if x.is_finite() { x.abs() } else { f64::INFINITY };
    tensor.iter().map(size).fold(0.0, f64::max)
}

fn each<P, C>(
    values: Vec<(String, Vec<P>)>,
    encrypt: impl Fn(&P) -> Result<C, CkksError>,
) -> Result<Vec<(String, Vec<C>)>, RunError> {
    let all = |plains: Vec<P>| plains.iter().map(&encrypt).collect::<Result<Vec<_>, _>>();
    let values = values.into_iter().map(|(name, plains)| Ok((name, all(plains)?)));
    values.collect::<Result<_, CkksError>>().map_err(|e| RunError::Input(e.to_string()))
}

/// Writes a secret key, readable by its owner only.
///
/// # Errors
/// Those of the file system.
pub fn write_secret_key(path: &Path, secret: &SecretKey, id: KeySetId) -> Result<(), FileError> {
    let tags = Tags { parameters: secret.parameters_id().0, keys: id, plan: NO_PLAN };
    files::write(path, Kind::Secret, &tags, &[], |mut out| secret.write_to(&mut out))
}

/// Reads a secret key.
///
/// # Errors
/// If the file is no secret key for these parameters.
pub fn read_secret_key(path: &Path, parameters: &Parameters) -> Result<(SecretKey, KeySetId), FileError> {
    let mut file = files::open(path, Kind::Secret, parameters)?;
    let secret = SecretKey::read_from(parameters, &mut file.input).map_err(FileError::ckks(path))?;
    let id = file.tags.keys;
    file.end()?;
    Ok((secret, id))
}
