//! Keys: a secret key that loads decrypts, a public one encrypts, and evaluation keys are run, under an identity that a hostile
//! writer would give them.
#![no_main]

use std::sync::Arc;

use fhec::runtime::client::read_secret_key;
use fhec::runtime::files::{Bundle, KeySetId, read_evaluation_keys, read_public_key};
use fhec::runtime::server::Server;
use fhec_ckks::Serializable;
use fhec_ckks::keys::EvaluationKeySet;
use fhec_fuzz::{Golden, Scratch, Template, golden, zeros};
use libfuzzer_sys::fuzz_target;

/// Where the identity of a key set stands in a file, and where the only object begins in one without a record.
const KEY_SET: std::ops::Range<usize> = 48..80;
const OBJECT: usize = 148;

struct State {
    golden: Golden,
    templates: [Template; 3],
    scratch: Scratch,
}

thread_local! {
    static STATE: State = State {
        golden: Golden::load(),
        templates: ["v2.secret.key", "v2.public.key", "v2.evaluation.keys"].map(|n| Template::of(&golden(n))),
        scratch: Scratch::new("keys"),
    };
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, input)) = data.split_first() else { return };
    STATE.with(|State { golden, templates, scratch }| {
        let kind = usize::from(choice % 3);
        let file = templates[kind].close(*choice, input);
        let Golden { parameters, client, outputs, .. } = golden;
        match kind {
            0 => {
                let Ok((secret, id)) = read_secret_key(scratch.holding(&file), parameters) else { return };
                let _ = client.decrypt((&secret, id), &Bundle { keys: id, ..outputs.clone() });
            }
            1 => {
                let Ok(public) = read_public_key(scratch.holding(&file), parameters) else { return };
                let zeros = zeros(client).expect("the golden network is small");
                let _ = client.encrypt_public(public, &zeros);
            }
            _ => evaluation(golden, scratch, file),
        }
    });
});

fn evaluation(golden: &Golden, scratch: &Scratch, mut file: Vec<u8>) {
    let Golden { parameters, plan, public, .. } = golden;
    let needs = Server::key_needs(plan, parameters).expect("there is no bootstrap");
    if let Some(mut object) = file.get(OBJECT..)
        && let Ok(keys) = EvaluationKeySet::read_from(parameters, &mut object)
        && let Ok(id) = KeySetId::of(parameters, public, &keys)
    {
        file[KEY_SET].copy_from_slice(&id.0);
    }
    // The header's digest covers the identity, and so does the one at the end.
    fhec_fuzz::digest_again(&mut file);
    let Ok((keys, id)) = read_evaluation_keys(scratch.holding(&file), parameters, &needs) else { return };
    let plan = (plan.clone(), golden.id);
    let Ok(server) = Server::new(plan, parameters, (Arc::new(keys), id), 0) else { return };
    let bundle = Bundle { keys: id, ..golden.inputs.clone() };
    if let Ok(run) = server.run(bundle, &Default::default()) {
        let _ = golden.client.decrypt((&golden.secret, id), &run.outputs);
    }
}
