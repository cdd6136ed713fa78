//! Schedule IR: what a runtime executes.
//!
//! # Semantics
//! A value is one ciphertext (or a form of one, see [`Kind`]) standing for a vector of S real numbers, with a level
//! and an exact scale; an `ExtPair` stands for two such vectors. Plaintexts are [`Recipe`]s, computed from the constants when they are needed.
//! Instructions are in execution order; a runtime may reorder and parallelise along the data flow.
//!
//! A bootstrap gives levels back: it takes a ciphertext from `level_in` to `level_out` of the header's
//! [`BootstrapHeader`], leaves slots and scale as they are, and adds an error of its own. What it multiplies with,
//! and the levels above `level_out` and below `level_in` that it passes through, are the engine's affair. It is
//! right for slots of magnitude Δ/scale at most, Δ the header's scale, and that repeat after the header's period (of
//! others each would get the mean of those that many slots apart). The instruction states a bound and a period, which
//! are promises of the compiler that an engine on clear slots can check. Two bootstraps in a row may be marked to happen
//! together, which costs less and changes nothing else: each result is as if it were made alone.
//!
//! # Invariants
//! * **S1** operand kinds and count are those of the op; the result's kind, level and scale follow from them.
//!   An input's level and scale are given.
//! * **S2** levels lie in `0..moduli.len()`; rescaling happens above level 0 only.
//! * **S3** operands of an addition have equal level, and scales equal within [`scale::TOLERANCE`].
//! * **S4** recipes, inputs and outputs refer to existing maps (with a plan), products, layouts and constants;
//!   pairs have at least one product; layouts are well formed and of S slots; there is exactly one input node and one output per ciphertext of
//!   the packed inputs and outputs.
//! * **S5** rotation steps are below S, and not 0 where the op says so.
//! * **S6** scales are positive and finite, and at every level the scale stays below the modulus product.
//! * **S7** the header's bootstrap, if any, has 0 < level_in < level_out < `moduli.len()`, a positive finite scale
//!   Δ and as period a power of two up to S. A `Bootstrap` needs it; its operand is a ciphertext at exactly level_in, its
//!   range is positive and finite, scale·range ≤ Δ·(1 + [`scale::RANGE_SLACK`]), and its period is a power of two up to
//!   the header's. Its result is at level_out with the operand's scale. Behind a
//!   `Bootstrap` that says that it happens together with the next stands another one that doesn't, and that reads
//!   something else.

pub mod bounds;
pub mod chebyshev;
mod check;
mod infer;
pub mod interp;
pub mod keys;
mod layers;
mod node;
mod op;
#[doc(hidden)]
pub mod random;
pub mod recipes;
pub mod scale;
pub mod stream;
pub mod transparent;

pub use infer::{InferError, infer};
pub use layers::Layers;
pub use op::{
    BootstrapHeader, Kind, PackedValue, Recipe, Schedule, ScheduleHeader, ScheduleOp, ScheduleType,
};

#[cfg(test)]
mod tests;
