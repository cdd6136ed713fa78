//! Vector kernels on single limbs. Each entry point is safe: it picks the AVX-512 IFMA version when
//! the modulus allows it and the machine has it, else the AVX2 version if there is one and they allow
//! that, else the scalar twin. The tests compare them.
//!
//! Residues on input are below q unless stated otherwise; outputs always are.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod ifma;
#[cfg(target_arch = "x86_64")]
mod ntt_avx2;
#[cfg(target_arch = "x86_64")]
mod ntt_ifma;
mod operands;
pub(crate) mod scalar;
#[cfg(test)]
mod tests;

use super::modulus::{Modulus, Shoup};
use super::packed::{Packed, packed_bits};
#[cfg(target_arch = "x86_64")]
pub(crate) use ntt_avx2::Tables as NttAvx2Tables;
#[cfg(target_arch = "x86_64")]
pub(crate) use ntt_ifma::Tables as NttTables;
pub(crate) use operands::{Addend, Factor, Image, TILE, Target};

macro_rules! dispatch {
    ($modulus:expr, $len:expr, $name:ident($($arg:expr),*)) => {{
        #[cfg(target_arch = "x86_64")]
        if $modulus.ifma && $len % 8 == 0 {
            // SAFETY: `ifma` is only set after `ifma_available` confirmed avx512f, dq, vl, bw, vbmi and ifma.
            return unsafe { ifma::$name($($arg),*) };
        }
        scalar::$name($($arg),*)
    }};
}

/// The same for kernels that have an AVX2 version too.
macro_rules! dispatch_all {
    ($modulus:expr, $len:expr, $name:ident($($arg:expr),*)) => {{
        #[cfg(target_arch = "x86_64")]
        if !$modulus.ifma && $modulus.avx2 && $len % 8 == 0 {
            // SAFETY: `avx2` is only set after `avx2_available` confirmed avx2 and fma.
            return unsafe { avx2::$name($($arg),*) };
        }
        dispatch!($modulus, $len, $name($($arg),*))
    }};
}

/// a ← a + b.
pub(crate) fn add_assign(m: &Modulus, a: &mut [u64], b: &[u64]) {
    assert_eq!(a.len(), b.len());
    dispatch_all!(m, a.len(), add_assign(m, a, b))
}

/// a ← a − b.
pub(crate) fn sub_assign(m: &Modulus, a: &mut [u64], b: &[u64]) {
    assert_eq!(a.len(), b.len());
    dispatch_all!(m, a.len(), sub_assign(m, a, b))
}

/// a ← −a.
pub(crate) fn neg_assign(m: &Modulus, a: &mut [u64]) {
    dispatch_all!(m, a.len(), neg_assign(m, a))
}

/// a ← a + c for a constant c < q.
pub(crate) fn add_const_assign(m: &Modulus, a: &mut [u64], c: u64) {
    dispatch_all!(m, a.len(), add_const_assign(m, a, c))
}

/// a ← a·c; `a` may hold any values below 2^52.
pub(crate) fn mul_const_assign(m: &Modulus, a: &mut [u64], c: Shoup) {
    dispatch_all!(m, a.len(), mul_const_assign(m, a, c))
}

/// out ← a·b.
pub(crate) fn mul(m: &Modulus, out: &mut [u64], a: &[u64], b: Factor<'_>) {
    assert!(a.len() == out.len() && b.covers(out.len()));
    dispatch_all!(m, out.len(), mul(m, out, a, b))
}

/// out ← Σ a_t·b_t, reduced once (or every few terms).
pub(crate) fn mul_acc(m: &Modulus, out: &mut [u64], terms: &[(&[u64], Factor<'_>)]) {
    assert!(!terms.is_empty());
    assert!(terms.iter().all(|(a, b)| a.len() == out.len() && b.covers(out.len())));
    dispatch_all!(m, out.len(), mul_acc(m, out, terms))
}

/// out0 ← Σ a0_t·b_t and out1 ← Σ a1_t·b_t: both halves of ciphertexts times plaintexts, each
/// plaintext read once. `terms` holds (a0_t, a1_t, b_t).
pub(crate) fn mul_acc_pair(
    m: &Modulus,
    out0: &mut [u64],
    out1: &mut [u64],
    terms: &[(&[u64], &[u64], Factor<'_>)],
) {
    let n = out0.len();
    assert_eq!(out1.len(), n);
    assert!(!terms.is_empty());
    assert!(terms.iter().all(|(x, y, b)| x.len() == n && y.len() == n && b.covers(n)));
    dispatch_all!(m, n, mul_acc_pair(m, out0, out1, terms))
}

/// One tile of [`mul_acc_pair`] for each of some groups: both halves of the sum over (t, b) of operand t times b.
/// `tiles` holds the operands' halves one after another, [`TILE`] words each; b are tiles too, in the modulus' form. A
/// sum without terms is 0.
/// The groups have the same operands, and factors that repeat equally often.
pub(crate) fn mul_acc_tile(
    m: &Modulus,
    outs: &mut [[&mut [u64]; 2]],
    groups: &[Vec<(usize, Factor<'_>)>],
    tiles: &[u64],
) {
    let Some(len) = outs.first().map(|out| out[0].len()) else { return };
    assert!(outs.iter().flatten().all(|out| out.len() == len) && len <= TILE && outs.len() == groups.len());
    assert!(!m.ifma || len.is_multiple_of(8), "the scalar version knows no form");
    debug_assert!(groups.iter().all(|group| alike(group, &groups[0])));
    dispatch_all!(m, len, mul_acc_tile(m, outs, groups, tiles))
}

/// Whether two groups can be summed together by [`mul_acc_tile`].
pub(crate) fn alike(a: &[(usize, Factor<'_>)], b: &[(usize, Factor<'_>)]) -> bool {
    let repeats = a.first().map(|(_, f)| f.log_repeat());
    let fits = |f: &Factor<'_>| Some(f.log_repeat()) == repeats;
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && fits(&a.1) && fits(&b.1))
}

/// out0 ← Σ d_j·b_j + x_0·c and out1 ← Σ d_j·a_j + x_1·c, or added to them: the inner product of a key switch, of a limb
/// or a part of one. `rows` holds (d_j, b_j, a_j), b and a in the modulus' form. With an image, d and x are whole limbs; without,
/// they are as long as the output.
pub(crate) fn inner_product(
    m: &Modulus,
    out0: &mut [u64],
    out1: &mut [u64],
    rows: &[(&[u64], Packed<'_>, Packed<'_>)],
    addend: Addend<'_>,
    image: Option<Image<'_>>,
) {
    let n = out0.len();
    assert_eq!(out1.len(), n);
    let bits = packed_bits(m.q);
    assert!(!m.ifma || n.is_multiple_of(8), "the scalar version knows no form");
    assert!(rows.iter().all(|(_, b, a)| b.bits() == bits && a.bits() == bits));
    assert!(rows.iter().all(|(_, b, a)| b.len() == n && a.len() == n) && addend.factor < m.q);
    let mut inputs = rows.iter().map(|r| r.0).chain(addend.limbs.into_iter().flatten());
    match image {
        None => assert!(inputs.all(|x| x.len() == n)),
        Some(Image { blocks, lanes }) => {
            let highest = blocks.iter().fold(0, |max, t| max.max(t >> 3)) as usize;
            assert!(inputs.all(|x| x.len() >= 8 * (highest + 1)) && 8 * blocks.len() == n);
            assert!(lanes.iter().flatten().all(|l| *l < 8));
            let pairs = lanes.iter().flat_map(|lanes| lanes.chunks_exact(2));
            assert!({ pairs }.all(|pair| pair[0] ^ pair[1] == 1));
        }
    }
    dispatch_all!(m, n, inner_product(m, out0, out1, rows, addend, image))
}

/// out ← (x − out)·c; `x` reduced, `out` reduced.
pub(crate) fn sub_from_mul_const(m: &Modulus, out: &mut [u64], x: &[u64], c: Shoup) {
    assert_eq!(out.len(), x.len());
    dispatch_all!(m, out.len(), sub_from_mul_const(m, out, x, c))
}

/// out ← x mod q for signed x.
pub(crate) fn reduce_signed(m: &Modulus, out: &mut [u64], x: &[i64]) {
    assert_eq!(out.len(), x.len());
    #[cfg(target_arch = "x86_64")]
    if m.ifma && out.len().is_multiple_of(8) {
        // SAFETY: `ifma` is only set after `ifma_available` confirmed avx512f, dq, vl, bw, vbmi and ifma.
        if unsafe { ifma::reduce_signed::<false>(m, out, x) } {
            return;
        }
    } else if m.avx2 && out.len().is_multiple_of(8) {
        // SAFETY: `avx2` is only set after `avx2_available` confirmed avx2 and fma.
        if unsafe { avx2::reduce_signed(m, out, x) } {
            return;
        }
    }
    scalar::reduce_signed(m, out, x);
}

/// out ← x mod q for signed x, in the modulus' form.
pub(crate) fn reduce_in_form(m: &Modulus, out: &mut [u64], x: &[i64]) {
    assert_eq!(out.len(), x.len());
    #[cfg(target_arch = "x86_64")]
    if m.ifma && out.len().is_multiple_of(8) {
        // SAFETY: `ifma` is only set after `ifma_available` confirmed avx512f, dq, vl, bw, vbmi and ifma.
        if unsafe { ifma::reduce_signed::<true>(m, out, x) } {
            return;
        }
    } else if m.avx2 && out.len().is_multiple_of(8) {
        // SAFETY: `avx2` is only set after `avx2_available` confirmed avx2 and fma.
        if unsafe { avx2::reduce_signed(m, out, x) } {
            return;
        }
    }
    scalar::reduce_signed(m, out, x);
    out.iter_mut().for_each(|x| *x = m.in_form(*x));
}

/// Rounded quotients of a base conversion: v ← floor(Σ y_i·inv_i + 1/2) in double precision, where
/// inv_i = 1/q_i and y_i < 2^50.
pub(crate) fn rounded_quotients(m: &Modulus, v: &mut [u64], ys: &[(&[u64], f64)]) {
    assert!(ys.iter().all(|(y, _)| y.len() == v.len()));
    dispatch_all!(m, v.len(), rounded_quotients(m, v, ys))
}

/// Base conversion: in each target out ← Σ y_i·hat_i + v·minus mod q.
/// The y_i < 2^50 are residues of other moduli, v is small (below 2^50).
pub(crate) fn convert(targets: &mut [Target<'_>], ys: &[&[u64]], v: &[u64]) {
    let n = v.len();
    assert!(ys.iter().all(|y| y.len() == n));
    for targets in targets.chunks_mut(2) {
        for t in &*targets {
            assert!(t.out.len() == n && t.hats.len() == ys.len());
            assert!(!t.m.ifma || n.is_multiple_of(8), "the scalar version knows no form");
        }
        #[cfg(target_arch = "x86_64")]
        if targets.iter().all(|t| t.m.ifma) {
            // SAFETY: `ifma` is only set after `ifma_available` confirmed avx512f, dq, vl, bw, vbmi and ifma.
            unsafe {
                match targets.len() {
                    1 => ifma::convert::<1>(targets, ys, v),
                    _ => ifma::convert::<2>(targets, ys, v),
                }
            }
            continue;
        }
        for target in targets {
            convert_one(target, ys, v);
        }
    }
}

fn convert_one(target: &mut Target<'_>, ys: &[&[u64]], v: &[u64]) {
    #[cfg(target_arch = "x86_64")]
    if target.m.ifma {
        // SAFETY: `ifma` is only set after `ifma_available` confirmed avx512f, dq, vl, bw, vbmi and ifma.
        return unsafe { ifma::convert::<1>(std::slice::from_mut(target), ys, v) };
    } else if target.m.avx2 && v.len().is_multiple_of(8) {
        // SAFETY: `avx2` is only set after `avx2_available` confirmed avx2 and fma.
        return unsafe { avx2::convert(target, ys, v) };
    }
    scalar::convert(target, ys, v);
}
