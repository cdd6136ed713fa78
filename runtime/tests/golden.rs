//! Files that stay as they are, in `tests/golden/`: those of the present formats must open and mean what they meant, older
//! ones must be refused by their version. `FHEC_BLESS=1` writes new ones where a format has a new version.
//!
//! The ring is tiny and insecure; the secret key protects nothing.

#![cfg(feature = "client")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use fhec_ckks::params::Parameters;
use fhec_ir::plan::{ClientSpec, Plan, PlanError};
use fhec_runtime::FileError;
use fhec_runtime::client::{Client, read_secret_key, write_secret_key};
use fhec_runtime::files::{self, Bundle, Direction, RequestId};
use fhec_runtime::server::Server;

const KERNEL: [f32; 9] = [0.1, -0.2, 0.3, 0.4, 0.5, -0.6, 0.7, -0.1, 0.2];
const REQUEST: RequestId = RequestId(*b"a golden request");

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name)
}

fn image() -> Vec<f64> {
    (0..64).map(|k| f64::from(k * 37 % 64) / 64.0).collect()
}

fn parameters() -> Parameters {
    common::small_parameters(7, 2)
}

/// Writes all files anew if that is asked for, once.
fn blessed() {
    static DONE: Once = Once::new();
    if std::env::var_os("FHEC_BLESS").is_some() {
        DONE.call_once(bless);
    }
}

fn bless() {
    let parameters = parameters();
    let (plan, id) = common::plan(&parameters, common::convolution(&parameters, KERNEL));
    std::fs::create_dir_all(golden("")).unwrap();
    plan.save(&golden("v7.plan")).unwrap();
    plan.client_spec().unwrap().save(&golden("v7.client")).unwrap();
    let client = Client::with_parameters(plan.client_spec().unwrap(), parameters.clone()).unwrap();
    let keys = client.generate_keys(None).unwrap();
    // Which nothing overwrites.
    let _ = std::fs::remove_file(golden("v2.secret.key"));
    write_secret_key(&golden("v2.secret.key"), &keys.secret, keys.id).unwrap();
    files::write_public_key(&golden("v2.public.key"), &parameters, &keys.public, keys.id).unwrap();
    files::write_evaluation_keys(&golden("v2.evaluation.keys"), &keys.evaluation, keys.id).unwrap();
    let values = client.encrypt_seeded(&keys.secret, &[image()]).unwrap();
    files::save_seeded(&golden("v2.image.ct"), &parameters, (id, keys.id, REQUEST), &values).unwrap();
    let load = (id, &plan.client);
    let inputs = Bundle::load(&golden("v2.image.ct"), Direction::Inputs, &parameters, load).unwrap();
    let server = Server::new((plan.clone(), id), &parameters, (keys.evaluation, keys.id), 0).unwrap();
    let outputs = server.run(inputs, &Default::default()).unwrap().outputs;
    outputs.save(&golden("v2.result.ct"), Direction::Outputs, &parameters).unwrap();
    older();
}

/// Files of older formats: what their writers wrote, as far as a reader may look.
fn older() {
    // Version 1 of keys and ciphertexts had another identity of key sets and no digest at the end.
    let mut bytes = std::fs::read(golden("v2.public.key")).unwrap();
    bytes.truncate(bytes.len() - 32);
    bytes[8..12].copy_from_slice(&1u32.to_le_bytes());
    let key_set = *blake3::hash(&bytes[148..]).as_bytes();
    bytes[48..80].copy_from_slice(&key_set);
    let digest = *blake3::hash(&bytes[..116]).as_bytes();
    bytes[116..148].copy_from_slice(&digest);
    std::fs::write(golden("v1.public.key"), bytes).unwrap();
    for (version, kind) in [5u32, 6].into_iter().flat_map(|v| ["plan", "client"].map(|kind| (v, kind))) {
        let mut bytes = std::fs::read(golden(&format!("v7.{kind}"))).unwrap();
        bytes[8..12].copy_from_slice(&version.to_le_bytes());
        std::fs::write(golden(&format!("v{version}.{kind}")), &bytes[..64]).unwrap();
    }
}

#[test]
fn files_of_the_present_formats_open() {
    blessed();
    let parameters = parameters();
    let (plan, id) = Plan::load(&golden("v7.plan")).expect("FHEC_BLESS=1 where the format has a new version");
    let spec = ClientSpec::load(&golden("v7.client")).unwrap();
    assert_eq!((spec.plan, &spec.client), (id, &plan.client));
    let client = Client::with_parameters(spec, parameters.clone()).unwrap();
    let (secret, key_set) = read_secret_key(&golden("v2.secret.key"), &parameters).unwrap();
    let (public, found) = files::read_public_key(&golden("v2.public.key"), &parameters).unwrap();
    assert_eq!(found, key_set);
    let needs = Server::key_needs(&plan, &parameters).unwrap();
    let keys = files::read_evaluation_keys(&golden("v2.evaluation.keys"), &parameters, &needs).unwrap();
    assert_eq!(keys.1, key_set);
    let load =
        |name: &str, direction| Bundle::load(&golden(name), direction, &parameters, (id, &plan.client));
    let inputs = load("v2.image.ct", Direction::Inputs).unwrap();
    let outputs = load("v2.result.ct", Direction::Outputs).unwrap();
    assert_eq!((inputs.request, outputs.request), (REQUEST, REQUEST));

    let server =
        Server::new((Arc::new(plan.clone()), id), &parameters, (Arc::new(keys.0), key_set), 0).unwrap();
    let again = server.run(inputs, &Default::default()).unwrap().outputs;
    let of_public = client.encrypt_public((public, key_set), &[image()]).unwrap();
    let of_public = server.run(of_public, &Default::default()).unwrap().outputs;
    let expected = common::expected(KERNEL, &image());
    for result in [outputs, again, of_public] {
        let found = client.decrypt((&secret, key_set), &result).unwrap();
        let worst = found[0].iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-4, "{worst:e}");
    }
}

#[test]
fn files_of_older_formats_are_refused_by_their_version() {
    blessed();
    let refused = files::read_public_key(&golden("v1.public.key"), &parameters()).unwrap_err();
    assert!(matches!(&refused, FileError::Kind { .. }), "{refused}");
    assert!(refused.to_string().contains("format version 1"), "{refused}");
    for version in [5, 6] {
        let (plan, client) = (golden(&format!("v{version}.plan")), golden(&format!("v{version}.client")));
        assert!(matches!(Plan::load(&plan), Err(PlanError::Version(v)) if v == version));
        assert!(matches!(ClientSpec::load(&client), Err(PlanError::Version(v)) if v == version));
    }
}
