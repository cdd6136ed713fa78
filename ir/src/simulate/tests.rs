use super::*;
use crate::plan::{Gadget, ParameterData};
use crate::schedule::{PackedValue, Schedule, ScheduleHeader, ScheduleOp, random};
use crate::{ValueId, Verified, verify};

fn parameters() -> ParameterData {
    ParameterData {
        id: [0; 32],
        log_n: 5,
        q: [vec![1 << 50], vec![1 << 40; 6]].concat(),
        p: vec![1 << 50],
        scale_bits: 40,
        gadgets: vec![Gadget { special: 1, digit_limbs: 1 }; 7],
        bootstrap: None,
    }
}

fn push(g: &mut Schedule, op: ScheduleOp, args: &[ValueId]) -> ValueId {
    g.push_inferred(op, args.to_vec(), "").unwrap()
}

/// The square that T_2 of a value begins with, and T_2.
fn second(g: &mut Schedule, x: ValueId) -> (ValueId, ValueId) {
    let square = push(g, ScheduleOp::Mul, &[x, x]);
    let rescaled = push(g, ScheduleOp::RelinRescale, &[square]);
    let twice = push(g, ScheduleOp::Add, &[rescaled, rescaled]);
    (square, push(g, ScheduleOp::AddScalar { value: -1.0 }, &[twice]))
}

/// T_2(0.9·T_16(x)); the squares of x and of the other argument.
fn nested() -> (Verified<Schedule>, [ValueId; 2]) {
    let packed = |name: &str| PackedValue { name: name.into(), layout: random::flat(16, 1) };
    let header = ScheduleHeader {
        slots: 16,
        moduli: parameters().q.iter().map(|q| *q as f64).collect(),
        inputs: vec![packed("x")],
        outputs: vec![packed("y")],
        ..ScheduleHeader::default()
    };
    let mut g = Schedule::new("nested", header);
    let scale = 2f64.powi(40);
    let x = g.push_input(0, 0, 6, scale);
    let (of_x, mut t) = second(&mut g, x);
    for _ in 0..3 {
        t = second(&mut g, t).1;
    }
    let z = push(&mut g, ScheduleOp::MulScalar { value: 0.9, plain_scale: scale }, &[t]);
    let z = push(&mut g, ScheduleOp::Rescale, &[z]);
    let (of_z, y) = second(&mut g, z);
    g.add_output("y#0", y);
    (verify(g).unwrap(), [of_x, of_z])
}

#[test]
fn images_that_leave_the_range_of_a_polynomial_are_named() {
    let (schedule, [of_x, of_z]) = nested();
    let parameters = parameters();
    let simulator = Simulator::new(&schedule, &parameters, 0).unwrap();
    // The last slot stands for one without an element.
    let image = |x: f64| (0..16).map(|k| if k == 15 { x } else { f64::from(k) / 14.0 }).collect::<Vec<f64>>();
    let largest = [0.3, -1.0, -1.1, 1e4, f64::NAN, f64::INFINITY];
    let images: Vec<_> = largest
        .iter()
        .zip(0..)
        .map(|(x, number)| Image { number, inputs: vec![vec![image(*x)]], exact: false })
        .collect();
    for found in [simulator.run(&images).unwrap(), simulator.exact().run(&images).unwrap()] {
        let escapes = |k: usize| -> Vec<_> { found[k].escapes.iter().map(|e| (e.at, e.ratio)).collect() };
        for inside in [0, 1] {
            assert_eq!((escapes(inside), found[inside].diverges), (vec![], None));
        }
        // T_16(1.1) fits its modulus, T_2 of that does not.
        let [(at, ratio), (then, later)] = escapes(2)[..] else { panic!("{:?}", escapes(2)) };
        assert_eq!((at, then), (of_x, of_z));
        assert!((ratio - 1.1).abs() < 1e-6 && (later - 0.9 * (16.0 * 1.1f64.acosh()).cosh()).abs() < 1e-2);
        assert!(found[2].diverges.is_some_and(|at| at > of_z), "{:?}", found[2].diverges);
        // T_16(10⁴) is garbage, of which nothing is said.
        let [(at, ratio)] = escapes(3)[..] else { panic!("{:?}", escapes(3)) };
        assert!(at == of_x && (ratio / 1e4 - 1.0).abs() < 1e-6);
        assert!(found[3].diverges.is_some_and(|at| of_x < at && at < of_z), "{:?}", found[3].diverges);
        for number in [4, 5] {
            assert_eq!((escapes(number), found[number].diverges), (vec![], Some(ValueId(0))));
        }
    }
    let streamed = simulate_once(&schedule, &parameters, 0, &images[..4], &mut ()).unwrap();
    assert_eq!(streamed, simulator.run(&images[..4]).unwrap());
}
