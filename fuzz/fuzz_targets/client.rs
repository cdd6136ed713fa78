//! Client files: what loads encrypts, decrypts and runs its tail.
#![no_main]

use fhec::plan::{ClientSpec, Tail};
use fhec::runtime::client::Client;
use fhec::runtime::files::Bundle;
use fhec_fuzz::{Golden, Template, golden, zeros};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static GOLDEN: (Golden, Template) = (Golden::load(), Template::of(&golden("v7.client")));
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, input)) = data.split_first() else { return };
    GOLDEN.with(|(golden, template)| {
        let Ok(spec) = ClientSpec::from_bytes(&template.close(*choice, input)) else { return };
        let tail = Tail::of(&spec.client).expect("a tail that was read is verified");
        let raw: Vec<Vec<f64>> = spec.client.outputs.iter().map(|o| vec![0.5; o.layout.elements()]).collect();
        if let Ok(results) = tail.run(&raw) {
            tail.top1(&results);
        }
        let Some(parameters) = golden.parameters_of(&spec.parameters) else { return };
        let Ok(client) = Client::with_parameters(spec, parameters) else { return };
        let client = client.allow_out_of_range(data.len() % 2 == 0);
        let _ = client.key_bytes();
        let secret = (&golden.secret, golden.keys);
        if let Some(zeros) = zeros(&client) {
            let _ = client.encrypt(secret, &zeros);
        }
        let outputs = Bundle { plan: client.spec().plan, ..golden.outputs.clone() };
        let _ = client.decrypt(secret, &outputs);
    });
});
