//! Bulk packing of limbs: each residue in as many whole bytes as its modulus needs.

use super::envelope::Source;
use crate::error::{CkksError, Result};
use crate::ring::{Ring, RnsPoly};
use std::io::Write;

/// Residues packed at a time.
const RUN: usize = 4096;

fn width(q: u64) -> usize {
    (u64::BITS - q.leading_zeros()).div_ceil(8) as usize
}

/// Packed size of a polynomial of full degree in bytes.
pub(super) fn packed_bytes(ring: &Ring, q_limbs: usize, special: usize) -> usize {
    (0..q_limbs + special).map(|i| width(ring.modulus(ring.index(q_limbs, i)).q)).sum::<usize>() * ring.n()
}

/// Writes all limbs of `poly`.
pub(super) fn put(ring: &Ring, poly: &RnsPoly, out: &mut dyn Write) -> Result<()> {
    let mut packed = Vec::with_capacity(RUN * 8);
    for i in 0..poly.limbs() {
        let width = width(ring.modulus_of(poly, i).q);
        for run in poly.limb(i).chunks(RUN) {
            packed.clear();
            run.iter().for_each(|x| packed.extend_from_slice(&x.to_le_bytes()[..width]));
            out.write_all(&packed)?;
        }
    }
    Ok(())
}

/// Reads a polynomial of full degree; every residue must be below its modulus.
pub(super) fn get(ring: &Ring, source: &mut Source<'_>, q_limbs: usize, special: usize) -> Result<RnsPoly> {
    source.expect(packed_bytes(ring, q_limbs, special))?;
    let bytes = ring.n() * (q_limbs + special) * size_of::<u64>();
    let mut poly = ring.try_uninit(q_limbs, special).map_err(|_| CkksError::Memory { bytes })?;
    let mut packed = vec![0; RUN * 8];
    for i in 0..poly.limbs() {
        let q = ring.modulus(ring.index(q_limbs, i)).q;
        let width = width(q);
        let mut largest = 0;
        for run in poly.limb_mut(i).chunks_mut(RUN) {
            let bytes = &mut packed[..run.len() * width];
            source.fill(bytes)?;
            for (x, bytes) in run.iter_mut().zip(bytes.chunks_exact(width)) {
                let mut word = [0; 8];
                word[..width].copy_from_slice(bytes);
                *x = u64::from_le_bytes(word);
                largest = largest.max(*x);
            }
        }
        if largest >= q {
            // Unreduced words must not reach the pool's next user either; it overwrites them.
            return Err(source.malformed("residue not below its modulus"));
        }
    }
    Ok(poly)
}
