//! When maps leave interleaving.

/// When maps of a size leave interleaving for tiles of their own ([`Grid::compacted`](super::gip::Grid::compacted)), which
/// takes two levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compaction {
    /// Not at all.
    Never,
    /// As soon as they arise: behind a stride on both branches of a residual block.
    First,
    /// Where values meet: behind the sum at the end of such a block, once.
    Joins,
}

/// Rows and columns of maps.
pub(super) type Sizes = Vec<[usize; 2]>;
