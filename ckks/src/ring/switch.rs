//! The ring side of hybrid key switching: decomposition (ModUp) and inner product.

use super::packed_poly::PackedPoly;
use super::simd::{Addend, Image};
use super::{Limbs, Ring, RnsPoly, par, simd};

/// A key polynomial pair of one digit.
#[derive(PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub(crate) b: PackedPoly,
    pub(crate) a: PackedPoly,
}

impl KeyRow {
    /// The row (b, a).
    pub(crate) fn new(ring: &Ring, b: &RnsPoly, a: &RnsPoly) -> Self {
        Self { b: PackedPoly::new(ring, b), a: PackedPoly::new(ring, a) }
    }
}

/// What an inner product with digits consists of.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// The key, one row per digit.
    pub(crate) rows: &'a [KeyRow],
    /// Polynomials to be added.
    pub(crate) addend: AddendOver<'a>,
    /// Take the images of digits and addends under X → X^g.
    pub(crate) image: Option<u64>,
}

/// What an inner product adds to its halves.
#[derive(Clone, Copy)]
pub(crate) enum AddendOver<'a> {
    /// P times polynomials over Q, P the product of the digits' special primes, so that ModDown
    /// returns them unscaled.
    Q([Option<&'a RnsPoly>; 2]),
    /// Polynomials over QP.
    QP([Option<&'a RnsPoly>; 2]),
}

impl<'a> AddendOver<'a> {
    /// The first of its polynomials alone.
    pub(super) fn first(self) -> Self {
        match self {
            Self::Q([c0, _]) => Self::Q([c0, None]),
            Self::QP([c0, _]) => Self::QP([c0, None]),
        }
    }

    /// Limb `i` of polynomials with `q_limbs` ciphertext limbs and `special` special limbs.
    pub(super) fn limb(self, ring: &Ring, i: usize, q_limbs: usize, special: usize) -> Addend<'a> {
        match self {
            Self::Q(_) if i >= q_limbs => Addend { limbs: [None; 2], factor: 0, outputs: false },
            Self::Q(halves) => {
                let limbs = halves.map(|x| x.map(|x| x.limb(i)));
                Addend { limbs, factor: ring.p_mod(special, i), outputs: false }
            }
            Self::QP(halves) => {
                let limbs = halves.map(|x| x.map(|x| x.limb(i)));
                Addend { limbs, factor: 1, outputs: false }
            }
        }
    }
}

/// Digits to be multiplied by keys.
struct Switch<'a> {
    /// The decomposed polynomial.
    source: &'a RnsPoly,
    digits: &'a Digits,
    terms: Terms<'a>,
}

/// A polynomial over QP to be brought down, decomposed and switched.
#[derive(Clone, Copy)]
pub(crate) struct GiantStep<'a> {
    pub(crate) x: &'a RnsPoly,
    pub(crate) digit_limbs: usize,
    pub(crate) terms: Terms<'a>,
}

/// The digits of a polynomial over QP. The limbs a digit consists of are those of the decomposed
/// polynomial itself and are not repeated here.
pub(crate) struct Digits {
    pub(super) q_limbs: usize,
    pub(super) special: usize,
    digit_limbs: usize,
    /// Per digit, its converted limbs only.
    converted: Vec<RnsPoly>,
}

impl Digits {
    /// One digit made of all `q_limbs` limbs, with `special` its residues modulo the special primes.
    pub(super) fn single(q_limbs: usize, special: RnsPoly) -> Self {
        Self { q_limbs, special: special.special(), digit_limbs: q_limbs, converted: vec![special] }
    }

    /// Limb `i` of digit `j`; `source` is the decomposed polynomial.
    pub(crate) fn limb<'a>(&'a self, source: &'a RnsPoly, j: usize, i: usize) -> &'a [u64] {
        let own = self.own(j);
        match i {
            _ if i < own.start => self.converted[j].limb(i),
            _ if i < own.end => source.limb(i),
            _ => self.converted[j].limb(i - own.len()),
        }
    }

    /// Number of digits.
    pub(crate) fn len(&self) -> usize {
        self.converted.len()
    }

    /// The limbs digit `j` consists of.
    fn own(&self, j: usize) -> std::ops::Range<usize> {
        let start = j * self.digit_limbs;
        start..(start + self.digit_limbs).min(self.q_limbs)
    }

    /// Modulus indices of the converted limbs of digit `j`.
    fn converted_indices(&self, ring: &Ring, j: usize) -> Vec<usize> {
        let limbs = 0..self.q_limbs + self.special;
        limbs.filter(|i| !self.own(j).contains(i)).map(|i| ring.index(self.q_limbs, i)).collect()
    }
}

impl Ring {
    /// Decomposes `x` (NTT domain, limbs q_0..=q_l) into digits of `digit_limbs` limbs, each lifted
    /// to q_0..=q_l and the first `special` special primes (NTT domain). Digits are centred:
    /// coefficients in [−D/2, D/2).
    pub(crate) fn mod_up(&self, x: &RnsPoly, special: usize, digit_limbs: usize) -> Digits {
        self.lift(x, special, digit_limbs, true)
    }

    /// The digits of [`Ring::mod_up`]. Converted limbs are left as coefficients unless they are to be transformed: who reads
    /// each once transforms it then, while it is in the cache.
    fn lift(&self, x: &RnsPoly, special: usize, digit_limbs: usize, transform: bool) -> Digits {
        let (n, q_limbs) = (self.n(), x.q_limbs());
        let mut digits = Digits { q_limbs, special, digit_limbs, converted: vec![] };
        let lifted = |j: usize| {
            let own = digits.own(j);
            let converter = self.converter(Limbs { start: own.start, end: own.end, special: 0 });
            let mut coefficients = self.uninit(own.len(), 0);
            par::for_limbs(n, coefficients.words_mut(), |i, limb| {
                let table = self.ntt(own.start + i);
                table.inverse_scaled(
                    limb,
                    Some(x.limb(own.start + i)),
                    table.scaled_by(converter.hat_inv[i]),
                );
            });
            let ys: Vec<_> = (0..own.len()).map(|i| coefficients.limb(i)).collect();
            let index = digits.converted_indices(self, j);
            let mut converted = self.uninit(q_limbs - own.len(), special);
            converter.convert(
                self.all_moduli(),
                &ys,
                index.iter().copied().zip(converted.limbs_mut()).collect(),
            );
            if transform {
                par::for_limbs(n, converted.words_mut(), |i, limb| self.ntt(index[i]).forward(limb));
            }
            converted
        };
        digits.converted = par::map(n, (0..q_limbs.div_ceil(digit_limbs)).collect(), lifted);
        digits
    }

    /// (Σ d_j·b_j + x_0, Σ d_j·a_j + x_1) over the limbs of the digits of `source`; key rows may have
    /// more ciphertext limbs than the digits, addends have theirs.
    pub(crate) fn inner_product(&self, source: &RnsPoly, digits: &Digits, terms: Terms<'_>) -> [RnsPoly; 2] {
        self.products(&[Switch { source, digits, terms }], false, None, None)
    }

    /// [`Ring::inner_product`] of the digits of `x`, and [`Ring::mod_down`]: a key switch. The digits exist in the NTT
    /// domain one limb at a time only.
    pub(crate) fn switch_key_down(
        &self,
        x: &RnsPoly,
        (digit_limbs, special): (usize, usize),
        terms: Terms<'_>,
        drop: usize,
    ) -> [RnsPoly; 2] {
        let digits = self.lift(x, special, digit_limbs, false);
        let divisor = Limbs { start: x.q_limbs() - drop, end: x.q_limbs(), special };
        let switched =
            self.products(&[Switch { source: x, digits: &digits, terms }], true, None, Some(divisor));
        self.quotients(switched, divisor)
    }

    /// [`Ring::inner_product`] with ModDown.
    pub(crate) fn inner_product_down(
        &self,
        source: &RnsPoly,
        digits: &Digits,
        terms: Terms<'_>,
    ) -> [RnsPoly; 2] {
        let divisor = Limbs { start: source.q_limbs(), end: source.q_limbs(), special: digits.special };
        let switched = self.products(&[Switch { source, digits, terms }], false, None, Some(divisor));
        self.quotients(switched, divisor)
    }

    /// Key switches over QP of polynomials over QP after ModDown, added up, and to `sum` if there is one.
    ///
    /// # Panics
    /// Without steps and sum.
    pub(crate) fn giant_steps(&self, mut sum: Option<[RnsPoly; 2]>, steps: &[GiantStep<'_>]) -> [RnsPoly; 2] {
        for steps in steps.chunks(par::threads(self.n())) {
            let lifted = par::map(self.n(), steps.iter().collect(), |step: &GiantStep<'_>| {
                let down = self.mod_down_ref(step.x, 0);
                let digits = self.lift(&down, step.x.special(), step.digit_limbs, false);
                (down, digits)
            });
            let switches = steps.iter().zip(&lifted);
            let switches: Vec<_> = switches
                .map(|(step, (source, digits))| Switch { source, digits, terms: step.terms })
                .collect();
            sum = Some(self.products(&switches, true, sum, None));
        }
        sum.expect("there is a step")
    }

    /// Inner products of digits whose converted limbs are coefficients (`transform`) or evaluations, added up, and to
    /// `sum` if there is one. Limbs of `divisor` are left as what [`Ring::quotients`] wants.
    fn products(
        &self,
        switches: &[Switch<'_>],
        transform: bool,
        sum: Option<[RnsPoly; 2]>,
        divisor: Option<Limbs>,
    ) -> [RnsPoly; 2] {
        let Digits { q_limbs, special, .. } = *switches[0].digits;
        let onto = sum.is_some();
        let mut out = sum.unwrap_or_else(|| [(); 2].map(|()| self.uninit(q_limbs, special)));
        assert!(out.iter().all(|x| (x.q_limbs(), x.special()) == (q_limbs, special)));
        let tables: Vec<_> = switches.iter().map(|s| s.terms.image.map(|g| self.permutation(g))).collect();
        let divisor = divisor.map(|limbs| (limbs.start, self.converter(limbs)));
        let [out0, out1] = &mut out;
        par::for_limbs2(self.n(), out0.words_mut(), out1.words_mut(), |i, o0, o1| {
            for (k, (switch, table)) in switches.iter().zip(&tables).enumerate() {
                let image = table.as_ref().map(|t| Image { blocks: &t.blocks, lanes: &t.lanes });
                self.product((i, [&mut *o0, &mut *o1]), switch, transform, (image, onto || k > 0));
            }
            if let Some((start, converter)) = divisor.as_ref().filter(|(start, _)| i >= *start) {
                let table = self.ntt(self.index(q_limbs, i));
                let factor = table.scaled_by(converter.hat_inv[i - start]);
                [o0, o1].into_iter().for_each(|limb| table.inverse_scaled(limb, None, factor));
            }
        });
        out
    }

    /// Limb `i` of an inner product; added to what is there if `onto`.
    fn product(
        &self,
        (i, [o0, o1]): (usize, [&mut [u64]; 2]),
        switch: &Switch<'_>,
        transform: bool,
        (image, onto): (Option<Image<'_>>, bool),
    ) {
        let Switch { source, digits, terms } = switch;
        let (q_limbs, special) = (digits.q_limbs, digits.special);
        let index = self.index(q_limbs, i);
        let mut transformed: Vec<_> = (0..digits.len())
            .map(|j| (transform && !digits.own(j).contains(&i)).then(|| self.pool.take(self.n())))
            .collect();
        for (j, limb) in transformed.iter_mut().enumerate() {
            if let Some(limb) = limb {
                self.ntt(index).forward_from(limb, digits.limb(source, j, i));
            }
        }
        let limb = |j: usize| match &transformed[j] {
            Some(limb) => &limb[..],
            None => digits.limb(source, j, i),
        };
        let rows: Vec<_> = (0..digits.len().min(terms.rows.len()))
            .map(|j| {
                let row = &terms.rows[j];
                let at = if i < q_limbs { i } else { row.b.q_limbs() + i - q_limbs };
                (limb(j), row.b.limb(at), row.a.limb(at))
            })
            .collect();
        let addend = Addend { outputs: onto, ..terms.addend.limb(self, i, q_limbs, special) };
        simd::inner_product(self.modulus(index), o0, o1, &rows, addend, image);
    }

    /// Product of the first `special` special primes modulo modulus `index`.
    pub(crate) fn p_mod(&self, special: usize, index: usize) -> u64 {
        let primes = Limbs { start: 0, end: 0, special };
        self.modulus(index).product(primes.iter(self).map(|i| self.modulus(i).q))
    }
}
