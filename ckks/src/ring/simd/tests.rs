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
            inner_product(m, o2, o3, &keys, Addend { limbs, factor: m.q - 1 });
            results.extend(out);
        }
        results
    });
}

#[test]
fn grouped_accumulations() {
    twins(|m, rng| {
        let operands: Vec<_> = (0..5).map(|_| [0; 2].map(|_| rng.limb(N, m.q))).collect();
        let operands: Vec<_> = operands.iter().map(|x| [&x[0][..], &x[1][..]]).collect();
        let factors: Vec<_> = (0..20).map(|_| rng.limb(N, m.q)).collect();
        let groups: Vec<Vec<_>> = [1, 0, 8, 20]
            .iter()
            .map(|count| {
                let full = factors[..*count].iter().enumerate().map(|(i, b)| (3 * i % 5, Factor::Full(b)));
                let short = Factor::Repeated { short: &factors[0][..N / 8], log_repeat: 3 };
                full.chain((*count == 20).then_some((4, short))).collect()
            })
            .collect();
        let mut out: Vec<_> = groups.iter().map(|_| [vec![1; N], vec![1; N]]).collect();
        let mut outs: Vec<_> = out.iter_mut().map(|[a, b]| [&mut a[..], &mut b[..]]).collect();
        mul_acc_groups(m, &mut outs, &operands, &groups);
        for (out, group) in out.iter().zip(&groups) {
            let mut expected = [vec![0; N], vec![0; N]];
            let terms: Vec<_> = group.iter().map(|(t, b)| (operands[*t][0], operands[*t][1], *b)).collect();
            let [e0, e1] = &mut expected;
            if !terms.is_empty() {
                mul_acc_pair(m, e0, e1, &terms);
            }
            assert_eq!(*out, expected);
        }
        out.concat()
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

#[test]
fn block_permutation() {
    twins(|m, rng| {
        let input = rng.limb(N, m.q);
        let blocks: Vec<u32> =
            (0..N as u32 / 8).map(|b| (((b * 5) % (N as u32 / 8)) << 3) | (b % 8)).collect();
        let lanes = std::array::from_fn(|h| std::array::from_fn(|l| ((l * 3 + h) % 8) as u64));
        let mut out = vec![0; N];
        permute_blocks(m, &mut out, &input, &blocks, &lanes);
        vec![out]
    });
}
