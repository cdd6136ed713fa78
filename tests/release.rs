//! What decryption shows, and of which requests.

#![cfg(feature = "client")]

#[path = "common/cli.rs"]
mod cli;
#[path = "../runtime/tests/common/mod.rs"]
mod common;

use cli::{Folder, json};

/// A deployment of a small network whose results are promised to 3e-5, up to `result.ct`.
fn deployment() -> Folder {
    let folder = Folder::new();
    let parameters = common::secure_parameters();
    let kernel = [0.1, -0.2, 0.3, 0.4, 0.5, -0.6, 0.7, -0.1, 0.2];
    let (plan, _) = common::plan(&parameters, common::convolution(&parameters, kernel));
    let mut plan = (*plan).clone();
    (plan.client.outputs[0].error, plan.client.outputs[0].range) = (3e-5, 1.5);
    plan.save(&folder.path("model.plan")).unwrap();
    let bytes: Vec<u8> = (0..64).map(|k| (k * 37 % 64) as u8).collect();
    std::fs::write(folder.path("image.u8"), bytes).unwrap();
    folder.ok("keygen model.plan -o keys");
    folder.ok("encrypt model.plan --key keys/secret.key --input image.u8 -o image.ct");
    folder.ok("run model.plan --keys keys/evaluation.keys --input image.ct -o result.ct");
    folder
}

const DECRYPT: &str = "decrypt model.plan --key keys/secret.key --input result.ct";

#[test]
fn results_of_unknown_requests_are_refused() {
    let folder = deployment();
    folder.ok(DECRYPT);
    let known = folder.path("keys/requests");
    let text = std::fs::read_to_string(&known).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    std::fs::rename(&known, folder.path("aside")).unwrap();
    folder.fails(DECRYPT, "--any-request");
    folder.ok(&format!("{DECRYPT} --any-request"));
    // Another request: its line is added, but the first one's is missing.
    folder.ok("encrypt model.plan --key keys/secret.key --input image.u8 -o other.ct");
    folder.fails(DECRYPT, "is not among those made with this key");
    std::fs::rename(folder.path("aside"), &known).unwrap();

    // Elsewhere, with the public key alone.
    std::fs::create_dir(folder.path("elsewhere")).unwrap();
    std::fs::copy(folder.path("keys/public.key"), folder.path("elsewhere/public.key")).unwrap();
    folder.ok("encrypt model.plan --public elsewhere/public.key --input image.u8 -o image.ct");
    folder.ok("run model.plan --keys keys/evaluation.keys --input image.ct -o result.ct");
    folder.fails(DECRYPT, "--any-request");
    folder.ok(&format!("{DECRYPT} --any-request"));

    // A number for each of several inputs.
    folder.ok("encrypt model.plan --key keys/secret.key --input image.u8 --input image.u8 -o inputs");
    folder.ok("run model.plan --keys keys/evaluation.keys --input inputs -o results");
    folder.ok("decrypt model.plan --key keys/secret.key --input results");
    assert_eq!(std::fs::read_to_string(&known).unwrap().lines().count(), 4);
}

#[test]
fn results_are_released_as_asked() {
    let folder = deployment();
    let numbers = |how: &str| json(&folder.ok(&format!("{DECRYPT} --json {how}")))["results"][0].clone();
    let output = |how: &str| serde_json::from_value::<Vec<f64>>(numbers(how)["output"].clone()).unwrap();
    let exact = output("--release exact");
    let right = output("");
    assert_eq!(right, output("--release round"));
    for (exact, right) in exact.iter().zip(&right) {
        assert!((exact - right).abs() <= 0.5001e-6 && (right * 1e6 - (right * 1e6).round()).abs() < 1e-5);
    }
    assert!(exact != right && right.iter().all(|x| x.to_string().len() <= 9), "{right:?}");
    let text = folder.ok(&format!("{DECRYPT} -o out"));
    assert!(text.starts_with(&format!("logits: {:.4} ", right[0])), "{text}");
    let npy = std::fs::read(folder.path("out/out0.npy")).unwrap();
    let numbers_of = |npy: &[u8]| -> Vec<f32> {
        let data = &npy[npy.len() - 4 * 64..];
        data.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    };
    assert_eq!(numbers_of(&npy), right.iter().map(|x| *x as f32).collect::<Vec<_>>());

    let class = numbers("--release argmax");
    assert!(class["top1"].is_u64() && class["output"].is_null() && class["outputs"].is_null(), "{class}");
    let text = folder.ok(&format!("{DECRYPT} --release argmax"));
    assert!(text.lines().count() == 1 && text.starts_with("largest: "), "{text}");
    folder.fails(&format!("{DECRYPT} --release argmax -o out"), "no numbers to write");

    let checked = json(&folder.ok("infer model.plan --input image.u8 --check --json"));
    let error = checked["max_abs_error"].as_f64().unwrap();
    assert!(error < 4e-6, "compared before rounding: {error:e}");
    // Another encryption, whose noise may round to the next number.
    let again = serde_json::from_value::<Vec<f64>>(checked["results"][0]["output"].clone()).unwrap();
    assert!(again.iter().zip(&right).all(|(a, b)| (a - b).abs() < 6e-6), "{again:?} {right:?}");
}

#[test]
fn flooding_is_counted_and_refused_where_it_leaves_nothing() {
    let folder = deployment();
    let flood = |numbers: &str| format!("{DECRYPT} --json --release flood:{numbers}");
    let output =
        |text: &str| serde_json::from_value::<Vec<f64>>(json(text)["results"][0]["output"].clone()).unwrap();
    let exact = output(&folder.ok(&format!("{DECRYPT} --json --release exact")));
    let fails = |numbers: &str, why: &str| {
        folder.fails(&format!("{DECRYPT} --release flood:{numbers}"), why);
    };
    fails("30,1000", "of precision");
    assert!(!folder.path("keys/releases").exists(), "nothing was released");
    let first = output(&folder.ok(&flood("8,2")));
    let second = output(&folder.ok(&flood("8,2")));
    let spread = |a: &[f64], b: &[f64]| {
        (a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
    };
    // 2^(8/2)·√2·3e-5.
    let sigma = 6.8e-4;
    for (a, b, expected) in [(&first, &exact, sigma), (&first, &second, sigma * 2f64.sqrt())] {
        let found = spread(a, b);
        assert!((0.6..1.5).contains(&(found / expected)), "{found:e} instead of {expected:e}");
    }
    fails("8,2", "0 of 2 releases are left");
    fails("7,2", "flood:8,2, no other");
    folder.fails("infer model.plan --input image.u8 --release flood:8,2", "beside a key that is kept");
    let usage = folder.fhec(&format!("{DECRYPT} --release flood:8"));
    assert_eq!(usage.status.code(), Some(2));
}
