//! Rows that go on beyond the image, down to the end of the tile.
//!
//! Let the rows of the result be the highest digit of a slot's number, and those of the operand a digit of their own
//! ([`Layout::rows`]): slot = low + s·row + high with low < s and high a multiple of the digit's reach. A tap moves all rows
//! by one distance. Where it moves a row of the result out of the operand's image, the digit that it reads is no row's, so
//! that no element lies there: a factor instead of 0 multiplies what a clean operand has there, 0. What rows beyond
//! the result's image get is nobody's. So each tap may have its factor in all rows, and all rows of a plaintext are equal.

use super::clusters::{Clusters, Run};
use crate::layout::{Axis, Layout};

/// Clusters whose runs of rows hold one entry, which stands for all rows.
#[derive(Debug)]
pub(super) struct Opened<'c> {
    pub clusters: Clusters<'c>,
    /// Whether rows beyond the result's image are 0 if those beyond the operand's are.
    pub clean: bool,
}

/// A digit of the numbers of slots: the rows of an image, of which `extent` of `reach`/`stride` are used.
struct Rows {
    stride: usize,
    extent: usize,
    reach: usize,
}

impl Rows {
    /// Axis `k` of a layout, if its indices are a digit that nothing else touches.
    fn of(layout: &Layout, k: usize) -> Option<Self> {
        let axis = &layout.axes[k];
        let stride = axis.uniform_stride().filter(|s| s.is_power_of_two() && axis.extent > 1)?;
        let others = layout.axes.iter().enumerate().filter(|(other, _)| *other != k);
        let factors = others.flat_map(|(_, axis)| &axis.factors).chain(&layout.replicas);
        let (mut low, mut reach) = (0, layout.slots);
        for factor in factors.filter(|factor| factor.extent > 1) {
            if factor.stride >= stride {
                reach = 1 << reach.trailing_zeros().min(factor.stride.trailing_zeros());
            } else {
                low += (factor.extent - 1) * factor.stride;
            }
        }
        (low < stride && stride * axis.extent <= reach).then_some(Self { stride, extent: axis.extent, reach })
    }

    /// The digit of a slot's number, if that is a row's; None for no slot of a row.
    fn digit(&self, slot: usize) -> Option<usize> {
        slot.is_multiple_of(self.stride).then(|| slot % self.reach / self.stride)
    }
}

/// The clusters with open rows; None if rows are no such digits, or a tap has different factors, or reads another row of the
/// image where it should read none.
pub(super) fn opened<'c>(clusters: Clusters<'c>, (input, output): (&Layout, &Layout)) -> Option<Opened<'c>> {
    let (row, stride) = output.rows()?;
    let table = output.axes[row].table();
    if !clusters.row_table.iter().map(|p| *p as usize).eq(table.iter().copied()) {
        return None;
    }
    let all = clusters.rows.iter().flatten();
    let read: Vec<usize> =
        all.flat_map(|run| run.entries.iter().map(|e| reads(run, e.0, output.slots))).collect();
    let holds = |axis: &Axis| {
        let stride = axis.uniform_stride().filter(|s| *s > 0 && axis.extent > 1)?;
        let holds = |slot: &usize| slot.is_multiple_of(stride) && slot / stride < axis.extent;
        read.iter().all(holds).then_some(())
    };
    let axis = input.axes.iter().position(|axis| holds(axis).is_some())?;
    let from = Rows::of(input, axis)?;
    let to = Rows { stride, extent: table.len(), reach: output.period() };
    let mut clean = true;
    let mut open = |run: &Run| opened_run(run, &from, &to, output.slots, &mut clean);
    let rows: Option<Vec<Vec<Run>>> =
        clusters.rows.iter().map(|runs| runs.iter().map(&mut open).collect()).collect();
    Some(Opened { clusters: Clusters { rows: rows?, ..clusters }, clean })
}

/// The slot of the operand, all other axes at 0, that an entry at slot `o` of the result reads.
fn reads(run: &Run, o: u32, slots: usize) -> usize {
    (o as usize + run.step.offset as usize) & (slots - 1)
}

fn opened_run(run: &Run, from: &Rows, to: &Rows, slots: usize, clean: &mut bool) -> Option<Run> {
    let factor = run.entries.first()?.1;
    let within = run.step.out_ct == 0 && run.step.in_ct == 0;
    if !within || run.entries.iter().any(|e| e.1 != factor) {
        return None;
    }
    let mut present = vec![false; to.extent];
    run.entries.iter().for_each(|e| present[e.0 as usize / to.stride] = true);
    for row in 0..to.reach / to.stride {
        let digit = from.digit(reads(run, (row * to.stride) as u32, slots));
        let outside = digit.is_some_and(|digit| digit >= from.extent);
        match present.get(row) {
            Some(present) if !present && !outside => return None,
            Some(_) => {}
            None => *clean &= outside,
        }
    }
    Some(Run { step: run.step, entries: vec![(0, factor)] })
}
