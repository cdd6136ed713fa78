//! Terms whose matrix is a product over axes: taps × channel pairs, under a weight for each.
//!
//! A convolution between additive layouts moves an entry by the sum of what its row, its column and its pair of channels
//! move it by, and so do pools, slices, paddings, resizing, transpositions, and reshapes that keep axes apart. With the entries of
//! each axis gathered in clusters of equal steps, the offsets of a map are sums of few steps, and the slots of one plaintext
//! follow from the clusters that meet in it: neither takes a walk over all entries, which are as many as the
//! multiplications of the layer. A term has at most one dense stage; others are walked through entry by entry
//! ([`Term::for_each_entry`](super::Term::for_each_entry)).

mod axis;
mod clusters;
mod open;
mod state;
#[cfg(test)]
mod tests;

use super::Term;
use crate::Constant;
use crate::layout::Layout;
use clusters::{Clusters, Run, Step};
use state::State;

/// A term as a product over axes.
#[derive(Debug)]
pub(super) struct Separable<'c> {
    clusters: Clusters<'c>,
    slots: usize,
    /// If its rows are open, whether it leaves 0 below them.
    clean: Option<bool>,
}

/// Entries of the matrix with one step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bundle {
    /// Ciphertext of the result.
    pub out_ct: u32,
    /// Ciphertext of the operand.
    pub in_ct: u32,
    /// Slots from the result back to the operand, modulo S.
    pub offset: u32,
    parts: [u32; 5],
}

impl<'c> Separable<'c> {
    /// A term from a layout to another one, of as many slots; None if its matrix is no such product.
    pub(super) fn new(
        term: &Term,
        (input, output): (&Layout, &Layout),
        constants: &'c [Constant],
    ) -> Option<Self> {
        let clusters = Clusters::of(State::of(term, input, constants)?, output, constants)?;
        Some(Self { clusters, slots: output.slots, clean: None })
    }

    /// The same with rows that go on to the end of the tile: each entry stands for one in all rows. None if they cannot.
    pub(super) fn opened(self, (input, output): (&Layout, &Layout)) -> Option<Self> {
        let open = open::opened(self.clusters, (input, output))?;
        Some(Self { clusters: open.clusters, clean: Some(open.clean), ..self })
    }

    /// Whether rows below the image are left 0 where the operand has 0 outside of its image.
    pub(super) fn leaves_clean(&self) -> bool {
        self.clean != Some(false)
    }

    /// Calls `f` for every bundle: together these are all entries that are not 0.
    pub(super) fn for_each_bundle(&self, mut f: impl FnMut(Bundle)) {
        let (slots, clusters) = (self.slots as u32, &self.clusters);
        // By tap, where columns and rows of the image meet.
        let mut spatial: Vec<Vec<(Step, [u32; 4])>> = vec![Vec::new(); clusters.rows.len() * clusters.width];
        for (ty, rows) in clusters.rows.iter().enumerate() {
            for (tx, columns) in clusters.columns.iter().enumerate() {
                let both = |(y, row): (usize, &Run)| {
                    let at = move |x: usize| [ty, y, tx, x].map(|part| part as u32);
                    let step = row.step;
                    columns.iter().enumerate().map(move |(x, column)| (step.plus(column.step, slots), at(x)))
                };
                spatial[ty * clusters.width + tx] = rows.iter().enumerate().flat_map(both).collect();
            }
        }
        for (k, cluster) in clusters.channels.iter().enumerate() {
            let taps = spatial.iter().zip(&cluster.taps).filter(|(_, any)| **any);
            for (step, [ty, y, tx, x]) in taps.flat_map(|(spatial, _)| spatial) {
                let Step { out_ct, in_ct, offset } = cluster.step.plus(*step, slots);
                f(Bundle { out_ct, in_ct, offset, parts: [k as u32, *ty, *y, *tx, *x] });
            }
        }
    }

    /// Calls `f(slot of the result, weight)` for every entry of a bundle.
    pub(super) fn for_each_entry(&self, bundle: &Bundle, mut f: impl FnMut(usize, f64)) {
        let [k, ty, y, tx, x] = bundle.parts.map(|part| part as usize);
        let Clusters { channels, rows, columns, weights, width, .. } = &self.clusters;
        let (rows, columns) = (&rows[ty][y].entries, &columns[tx][x].entries);
        let tap = ty * width + tx;
        for &(o, at, factor) in &channels[k].entries {
            let weight = f64::from(weights[at as usize + tap]) * factor;
            if weight == 0.0 {
                continue;
            }
            for &(row, factor) in rows {
                let weight = weight * factor;
                columns.iter().for_each(|(column, factor)| f((o + row + column) as usize, weight * factor));
            }
        }
    }
}
