//! Ciphertexts: inputs that load are run, outputs that load are decrypted.
#![no_main]

use fhec::runtime::files::{Bundle, Direction};
use fhec::runtime::server::Server;
use fhec_fuzz::{Golden, Scratch, Template, golden};
use libfuzzer_sys::fuzz_target;

struct State {
    golden: Golden,
    server: Server,
    templates: [Template; 3],
    scratch: Scratch,
}

thread_local! {
    static STATE: State = State::new();
}

impl State {
    fn new() -> Self {
        let (scratch, plain) = (Scratch::new("ciphertext"), Golden::load());
        let path = scratch.holding(&[]);
        plain.inputs.save(path, Direction::Inputs, &plain.parameters).expect("they can be written");
        let templates =
            [golden("v2.image.ct"), path.to_owned(), golden("v2.result.ct")].map(|path| Template::of(&path));
        let (plan, keys) = ((plain.plan.clone(), plain.id), (plain.evaluation.clone(), plain.keys));
        let server = Server::new(plan, &plain.parameters, keys, 1 << 20).expect("the keys fit");
        Self { golden: plain, server, templates, scratch }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, input)) = data.split_first() else { return };
    STATE.with(|State { golden, server, templates, scratch }| {
        let kind = usize::from(choice % 3);
        let path = scratch.holding(&templates[kind].close(*choice, input));
        let direction = if kind == 2 { Direction::Outputs } else { Direction::Inputs };
        let plan = (golden.id, &golden.plan.client);
        let Ok(bundle) = Bundle::load(path, direction, &golden.parameters, plan) else { return };
        // Whose keys they claim to be for is no secret.
        let bundle = Bundle { keys: golden.keys, ..bundle };
        match direction {
            Direction::Inputs => {
                let _ = server.run(bundle, &Default::default());
            }
            Direction::Outputs => {
                let _ = golden.client.decrypt((&golden.secret, golden.keys), &bundle);
            }
        }
    });
});
