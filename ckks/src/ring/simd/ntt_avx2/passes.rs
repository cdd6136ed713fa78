//! Strided passes of one to three layers, and the layers on vectors in registers.

use super::arith::{Consts, V, load, splat, store};

// The layers are macros, not functions: called, they would pass their vectors through memory.

/// One layer, two butterflies at a time: `a` and `b` of twiddle `v`, `c` and `d` of twiddle `w`.
macro_rules! layer {
    ($k:ident.$butterfly:ident, $x:ident, $reduce:expr, $twiddles:expr, [$($a:literal $b:literal $v:literal, $c:literal $d:literal $w:literal);*]) => {
        $(
            let w = [splat($twiddles[$v]), splat($twiddles[$w])];
            ([$x[$a], $x[$c]], [$x[$b], $x[$d]]) = $k.$butterfly([$x[$a], $x[$c]], [$x[$b], $x[$d]], w, $reduce);
        )*
    };
}

/// The forward layers of a pass on R vectors; all but lazy ones reduce in the first. `first` is the place of the pass'
/// twiddle among its stage's. (A butterfly without a second is done twice, for which the compiler spares the work.)
macro_rules! forward_layers {
    ($k:ident, $x:ident, 2, $table:expr, $first:expr) => {
        layer!($k.forward, $x, !LAZY, $table[$first..], [0 1 0, 0 1 0]);
    };
    ($k:ident, $x:ident, 4, $table:expr, $first:expr) => {
        layer!($k.forward, $x, !LAZY, $table[$first..], [0 2 0, 1 3 0]);
        layer!($k.forward, $x, false, $table[2 * $first..][..2], [0 1 0, 2 3 1]);
    };
    ($k:ident, $x:ident, 8, $table:expr, $first:expr) => {
        layer!($k.forward, $x, !LAZY, $table[$first..], [0 4 0, 1 5 0; 2 6 0, 3 7 0]);
        layer!($k.forward, $x, false, $table[2 * $first..][..2], [0 2 0, 1 3 0; 4 6 1, 5 7 1]);
        layer!($k.forward, $x, false, $table[4 * $first..][..4], [0 1 0, 2 3 1; 4 5 2, 6 7 3]);
    };
}

/// The inverse layers of a pass, without the last reduction if `LAST`, as a product follows. `mirrored` is the place of
/// the pass' twiddle in the mirrored stage.
macro_rules! inverse_layers {
    ($k:ident, $x:ident, 2, $table:expr, $mirrored:expr) => {
        layer!($k.inverse, $x, !LAST, $table[$mirrored..], [0 1 0, 0 1 0]);
    };
    ($k:ident, $x:ident, 4, $table:expr, $mirrored:expr) => {
        layer!($k.inverse, $x, false, $table[2 * $mirrored..][..2], [0 1 1, 2 3 0]);
        layer!($k.inverse, $x, !LAZY && !LAST, $table[$mirrored..], [0 2 0, 1 3 0]);
        if LAZY && !LAST {
            $x[0] = $k.reduce($x[0]);
        }
    };
    ($k:ident, $x:ident, 8, $table:expr, $mirrored:expr) => {
        layer!($k.inverse, $x, false, $table[4 * $mirrored..][..4], [0 1 3, 2 3 2; 4 5 1, 6 7 0]);
        layer!($k.inverse, $x, !LAZY, $table[2 * $mirrored..][..2], [0 2 1, 1 3 1; 4 6 0, 5 7 0]);
        layer!($k.inverse, $x, !LAZY && !LAST, $table[$mirrored..], [0 4 0, 1 5 0; 2 6 0, 3 7 0]);
        if LAZY && !LAST {
            $x[0] = $k.reduce($x[0]);
            $x[1] = $k.reduce($x[1]);
        }
    };
}

/// Defines the strided passes of log2(R) layers over `data`: blocks of `block` words, each cut into R strides.
macro_rules! strided {
    ($forward_pass:ident, $inverse_pass:ident, $r:tt) => {
        #[target_feature(enable = "avx2,fma")]
        fn $forward_pass<const LAZY: bool, const FIRST: bool>(
            k: &Consts,
            data: &mut [u64],
            source: Option<&[u64]>,
            block: usize,
            table: &[f64],
            first: usize,
        ) {
            let stride = block / $r;
            assert!(stride.is_multiple_of(4));
            assert!(source.is_none_or(|s| s.len() == data.len()));
            for (i, data) in data.chunks_exact_mut(block).enumerate() {
                for j in (0..stride).step_by(4) {
                    let base = data[j..].as_mut_ptr();
                    let from = match source {
                        Some(source) if FIRST => source[i * block + j..].as_ptr(),
                        _ => base.cast_const(),
                    };
                    let mut x: [V; $r] = [k.q; $r];
                    for r in 0..$r {
                        // SAFETY: stride and j are multiples of 4, so r·stride + j + 4 ≤ R·stride, which is
                        // at most the length of the chunk; the source is as long as the data.
                        x[r] = unsafe { load(from.add(r * stride)) };
                        if FIRST {
                            x[r] = k.integers(x[r]);
                        }
                    }
                    forward_layers!(k, x, $r, table, (first + i));
                    for r in 0..$r {
                        // SAFETY: as above.
                        unsafe { store(base.add(r * stride), x[r]) };
                    }
                }
            }
        }

        #[target_feature(enable = "avx2,fma")]
        fn $inverse_pass<const LAZY: bool, const LAST: bool>(
            k: &Consts,
            data: &mut [u64],
            block: usize,
            table: &[f64],
            mirrored: usize,
            scale: V,
        ) {
            let stride = block / $r;
            assert!(stride.is_multiple_of(4));
            for (i, data) in data.chunks_exact_mut(block).enumerate() {
                for j in (0..stride).step_by(4) {
                    let base = data[j..].as_mut_ptr();
                    let mut x: [V; $r] = [k.q; $r];
                    for r in 0..$r {
                        // SAFETY: stride and j are multiples of 4, so r·stride + j + 4 ≤ R·stride, which is
                        // at most the length of the chunk.
                        x[r] = unsafe { load(base.add(r * stride)) };
                    }
                    inverse_layers!(k, x, $r, table, (mirrored - i));
                    for r in 0..$r {
                        if LAST {
                            x[r] = k.words(k.mul(x[r], scale));
                        }
                        // SAFETY: as above.
                        unsafe { store(base.add(r * stride), x[r]) };
                    }
                }
            }
        }
    };
}

strided!(forward_pass_2, inverse_pass_2, 2);
strided!(forward_pass_4, inverse_pass_4, 4);
strided!(forward_pass_8, inverse_pass_8, 8);

/// One forward pass over `data`, blocks `first`.. of a stage; the `FIRST` of a transform reads words, from `source` if
/// that is given.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn forward_pass<const LAZY: bool>(
    k: &Consts,
    layers: u32,
    data: &mut [u64],
    source: Option<&[u64]>,
    block: usize,
    table: &[f64],
    first: usize,
) {
    // The only block of the first stage is that of place 1.
    match (layers, first == 1) {
        (1, false) => forward_pass_2::<LAZY, false>(k, data, None, block, table, first),
        (2, false) => forward_pass_4::<LAZY, false>(k, data, None, block, table, first),
        (_, false) => forward_pass_8::<LAZY, false>(k, data, None, block, table, first),
        (1, true) => forward_pass_2::<LAZY, true>(k, data, source, block, table, first),
        (2, true) => forward_pass_4::<LAZY, true>(k, data, source, block, table, first),
        (_, true) => forward_pass_8::<LAZY, true>(k, data, source, block, table, first),
    }
}

/// One inverse pass over `data`, blocks `mirrored`, `mirrored` − 1, … of a mirrored stage; the last one of a transform
/// multiplies by `scale` and writes words.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn inverse_pass<const LAZY: bool>(
    k: &Consts,
    layers: u32,
    data: &mut [u64],
    block: usize,
    table: &[f64],
    mirrored: usize,
    scale: Option<f64>,
) {
    let factor = splat(scale.unwrap_or(0.0));
    match (layers, scale.is_some()) {
        (1, false) => inverse_pass_2::<LAZY, false>(k, data, block, table, mirrored, factor),
        (2, false) => inverse_pass_4::<LAZY, false>(k, data, block, table, mirrored, factor),
        (_, false) => inverse_pass_8::<LAZY, false>(k, data, block, table, mirrored, factor),
        (1, true) => inverse_pass_2::<LAZY, true>(k, data, block, table, mirrored, factor),
        (2, true) => inverse_pass_4::<LAZY, true>(k, data, block, table, mirrored, factor),
        (_, true) => inverse_pass_8::<LAZY, true>(k, data, block, table, mirrored, factor),
    }
}

pub(super) use {forward_layers, inverse_layers, layer};
