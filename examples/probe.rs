//! probe
use fhec_ir::{slot::SlotOp, text, verify};
use fhec_passes::*;
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let slots: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let import = fhec_frontend::import(path.as_ref(), &Default::default()).unwrap_or_else(|e| panic!("{e}"));
    println!("{}", text::summary(&*import.graph));
    let t = std::time::Instant::now();
    let tile = std::env::args().nth(3).map(|t| {
        let t: usize = t.parse().unwrap();
        [t, t]
    });
    let packed = verify(
        assign_layout::run(
            &import.graph,
            &assign_layout::Config { tile, ..assign_layout::Config::new(slots) },
        )
        .unwrap(),
    )
    .unwrap();
    println!("assign {:?}", t.elapsed());
    let planned = verify(minimize_rotations::run(&packed, &Default::default()).unwrap()).unwrap();
    println!("rotations {:?}", t.elapsed());
    for (id, n) in planned.iter() {
        match &n.op {
            SlotOp::Linear(m) => println!(
                "{id} {} {:?} -> {:?} cts {} reduce {:?} {:?}",
                n.name,
                m.inputs.iter().map(|l| (l.shape(), l.ciphertexts, l.period())).collect::<Vec<_>>(),
                m.output.shape(),
                m.output.ciphertexts,
                m.plan.as_ref().unwrap().reduce,
                minimize_rotations::count(m, m.plan.as_ref().unwrap())
            ),
            op => println!("{id} {} {} {:?}", n.name, fhec_ir::Op::mnemonic(op), n.ty.layout.shape()),
        }
    }
    let placed = verify(place::run(&planned, &Default::default()).unwrap_or_else(|e| panic!("{e}"))).unwrap();
    println!("place {:?}", t.elapsed());
    let levels = lower::top_level(&placed);
    let s = verify(lower::run(&placed, &lower::Config::nominal(levels, 40, 60)).unwrap()).unwrap();
    println!("lower {:?} levels {levels} instrs {}", t.elapsed(), s.len());
    let mut counts = std::collections::BTreeMap::new();
    for (_, n) in s.iter() {
        *counts.entry(fhec_ir::Op::mnemonic(&n.op)).or_insert(0) += 1;
    }
    println!("{counts:?}");
}
