//! Strided passes of one to three layers, and the layers on vectors in registers.

use super::arith::{Consts, load, pair, splat, store};
use crate::ring::modulus::Shoup;

// The layers are macros, not functions: called, they would pass their vectors through memory.

/// The butterflies of one layer on R vectors at distance `half`.
macro_rules! layer {
    ($x:ident, $r:expr, $half:expr, $table:expr, $first:expr, |$a:ident, $b:ident, $w:ident| $butterfly:expr) => {{
        const BLOCKS: usize = $r / (2 * $half);
        for block in 0..BLOCKS {
            let $w = pair($table, ($first) * BLOCKS + block);
            for j in 0..$half {
                let (lo, hi) = (2 * block * $half + j, (2 * block + 1) * $half + j);
                let ($a, $b) = ($x[lo], $x[hi]);
                ($x[lo], $x[hi]) = $butterfly;
            }
        }
    }};
}

/// The forward layers of the given distances.
macro_rules! forward_layers {
    ($k:expr, $x:ident, $r:expr, [$($half:expr),*], $table:expr, $first:expr) => {
        $(layer!($x, $r, $half, $table, $first, |a, b, w| $k.forward::<LAZY>(a, b, w));)*
    };
}

/// The inverse layers of the given distances on words below 2p, which they are again afterwards.
macro_rules! inverse_layers {
    ($k:expr, $x:ident, $r:expr, [$($half:expr),*], $table:expr, $first:expr) => {
        $(
            // Sums double a layer; words that came out of a product are below 2p anyway.
            let offset = if LAZY { splat(2 * $half * $k.modulus) } else { $k.two_p };
            layer!($x, $r, $half, $table, $first, |a, b, w| $k.inverse::<LAZY>(a, b, w, offset));
        )*
        if LAZY {
            // The second half of the vectors are products of the last layer.
            for x in &mut $x[..$r / 2] {
                *x = $k.barrett(*x);
            }
        }
    };
}

/// Defines a strided pass of log2(R) layers over `data`: the blocks `first`.. of a stage with as many
/// blocks, as numbered in `table`, each cut into R strides. With MOVE the input is `source`; a variant of
/// its own, since a second base address costs a twentieth of the transform.
macro_rules! strided {
    ($forward_pass:ident, $inverse_pass:ident, $r:expr, [$($down:expr),*], [$($up:expr),*]) => {
        #[target_feature(enable = "avx512f,avx512ifma")]
        fn $forward_pass<const LAZY: bool, const MOVE: bool>(
            k: &Consts,
            data: &mut [u64],
            source: &[u64],
            block: usize,
            table: &[u64],
            first: usize,
        ) {
            let stride = block / $r;
            assert!(stride.is_multiple_of(8));
            assert!(!MOVE || source.len() == data.len());
            for (i, data) in data.chunks_exact_mut(block).enumerate() {
                for j in (0..stride).step_by(8) {
                    let base = data[j..].as_mut_ptr();
                    let from = if MOVE { source[i * block + j..].as_ptr() } else { base.cast_const() };
                    let mut x = [k.zero; $r];
                    for r in 0..$r {
                        // SAFETY: stride and j are multiples of 8, so r·stride + j + 8 ≤ R·stride, which is
                        // at most the length of the chunk; the source is as long as the data.
                        x[r] = unsafe { load(from.add(r * stride)) };
                    }
                    forward_layers!(k, x, $r, [$($down),*], table, first + i);
                    for r in 0..$r {
                        // SAFETY: as above.
                        unsafe { store(base.add(r * stride), x[r]) };
                    }
                }
            }
        }

        #[target_feature(enable = "avx512f,avx512ifma")]
        fn $inverse_pass<const LAZY: bool>(
            k: &Consts,
            data: &mut [u64],
            block: usize,
            table: &[u64],
            first: usize,
            scale: Option<Shoup>,
        ) {
            let stride = block / $r;
            assert!(stride.is_multiple_of(8));
            let scale = scale.map(|s| (splat(s.w), splat(s.w52)));
            for (i, data) in data.chunks_exact_mut(block).enumerate() {
                for j in (0..stride).step_by(8) {
                    let base = data[j..].as_mut_ptr();
                    let mut x = [k.zero; $r];
                    for r in 0..$r {
                        // SAFETY: stride and j are multiples of 8, so r·stride + j + 8 ≤ R·stride, which is
                        // at most the length of the chunk.
                        x[r] = unsafe { load(base.add(r * stride)) };
                    }
                    inverse_layers!(k, x, $r, [$($up),*], table, first + i);
                    if let Some(scale) = scale {
                        for x in &mut x {
                            *x = k.canonical(k.mul_add(k.zero, *x, scale));
                        }
                    }
                    for r in 0..$r {
                        // SAFETY: as above.
                        unsafe { store(base.add(r * stride), x[r]) };
                    }
                }
            }
        }
    };
}

strided!(forward_pass_2, inverse_pass_2, 2, [1], [1]);
strided!(forward_pass_4, inverse_pass_4, 4, [2, 1], [1, 2]);
strided!(forward_pass_8, inverse_pass_8, 8, [4, 2, 1], [1, 2, 4]);

/// One forward pass over `data`; the input is read from `source` if that is given.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn forward_pass<const LAZY: bool>(
    k: &Consts,
    layers: u32,
    data: &mut [u64],
    source: Option<&[u64]>,
    block: usize,
    table: &[u64],
    first: usize,
) {
    match (layers, source) {
        (1, None) => forward_pass_2::<LAZY, false>(k, data, &[], block, table, first),
        (2, None) => forward_pass_4::<LAZY, false>(k, data, &[], block, table, first),
        (_, None) => forward_pass_8::<LAZY, false>(k, data, &[], block, table, first),
        (1, Some(source)) => forward_pass_2::<LAZY, true>(k, data, source, block, table, first),
        (2, Some(source)) => forward_pass_4::<LAZY, true>(k, data, source, block, table, first),
        (_, Some(source)) => forward_pass_8::<LAZY, true>(k, data, source, block, table, first),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn inverse_pass<const LAZY: bool>(
    k: &Consts,
    layers: u32,
    data: &mut [u64],
    block: usize,
    table: &[u64],
    first: usize,
    scale: Option<Shoup>,
) {
    match layers {
        1 => inverse_pass_2::<LAZY>(k, data, block, table, first, scale),
        2 => inverse_pass_4::<LAZY>(k, data, block, table, first, scale),
        _ => inverse_pass_8::<LAZY>(k, data, block, table, first, scale),
    }
}

pub(super) use {forward_layers, inverse_layers, layer};
