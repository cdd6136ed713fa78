//! Negacyclic NTT with AVX2 and FMA for moduli q < 2^50 and degrees from 32.
//!
//! Residues are signed integers held as doubles from the first load to the last store, in the limb itself. Twiddles
//! are centred: |w| < q/2.
//!
//! **Product.** Let |x| < 2^52. h = x·w rounded and l = fma(x, w, −h) sum up to x·w exactly, and |l| ≤ 2^47, as
//! |x·w| < 2^101. k = fma(h, 1/q, 3·2^51) − 3·2^51 rounds h·(1/q) to an integer in one step, since |x·w/q| < 2^51;
//! h and 1/q are each off by a factor within 2^-53 of 1, so |x·w/q − k| ≤ 1/2 + |x|·2^-53. Hence r = x·w − k·q is an
//! integer with |r| ≤ ρq, ρ = 1/2 + |x|·2^-53 < 1, and r − l < 2^51 in size, so that fma(−k, q, h) = r − l and the
//! addition of l are exact.
//!
//! **Reduction.** k = fma(x, 1/q, 3·2^51) − 3·2^51 and fma(−k, q, x) bring any |x| < 2^53 to |x| ≤ q/2 + 1, exactly.
//!
//! **Bounds**, in units of q. A product is of something below 2^52 always:
//!
//! * LAZY (q < 2^48, so 2^52 is 16 or more). A forward layer takes words up to b to b + 1/2 + b/32, from 1 to less than
//!   12.7 after 17 layers: nothing is ever reduced. An inverse pass takes words up to 2: three layers of sums reach 16
//!   in the first vector, 8 in the second, and all others have met a product in the last two layers, so that they are
//!   at most 2 again; the first quarter is reduced at the end.
//! * otherwise 2^52 is 4 or more. A forward pass reduces the words that its first layer does not multiply, and reaches
//!   3/2, 2.19, 2.97 after its layers, the last five layers 3.84 and 4.82 (which is reduced, not multiplied). An
//!   inverse pass takes words up to 1; sums are up to 2 after its first layer and 4 before they are reduced in the
//!   second, then up to 2 before they are reduced in the third.
//!
//! The last inverse pass multiplies by the caller's factor instead of reducing.
//!
//! Layers are grouped as in the IFMA version: strided passes of one to three layers until blocks of
//! [`BLOCK`](transform::BLOCK) words fit the first-level cache; each block is then finished by itself, its last five
//! layers in one pass over runs of 32 words, two of them within vectors.
//!
//! One table of N words serves both directions, as the inverse of a twiddle is minus the one at the mirrored place of
//! its stage: 1/w[m + i] = −w[2m − 1 − i].

mod arith;
mod passes;
mod run;
mod tables;
mod transform;

pub(super) use arith::{Consts, centred, splat};
pub(crate) use tables::Tables;
