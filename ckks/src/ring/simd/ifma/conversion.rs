//! Base conversion.

use super::{Consts, FOLD_TERMS, load, splat, store};
use crate::ring::Modulus;
use crate::ring::simd::Target;
use std::arch::x86_64::*;

#[target_feature(enable = "avx512f,avx512dq")]
pub(crate) fn rounded_quotients(_m: &Modulus, v: &mut [u64], ys: &[(&[u64], f64)]) {
    for i in (0..v.len()).step_by(8) {
        let mut sum = _mm512_set1_pd(0.5);
        for (y, inv) in ys {
            let term = _mm512_mul_pd(_mm512_cvtepu64_pd(load(y, i)), _mm512_set1_pd(*inv));
            sum = _mm512_add_pd(sum, term);
        }
        store(v, i, _mm512_cvttpd_epu64(sum));
    }
}

/// Two targets read each source once.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn convert<const TARGETS: usize>(targets: &mut [Target<'_>], ys: &[&[u64]], v: &[u64]) {
    let wide = v.len() / 32 * 32;
    convert_lanes::<TARGETS, 4>(targets, ys, v, 0..wide);
    convert_lanes::<TARGETS, 1>(targets, ys, v, wide..v.len());
}

/// The words of `range`, LANES vectors at a time: one chain of accumulations would wait for itself.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn convert_lanes<const TARGETS: usize, const LANES: usize>(
    targets: &mut [Target<'_>],
    ys: &[&[u64]],
    v: &[u64],
    range: std::ops::Range<usize>,
) {
    let targets: &mut [Target<'_>; TARGETS] = targets.try_into().expect("as many as the caller says");
    let hats = targets.each_ref().map(|t| t.hats);
    let zero = _mm512_setzero_si512();
    let (mut k, mut minus) = ([Consts::new(targets[0].m); TARGETS], [zero; TARGETS]);
    for t in 0..TARGETS {
        (k[t], minus[t]) = (Consts::new(targets[t].m), splat(targets[t].minus));
    }
    let mut outs = targets.each_mut().map(|t| &mut t.out[range.clone()]);
    for i in range.step_by(8 * LANES) {
        let (mut lo, mut hi) = ([[zero; LANES]; TARGETS], [[zero; LANES]; TARGETS]);
        for l in 0..LANES {
            let x = load(v, i + 8 * l);
            for t in 0..TARGETS {
                lo[t][l] = _mm512_madd52lo_epu64(zero, x, minus[t]);
                hi[t][l] = _mm512_madd52hi_epu64(zero, x, minus[t]);
            }
        }
        for (j, y) in ys.iter().enumerate() {
            // The quotient's term counts as one of the first fold's.
            if (j + 1) % FOLD_TERMS == 0 {
                for t in 0..TARGETS {
                    for l in 0..LANES {
                        (lo[t][l], hi[t][l]) = (k[t].fold(lo[t][l], hi[t][l]), zero);
                    }
                }
            }
            let mut c = [zero; TARGETS];
            for t in 0..TARGETS {
                c[t] = splat(hats[t][j]);
            }
            let y = &y[i..i + 8 * LANES];
            for l in 0..LANES {
                let x = load(y, 8 * l);
                for t in 0..TARGETS {
                    lo[t][l] = _mm512_madd52lo_epu64(lo[t][l], x, c[t]);
                    hi[t][l] = _mm512_madd52hi_epu64(hi[t][l], x, c[t]);
                }
            }
        }
        for t in 0..TARGETS {
            let out = outs[t].split_off_mut(..8 * LANES).expect("the range is a multiple of the lanes");
            for l in 0..LANES {
                let sum = k[t].lifted(k[t].montgomery(lo[t][l], hi[t][l]));
                store(out, 8 * l, k[t].finish(sum));
            }
        }
    }
}
