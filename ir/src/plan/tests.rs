use std::io::Write;

use proptest::prelude::*;

use super::container::{self, Payload};
use super::*;
use crate::schedule::random;

fn plan(seed: u64) -> Plan {
    let q: Vec<u64> = [(1 << 45) + 1, (1 << 30) + 3, (1 << 30) + 7, (1 << 30) + 9].to_vec();
    let moduli = q.iter().map(|&q| q as f64).collect();
    let options = random::Options { slots: 16, moduli, scale: 2f64.powi(30), steps: 20 };
    let gadget = |l: u32| Gadget { special: 1 + l / 2, digit_limbs: 1 + l / 2 };
    let parameters = ParameterData {
        id: [7; 32],
        log_n: 5,
        gadgets: (0..q.len() as u32).map(gadget).collect(),
        q,
        p: vec![(1 << 49) + 1, (1 << 49) + 5],
        scale_bits: 30,
    };
    let layers = vec![LayerReport { name: "conv".into(), rotations: 3, ..LayerReport::default() }];
    let report = Report { security_bits: 128.5, layers, ..Report::default() };
    Plan::assemble(parameters, random::schedule(seed, &options), &[], report, 17.5).unwrap()
}

fn bytes_of(plan: &Plan) -> Vec<u8> {
    let mut bytes = Vec::new();
    plan.write_to(&mut bytes).unwrap();
    bytes
}

#[test]
fn plan_and_client_files_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.plan");
    let original = plan(1);
    let id = original.save(&path).unwrap();
    let (loaded, loaded_id) = Plan::load(&path).unwrap();
    assert_eq!(loaded, original);
    assert_eq!(id, loaded_id);
    assert_eq!(id, original.id().unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), bytes_of(&original));
    assert_eq!(Plan::from_bytes(bytes_of(&original)).unwrap().0, original);

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
    newer[8] = 2;
    assert!(read(&newer).contains("version 2"));
    let mut flipped = bytes.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    assert!(read(&flipped).contains("checksum of section weights"));
}

#[test]
fn contradictions_are_found() {
    let refuse = |change: &dyn Fn(&mut Plan), part: &str| {
        let mut p = plan(3);
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
    refuse(&|p| p.parameters.gadgets[2].digit_limbs = 9, "Gadget");
}

#[test]
fn a_key_serves_lower_levels_of_its_gadget_only() {
    let gadgets = plan(4).parameters.gadgets;
    let needs = crate::schedule::keys::KeyNeeds {
        rotations: [(1, 0), (1, 1), (1, 3), (5, 2)].into(),
        relinearisations: [0, 3].into(),
    };
    let manifest = KeyManifest::for_needs(&needs, &gadgets, 32);
    let levels: Vec<_> = manifest.rotations.iter().map(|k| (k.step, k.level)).collect();
    assert_eq!(levels, [(1, 1), (1, 3), (5, 2)]);
    assert_eq!(manifest.rotation_for(1, 0, &gadgets), Some(1));
    assert_eq!(manifest.rotation_for(1, 2, &gadgets), Some(3));
    assert_eq!(manifest.rotation_for(5, 3, &gadgets), None);
    assert_eq!(manifest.rotation_for(5, 1, &gadgets), None);
    assert_eq!(manifest.relinearisation_for(2, &gadgets), Some(3));
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
    container::write(&mut out, read::PLAN_MAGIC, 1, &sections).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn changed_bytes_are_refused(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let original = plan(5);
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
    ) {
        let original = bytes_of(&plan(6));
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
        let payload = |out: &mut dyn Write| out.write_all(&bytes);
        let mut file = Vec::new();
        container::write(&mut file, read::CLIENT_MAGIC, 1, &[(read::CLIENT_SECTIONS[0], &payload)]).unwrap();
        let _ = ClientSpec::from_bytes(&file);
    }
}
