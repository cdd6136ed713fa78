//! Portable kernels: the definition the vector versions are tested against.

use super::{Addend, Factor, Image, Modulus, Packed, Shoup, TILE, Target};

/// Terms a 128-bit accumulator takes between reductions: products are below 2^122.
const WIDE_TERMS: usize = 32;

pub(crate) fn add_assign(m: &Modulus, a: &mut [u64], b: &[u64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a = m.add(*a, *b));
}

pub(crate) fn sub_assign(m: &Modulus, a: &mut [u64], b: &[u64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a = m.sub(*a, *b));
}

pub(crate) fn neg_assign(m: &Modulus, a: &mut [u64]) {
    a.iter_mut().for_each(|a| *a = m.neg(*a));
}

pub(crate) fn add_const_assign(m: &Modulus, a: &mut [u64], c: u64) {
    a.iter_mut().for_each(|a| *a = m.add(*a, c));
}

pub(crate) fn mul_const_assign(m: &Modulus, a: &mut [u64], c: Shoup) {
    a.iter_mut().for_each(|a| *a = c.mul(*a, m.q));
}

#[inline(always)]
fn at(f: &Factor<'_>, i: usize) -> u64 {
    match f {
        Factor::Full(limb) => limb[i],
        Factor::Repeated { short, log_repeat } => short[i >> log_repeat],
    }
}

pub(crate) fn mul(m: &Modulus, out: &mut [u64], a: &[u64], b: Factor<'_>) {
    for i in 0..out.len() {
        out[i] = m.mul(a[i], at(&b, i));
    }
}

#[inline(always)]
fn wide(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

pub(crate) fn mul_acc(m: &Modulus, out: &mut [u64], terms: &[(&[u64], Factor<'_>)]) {
    for i in 0..out.len() {
        let mut acc = 0u128;
        for chunk in terms.chunks(WIDE_TERMS) {
            let sum = chunk.iter().fold(acc, |acc, (a, b)| acc + wide(a[i], at(b, i)));
            acc = u128::from(m.reduce_wide(sum));
        }
        out[i] = acc as u64;
    }
}

pub(crate) fn mul_acc_pair(
    m: &Modulus,
    out0: &mut [u64],
    out1: &mut [u64],
    terms: &[(&[u64], &[u64], Factor<'_>)],
) {
    for i in 0..out0.len() {
        let (mut acc0, mut acc1) = (0u128, 0u128);
        for chunk in terms.chunks(WIDE_TERMS) {
            for (a0, a1, b) in chunk {
                let b = at(b, i);
                acc0 += wide(a0[i], b);
                acc1 += wide(a1[i], b);
            }
            acc0 = u128::from(m.reduce_wide(acc0));
            acc1 = u128::from(m.reduce_wide(acc1));
        }
        out0[i] = acc0 as u64;
        out1[i] = acc1 as u64;
    }
}

pub(crate) fn mul_acc_tile(
    m: &Modulus,
    outs: &mut [[&mut [u64]; 2]],
    groups: &[Vec<(usize, Factor<'_>)>],
    tiles: &[u64],
) {
    let halves = outs
        .iter_mut()
        .zip(groups)
        .flat_map(|(outs, group)| outs.iter_mut().enumerate().map(move |(half, out)| (half, out, group)));
    for (half, out, group) in halves {
        for (i, out) in out.iter_mut().enumerate() {
            let mut acc = 0;
            for chunk in group.chunks(WIDE_TERMS) {
                for (t, b) in chunk {
                    acc += wide(tiles[(2 * t + half) * TILE + i], at(b, i));
                }
                acc = u128::from(m.reduce_wide(acc));
            }
            *out = acc as u64;
        }
    }
}

pub(crate) fn inner_product(
    m: &Modulus,
    out0: &mut [u64],
    out1: &mut [u64],
    rows: &[(&[u64], Packed<'_>, Packed<'_>)],
    addend: Addend<'_>,
    image: Option<Image<'_>>,
) {
    for i in 0..out0.len() {
        let from = image.map_or(i, |image| {
            let t = image.blocks[i / 8];
            8 * (t >> 3) as usize + image.lanes[(t & 7) as usize][i % 8] as usize
        });
        let [mut acc0, mut acc1] =
            addend.limbs.map(|x| x.map_or(0, |x| u128::from(m.reduce_wide(wide(x[from], addend.factor)))));
        for chunk in rows.chunks(WIDE_TERMS) {
            for (d, b, a) in chunk {
                acc0 += wide(d[from], b.word(i));
                acc1 += wide(d[from], a.word(i));
            }
            acc0 = u128::from(m.reduce_wide(acc0));
            acc1 = u128::from(m.reduce_wide(acc1));
        }
        let sum = |out: u64, x: u128| if addend.outputs { m.add(out, x as u64) } else { x as u64 };
        out0[i] = sum(out0[i], acc0);
        out1[i] = sum(out1[i], acc1);
    }
}

pub(crate) fn sub_from_mul_const(m: &Modulus, out: &mut [u64], x: &[u64], c: Shoup) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = c.mul(*x + m.q - *out, m.q);
    }
}

pub(crate) fn reduce_signed(m: &Modulus, out: &mut [u64], x: &[i64]) {
    out.iter_mut().zip(x).for_each(|(out, x)| *out = m.residue_i64(*x));
}

pub(crate) fn rounded_quotients(_m: &Modulus, v: &mut [u64], ys: &[(&[u64], f64)]) {
    for i in 0..v.len() {
        let sum = ys.iter().fold(0.5, |acc, (y, inv)| acc + y[i] as f64 * inv);
        v[i] = sum as u64;
    }
}

pub(crate) fn convert(target: &mut Target<'_>, ys: &[&[u64]], v: &[u64]) {
    let m = target.m;
    for (i, out) in target.out.iter_mut().enumerate() {
        let mut acc = wide(v[i], target.minus);
        for (ys, hats) in ys.chunks(WIDE_TERMS).zip(target.hats.chunks(WIDE_TERMS)) {
            let sum = ys.iter().zip(hats).fold(acc, |acc, (y, c)| acc + wide(y[i], *c));
            acc = u128::from(m.reduce_wide(sum));
        }
        *out = acc as u64;
    }
}
