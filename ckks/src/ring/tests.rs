//! Ring arithmetic against exact big integers.

use super::*;
use crate::params::ntt_primes;
use num_bigint::{BigInt, BigUint, Sign};

const LOG_N: u32 = 6;

fn ring(q: usize, p: usize) -> Ring {
    let q = ntt_primes(40, LOG_N, q, &[]).unwrap();
    let p = ntt_primes(50, LOG_N, p, &q).unwrap();
    Ring::new(LOG_N, &q, &p)
}

/// A polynomial with pseudo-random residues.
fn random(ring: &Ring, q_limbs: usize, special: usize, mut seed: u64) -> RnsPoly {
    let mut poly = ring.uninit(q_limbs, special);
    for i in 0..poly.limbs() {
        let q = ring.modulus_of(&poly, i).q;
        for x in poly.limb_mut(i) {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            *x = (seed >> 8) % q;
        }
    }
    poly
}

fn moduli(ring: &Ring, poly: &RnsPoly) -> Vec<BigInt> {
    (0..poly.limbs()).map(|i| BigInt::from(ring.modulus_of(poly, i).q)).collect()
}

fn product(moduli: &[BigInt]) -> BigInt {
    moduli.iter().product()
}

/// Centred coefficients of a polynomial in the NTT domain.
fn lift(ring: &Ring, poly: &RnsPoly) -> Vec<BigInt> {
    let mut poly = poly.clone();
    ring.inverse(&mut poly);
    let moduli = moduli(ring, &poly);
    let whole = product(&moduli);
    (0..poly.n())
        .map(|c| {
            let mut x = BigInt::ZERO;
            for (i, q) in moduli.iter().enumerate() {
                let hat = &whole / q;
                let inverse = (&hat % q).modpow(&(q - 2), q);
                x += BigInt::from(poly.limb(i)[c]) * inverse % q * hat;
            }
            centre(x, &whole)
        })
        .collect()
}

fn centre(x: BigInt, modulus: &BigInt) -> BigInt {
    let r = ((x % modulus) + modulus) % modulus;
    if &r * 2 > *modulus { r - modulus } else { r }
}

fn negacyclic(a: &[BigInt], b: &[BigInt], modulus: &BigInt) -> Vec<BigInt> {
    let n = a.len();
    let mut out = vec![BigInt::ZERO; n];
    for i in 0..n {
        for j in 0..n {
            let term = &a[i] * &b[j];
            if i + j < n { out[i + j] += term } else { out[i + j - n] -= term }
        }
    }
    out.into_iter().map(|x| centre(x, modulus)).collect()
}

#[test]
fn linear_operations_and_products_match_big_integers() {
    let ring = ring(3, 2);
    let (a, b) = (random(&ring, 3, 2, 1), random(&ring, 3, 2, 2));
    let (x, y) = (lift(&ring, &a), lift(&ring, &b));
    let q = product(&moduli(&ring, &a));
    let check = |got: &RnsPoly, f: &dyn Fn(usize) -> BigInt| {
        let got = lift(&ring, got);
        (0..got.len()).for_each(|i| assert_eq!(got[i], centre(f(i), &q)));
    };
    let mut sum = a.clone();
    ring.add_assign(&mut sum, &b);
    check(&sum, &|i| &x[i] + &y[i]);
    ring.sub_assign(&mut sum, &a);
    assert_eq!(sum, b);
    ring.neg_assign(&mut sum);
    check(&sum, &|i| -&y[i]);
    let expected = negacyclic(&x, &y, &q);
    check(&ring.mul(&a, &b), &|i| expected[i].clone());
    let two = ring.mul_acc(3, 2, &[(&a, &b), (&a, &b)]);
    check(&two, &|i| &expected[i] * 2);
    let mut scaled = a.clone();
    ring.mul_scalar_assign(&mut scaled, |_| 12345);
    check(&scaled, &|i| &x[i] * 12345);
}

#[test]
fn automorphisms_match_the_coefficient_domain_and_compose() {
    let ring = ring(2, 1);
    let (n, a) = (ring.n(), random(&ring, 2, 1, 3));
    let x = lift(&ring, &a);
    for g in [5, 25, 2 * n as u64 - 1, rotation_element(n, -3), 77] {
        let image = ring.automorphism(&a, g);
        let mut expected = vec![BigInt::ZERO; n];
        for_coefficients(n, g, |j, negated, i| {
            expected[j] = if negated { -x[i].clone() } else { x[i].clone() };
        });
        assert_eq!(lift(&ring, &image), expected, "g = {g}");
        assert_eq!(ring.automorphism(&image, inverse_element(n, g)), a);
    }
    let mut by_i = a.clone();
    ring.mul_by_i_assign(&mut by_i);
    let y = lift(&ring, &by_i);
    for i in 0..n / 2 {
        assert_eq!(y[i + n / 2], x[i]);
        assert_eq!(y[i], -x[i + n / 2].clone());
    }
    (0..3).for_each(|_| ring.mul_by_i_assign(&mut by_i));
    assert_eq!(by_i, a);
}

#[test]
fn digits_are_exact_centred_lifts() {
    let ring = ring(5, 3);
    let a = random(&ring, 5, 0, 4);
    let x = lift(&ring, &a);
    for (digit_limbs, special) in [(2, 3), (3, 3), (1, 1), (5, 2)] {
        let digits = ring.mod_up(&a, special, digit_limbs);
        assert_eq!(digits.len(), 5usize.div_ceil(digit_limbs));
        for j in 0..digits.len() {
            let mut digit = ring.uninit(5, special);
            (0..5 + special).for_each(|i| digit.limb_mut(i).copy_from_slice(digits.limb(&a, j, i)));
            let range = j * digit_limbs..((j + 1) * digit_limbs).min(5);
            let d: BigInt = range.map(|i| BigInt::from(ring.modulus(i).q)).product();
            let lifted = lift(&ring, &digit);
            for i in 0..ring.n() {
                assert_eq!(lifted[i], centre(x[i].clone(), &d), "digit {j}");
            }
        }
    }
}

#[test]
fn mod_down_rounds_exactly() {
    let ring = ring(4, 3);
    for (special, drop) in [(3, 0), (1, 0), (0, 1), (2, 1), (3, 1)] {
        let a = random(&ring, 4, special, 5);
        let x = lift(&ring, &a);
        let all = moduli(&ring, &a);
        let (kept, dropped) = all.split_at(4 - drop);
        let (q, d) = (product(kept), product(dropped));
        let divided = ring.mod_down_ref(&a, drop);
        let got = lift(&ring, &divided);
        assert_eq!(ring.mod_down(a, drop), divided);
        for i in 0..ring.n() {
            let doubled: BigInt = &x[i] * 2 + &d;
            let rounded = num_floor(&doubled, &(&d * 2));
            assert_eq!(got[i], centre(rounded, &q), "special {special} drop {drop}");
        }
    }
}

fn num_floor(a: &BigInt, b: &BigInt) -> BigInt {
    let quotient = a / b;
    if (a % b).sign() == Sign::Minus { quotient - 1 } else { quotient }
}

#[test]
fn inner_product_selects_limbs_of_longer_keys() {
    let ring = ring(4, 2);
    let source = random(&ring, 2, 0, 6);
    let decomposed = ring.mod_up(&source, 2, 1);
    let digits = [0, 1].map(|j| {
        let mut digit = ring.uninit(2, 2);
        (0..4).for_each(|i| digit.limb_mut(i).copy_from_slice(decomposed.limb(&source, j, i)));
        digit
    });
    let rows: Vec<_> = (0..3)
        .map(|s| switch::KeyRow::new(&ring, &random(&ring, 4, 2, 10 + s), &random(&ring, 4, 2, 20 + s)))
        .collect();
    let addend = random(&ring, 2, 0, 30);
    let [b, a] = ring.inner_product(
        &source,
        &decomposed,
        switch::Terms { rows: &rows, addend: switch::AddendOver::Q([Some(&addend), None]), image: None },
    );
    let short: Vec<_> = rows.iter().map(|r| [&r.b, &r.a].map(|x| x.truncated(2, 2).unpack(&ring))).collect();
    let mut expected_b = ring.mul_acc(2, 2, &[(&digits[0], &short[0][0]), (&digits[1], &short[1][0])]);
    let expected_a = ring.mul_acc(2, 2, &[(&digits[0], &short[0][1]), (&digits[1], &short[1][1])]);
    assert_eq!(a, expected_a);
    let mut lifted = ring.zero(2, 2);
    for i in 0..2 {
        lifted.limb_mut(i).copy_from_slice(addend.limb(i));
    }
    ring.mul_scalar_assign(&mut lifted, |i| if i < 4 { ring.p_mod(2, i) } else { 0 });
    ring.add_assign(&mut expected_b, &lifted);
    assert_eq!(b, expected_b);
}

#[test]
fn short_transforms_are_repeated_full_ones() {
    let log_n = 9;
    let q = ntt_primes(45, log_n, 2, &[]).unwrap();
    let ring = Ring::new(log_n, &q, &[]);
    for log_short in MIN_LOG_N..log_n {
        let mut short = ring.uninit_short(1 << log_short, 2, 0);
        let mut full = ring.zero(2, 0);
        let gap = ring.n() >> log_short;
        for limb in 0..2 {
            for i in 0..1 << log_short {
                short.limb_mut(limb)[i] = (i * i + 7) as u64;
                full.limb_mut(limb)[i * gap] = (i * i + 7) as u64;
            }
        }
        ring.forward(&mut short);
        ring.forward(&mut full);
        for i in 0..ring.n() {
            assert_eq!(full.limb(1)[i], short.limb(1)[i / gap], "2^{log_short}, word {i}");
        }
        assert_eq!(ring.mul(&full, &short), ring.mul(&full, &full));
    }
}

#[test]
fn reductions_match_big_integers() {
    for bits in [20, 40, 50] {
        let m = Modulus::new(ntt_primes(bits, 8, 1, &[]).unwrap()[0]);
        for x in [0u128, 1, u64::MAX.into(), u128::MAX, u128::MAX / 3, 1 << 100] {
            let expected = BigUint::from(x) % m.q;
            assert_eq!(BigUint::from(m.reduce_wide(x)), expected);
            assert_eq!(BigUint::from(m.reduce(x as u64)), BigUint::from(x as u64) % m.q);
        }
        for x in [0i64, -1, i64::MIN, i64::MAX] {
            let expected = centre(BigInt::from(x), &BigInt::from(m.q));
            assert_eq!(centre(m.residue_i64(x).into(), &m.q.into()), expected);
            assert_eq!(m.residue_i128(x.into()), m.residue_i64(x));
        }
    }
}

#[test]
fn rotated_sums_are_sums_of_rotations() {
    use rotated::Multiplicand;
    use switch::{AddendOver, KeyRow, Terms};
    let log_n = 12;
    let q = ntt_primes(40, log_n, 3, &[]).unwrap();
    let p = ntt_primes(50, log_n, 2, &q).unwrap();
    let ring = Ring::new(log_n, &q, &p);
    let c = [random(&ring, 3, 0, 1), random(&ring, 3, 0, 2)];
    let digits = ring.mod_up(&c[1], 2, 2);
    let row = |s| KeyRow::new(&ring, &random(&ring, 3, 2, s), &random(&ring, 3, 2, s + 1));
    let keys = [[row(50), row(60)], [row(70), row(80)]];
    let rotations = [None, Some((&keys[0][..], 5)), Some((&keys[1][..], 125))];
    let full: Vec<_> = (0..20).map(|s| random(&ring, 3, 2, 140 + s)).collect();
    let mut short = ring.uninit_short(1 << 8, 3, 2);
    let coefficients: Vec<i64> = (0..1 << 8).map(|j| j * j).collect();
    (0..5).for_each(|i| short.limb_mut(i).iter_mut().zip(&coefficients).for_each(|(x, c)| *x = *c as u64));
    ring.forward(&mut short);
    let groups: Vec<Vec<_>> = vec![
        full.iter().enumerate().map(|(i, b)| (i % 3, b)).collect(),
        vec![(2, &short), (0, &full[1])],
        vec![(1, &full[0])],
    ];
    let rotated: Vec<[RnsPoly; 2]> = rotations
        .iter()
        .map(|rotation| match rotation {
            None => [0, 1].map(|half| {
                let mut out = ring.zero(3, 2);
                (0..3).for_each(|i| out.limb_mut(i).copy_from_slice(c[half].limb(i)));
                ring.mul_scalar_assign(&mut out, |i| if i < 3 { ring.p_mod(2, i) } else { 0 });
                out
            }),
            Some((rows, g)) => {
                let addend = AddendOver::Q([Some(&c[0]), None]);
                ring.inner_product(&c[1], &digits, Terms { rows, addend, image: Some(*g) })
            }
        })
        .collect();
    let terms: Vec<Vec<_>> =
        groups.iter().map(|g| g.iter().map(|(t, b)| (*t, Multiplicand::Evaluations(b))).collect()).collect();
    let rotated_sums = |terms| {
        let addend = AddendOver::Q([Some(&c[0]), Some(&c[1])]);
        ring.rotated_sums((&c[1], &digits), addend, &rotations, terms)
    };
    let run = || rotated_sums(&terms);
    let sums = run();
    for (sum, group) in sums.iter().zip(&groups) {
        let terms: Vec<_> = group.iter().map(|(t, b)| (rotated[*t].each_ref(), *b)).collect();
        assert_eq!(*sum, ring.mul_acc_pair(3, 2, &terms));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    assert_eq!(pool.install(run), sums);
    let mut terms = terms.clone();
    terms[1][0].1 = Multiplicand::Coefficients(&coefficients);
    assert_eq!(rotated_sums(&terms), sums);
    let formed = |b: &RnsPoly| {
        let mut formed = b.clone();
        ring.bring_in_form(&mut formed);
        formed
    };
    let (full, short): (Vec<_>, _) = (full.iter().map(formed).collect(), formed(&short));
    let mut terms = terms.clone();
    terms[0].iter_mut().zip(&full).for_each(|(term, b)| term.1 = Multiplicand::InForm(b));
    terms[1][0].1 = Multiplicand::InForm(&short);
    assert_eq!(rotated_sums(&terms), sums);
}

/// A chain of operations that touches every kernel; returns all results.
fn workout(ring: &Ring) -> Vec<RnsPoly> {
    let x = random(ring, 4, 0, 1);
    let digits = ring.mod_up(&x, 2, 2);
    let rows: Vec<_> = (0..2)
        .map(|s| switch::KeyRow::new(ring, &random(ring, 4, 2, 10 + s), &random(ring, 4, 2, 20 + s)))
        .collect();
    let addend = switch::AddendOver::Q([Some(&x), None]);
    let mut terms = switch::Terms { rows: &rows, addend, image: None };
    let [b, a] = ring.inner_product(&x, &digits, terms);
    let down = |drop| [&b, &a].map(|p| ring.mod_down_ref(p, drop));
    assert_eq!(ring.switch_key_down(&x, (2, 2), terms, 1), down(1));
    assert_eq!(ring.inner_product_down(&x, &digits, terms), down(0));
    let rotated = ring.automorphism(&a, 5);
    // Images of digits and addends times the key: the image of their product with its inverse image.
    let fifth = inverse_element(ring.n(), 5);
    let image = |p: &RnsPoly| ring.automorphism(p, fifth);
    let back: Vec<_> = rows
        .iter()
        .map(|r| switch::KeyRow::new(ring, &image(&r.b.unpack(ring)), &image(&r.a.unpack(ring))))
        .collect();
    terms.rows = &back;
    let unrotated = ring.inner_product(&x, &digits, terms).map(|p| ring.automorphism(&p, 5));
    terms.rows = &rows;
    terms.image = Some(5);
    assert_eq!(ring.inner_product(&x, &digits, terms), unrotated);
    let giant = switch::GiantStep { x: &a, digit_limbs: 2, terms };
    let low = ring.mod_down_ref(&a, 0);
    let one = ring.inner_product(&low, &ring.mod_up(&low, 2, 2), terms);
    assert_eq!(ring.giant_steps(None, &[giant]), one);
    let mut four = one.clone();
    four.iter_mut().zip(&one).for_each(|(sum, x)| (0..3).for_each(|_| ring.add_assign(sum, x)));
    assert_eq!(ring.giant_steps(Some(one), &[giant; 3]), four);
    terms.addend = switch::AddendOver::QP([Some(&b), None]);
    let [mut with, _] = ring.inner_product(&x, &digits, terms);
    terms.addend = switch::AddendOver::QP([None, None]);
    let [without, _] = ring.inner_product(&x, &digits, terms);
    ring.sub_assign(&mut with, &without);
    assert_eq!(with, ring.automorphism(&b, 5));
    let sum = ring.mul_acc(4, 2, &[(&a, &b), (&rotated, &a)]);
    let [u, v] = ring.mul_acc_pair(4, 2, &[([&a, &b], &rotated), ([&b, &a], &sum)]);
    let mut w = ring.mod_down_ref(&sum, 1);
    ring.mul_by_i_assign(&mut w);
    ring.neg_assign(&mut w);
    vec![ring.mod_down_ref(&b, 0), w, rotated, sum, u, v, b, a]
}

#[test]
fn portable_vector_and_parallel_paths_agree() {
    let log_n = 12;
    let q: Vec<u64> = [50, 40, 40, 46].iter().fold(vec![], |mut used, bits| {
        used.extend(ntt_primes(*bits, log_n, 1, &used).unwrap());
        used
    });
    let p = ntt_primes(50, log_n, 2, &q).unwrap();
    let expected = workout(&Ring::portable(log_n, &q, &p));
    let ring = Ring::new(log_n, &q, &p);
    assert_eq!(workout(&ring), expected);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    assert_eq!(pool.install(|| workout(&ring)), expected);
}
