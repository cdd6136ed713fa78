//! What the fuzz targets share: the golden deployment (`tests/golden`), and inputs that become files with right checksums.
//!
//! The inputs of `plan`, `keys`, `ciphertext` and `client` are *opened* files: a byte that chooses, then the parts of a file
//! inside its checksums with a mark between them. The harness closes them again, as a hostile writer would, so that
//! mutations reach what lies behind the checksums, and may add or remove bytes anywhere.

#[path = "../../tests/common/fuzz/sealed.rs"]
#[allow(dead_code, reason = "it serves also the tests of the workspace")]
mod sealed;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fhec::plan::{ClientSpec, Plan, PlanId};
use fhec::runtime::client::{Client, read_secret_key};
use fhec::runtime::files::{Bundle, Direction, KeySetId, read_evaluation_keys, read_public_key};
use fhec::runtime::server::Server;
use fhec_ckks::keys::{EvaluationKeySet, PublicKey, SecretKey};
use fhec_ckks::params::{Parameters, insecure_test_params};

use sealed::{BEFORE_OBJECTS, COMPLETE, MARK, Sealed};

/// A file of `tests/golden`.
pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name)
}

/// A file that inputs are closed by.
pub struct Template(Sealed);

impl Template {
    /// That of a file which fhec wrote.
    pub fn of(path: &Path) -> Self {
        Self(Sealed::open(&std::fs::read(path).expect("golden files are there")))
    }

    /// The file of an input, which is what follows the byte that chooses.
    pub fn close(&self, choice: u8, input: &[u8]) -> Vec<u8> {
        let mut parts = split(input);
        if choice & COMPLETE != 0 {
            for (part, whole) in parts.iter_mut().zip(self.0.parts()).skip(BEFORE_OBJECTS) {
                part.extend(whole.get(part.len()..).unwrap_or_default());
            }
        }
        self.0.file(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }
}

fn split(input: &[u8]) -> Vec<Vec<u8>> {
    let (mut parts, mut rest) = (vec![], input);
    while let Some(at) = rest.windows(MARK.len()).position(|w| w == MARK) {
        parts.push(rest[..at].to_vec());
        rest = &rest[at + MARK.len()..];
    }
    parts.push(rest.to_vec());
    parts
}

/// The golden deployment, on a ring of degree 2^7.
pub struct Golden {
    /// Its parameters, which are insecure.
    pub parameters: Parameters,
    /// A convolution.
    pub plan: Arc<Plan>,
    /// The plan's identity.
    pub id: PlanId,
    /// The client.
    pub client: Client,
    /// The client's key.
    pub secret: SecretKey,
    /// The key that everybody may have.
    pub public: PublicKey,
    /// The server's keys.
    pub evaluation: Arc<EvaluationKeySet>,
    /// Their identity.
    pub keys: KeySetId,
    /// An encrypted image.
    pub inputs: Bundle,
    /// What the convolution makes of it.
    pub outputs: Bundle,
}

impl Golden {
    /// Reads all files.
    pub fn load() -> Self {
        let parameters = insecure_test_params(7, &[45, 38, 38], &[49, 49, 49]).expect("these are valid");
        let (plan, id) = Plan::load(&golden("v7.plan")).expect("the golden plan loads");
        let spec = ClientSpec::load(&golden("v7.client")).expect("the golden client loads");
        let client = Client::with_parameters(spec, parameters.clone()).expect("they are of one set");
        let (secret, keys) = read_secret_key(&golden("v2.secret.key"), &parameters).expect("it loads");
        let (public, _) = read_public_key(&golden("v2.public.key"), &parameters).expect("it loads");
        let needs = Server::key_needs(&plan, &parameters).expect("there is no bootstrap");
        let path = golden("v2.evaluation.keys");
        let (evaluation, _) = read_evaluation_keys(&path, &parameters, &needs).expect("they load");
        let bundle = |name: &str, direction| {
            Bundle::load(&golden(name), direction, &parameters, (id, &plan.client)).expect("it loads")
        };
        let inputs = bundle("v2.image.ct", Direction::Inputs);
        let outputs = bundle("v2.result.ct", Direction::Outputs);
        let (plan, evaluation) = (Arc::new(plan), Arc::new(evaluation));
        Self { parameters, plan, id, client, secret, public, evaluation, keys, inputs, outputs }
    }

    /// Parameters for a plan or client that has the golden ones, whose ring is small.
    pub fn parameters_of(&self, data: &fhec::plan::ParameterData) -> Option<Parameters> {
        (*data == self.plan.parameters).then(|| self.parameters.clone())
    }
}

/// A file of this process that readers of paths are given.
pub struct Scratch(PathBuf);

impl Scratch {
    /// One that is not there yet, in memory where the system has such a folder.
    pub fn new(name: &str) -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        Self(folder.join(format!("fhec-fuzz-{name}-{}", std::process::id())))
    }

    /// Writes the file.
    pub fn holding(&self, bytes: &[u8]) -> &Path {
        std::fs::write(&self.0, bytes).expect("a temporary file can be written");
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Zeros for every input of a client, if they are not too many to be worth the time.
pub fn zeros(client: &Client) -> Option<Vec<Vec<f64>>> {
    let inputs = client.spec().client.inputs.iter();
    let elements: Vec<usize> = inputs.map(|i| i.layout.elements()).collect();
    let few = elements.iter().try_fold(0usize, |sum, n| sum.checked_add(*n)).is_some_and(|n| n < 1 << 16);
    few.then(|| elements.into_iter().map(|n| vec![0.0; n]).collect())
}

/// Makes both digests of a file of one object without a record right again after its identities were changed. A
/// shorter file stays as it is.
pub fn digest_again(file: &mut [u8]) {
    let (head, end) = (116, file.len().saturating_sub(32));
    if end < head + 32 {
        return;
    }
    let digest = *blake3::hash(&file[..head]).as_bytes();
    file[head..head + 32].copy_from_slice(&digest);
    let digest = *blake3::hash(&file[..end]).as_bytes();
    file[end..].copy_from_slice(&digest);
}
