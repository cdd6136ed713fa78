use std::io::Write;

use proptest::prelude::*;

use super::container::{self, Payload};
use super::*;
use crate::ValueId;
use crate::schedule::random;
use crate::tensor::{Activation, ClientOp, Pool, TensorGraph, TensorOp};

/// On a chain q_0 | 2 levels | 3 levels | 4 levels | 1 level.
fn bootstrap() -> BootstrapData {
    BootstrapData {
        log_slots: 4,
        slots_to_coeffs: vec![3, 1],
        residual_levels: 3,
        eval_mod: EvalModData { bound: 15, degree: 6, doublings: 1 },
        coeffs_to_slots: vec![4],
        message_ratio: 9.5,
        scale: 2f64.powi(30),
        error: 2f64.powi(-17),
    }
}

/// With a bootstrap for odd seeds.
fn plan(seed: u64) -> Plan {
    let bootstrap = (seed % 2 == 1).then(bootstrap);
    let levels = bootstrap.as_ref().map_or(3, BootstrapData::top_level);
    let q: Vec<u64> =
        std::iter::once((1 << 45) + 1).chain((0..u64::from(levels)).map(|k| (1 << 30) + 2 * k + 3)).collect();
    let moduli = q.iter().map(|&q| q as f64).collect();
    let header = bootstrap.as_ref().map(BootstrapData::header);
    let options = random::Options { slots: 16, moduli, scale: 2f64.powi(30), steps: 20, bootstrap: header };
    let gadget = |l: u32| Gadget { special: 1 + l.min(3) / 2, digit_limbs: 1 + l.min(3) / 2 };
    let parameters = ParameterData {
        id: [7; 32],
        log_n: 5,
        gadgets: (0..q.len() as u32).map(gadget).collect(),
        q,
        p: vec![(1 << 49) + 1, (1 << 49) + 5],
        scale_bits: 30,
        bootstrap,
    };
    let bytes = if parameters.bootstrap.is_some() { 1 << 20 } else { 0 };
    let layers = vec![LayerReport { name: "conv".into(), rotations: 3, ..LayerReport::default() }];
    let report = Report { security_bits: 128.5, layers, ..Report::default() };
    Plan::assemble(parameters, random::schedule(seed, &options), &[], report, bytes).unwrap()
}

fn bytes_of(plan: &Plan) -> Vec<u8> {
    let mut bytes = Vec::new();
    plan.write_to(&mut bytes).unwrap();
    bytes
}

#[test]
fn plan_and_client_files_round_trip() {
    for seed in 0..2 {
        round_trip(&plan(seed));
    }
}

fn round_trip(original: &Plan) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.plan");
    let id = original.save(&path).unwrap();
    let (loaded, loaded_id) = Plan::load(&path).unwrap();
    assert_eq!(&loaded, original);
    assert_eq!(id, loaded_id);
    assert_eq!(id, original.id().unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), bytes_of(original));
    assert_eq!(&Plan::from_bytes(bytes_of(original)).unwrap().0, original);

    let spec = original.client_spec().unwrap();
    let client = folder.path().join("model.client");
    spec.save(&client).unwrap();
    assert_eq!(ClientSpec::load(&client).unwrap(), spec);
    assert_eq!(ClientSpec::load(&path).unwrap(), spec);
    assert!(matches!(Plan::load(&client), Err(PlanError::Magic { .. })));
    assert!(matches!(Plan::load(&folder.path().join("none")), Err(PlanError::Io { .. })));
    let leftovers = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(leftovers, 2, "no temporary file is left");
}

#[test]
fn envelope_damage_is_named() {
    let bytes = bytes_of(&plan(2));
    let read = |bytes: &[u8]| Plan::from_bytes(bytes.to_vec()).unwrap_err().to_string();
    assert!(read(&[]).contains("no fhec plan"));
    assert!(read(&bytes[..100]).contains("truncated"));
    assert!(read(&bytes[..bytes.len() - 1]).contains("truncated"));
    assert!(read(&[&bytes[..], &[0]].concat()).contains("1 bytes follow"));
    let mut newer = bytes.clone();
    for version in [1, 2, 3, 4, 5, 6, 8] {
        newer[8] = version;
        assert!(read(&newer).contains(&format!("version {version}")));
    }
    let mut flipped = bytes.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    assert!(read(&flipped).contains("checksum of section weights"));
}

#[test]
fn contradictions_are_found() {
    let refuse = |change: &dyn Fn(&mut Plan), part: &str| {
        let mut p = plan(4);
        change(&mut p);
        let message = p.check().expect_err(part).to_string();
        assert!(message.contains(part), "{message}");
    };
    refuse(&|p| p.parameters.q[1] += 2, "other primes");
    refuse(&|p| p.parameters.log_n = 6, "manifest");
    refuse(&|p| p.keys.rotations.clear(), "no key for rotation");
    refuse(&|p| p.keys.relinearisation.clear(), "no key for relinearisation");
    refuse(&|p| p.keys.rotations[0].bytes += 1, "manifest");
    refuse(&|p| p.client.inputs[0].scale *= 2.0, "level or scale");
    refuse(&|p| p.client.outputs[0].types[0].1 *= 2.0, "output levels or scales");
    refuse(&|p| p.client.inputs[0].normalisation.std = vec![0.0], "division by 0");
    refuse(&|p| p.client.inputs[0].name = "z".into(), "different inputs");
    for bound in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refuse(&|p| p.client.inputs[0].bound = bound, "bound");
        refuse(&|p| p.client.outputs[0].bound = bound, "bound");
        refuse(&|p| p.client.outputs[0].range = bound, "range");
        refuse(&|p| p.client.outputs[0].error = bound, "error");
    }
    refuse(&|p| p.parameters.gadgets[2].digit_limbs = 9, "Gadget");
}

#[test]
fn bootstraps_that_contradict_the_rest_or_ask_for_too_much_are_refused() {
    assert!(
        plan(3).schedule.iter().any(|(_, n)| matches!(n.op, crate::schedule::ScheduleOp::Bootstrap { .. }))
    );
    let refuse = |change: &dyn Fn(&mut BootstrapData), part: &str| {
        let mut p = plan(3);
        change(p.parameters.bootstrap.as_mut().unwrap());
        for refused in [p.check(), p.client_spec().unwrap().check()] {
            let message = refused.expect_err(part).to_string();
            assert!(message.contains(part), "{message}");
        }
    };
    refuse(&|b| b.log_slots = 0, "2^0 slots");
    refuse(&|b| b.log_slots = 5, "2^5 slots");
    refuse(&|b| b.log_slots = u32::MAX, "2^4294967295 slots");
    refuse(&|b| b.log_slots = 3, "make up 2^3 slots");
    refuse(&|b| b.slots_to_coeffs = vec![4, 0], "DFT");
    refuse(&|b| b.slots_to_coeffs = vec![1 << 30; 8], "DFT");
    refuse(&|b| b.coeffs_to_slots = vec![1; 1 << 20], "DFT");
    refuse(&|b| b.coeffs_to_slots = vec![2, 2], "chain of 11 primes");
    refuse(&|b| b.residual_levels = u32::MAX, "chain of 11 primes");
    refuse(&|b| b.residual_levels = 0, "residual");
    refuse(&|b| b.eval_mod.degree = u32::MAX, "degree");
    refuse(&|b| b.eval_mod.doublings = u32::MAX, "doublings");
    for bound in [0, 1, 13, 65] {
        refuse(&|b| b.eval_mod.bound = bound, "bound");
    }
    refuse(&|b| b.eval_mod.degree = 7, "degree");
    refuse(&|b| (b.eval_mod.bound, b.eval_mod.degree) = (14, 58), "degree");
    refuse(&|b| b.message_ratio = f64::NAN, "message ratio");
    refuse(&|b| b.scale = f64::INFINITY, "scale");
    refuse(&|b| b.error = -1.0, "error");

    let refuse = |change: &dyn Fn(&mut Plan), part: &str| {
        let mut p = plan(3);
        change(&mut p);
        let message = p.check().expect_err(part).to_string();
        assert!(message.contains(part), "{message}");
    };
    refuse(&|p| p.keys.bootstrap_bytes = 0, "bootstrap keys");
    refuse(&|p| p.parameters.bootstrap = None, "bootstrap keys");
    let without = |p: &mut Plan| {
        p.parameters.bootstrap = None;
        p.keys.bootstrap_bytes = 0;
    };
    refuse(&without, "another bootstrap");
    refuse(&|p| p.parameters.bootstrap.as_mut().unwrap().scale *= 2.0, "another bootstrap");
    // One that keeps fewer slots apart is as good as any for a client, but not for this schedule.
    let sparse = |p: &mut Plan| {
        let known = p.parameters.bootstrap.as_mut().unwrap();
        *known = BootstrapData {
            log_slots: 3,
            slots_to_coeffs: vec![2, 1],
            coeffs_to_slots: vec![3],
            ..known.clone()
        };
    };
    refuse(&sparse, "another bootstrap");
    let mut p = plan(3);
    sparse(&mut p);
    p.client_spec().unwrap().check().unwrap();
    let p = plan(3);
    assert_eq!(p.keys.bytes(), KeyManifest { bootstrap_bytes: 0, ..p.keys.clone() }.bytes() + (1 << 20));
}

#[test]
fn a_key_serves_lower_levels_of_its_gadget_only() {
    let parameters = plan(4).parameters;
    let gadgets = &parameters.gadgets;
    let needs = crate::schedule::keys::KeyNeeds {
        rotations: [(1, 0), (1, 1), (1, 3), (5, 2)].into(),
        relinearisations: [0, 3].into(),
    };
    let manifest = KeyManifest::for_needs(&needs, &parameters);
    let levels: Vec<_> = manifest.rotations.iter().map(|k| (k.step, k.level)).collect();
    assert_eq!(levels, [(1, 1), (1, 3), (5, 2)]);
    assert_eq!(manifest.rotation_for(1, 0, gadgets), Some(1));
    assert_eq!(manifest.rotation_for(1, 2, gadgets), Some(3));
    assert_eq!(manifest.rotation_for(5, 3, gadgets), None);
    assert_eq!(manifest.rotation_for(5, 1, gadgets), None);
    assert_eq!(manifest.relinearisation_for(2, gadgets), Some(3));
}

/// The sections of a plan with one of them changed, with right checksums: what an attacker would write.
fn resealed(bytes: &[u8], section: usize, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let parsed = container::parse(bytes, &read::PLAN_SECTIONS).unwrap();
    let mut parts: Vec<_> = parsed.sections.iter().map(|r| bytes[r.clone()].to_vec()).collect();
    change(&mut parts[section]);
    let writers: Vec<_> = parts.iter().map(|p| move |out: &mut dyn Write| out.write_all(p)).collect();
    let payloads = writers.iter().map(|w| w as Payload<'_>);
    let sections: Vec<_> = read::PLAN_SECTIONS.into_iter().zip(payloads).collect();
    let mut out = Vec::new();
    container::write(&mut out, read::PLAN_MAGIC, Version::V7 as u32, &sections).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn changed_bytes_are_refused(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let original = plan(u64::from(bit) % 2);
        let mut bytes = bytes_of(&original);
        let k = at.index(bytes.len());
        bytes[k] ^= 1 << bit;
        prop_assert!(Plan::from_bytes(bytes).is_err());
    }

    #[test]
    fn hostile_sections_never_panic(
        section in 0usize..7,
        at in any::<prop::sample::Index>(),
        with in prop::collection::vec(any::<u8>(), 0..12),
        insert in any::<bool>(),
        seed in 6u64..8,
    ) {
        let original = bytes_of(&plan(seed));
        let bytes = resealed(&original, section, |part| {
            let k = if part.is_empty() { 0 } else { at.index(part.len()) };
            let end = if insert { k } else { (k + with.len()).min(part.len()) };
            part.splice(k..end, with);
        });
        if let Ok((plan, _)) = Plan::from_bytes(bytes) {
            // What is accepted is a consistent plan, that can be written and read again.
            let again = Plan::from_bytes(bytes_of(&plan)).unwrap().0;
            prop_assert_eq!(again.keys, plan.keys);
        }
    }

    #[test]
    fn hostile_client_files_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = postcard::to_stdvec(&plan(7).client_spec().unwrap()).unwrap();
        let k = at.index(bytes.len());
        bytes[k] = byte;
        let payload: Payload<'_> = &|out: &mut dyn Write| out.write_all(&bytes);
        let mut file = Vec::new();
        let sections = [(read::CLIENT_SECTIONS[0], payload)];
        container::write(&mut file, read::CLIENT_MAGIC, Version::V7 as u32, &sections).unwrap();
        let _ = ClientSpec::from_bytes(&file);
    }
}

/// A tail for the outputs of a plan, made of what `build` makes of the first one.
fn with_tail(plan: &Plan, build: impl FnOnce(&mut TensorGraph, ValueId) -> ValueId) -> Plan {
    let mut tail = TensorGraph::new("tail", ());
    for output in &plan.client.outputs {
        let op = TensorOp::Input { name: output.name.clone(), shape: output.layout.shape() };
        tail.push_inferred(op, vec![], "").unwrap();
    }
    let result = build(&mut tail, ValueId(0));
    tail.add_output("result", result);
    let mut plan = plan.clone();
    plan.client.tail = Some(tail);
    plan
}

#[test]
fn tails_are_kept_and_run() {
    let softmax = TensorOp::Client(ClientOp::Softmax { axes: vec![0], log: false });
    let mut plan = with_tail(&plan(4), |tail, x| tail.push_inferred(softmax, vec![x], "last").unwrap());
    plan.client.classes = vec!["cat".into(), String::new()];
    round_trip(&plan);
    let tail = Tail::of(&plan.client).unwrap();
    assert_eq!((tail.steps(), tail.results()[0].name.as_str()), (vec!["Softmax"], "result"));
    let sizes = plan.client.outputs.iter().map(|o| o.layout.elements());
    let raw: Vec<Vec<f64>> = sizes.map(|n| vec![0.0; n]).collect();
    assert!(tail.run(&raw).unwrap()[0].iter().all(|p| *p > 0.0 && *p <= 1.0));
    assert!(tail.run(&[]).unwrap_err().contains("sizes"));
}

#[test]
fn classes_come_from_choices() {
    let shape = vec![1, 4];
    let tail = |ops: &[TensorOp], outputs: &[u32]| {
        let mut graph = TensorGraph::new("tail", ());
        graph.push_inferred(TensorOp::Input { name: "y".into(), shape: shape.clone() }, vec![], "").unwrap();
        let mut x = ValueId(0);
        for op in ops {
            let args = if matches!(op, TensorOp::Client(ClientOp::TopK { .. })) { ValueId(0) } else { x };
            x = graph.push_inferred(op.clone(), vec![args], "").unwrap();
        }
        outputs.iter().for_each(|o| graph.add_output(format!("out{o}"), ValueId(*o)));
        Tail::new(&[("y".into(), shape.clone())], Some(&graph)).unwrap()
    };
    let top = |ops: &[TensorOp], outputs: &[u32]| {
        let tail = tail(ops, outputs);
        tail.top1(&tail.run(&[vec![1.0, 2.0, 9.0, 3.0]]).unwrap())
    };
    let arg = TensorOp::Client(ClientOp::Arg { axis: 1, keep: false, last: false, least: false });
    let reshape = TensorOp::Reshape { out: vec![1, 1, 1] };
    let part = |indices| TensorOp::Client(ClientOp::TopK { axis: 1, k: 2, least: false, indices });
    assert_eq!(top(&[arg.clone(), reshape], &[2]), 2);
    assert_eq!(top(&[part(false), part(true)], &[1, 2]), 2, "the indices of the values");
    assert_eq!(top(&[part(true)], &[1]), 2);
    assert_eq!(top(&[TensorOp::Activation(Activation::Sigmoid)], &[1]), 2);
    assert_eq!(top(&[], &[0]), 2);
    let tail = tail(&[TensorOp::Activation(Activation::Exp)], &[1, 0]);
    assert_eq!((tail.results()[0].raw, tail.results()[1].raw), (None, Some(0)));
}

#[test]
fn hostile_tails_are_refused() {
    let refuse = |build: &dyn Fn(&mut TensorGraph, ValueId) -> ValueId, part: &str| {
        let p = with_tail(&plan(4), build);
        for refused in [p.check(), p.client_spec().unwrap().check()] {
            let message = refused.expect_err(part).to_string();
            assert!(message.contains(part), "{message}");
        }
        // Nor is one read that somebody has sealed.
        let client = postcard::to_stdvec(&p.client).unwrap();
        let bytes = resealed(&bytes_of(&plan(4)), 3, |section| *section = client);
        assert!(Plan::from_bytes(bytes).unwrap_err().to_string().contains(part));
    };
    // Shapes as they are claimed.
    let raw = |op: TensorOp, shape: Vec<usize>| {
        move |tail: &mut TensorGraph, x: ValueId| tail.push(op.clone(), vec![x], shape.clone(), "")
    };
    let expand = |out: &[usize]| raw(TensorOp::Expand { out: out.to_vec() }, out.to_vec());
    refuse(&expand(&[1 << 30, 1 << 30]), "too large for a client");
    refuse(&expand(&[usize::MAX, usize::MAX]), "too large for a client");
    refuse(&expand(&[1; 17]), "too large for a client");
    let softmax = |axes: Vec<usize>| TensorOp::Client(ClientOp::Softmax { axes, log: false });
    refuse(&raw(softmax(vec![9]), vec![3]), "T3");
    refuse(&raw(TensorOp::Activation(Activation::Exp), vec![7, 7]), "T2");
    let window = |kernel| crate::tensor::Window { kernel, stride: [1; 2], dilation: [1; 2], pads: [0; 4] };
    let pool = |kernel, out| TensorOp::Pool { kind: Pool::Max, window: window(kernel), out };
    refuse(&raw(pool([usize::MAX; 2], [1, 1]), vec![1; 4]), "too large for a client");
    refuse(&raw(pool([1, 1], [1 << 40, 1]), vec![1; 4]), "too large for a client");
    let average = TensorOp::Pool { kind: Pool::Average, window: window([1, 1]), out: [1, 1] };
    refuse(&raw(average, vec![1; 4]), "not for clients");
    refuse(&raw(TensorOp::Gemm { weight: crate::ConstId(5), bias: None }, vec![1]), "not for clients");
    let poly = |tail: &mut TensorGraph, _: ValueId| {
        let coeffs = tail.add_constant(crate::Constant::new(vec![1 << 20, 1], vec![0f32; 1 << 20]));
        let big = tail.push(TensorOp::Expand { out: vec![1 << 20] }, vec![ValueId(0)], vec![1 << 20], "");
        tail.push(TensorOp::Poly { coeffs, basis: crate::tensor::Basis::Power }, vec![big], vec![1 << 20], "")
    };
    refuse(&poly, "too much work");
    let many = |tail: &mut TensorGraph, x: ValueId| {
        let step = |x, _| tail.push_inferred(TensorOp::Activation(Activation::Relu), vec![x], "").unwrap();
        (0..MAX_TAIL_NODES).fold(x, step)
    };
    refuse(&many, "nodes");
    let constants = |tail: &mut TensorGraph, x: ValueId| {
        tail.add_constant(crate::Constant::new(vec![5 << 20], vec![0f32; 5 << 20]));
        x
    };
    refuse(&constants, "constants");
    let mut p = with_tail(&plan(4), |_, x| x);
    p.client.outputs[0].name = "other".into();
    assert!(p.client_spec().is_err() || p.check().is_err());
    let mut p = with_tail(&plan(4), |_, x| x);
    let tail = p.client.tail.as_mut().unwrap();
    tail.push_inferred(TensorOp::Input { name: "more".into(), shape: vec![1] }, vec![], "").unwrap();
    assert!(p.check().unwrap_err().to_string().contains("not the encrypted outputs"));
    let mut p = plan(4);
    p.client.classes = vec!["\u{1b}[31m".into()];
    assert!(p.check().unwrap_err().to_string().contains("control characters"));
}
