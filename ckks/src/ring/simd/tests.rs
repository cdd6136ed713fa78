//! Every vector kernel against its scalar twin, on random and on extreme residues.

use super::*;
use crate::params::ntt_primes;
use crate::ring::automorphism::NttPermutation;
use crate::ring::packed::PackedLimb;

struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) ^ (self.0 << 29)
    }

    fn limb(&mut self, n: usize, q: u64) -> Vec<u64> {
        (0..n)
            .map(|i| match i % 7 {
                0 => q - 1,
                1 => 0,
                _ => self.next() % q,
            })
            .collect()
    }
}

/// Runs `f` with the portable and the vector moduli of several primes and compares the results.
fn twins(f: impl Fn(&Modulus, &mut Lcg) -> Vec<Vec<u64>>) {
    for bits in [20, 30, 36, 45, 49, 50] {
        let q = ntt_primes(bits, 10, 1, &[]).unwrap()[0];
        let expected = f(&Modulus::portable(q), &mut Lcg(7));
        assert!(expected.iter().flatten().all(|x| *x < q), "unreduced at {bits} bits");
        assert_eq!(expected, f(&Modulus::new(q), &mut Lcg(7)), "{bits} bits");
        assert_eq!(expected, f(&Modulus::avx2_only(q), &mut Lcg(7)), "{bits} bits without IFMA");
    }
}

const N: usize = 1096;
/// A part of N, in whole vectors.
const HALF: usize = N / 16 * 8;

#[test]
fn linear_kernels() {
    twins(|m, rng| {
        let (a, b) = (rng.limb(N, m.q), rng.limb(N, m.q));
        let c = m.shoup(rng.next());
        let mut results = vec![a.clone(); 6];
        add_assign(m, &mut results[0], &b);
        sub_assign(m, &mut results[1], &b);
        neg_assign(m, &mut results[2]);
        add_const_assign(m, &mut results[3], m.q - 1);
        mul_const_assign(m, &mut results[4], c);
        sub_from_mul_const(m, &mut results[5], &b, c);
        for i in 0..N {
            assert_eq!(results[0][i], (a[i] + b[i]) % m.q);
            assert_eq!(results[1][i], (a[i] + m.q - b[i]) % m.q);
            assert_eq!((results[2][i] + a[i]) % m.q, 0);
            assert_eq!(results[4][i], m.mul(a[i], c.w));
        }
        results
    });
}

#[test]
fn products_and_accumulations() {
    twins(|m, rng| {
        let mut results = Vec::new();
        for count in [1, 2, 8, 9, 33, 70] {
            let rows: Vec<_> = (0..count).map(|_| [0; 3].map(|_| rng.limb(N, m.q))).collect();
            let shorts = [1, 2, 3].map(|log| rng.limb(N >> log, m.q));
            let terms: Vec<(&[u64], Factor<'_>)> = rows
                .iter()
                .enumerate()
                .map(|(t, r)| {
                    let full = Factor::Full(&r[1]);
                    (&r[0][..], if t % 3 == 2 { Factor::new(&shorts[t / 3 % 3], N) } else { full })
                })
                .collect();
            let mut out = [vec![0; N], vec![0; N], vec![0; N], vec![0; N]];
            let [o0, o1, o2, o3] = &mut out;
            mul_acc(m, o0, &terms);
            let expected = rows.iter().zip(&terms).fold(0u128, |acc, (r, t)| match t.1 {
                Factor::Full(b) => acc + u128::from(r[0][N - 1]) * u128::from(b[N - 1]),
                Factor::Repeated { short, .. } => {
                    acc + u128::from(r[0][N - 1]) * u128::from(short[short.len() - 1])
                }
            });
            assert_eq!(u128::from(o0[N - 1]), expected % u128::from(m.q));
            mul(m, o1, &rows[0][0], terms[0].1);
            let pairs: Vec<_> = rows.iter().zip(&terms).map(|(r, t)| (&r[0][..], &r[2][..], t.1)).collect();
            mul_acc_pair(m, o2, o3, &pairs);
            assert_eq!(o2, o0);
            results.push(o3.clone());
            let packed: Vec<_> =
                rows.iter().map(|r| [1, 2].map(|half| PackedLimb::new(&r[half], m))).collect();
            let keys: Vec<_> =
                rows.iter().zip(&packed).map(|(r, [b, a])| (&r[0][..], b.get(), a.get())).collect();
            let addend = rng.limb(N, m.q);
            let limbs = [count % 2 == 1, count % 3 == 0].map(|on| on.then_some(&addend[..]));
            let outputs = count % 2 == 0;
            inner_product(m, o2, o3, &keys, Addend { limbs, factor: m.q - 1, outputs }, None);
            results.extend([o2.clone(), o3.clone()]);
            // The last half of the output only, read through an automorphism.
            let half: Vec<_> =
                keys.iter().map(|(d, b, a)| (*d, b.part(N - HALF, HALF), a.part(N - HALF, HALF))).collect();
            let blocks: Vec<u32> =
                (0..HALF as u32 / 8).map(|v| ((v * 5 + 3) % (N as u32 / 8)) << 3 | (v & 7)).collect();
            let lanes = NttPermutation::new(10, 2 * count as u64 + 1).lanes;
            let image = Some(Image { blocks: &blocks, lanes: &lanes });
            let plus = Addend { limbs, factor: 1, outputs: count % 3 == 1 };
            inner_product(m, &mut o2[..HALF], &mut o3[..HALF], &half, plus, image);
            results.extend(out);
        }
        results
    });
}

#[test]
fn tiles_of_accumulations() {
    twins(|m, rng| {
        let tiles = rng.limb(5 * 2 * TILE, m.q);
        let factors: Vec<Vec<u64>> =
            (0..20).map(|_| rng.limb(N, m.q).into_iter().map(|x| m.in_form(x)).collect()).collect();
        let mut results = Vec::new();
        for (count, log) in [(1, 0), (0, 0), (8, 1), (20, 0), (17, 2), (16, 3)] {
            let len = TILE - 8;
            let group = |g: usize| -> Vec<_> {
                let factors = factors.iter().cycle().skip(g).take(count).enumerate();
                factors.map(|(i, b)| (3 * i % 5, Factor::new(&b[..len >> log], len))).collect()
            };
            let groups: Vec<_> = (0..6).map(group).collect();
            let mut out = vec![[vec![1; len], vec![1; len]]; groups.len()];
            let mut halves: Vec<_> = out.iter_mut().map(|o| o.each_mut().map(|half| &mut half[..])).collect();
            mul_acc_tile(m, &mut halves, &groups, &tiles);
            results.extend(out.into_iter().flatten());
        }
        results
    });
}

#[test]
fn base_conversion_kernels() {
    let sources = ntt_primes(50, 10, 20, &[]).unwrap();
    twins(|m, rng| {
        let mut results = Vec::new();
        for count in [1, 5, 8, 9, 20] {
            let ys: Vec<_> = sources[..count].iter().map(|q| rng.limb(N, *q)).collect();
            let with_inv: Vec<_> = ys.iter().zip(&sources).map(|(y, q)| (&y[..], 1.0 / *q as f64)).collect();
            let mut v = vec![0; N];
            rounded_quotients(m, &mut v, &with_inv);
            assert!(v.iter().all(|v| *v <= count as u64));
            let sources: Vec<&[u64]> = ys.iter().map(|y| &y[..]).collect();
            let mut out = [vec![0; N], vec![0; N], vec![0; N]];
            let hats: Vec<Vec<u64>> =
                out.iter().map(|_| ys.iter().map(|_| m.in_form(rng.next() % m.q)).collect()).collect();
            let minus = m.in_form(m.q - 1);
            let targets = out.iter_mut().zip(&hats);
            let mut targets: Vec<_> =
                targets.map(|(out, hats)| Target { m, out: &mut out[..], hats, minus }).collect();
            convert(&mut targets, &sources, &v);
            results.extend(out);
            results.push(v);
        }
        results
    });
}

/// Sums of the largest products the kernels allow, where roundings err most, and of none.
#[test]
fn extreme_sums() {
    let top = (1 << 50) - 1;
    for q in [3, 257, 786433].into_iter().chain(ntt_primes(50, 10, 4, &[]).unwrap()) {
        let moduli = [Modulus::portable(q), Modulus::new(q), Modulus::avx2_only(q)];
        let (most, largest, zero) = ([q - 1; 8], [top; 8], [0; 8]);
        for (m, count) in moduli.iter().flat_map(|m| (1..27).map(move |count| (m, count))) {
            let mut out = [1; 8];
            mul_acc(m, &mut out, &vec![(&most[..], Factor::Full(&most)); count]);
            assert_eq!(out, [count as u64 % q; 8], "{count} products modulo {q}");
            mul_acc(m, &mut out, &vec![(&zero[..], Factor::Full(&most)); count]);
            assert_eq!(out, zero);
            let c = m.in_form(q - 1);
            let target = Target { m, out: &mut out, hats: &vec![c; count], minus: c };
            convert(&mut [target], &vec![&largest[..]; count], &largest);
            let sum = (count as u128 + 1) * u128::from(top) * u128::from(q - 1);
            assert_eq!(out, [(sum % u128::from(q)) as u64; 8], "{count} sources modulo {q}");
        }
    }
}

/// Times of the kernels by twin; run with --ignored --nocapture in a release build.
#[test]
#[ignore = "a measurement"]
fn twin_times() {
    let (n, q) = (1 << 16, ntt_primes(50, 17, 1, &[]).unwrap()[0]);
    let moduli = [Modulus::portable(q), Modulus::avx2_only(q), Modulus::new(q)];
    let mut rng = Lcg(3);
    let limbs: Vec<_> = (0..48).map(|_| rng.limb(n, q)).collect();
    let (mut out0, mut out1) = (vec![0; n], vec![0; n]);
    let pairs: Vec<_> = (0..16).map(|t| (&limbs[t][..], Factor::Full(&limbs[16 + t]))).collect();
    let triples: Vec<_> = (0..16).map(|t| (&limbs[t][..], &limbs[32 + t][..], pairs[t].1)).collect();
    let packed: Vec<_> = limbs.iter().map(|limb| PackedLimb::new(limb, &moduli[2])).collect();
    let rows: Vec<_> = (0..9).map(|t| (&limbs[t][..], packed[16 + t].get(), packed[32 + t].get())).collect();
    let sources: Vec<_> = (0..9).map(|t| &limbs[t][..]).collect();
    let hats: Vec<_> = (0..9).map(|t| q - 1 - t).collect();
    let tiles = rng.limb(16 * 2 * TILE, q);
    let group = [(0..16).map(|t| (t, Factor::Full(&limbs[16 + t][..TILE]))).collect()];
    let addend = Addend { limbs: [Some(&limbs[40]), None], factor: 5, outputs: false };
    let blocks: Vec<u32> = (0..n as u32 / 8).rev().map(|v| v << 3 | (v & 7)).collect();
    let lanes = std::array::from_fn(|c| std::array::from_fn(|l| (l ^ c) as u64));
    let image = Some(Image { blocks: &blocks, lanes: &lanes });
    let time = |f: &mut dyn FnMut(&Modulus)| {
        moduli.each_ref().map(|m| {
            let once = |f: &mut dyn FnMut(&Modulus)| {
                let start = std::time::Instant::now();
                f(m);
                start.elapsed().as_secs_f64() * 1e6
            };
            (0..15).map(|_| once(f)).fold(f64::MAX, f64::min)
        })
    };
    let show = |name: &str, [scalar, avx2, ifma]: [f64; 3]| {
        let ratio = scalar / avx2;
        println!("{name:15} scalar {scalar:6.0} us, avx2 {avx2:6.0} us ({ratio:.2}x), ifma {ifma:6.0} us");
    };
    show("mul", time(&mut |m| mul(m, &mut out0, &limbs[0], pairs[0].1)));
    show("mul_acc", time(&mut |m| mul_acc(m, &mut out0, &pairs)));
    show("mul_acc_pair", time(&mut |m| mul_acc_pair(m, &mut out0, &mut out1, &triples)));
    let tile = time(&mut |m| {
        for start in (0..n).step_by(TILE) {
            let outs = [&mut out0[start..start + TILE], &mut out1[start..start + TILE]];
            mul_acc_tile(m, &mut [outs], &group, &tiles);
        }
    });
    show("mul_acc_tile", tile);
    show("inner_product", time(&mut |m| inner_product(m, &mut out0, &mut out1, &rows, addend, None)));
    show("with an image", time(&mut |m| inner_product(m, &mut out0, &mut out1, &rows, addend, image)));
    show(
        "convert",
        time(&mut |m| {
            let target = |out| Target { m, out, hats: &hats, minus: 7 };
            convert(&mut [target(&mut out0), target(&mut out1)], &sources, &limbs[20]);
        }),
    );
}

#[test]
fn signed_reduction() {
    for limit in [1i64 << 20, (1 << 52) - 1, i64::MAX] {
        twins(|m, rng| {
            let mut x: Vec<i64> = (0..N).map(|_| (rng.next() as i64) % limit).collect();
            x[..4].copy_from_slice(&[0, -1, limit - 1, 1 - limit]);
            let mut out = vec![0; N];
            reduce_signed(m, &mut out, &x);
            let q = i128::from(m.q);
            assert!(out.iter().zip(&x).all(|(r, x)| i128::from(*r) == i128::from(*x).rem_euclid(q)));
            let mut formed = vec![0; N];
            reduce_in_form(m, &mut formed, &x);
            assert!(formed.iter().zip(&out).all(|(formed, r)| *formed == m.in_form(*r)));
            vec![out]
        });
    }
}
