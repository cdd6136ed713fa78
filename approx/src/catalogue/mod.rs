//! Compositions worth using.

mod composition;
mod table;

pub use composition::Composition;

/// Compositions for ReLU by ascending precision, α from 4 to 16, of up to four stages with degrees from 3 to
/// 31: for each depth and number of products that gains precision, the most precise one. None has another
/// one beside it that is as good in depth, products and α.
pub fn catalogue() -> &'static [Composition] {
    table::TABLE
}
