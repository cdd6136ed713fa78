//! Fast base conversion with exact centring.
//!
//! From residues modulo q_1..q_a (product D) to a modulus p: with y_i = x·(D/q_i)^-1 mod q_i and
//! v = round(Σ y_i/q_i), Σ y_i·(D/q_i) − v·D is x's representative in [−D/2, D/2). The quotient v is
//! taken in double precision (Halevi–Polyakov–Shoup, ePrint 2018/117); a value within 2^-48 of ±D/2
//! may come out on the other side, which is still a representative of x.

use super::modulus::Modulus;
use super::{par, simd};

/// Columns handled at a time: the sources of a block stay in the first-level cache.
const BLOCK: usize = 512;

/// Constants from one source set to every other modulus of the ring.
pub(crate) struct BaseConverter {
    /// 1/q_i per source.
    inv: Vec<f64>,
    /// (D/q_i)^-1 mod q_i per source.
    pub(crate) hat_inv: Vec<u64>,
    /// Per modulus of the ring: D/q_i per source, and −D, in the modulus' form.
    targets: Vec<(Vec<u64>, u64)>,
    /// Per modulus of the ring: D^-1 (0 for the sources themselves).
    pub(crate) product_inv: Vec<u64>,
}

impl BaseConverter {
    /// Constants for the moduli of a ring that have the indices `sources`.
    pub(crate) fn new(moduli: &[Modulus], sources: &[usize]) -> Self {
        let others = |skip: usize| {
            sources.iter().filter(move |i| **i != skip).map(|i| moduli[*i].q).collect::<Vec<_>>()
        };
        let hat_inv = sources
            .iter()
            .map(|&i| {
                let m = &moduli[i];
                m.inv(m.product(others(i)))
            })
            .collect();
        let inv = sources.iter().map(|i| 1.0 / moduli[*i].q as f64).collect();
        let (targets, product_inv) = moduli
            .iter()
            .enumerate()
            .map(|(j, m)| {
                let hats = sources.iter().map(|i| m.in_form(m.product(others(*i)))).collect();
                let product = m.product(others(usize::MAX));
                let inverse = if sources.contains(&j) { 0 } else { m.inv(product) };
                ((hats, m.in_form(m.neg(product))), inverse)
            })
            .unzip();
        Self { inv, hat_inv, targets, product_inv }
    }

    /// Converts `ys` (coefficients already multiplied by `hat_inv`, one slice of `n` words per
    /// source) to every limb of `out`, given with its index among the ring's `moduli`.
    pub(crate) fn convert(&self, moduli: &[Modulus], ys: &[&[u64]], out: Vec<(usize, &mut [u64])>) {
        let n = ys[0].len();
        let parts = par::pieces(n);
        let width = (n / parts).next_multiple_of(BLOCK).min(n);
        let columns = split_columns(out, width);
        par::for_each(n, columns, |part, mut limbs| {
            let start = part * width;
            let len = limbs.first().map_or(0, |(_, limb)| limb.len());
            let mut quotients = [0u64; BLOCK];
            for at in (0..len).step_by(BLOCK) {
                let size = BLOCK.min(len - at);
                let sources: Vec<&[u64]> = ys.iter().map(|y| &y[start + at..][..size]).collect();
                let with_inv: Vec<_> = sources.iter().copied().zip(self.inv.iter().copied()).collect();
                let v = &mut quotients[..size];
                simd::rounded_quotients(&moduli[0], v, &with_inv);
                let mut targets: Vec<_> = limbs
                    .iter_mut()
                    .map(|(index, limb)| {
                        let (hats, minus) = &self.targets[*index];
                        let out = &mut limb[at..][..size];
                        simd::Target { m: &moduli[*index], out, hats, minus: *minus }
                    })
                    .collect();
                simd::convert(&mut targets, &sources, v);
            }
        });
    }
}

/// Cuts every limb into runs of `width` words: one list of limb pieces per run.
fn split_columns(limbs: Vec<(usize, &mut [u64])>, width: usize) -> Vec<Vec<(usize, &mut [u64])>> {
    let mut columns: Vec<Vec<(usize, &mut [u64])>> = Vec::new();
    for (index, limb) in limbs {
        for (part, piece) in limb.chunks_mut(width).enumerate() {
            if columns.len() <= part {
                columns.push(Vec::new());
            }
            columns[part].push((index, piece));
        }
    }
    columns
}
