//! The accurate integer DCT of libjpeg (`jidctint.c`): Loeffler, Ligtenberg and Moschytz 1989, constants of 13 bits.

const CONSTANT_BITS: u32 = 13;
/// Bits that are kept more between the passes.
const PASS_BITS: u32 = 2;

/// Eight values of a pass times 2^13.
fn pass(x: [i64; 8]) -> [i64; 8] {
    // Even part.
    let z1 = (x[2] + x[6]) * 4433;
    let (a2, a3) = (z1 - x[6] * 15137, z1 + x[2] * 6270);
    let (a0, a1) = ((x[0] + x[4]) << CONSTANT_BITS, (x[0] - x[4]) << CONSTANT_BITS);
    let even = [a0 + a3, a1 + a2, a1 - a2, a0 - a3];
    // Odd part.
    let [t0, t1, t2, t3] = [x[7], x[5], x[3], x[1]];
    let z5 = (t0 + t2 + t1 + t3) * 9633;
    let (z1, z2) = ((t0 + t3) * -7373, (t1 + t2) * -20995);
    let (z3, z4) = ((t0 + t2) * -16069 + z5, (t1 + t3) * -3196 + z5);
    let odd = [t3 * 12299 + z1 + z4, t2 * 25172 + z2 + z3, t1 * 16819 + z2 + z4, t0 * 2446 + z1 + z3];
    std::array::from_fn(|k| if k < 4 { even[k] + odd[k] } else { even[7 - k] - odd[7 - k] })
}

fn rounded(x: i64, bits: u32) -> i64 {
    (x + (1 << (bits - 1))) >> bits
}

/// The samples of a block, by rows, of its coefficients and quantisation table.
pub(super) fn samples(coefficients: &[i16], quantisers: &[u16; 64]) -> [u8; 64] {
    let mut between = [0i64; 64];
    for x in 0..8 {
        let at = |y: usize| i64::from(coefficients[8 * y + x]) * i64::from(quantisers[8 * y + x]);
        let column = pass(std::array::from_fn(at));
        (0..8).for_each(|y| between[8 * y + x] = rounded(column[y], CONSTANT_BITS - PASS_BITS));
    }
    let mut samples = [0; 64];
    for (row, out) in between.as_chunks::<8>().0.iter().zip(samples.as_chunks_mut::<8>().0) {
        *out = pass(*row).map(|x| (rounded(x, CONSTANT_BITS + PASS_BITS + 3) + 128).clamp(0, 255) as u8);
    }
    samples
}
