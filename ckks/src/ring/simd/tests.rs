//! Every vector kernel against its scalar twin, on random and on extreme residues.

use super::*;
use crate::params::ntt_primes;

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

/// Runs `f` with the portable and the vector modulus of several primes and compares the results.
fn twins(f: impl Fn(&Modulus, &mut Lcg) -> Vec<Vec<u64>>) {
    for bits in [20, 30, 36, 45, 49, 50] {
        let q = ntt_primes(bits, 10, 1, &[]).unwrap()[0];
        let (portable, fast) = (Modulus::portable(q), Modulus::new(q));
        let expected = f(&portable, &mut Lcg(7));
        assert!(expected.iter().flatten().all(|x| *x < q), "unreduced at {bits} bits");
        assert_eq!(expected, f(&fast, &mut Lcg(7)), "{bits} bits");
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
            let short = rng.limb(N / 8, m.q);
            let terms: Vec<(&[u64], Factor<'_>)> = rows
                .iter()
                .enumerate()
                .map(|(t, r)| {
                    let full = Factor::Full(&r[1]);
                    let repeated = Factor::Repeated { short: &short, log_repeat: 3 };
                    (&r[0][..], if t % 3 == 2 { repeated } else { full })
                })
                .collect();
            let mut out = [vec![0; N], vec![0; N], vec![0; N], vec![0; N]];
            let [o0, o1, o2, o3] = &mut out;
            mul_acc(m, o0, &terms);
            let expected = rows.iter().zip(&terms).fold(0u128, |acc, (r, t)| match t.1 {
                Factor::Full(b) => acc + u128::from(r[0][N - 1]) * u128::from(b[N - 1]),
                Factor::Repeated { short, .. } => {
                    acc + u128::from(r[0][N - 1]) * u128::from(short[N / 8 - 1])
                }
            });
            assert_eq!(u128::from(o0[N - 1]), expected % u128::from(m.q));
            mul(m, o1, &rows[0][0], terms[0].1);
            let pairs: Vec<_> = rows.iter().zip(&terms).map(|(r, t)| (&r[0][..], &r[2][..], t.1)).collect();
            mul_acc_pair(m, o2, o3, &pairs);
            assert_eq!(o2, o0);
            results.push(o3.clone());
            let keys: Vec<_> = rows.iter().map(|r| (&r[0][..], &r[1][..], &r[2][..])).collect();
            let addend = rng.limb(N, m.q);
            let limbs = [count % 2 == 1, count % 3 == 0].map(|on| on.then_some(&addend[..]));
            inner_product(m, o2, o3, &keys, Addend { limbs, factor: m.q - 1 }, None);
            results.extend([o2.clone(), o3.clone()]);
            // The last half of the output only, read through an automorphism.
            let half: Vec<_> = keys.iter().map(|(d, b, a)| (*d, &b[N - HALF..], &a[N - HALF..])).collect();
            let blocks: Vec<u32> =
                (0..HALF as u32 / 8).map(|v| ((v * 5 + 3) % (N as u32 / 8)) << 3 | (v & 7)).collect();
            let lanes = std::array::from_fn(|c| std::array::from_fn(|l| ((l * (2 * c + 1) + c) % 8) as u64));
            let image = Some(Image { blocks: &blocks, lanes: &lanes });
            inner_product(m, &mut o2[..HALF], &mut o3[..HALF], &half, Addend { limbs, factor: 1 }, image);
            results.extend(out);
        }
        results
    });
}

#[test]
fn tiles_of_accumulations() {
    twins(|m, rng| {
        let tiles = rng.limb(5 * 2 * TILE, m.q);
        let factors: Vec<_> = (0..20).map(|_| rng.limb(N, m.q)).collect();
        let mut results = Vec::new();
        for count in [1, 0, 8, 20] {
            let full = factors[..count].iter().enumerate().map(|(i, b)| (3 * i % 5, Factor::Full(b)));
            let short = Factor::Repeated { short: &factors[0][..N / 8], log_repeat: 3 };
            let group: Vec<_> = full.chain((count == 20).then_some((4, short))).collect();
            let (start, len) = (8, (N - 8).min(TILE));
            let mut out = [vec![1; len], vec![1; len]];
            let [o0, o1] = &mut out;
            mul_acc_tile(m, [o0, o1], &group, &tiles, start, N);
            results.extend(out);
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
            let with_c: Vec<_> = ys.iter().map(|y| (&y[..], rng.next() % m.q)).collect();
            let mut out = vec![0; N];
            convert(m, &mut out, &with_c, (&v, m.q - 1));
            results.extend([v, out]);
        }
        results
    });
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
            vec![out]
        });
    }
}
