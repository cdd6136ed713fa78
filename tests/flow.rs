//! A deployment: four processes that share nothing but files, and what they say about files that do not fit.

#![cfg(feature = "client")]

#[path = "common/cli.rs"]
mod cli;
#[path = "../runtime/tests/common/mod.rs"]
mod common;

use std::path::Path;

use cli::{Folder, json};
use fhec_ir::plan::{Normalisation, ParameterData, Plan, Report};
use fhec_ir::schedule::{PackedValue, Schedule, ScheduleHeader, ScheduleOp, random};
use fhec_ir::{Verified, verify};

const KERNEL: [f32; 9] = [0.1, -0.2, 0.3, 0.4, 0.5, -0.6, 0.7, -0.1, 0.2];

/// Writes a plan for a convolution with squaring at N = 2^13.
fn write_plan(folder: &Folder, name: &str, kernel: [f32; 9]) {
    let parameters = common::secure_parameters();
    let (plan, _) = common::plan(&parameters, common::convolution(&parameters, kernel));
    plan.save(&folder.path(name)).unwrap();
}

fn write_image(folder: &Folder) -> Vec<f64> {
    let bytes: Vec<u8> = (0..64).map(|k| (k * 37 % 64) as u8).collect();
    std::fs::write(folder.path("image.u8"), &bytes).unwrap();
    bytes.iter().map(|b| f64::from(*b) / 255.0).collect()
}

fn damage(from: &Path, to: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(from).unwrap();
    change(&mut bytes);
    std::fs::write(to, bytes).unwrap();
}

#[test]
fn four_processes_and_files_that_do_not_fit() {
    let folder = Folder::new();
    write_plan(&folder, "model.plan", KERNEL);
    let image = write_image(&folder);
    folder.ok("client-spec model.plan -o model.client");
    folder.ok("keygen model.client -o keys");
    folder.ok("encrypt model.client --key keys/secret.key --input image.u8 -o image.ct");
    folder.ok(
        "run model.plan --keys keys/evaluation.keys --input image.ct -o result.ct --threads 2 --trace t.json",
    );
    assert!(check_trace(&folder.path("t.json")) > 0.0);
    let out = folder
        .ok("decrypt model.client --key keys/secret.key --input result.ct -o out --json --release exact");
    let expected = common::expected(KERNEL, &image);
    let found: Vec<f64> = serde_json::from_value(json(&out)["output"].clone()).unwrap();
    let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(found.len() == 64 && worst < 1e-5, "{worst:e}");
    assert!(folder.path("out/out0.npy").exists());

    // The same with the public key.
    folder.ok("encrypt model.client --public keys/public.key --input image.u8 -o public.ct");
    folder.ok("run model.plan --keys keys/evaluation.keys --input public.ct -o public.result");
    folder.ok("decrypt model.client --key keys/secret.key --input public.result");

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.path("keys/secret.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    folder.fails("keygen model.client -o keys", "--force");
    swapped(&folder);
    damaged(&folder);
}

/// Each file in the place of another.
fn swapped(folder: &Folder) {
    let mut other = KERNEL;
    other[4] = 0.75;
    write_plan(folder, "other.plan", other);
    folder.ok("keygen other.plan -o other");
    let run = |plan: &str, keys: &str, input: &str| {
        format!("run {plan} --keys {keys}/evaluation.keys --input {input} -o x.ct")
    };
    folder.fails(&run("other.plan", "keys", "image.ct"), "made for another plan");
    folder.fails(&run("model.plan", "other", "image.ct"), "another key set");
    folder.fails("run model.plan --keys keys/secret.key --input image.ct -o x.ct", "this is a secret key");
    folder.fails("run model.plan --keys keys/evaluation.keys --input result.ct -o x.ct", "encrypted outputs");
    folder.fails("run model.client --keys keys/evaluation.keys --input image.ct -o x.ct", "no fhec plan");
    folder.fails("decrypt model.client --key other/secret.key --input result.ct", "another key set");
    folder.fails("decrypt other.plan --key keys/secret.key --input result.ct", "another plan");
    folder.fails("decrypt model.client --key keys/public.key --input result.ct", "this is a public key");
    folder.fails(
        "encrypt model.client --key keys/secret.key --input model.plan -o x.ct",
        "unknown kind of input",
    );

    // A plan for another ring: everything made for the first is refused.
    let parameters = fhec_ckks::params::Parameters::new(
        &fhec_ckks::params::ParametersLiteral::from_bits(13, &[45, 38, 38], &[50]).unwrap(),
    )
    .unwrap();
    let (plan, _) = common::plan(&parameters, common::convolution(&parameters, KERNEL));
    plan.save(&folder.path("ring.plan")).unwrap();
    folder.fails(&run("ring.plan", "keys", "image.ct"), "another parameter set");
    folder.fails("encrypt ring.plan --key keys/secret.key --input image.u8 -o x.ct", "another parameter set");

    // A plan that needs keys which the client never made.
    let mut more = (*plan_of(folder, "model.plan").schedule).clone();
    let x = fhec_ir::ValueId(0);
    let op = fhec_ir::schedule::ScheduleOp::Rotate { step: 1000 };
    let y = more.push_inferred(op, vec![x], "").unwrap();
    more.outputs[0].value = y;
    let parameters = common::secure_parameters();
    let (plan, _) = common::plan(&parameters, fhec_ir::verify(more).unwrap());
    plan.save(&folder.path("more.plan")).unwrap();
    folder.ok("encrypt more.plan --key keys/secret.key --input image.u8 -o more.ct");
    folder.fails(&run("more.plan", "keys", "more.ct"), "step 1000");
}

fn plan_of(folder: &Folder, name: &str) -> Plan {
    Plan::load(&folder.path(name)).unwrap().0
}

/// Files cut short, with a bit changed, with something behind their end.
fn damaged(folder: &Folder) {
    let uses = [
        ("model.plan", "inspect F"),
        ("model.client", "encrypt F --key keys/secret.key --input image.u8 -o x.ct"),
        ("keys/secret.key", "encrypt model.client --key F --input image.u8 -o x.ct"),
        ("keys/public.key", "encrypt model.client --public F --input image.u8 -o x.ct"),
        ("keys/evaluation.keys", "run model.plan --keys F --input image.ct -o x.ct"),
        ("image.ct", "run model.plan --keys keys/evaluation.keys --input F -o x.ct"),
        ("result.ct", "decrypt model.client --key keys/secret.key --input F"),
    ];
    for (name, line) in uses {
        let bad = folder.path("bad");
        let line = line.replace('F', "bad");
        let length = std::fs::metadata(folder.path(name)).unwrap().len() as usize;
        for at in [0, 9, 30, 60, 130, length / 2, length - 1] {
            damage(&folder.path(name), &bad, |b| b[at] ^= 1);
            folder.fails(&line, "");
        }
        for keep in [0, 7, 50, 150, length / 2, length - 1] {
            damage(&folder.path(name), &bad, |b| b.truncate(keep));
            folder.fails(&line, "");
        }
        damage(&folder.path(name), &bad, |b| b.push(0));
        folder.fails(&line, "");
    }
}

/// Checks a trace: the events of a thread do not overlap. Gives the seconds of all events.
fn check_trace(path: &Path) -> f64 {
    let trace = json(&std::fs::read_to_string(path).unwrap());
    let events = trace["traceEvents"].as_array().unwrap();
    let number = |e: &serde_json::Value, key: &str| e[key].as_f64().unwrap();
    let mut spans: Vec<_> = events.iter().filter(|e| e["ph"] == "X").collect();
    assert!(events.iter().any(|e| e["ph"] == "M" && e["name"] == "thread_name"));
    for event in &spans {
        let args = &event["args"];
        assert!(event["name"].as_str().unwrap().ends_with(args["layer"].as_str().unwrap()), "{event}");
        assert!(
            number(args, "level") <= 2.0 && (30.0..100.0).contains(&number(args, "scale_bits")),
            "{event}"
        );
    }
    let place = |e: &serde_json::Value| (number(e, "pid"), number(e, "tid"), number(e, "ts"));
    spans.sort_by(|a, b| place(a).partial_cmp(&place(b)).unwrap());
    for pair in spans.windows(2) {
        let (a, b) = (place(pair[0]), place(pair[1]));
        let same = (a.0, a.1) == (b.0, b.1);
        assert!(!same || a.2 + number(pair[0], "dur") <= b.2 + 1e-3, "{} and {}", pair[0], pair[1]);
    }
    spans.iter().map(|e| number(e, "dur") * 1e-6).sum()
}

/// A plan whose client part was changed.
fn write_changed(folder: &Folder, change: impl FnOnce(&mut Plan)) {
    let mut plan = plan_of(folder, "model.plan");
    change(&mut plan);
    plan.save(&folder.path("changed.plan")).unwrap();
}

#[test]
fn what_lies_beyond_the_bounds_or_the_precision_is_a_failure() {
    let folder = Folder::new();
    write_plan(&folder, "model.plan", KERNEL);
    write_image(&folder);
    write_changed(&folder, |plan| plan.client.inputs[0].bound = 0.1);
    folder.ok("keygen changed.plan -o keys");
    let encrypt = "encrypt changed.plan --key keys/secret.key --input image.u8 -o image.ct";
    folder.fails(encrypt, "--allow-out-of-range");
    folder.fails("infer changed.plan --input image.u8", "the plan was made for magnitudes of up to 0.1000");
    folder.ok(&format!("{encrypt} --allow-out-of-range"));
    folder.ok("infer changed.plan --input image.u8 --allow-out-of-range");

    write_changed(&folder, |plan| plan.client.outputs[0].bound = 0.1);
    folder.ok(encrypt);
    folder.ok("run changed.plan --keys keys/evaluation.keys --input image.ct -o result.ct");
    let decrypt = "decrypt changed.plan --key keys/secret.key --input result.ct";
    folder.fails(decrypt, "not to be trusted");
    folder.fails("infer changed.plan --input image.u8", "not to be trusted");
    folder.ok(&format!("{decrypt} --allow-out-of-range"));

    write_changed(&folder, |plan| plan.client.outputs[0].error = 1e-12);
    folder.ok("infer changed.plan --input image.u8");
    folder.fails("infer changed.plan --input image.u8 --check", "promises 1.00e-12");
    folder.fails("infer changed.plan --input image.u8 --input image.u8 --check", "promises 1.00e-12");
}

#[test]
fn layers_and_traces() {
    let folder = Folder::new();
    write_plan(&folder, "model.plan", KERNEL);
    write_image(&folder);
    let line =
        "infer model.plan --input image.u8 --input image.u8 --check --layers --trace t.json --threads 2";
    let numbers = json(&folder.ok(&format!("{line} --json")));
    let layers = numbers["layers"].as_array().unwrap();
    let names: Vec<_> = layers.iter().map(|l| l["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["conv", "square", "bias"]);
    let mut seconds = 0.0;
    for layer in layers {
        seconds += 2.0 * layer["seconds"].as_f64().unwrap();
        let (rms, worst) = (&layer["rms_error_bits"], &layer["worst_error_bits"]);
        let (rms, worst) = (rms.as_f64().unwrap(), worst.as_f64().unwrap());
        assert!(15.0 < worst && worst < rms && rms < 40.0, "{layer}");
    }
    let traced = check_trace(&folder.path("t.json"));
    assert!((traced - seconds).abs() < 1e-6 * (1.0 + seconds), "{traced} s in events, {seconds} s in layers");
    let run = 2.0 * numbers["mean_seconds"].as_f64().unwrap();
    assert!(traced <= 2.0 * run, "{traced} s on two threads in {run} s");

    let table = folder.ok("infer model.plan --input image.u8 --layers");
    assert!(table.contains("predicted") && table.contains("square"), "{table}");
    let numbers = json(&folder.ok("infer model.plan --input image.u8 --layers --json"));
    assert!(numbers["layers"][0]["rms_error_bits"].is_null(), "not compared: {numbers}");
    folder.fails("infer model.plan --input image.u8 --trace nowhere/t.json", "nowhere/t.json");
}

#[test]
fn records_that_leave_the_range_of_a_bootstrap_are_named() {
    let folder = Folder::new();
    let (_, data, bytes) = common::bootstrapped();
    let schedule = common::refresh(&data);
    let norm = Normalisation { std: vec![1e-3], ..Normalisation::default() };
    let plan = Plan::assemble(data, schedule, &[norm], Report::default(), bytes).unwrap();
    plan.save(&folder.path("model.plan")).unwrap();
    // 0, 4 and 1000, of which the bootstrap takes 2 and its lowest modulus some 500.
    let records: Vec<u8> =
        [0, 1, 255, 0].iter().flat_map(|x| [[0].as_slice(), &[*x; 512]].concat()).collect();
    std::fs::write(folder.path("batch.bin"), records).unwrap();
    let numbers = json(&folder.ok("simulate model.plan --data batch.bin --json"));
    assert_eq!(numbers["diverging"], serde_json::json!([{ "record": 2, "layer": "refresh" }]));
    let out_of_range = numbers["out_of_range"].as_array().unwrap();
    assert_eq!((out_of_range.len(), &out_of_range[0]["record"]), (1, &serde_json::json!(1)));
    assert_eq!(out_of_range[0]["what"], "bootstrap");
    assert!((out_of_range[0]["ratio"].as_f64().unwrap() - 1.96).abs() < 0.01, "{numbers}");
    let text = folder.ok("simulate model.plan --data batch.bin");
    assert!(text.contains("1 diverging: 2 (from refresh)"), "{text}");
    assert!(text.contains("1 out of range: 1 (×1.96 at refresh)"), "{text}");
}

/// T_4 in a layer `first`, and T_2 of its result in a layer `second`.
fn polynomials(data: &ParameterData) -> Verified<Schedule> {
    let slots = 1 << (data.log_n - 1);
    let packed = |name: &str| PackedValue { name: name.into(), layout: random::flat(slots, 1) };
    let header = ScheduleHeader {
        slots,
        moduli: data.q.iter().map(|&q| q as f64).collect(),
        inputs: vec![packed("x")],
        outputs: vec![packed("y")],
        ..ScheduleHeader::default()
    };
    let mut g = Schedule::new("polynomials", header);
    let x = g.push_input(0, 0, 3, 2f64.powi(38));
    let second = |g: &mut Schedule, x, layer: &str| {
        let mut push = |op, args| g.push_inferred(op, args, layer).unwrap();
        let square = push(ScheduleOp::Mul, vec![x, x]);
        let square = push(ScheduleOp::RelinRescale, vec![square]);
        let twice = push(ScheduleOp::Add, vec![square, square]);
        push(ScheduleOp::AddScalar { value: -1.0 }, vec![twice])
    };
    let y = second(&mut g, x, "first");
    let y = second(&mut g, y, "first");
    // A sum is no step of the polynomial.
    let sum = g.push_inferred(ScheduleOp::AddScalar { value: 0.0 }, vec![y], "between").unwrap();
    let y = second(&mut g, sum, "second");
    g.add_output("y#0", y);
    verify(g).unwrap()
}

#[test]
fn records_that_leave_the_range_of_a_polynomial_are_named() {
    let folder = Folder::new();
    let parameters = common::small_parameters(10, 4);
    let data = common::data(&parameters);
    let schedule = polynomials(&data);
    let norm = Normalisation { divisor: 100.0, ..Normalisation::default() };
    let plan = Plan::assemble(data, schedule, &[norm], Report::default(), 0).unwrap();
    plan.save(&folder.path("model.plan")).unwrap();
    let records: Vec<u8> =
        [0, 100, 110, 255].iter().flat_map(|x| [[0].as_slice(), &[*x; 512]].concat()).collect();
    std::fs::write(folder.path("batch.bin"), records).unwrap();
    let numbers = json(&folder.ok("simulate model.plan --data batch.bin --json"));
    // T_4(1.1) is 3.03, T_4(2.55) 287.2, of which T_2 is too large for the lowest modulus.
    assert_eq!(numbers["diverging"], serde_json::json!([{ "record": 3, "layer": "second" }]));
    let expected = [(2, "first", 1.1), (2, "second", 3.0328), (3, "first", 2.55), (3, "second", 287.24)];
    let found = numbers["out_of_range"].as_array().unwrap();
    assert_eq!(found.len(), expected.len(), "{numbers}");
    for (found, (record, layer, ratio)) in found.iter().zip(expected) {
        let named = (&found["record"], &found["layer"], &found["what"]);
        assert_eq!(named, (&record.into(), &layer.into(), &"function".into()), "{numbers}");
        assert!((found["ratio"].as_f64().unwrap() / ratio - 1.0).abs() < 1e-3, "{numbers}");
    }
    let text = folder.ok("simulate model.plan --data batch.bin");
    let line = "2 outside the range of a function's polynomial: 2 (×1.10 at first, up to ×3.03 at second), \
                3 (×2.55 at first, up to ×287.2";
    assert!(text.contains(line), "{text}");
}

#[test]
fn infer_inspect_and_simulate() {
    let folder = Folder::new();
    write_plan(&folder, "model.plan", KERNEL);
    write_image(&folder);
    let one = json(&folder.ok("infer model.plan --input image.u8 --check --json"));
    assert!(one["max_abs_error"].as_f64().unwrap() < 1e-5, "{one}");
    for key in ["images", "results", "seconds_keygen", "peak_rss_bytes"] {
        assert!(!one[key].is_null(), "{key} is missing: {one}");
    }
    for key in ["input", "output", "top1", "seconds", "clear_output"] {
        assert!(!one["results"][0][key].is_null(), "{key} is missing: {one}");
    }

    let records: Vec<u8> =
        (0..3).flat_map(|r| std::iter::once(r).chain((0..64).map(move |k| k * r))).collect();
    std::fs::write(folder.path("batch.bin"), records).unwrap();
    let many = json(&folder.ok("infer model.plan --input batch.bin --range 0..3 --check --json"));
    assert_eq!(many["images"], 3);
    assert!(many["max_abs_error"].as_f64().unwrap() < 1e-5, "{many}");
    assert_eq!(many["results"].as_array().unwrap().len(), 3);
    let simulated = json(&folder.ok("simulate model.plan --data batch.bin --json --check"));
    let (none, three) = (serde_json::json!([]), &serde_json::json!(3));
    assert_eq!((&simulated["images"], &simulated["labelled"]), (three, three));
    assert_eq!((&simulated["diverging"], &simulated["out_of_range"]), (&none, &none));
    let error = simulated["max_abs_error"].as_f64().unwrap();
    assert!(error > 0.0 && error < 1e-5, "{simulated}");
    let same = |options: &str| {
        let numbers =
            json(&folder.ok(&format!("simulate model.plan --data batch.bin --json --check {options}")));
        numbers["max_abs_error"] == simulated["max_abs_error"]
    };
    assert!(same("--threads 1") && same("--range 0..3 --threads 3") && !same("--seed 1"));
    folder.fails("simulate model.plan --data batch.bin --range 1..4", "3 records");
    folder.fails("infer model.plan --input batch.bin --range 0..4", "3 records");
    folder.fails("infer model.plan --input none.u8", "none.u8");

    let numbers = json(&folder.ok("inspect model.plan --json"));
    for key in [
        "n",
        "log_qp",
        "security_bits",
        "scale_bits",
        "levels",
        "bootstraps",
        "rotations",
        "hoisted_rotations",
        "key_switches",
        "plaintexts",
        "plaintext_equivalents",
        "rotation_keys",
        "key_bytes",
        "plan_bytes",
        "predicted_seconds",
        "predicted_peak_bytes",
        "predicted_precision_bits",
        "layers",
    ] {
        assert!(!numbers[key].is_null(), "{key} is missing");
    }
    assert_eq!(numbers["rotation_keys"], 8);
    assert!(folder.ok("inspect model.plan").contains("N = 2^13"));
    assert!(folder.ok("inspect model.plan --ir schedule").starts_with("schedule \"conv\""));
    folder.ok("inspect model.plan --html report.html");
    assert!(std::fs::read_to_string(folder.path("report.html")).unwrap().contains("</table>"));
    folder.fails("inspect model.plan --ir slot", "give the .onnx");
}
