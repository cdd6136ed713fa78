//! Plans: what loads is usable. It is printed, run in clear, and run on the golden ciphertexts where it has their ring.
#![no_main]

use std::sync::Arc;

use fhec::ir::schedule::Schedule;
use fhec::ir::schedule::interp::interpret;
use fhec::ir::text::{parse, print_whole};
use fhec::plan::{Plan, PlanId};
use fhec::runtime::files::Bundle;
use fhec::runtime::server::Server;
use fhec_fuzz::{Golden, Template, golden};
use libfuzzer_sys::fuzz_target;

/// Most work that a plan may be for it to be run: slots times instructions.
const WORK: usize = 1 << 20;

thread_local! {
    static GOLDEN: (Golden, Template) = (Golden::load(), Template::of(&golden("v7.plan")));
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, input)) = data.split_first() else { return };
    GOLDEN.with(|(golden, template)| {
        let Ok((plan, id)) = Plan::from_bytes(template.close(*choice, input)) else { return };
        check(golden, plan, id);
    });
});

fn check(golden: &Golden, plan: Plan, id: PlanId) {
    plan.client_spec().expect("what was read can be written");
    let slots = 1usize << (plan.parameters.log_n - 1);
    if slots.saturating_mul(plan.schedule.len()) > WORK {
        return;
    }
    let text = print_whole(&*plan.schedule);
    let again: Schedule = parse(&text, &Default::default()).expect("what is printed parses");
    assert_eq!(print_whole(&again), text);
    let inputs = plan.client.inputs.iter();
    let packed: Vec<_> = inputs.map(|i| i.layout.pack(&vec![0.0; i.layout.elements()])).collect();
    let _ = interpret(&plan.schedule, &packed);
    let Some(parameters) = golden.parameters_of(&plan.parameters) else { return };
    let plan = Arc::new(plan);
    let Ok(server) = Server::new((plan, id), &parameters, (golden.evaluation.clone(), golden.keys), 0) else {
        return;
    };
    let _ = server.run(Bundle { plan: id, ..golden.inputs.clone() }, &Default::default());
}
