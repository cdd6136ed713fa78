//! Linear maps between packed values.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::layout::{Factor, Layout};
use crate::tensor::{Shape, TensorOp};

/// One linear tensor op of a composition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// A linear op (see [`crate::tensor::linear`]); constants are the graph's.
    pub op: TensorOp,
    /// Which operand of the op the data enters (other than 0 only for `Concat`).
    pub operand: usize,
    /// Shapes of all operands of the op.
    pub in_shapes: Vec<Shape>,
    /// Shape of its result.
    pub out_shape: Shape,
}

/// What one operand of a map contributes: its stages applied in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// The stages, first applied first; empty for the identity.
    pub stages: Vec<Stage>,
}

/// An affine map y = Σ_k A_k·x_k + b between packed values, described by the network ops it stands for.
/// Term k belongs to operand k; b is the sum of the terms' own constant parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearMap {
    /// Layout of each operand.
    pub inputs: Vec<Layout>,
    /// One term per operand.
    pub terms: Vec<Term>,
    /// Layout of the result.
    pub output: Layout,
    /// The plaintexts do not end where the image ends: its last rows are followed by more of the kind, down to the end of the
    /// tile, so that a plaintext repeats after a row ([`Layout::rows`]). Right for operands that are 0 in
    /// slots without an element ([`clean`](super::clean())); the result may hold anything in these. Chosen by `open-rows`.
    pub open: bool,
    /// How to compute it with rotations; chosen by `minimize-rotations`.
    pub plan: Option<MapPlan>,
}

impl LinearMap {
    /// After how many slots its plaintexts repeat at the latest, a power of two.
    pub fn plaintext_period(&self) -> usize {
        match self.output.rows() {
            Some((_, stride)) if self.open => stride,
            _ => self.output.period(),
        }
    }
}

/// Rotations and plaintexts that compute a linear map:
/// out_i = Σ_shift rot(z_i, shift) with z_i = Σ_G rot(Σ_{j,B} P_{i,j,B+G}' ⊙ rot(in_j, B), G), P' = rot(P, −G).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapPlan {
    /// The products, sorted and without repetition.
    pub products: Vec<Product>,
    /// Replicas of the output over which partial sums are spread and then added up by doubling rotations
    /// (extent a power of two, extent·stride divides S or equals the reach of the group).
    pub reduce: Vec<Factor>,
    /// Complex halves: z_i is the sum over some giant steps G of rot(u_G, G) + rot(rot(v_G, G), F), with u_G the sum over
    /// the products of G, v_G that of G + F (modulo S). Both are computed as one complex sum: the products of G + F are
    /// imaginary halves of those of G. 0 for none. See [`MapPlan::halves`].
    pub fold: u32,
}

impl MapPlan {
    /// The sums, by output ciphertext and giant step, that are imaginary halves of the sums whose giant step is lower by
    /// the fold: in each maximal chain of giant steps G, G + F, G + 2F… every second one. A chain that closes begins at
    /// its lowest giant step.
    pub fn halves(&self, slots: usize) -> BTreeSet<(u32, u32)> {
        let sums = self.products.iter().map(|p| (p.out_ct, p.giant));
        if self.fold == 0 { BTreeSet::new() } else { Self::halves_of(&sums.collect(), self.fold, slots) }
    }

    /// As [`MapPlan::halves`], for the sums of a plan and a fold that is not 0.
    pub fn halves_of(sums: &BTreeSet<(u32, u32)>, fold: u32, slots: usize) -> BTreeSet<(u32, u32)> {
        let mut halves = BTreeSet::new();
        let moved = |giant: u32, by: usize| ((giant as usize + by) % slots) as u32;
        let fold = fold as usize;
        let mut seen = BTreeSet::new();
        let begins = |(ct, giant): &&(u32, u32)| !sums.contains(&(*ct, moved(*giant, slots - fold % slots)));
        for &(ct, first) in sums.iter().filter(begins).chain(sums) {
            let (mut giant, mut real) = (first, true);
            while sums.contains(&(ct, giant)) && seen.insert((ct, giant)) {
                if !real {
                    halves.insert((ct, giant));
                }
                (giant, real) = (moved(giant, fold), !real);
            }
        }
        halves
    }

    /// The sum that `sum`, one of [`MapPlan::halves`], is the imaginary half of.
    pub fn real_half(&self, (out_ct, giant): (u32, u32), slots: usize) -> (u32, u32) {
        (out_ct, ((giant as usize + slots - self.fold as usize) % slots) as u32)
    }
}

/// One plaintext multiplication of a [`MapPlan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Product {
    /// Output ciphertext.
    pub out_ct: u32,
    /// Giant step G, applied after the sum over the products that share it.
    pub giant: u32,
    /// Operand of the map.
    pub operand: u32,
    /// Ciphertext of the operand.
    pub in_ct: u32,
    /// Baby step B, applied before the multiplication. The whole offset is (B + G) mod S.
    pub baby: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_sum_of_a_chain_is_an_imaginary_half() {
        let halves = |giants: &[(u32, u32)], fold| -> Vec<(u32, u32)> {
            let product = |&(out_ct, giant)| Product { out_ct, giant, operand: 0, in_ct: 0, baby: 1 };
            let plan = MapPlan { products: giants.iter().map(product).collect(), reduce: vec![], fold };
            plan.halves(16).into_iter().collect()
        };
        assert_eq!(halves(&[(0, 0), (0, 2), (0, 4)], 0), []);
        assert_eq!(halves(&[(0, 0), (0, 2), (0, 4), (1, 2), (2, 0)], 2), [(0, 2)]);
        assert_eq!(halves(&[(0, 0), (0, 2), (0, 4), (0, 6), (1, 1), (1, 3)], 2), [(0, 2), (0, 6), (1, 3)]);
        assert_eq!(halves(&[(0, 1), (0, 15)], 2), [(0, 1)], "15 + 2 = 1 modulo 16");
        assert_eq!(halves(&[(0, 1), (0, 15)], 14), [(0, 15)]);
        assert_eq!(halves(&[(0, 3), (0, 11)], 8), [(0, 11)], "a closed chain");
    }
}
