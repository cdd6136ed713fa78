//! Files that hold something else than they should, though all their checksums are right.

#![cfg(feature = "client")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fhec_ckks::KeyName;
use fhec_ckks::eval::Evaluator;
use fhec_ckks::keys::{EvaluationKeySet, KeyGenerator};
use fhec_ckks::params::Parameters;
use fhec_ir::plan::{Plan, PlanId};
use fhec_runtime::client::{Client, Keys};
use fhec_runtime::files::{self, Bundle, Direction, KeySetId, RequestId};
use fhec_runtime::server::Server;
use fhec_runtime::{FileError, RunError};

struct Deployment {
    folder: tempfile::TempDir,
    parameters: Parameters,
    plan: (Arc<Plan>, PlanId),
    client: Client,
    keys: Keys,
}

fn deployment() -> Deployment {
    let parameters = common::small_parameters(8, 2);
    let plan = common::plan(&parameters, common::convolution(&parameters, [0.5; 9]));
    let client = Client::with_parameters(plan.0.client_spec().unwrap(), parameters.clone()).unwrap();
    let keys = client.generate_keys(None).unwrap();
    Deployment { folder: tempfile::tempdir().unwrap(), parameters, plan, client, keys }
}

impl Deployment {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn inputs(&self) -> Bundle {
        self.client.encrypt((&self.keys.secret, self.keys.id), &[vec![0.5; 64]]).unwrap()
    }

    fn load(&self, path: &Path) -> Result<Bundle, FileError> {
        Bundle::load(path, Direction::Inputs, &self.parameters, (self.plan.1, &self.plan.0.client))
    }

    fn evaluation(&self, path: &Path) -> Result<(EvaluationKeySet, KeySetId), FileError> {
        let needs = Server::key_needs(&self.plan.0, &self.parameters).unwrap();
        files::read_evaluation_keys(path, &self.parameters, &needs)
    }
}

/// A file as header, objects, and digest.
struct Parts {
    header: Vec<u8>,
    objects: Vec<Vec<u8>>,
}

impl Parts {
    fn of(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let mut at = 116 + u32::from_le_bytes(bytes[112..116].try_into().unwrap()) as usize + 32;
        let (header, mut objects) = (bytes[..at].to_vec(), vec![]);
        while at < bytes.len() - 32 {
            let end = at + 80 + u64::from_le_bytes(bytes[at + 40..at + 48].try_into().unwrap()) as usize;
            objects.push(bytes[at..end].to_vec());
            at = end;
        }
        Self { header, objects }
    }

    fn write(&self, path: &Path, whole: bool) {
        let mut bytes = [&self.header[..], &self.objects.concat()].concat();
        if whole {
            bytes.extend(blake3::hash(&bytes).as_bytes());
        }
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn counts_names_levels_and_sizes_are_compared_before_bodies_are_read() {
    let d = deployment();
    let path = d.path("bundle");
    let inputs = d.inputs();
    let ct = inputs.values[0].1[0].clone();
    let refused = |values: Vec<(String, Vec<_>)>, why: &str| {
        let bundle = Bundle { values, ..inputs.clone() };
        bundle.save(&path, Direction::Inputs, &d.parameters).unwrap();
        // Nothing but the header is there to be read.
        let parts = Parts::of(&path);
        Parts { objects: vec![], ..parts }.write(&path, false);
        let error = d.load(&path).unwrap_err();
        assert!(matches!(error, FileError::Form { .. }) && error.to_string().contains(why), "{error}");
    };
    refused(vec![("image".into(), vec![ct.clone(); 50])], "\"image\" has 50 ciphertexts, the plan has 1");
    refused(vec![("image".into(), vec![])], "\"image\" has 0 ciphertexts");
    refused(vec![("picture".into(), vec![ct.clone()])], "\"picture\" where the plan has \"image\"");
    refused(
        vec![("image".into(), vec![ct.clone()]), ("x".into(), vec![])],
        "it holds 2 values, the plan has 1",
    );

    let evaluator = Evaluator::new(d.keys.evaluation.clone());
    let mut rescaled = ct.clone();
    rescaled.set_scale(ct.scale() * 2.0);
    for other in [evaluator.drop_to_level(&ct, 1).unwrap(), evaluator.square(&ct).unwrap(), rescaled] {
        let bundle = Bundle { values: vec![("image".into(), vec![other])], ..inputs.clone() };
        bundle.save(&path, Direction::Inputs, &d.parameters).unwrap();
        // No more than the form of the ciphertext is there.
        let bytes = std::fs::read(&path).unwrap();
        let parts = Parts::of(&path);
        std::fs::write(&path, &bytes[..parts.header.len() + 80 + 16]).unwrap();
        let error = d.load(&path).unwrap_err().to_string();
        assert!(error.contains("not of the level, the scale and the size"), "{error}");
    }
    inputs.save(&path, Direction::Inputs, &d.parameters).unwrap();
    assert_eq!(d.load(&path).unwrap(), inputs);
}

#[test]
fn swapped_repeated_and_missing_objects_are_noticed() {
    let d = deployment();
    let path = d.path("bundle");
    let mut client = d.plan.0.client.clone();
    client.inputs[0].layout.ciphertexts = 3;
    let cts = (0..3).map(|_| d.inputs().values[0].1[0].clone()).collect();
    let bundle = Bundle { values: vec![("image".into(), cts)], ..d.inputs() };
    let load = || Bundle::load(&path, Direction::Inputs, &d.parameters, (d.plan.1, &client));
    bundle.save(&path, Direction::Inputs, &d.parameters).unwrap();
    assert_eq!(load().unwrap(), bundle);
    let digest =
        std::fs::read(&path).unwrap().split_off(std::fs::metadata(&path).unwrap().len() as usize - 32);
    let refused = |change: &dyn Fn(&mut Parts)| {
        bundle.save(&path, Direction::Inputs, &d.parameters).unwrap();
        let mut parts = Parts::of(&path);
        change(&mut parts);
        parts.write(&path, false);
        let bytes = [&std::fs::read(&path).unwrap()[..], &digest].concat();
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(load(), Err(FileError::Damaged { .. })));
    };
    refused(&|p| p.objects.swap(0, 2));
    refused(&|p| p.objects[1] = p.objects[0].clone());
    refused(&|p| p.objects.truncate(2));
    refused(&|p| p.objects.push(p.objects[0].clone()));
}

#[test]
fn keys_that_no_plan_needs_are_not_held() {
    let d = deployment();
    let generator = KeyGenerator::new(&d.keys.secret);
    let mut more = (*d.keys.evaluation).clone();
    for step in 20..40 {
        let shape = d.parameters.key_shape(2);
        more.insert(
            KeyName::Rotation(step),
            generator.key_with_shape(KeyName::Rotation(step), shape).unwrap(),
        )
        .unwrap();
    }
    let id = KeySetId::of(&d.parameters, &d.keys.public, &more).unwrap();
    assert_ne!(id, d.keys.id);
    let path = d.path("keys");
    files::write_evaluation_keys(&path, &more, id).unwrap();
    let (held, found) = d.evaluation(&path).unwrap();
    assert_eq!((&held, found), (&*d.keys.evaluation, id));

    // One that is missing is told though its bodies are not there.
    let none = EvaluationKeySet::new(&d.parameters);
    files::write_evaluation_keys(&path, &none, id).unwrap();
    let error = d.evaluation(&path).unwrap_err().to_string();
    assert!(error.contains("no relinearisation key") || error.contains("relinearization"), "{error}");
}

#[test]
fn keys_of_another_client_under_this_ones_name_are_noticed() {
    let d = deployment();
    let other = d.client.generate_keys(None).unwrap();
    let path = d.path("keys");
    files::write_evaluation_keys(&path, &other.evaluation, d.keys.id).unwrap();
    let refused = d.evaluation(&path).unwrap_err();
    assert!(matches!(refused, FileError::Mismatch { what: "key set", .. }), "{refused}");
    files::write_public_key(&path, &d.parameters, &other.public, d.keys.id).unwrap();
    let refused = files::read_public_key(&path, &d.parameters).unwrap_err();
    assert!(matches!(refused, FileError::Mismatch { what: "key set", .. }), "{refused}");
    files::write_evaluation_keys(&path, &d.keys.evaluation, d.keys.id).unwrap();
    assert_eq!(d.evaluation(&path).unwrap().1, d.keys.id);
}

#[test]
fn a_result_has_the_number_of_its_request_and_hides_something() {
    let d = deployment();
    let keys = (d.keys.evaluation.clone(), d.keys.id);
    let server = Server::new(d.plan.clone(), &d.parameters, keys, 0).unwrap();
    let inputs = Bundle { request: RequestId([9; 16]), ..d.inputs() };
    let outputs = server.run(inputs, &Default::default()).unwrap().outputs;
    assert_eq!(outputs.request, RequestId([9; 16]));
    assert_ne!(d.inputs().request, d.inputs().request);
    let secret = (&d.keys.secret, d.keys.id);
    d.client.decrypt(secret, &outputs).unwrap();
    let mut clear = outputs;
    let ct = &mut clear.values[0].1[0];
    *ct = Evaluator::new(d.keys.evaluation.clone()).sub(ct, ct).unwrap();
    assert!(matches!(d.client.decrypt(secret, &clear), Err(RunError::Transparent { .. })));
}
