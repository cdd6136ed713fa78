//! Slot IR: the network on packed values.
//!
//! # Semantics
//! A value is an array of slot vectors holding a tensor in the [`Layout`] that is its type; slots that no element
//! reaches hold anything, but something bounded. Every slot vector repeats with the layout's period ([`Layout::period`]),
//! slots without an element included: packing, plaintexts and biases leave 0 there, replicas get the same sums, and what
//! acts slot by slot, or shifts, keeps periods. Linear layers of every kind are one op, [`SlotOp::Linear`],
//! described by the network ops it stands for and never as a dense matrix. Element-wise ops act slot by slot.
//! Scales are absent. Levels are an annotation: `place` writes the level at which each value becomes available and inserts
//! bootstraps, which change nothing but the level.
//!
//! Before that a value may have alternatives, the operands of [`SlotOp::Alternatives`]: they are the same up to
//! rounding, and `place` picks one. Where it is read without being placed the first stands for all.
//!
//! # Invariants
//! * **L1** a node has as many operands as its op takes.
//! * **L2** every layout is well formed ([`Layout::check`]) and has the graph's number of slots.
//! * **L3** element-wise ops have operands of one layout, which is the result's.
//! * **L4** a linear map's operand and result layouts are the types; its stages are linear ops whose shapes chain
//!   from the operand's shape to the result's.
//! * **L5** a map's plan covers every offset that the map has ([`routing`]), and nothing twice; one that folds has baby
//!   steps.
//! * **L6** constants broadcast to the layout's shape; polynomials have at least two coefficients; sums of shifts have
//!   at least one and at most S terms, shifts below S and a positive factor; the result's period is no smaller than the
//!   operand's, but for shifts that make up whole periods.
//! * **L7** levels, where given, do not rise along an operand edge, and fall by the depth of the op. Only bootstraps raise
//!   them.
//! * **L8** a bootstrap's range is positive and finite; all bootstraps give one level. Behind one that says that it
//!   happens together with the next stands another one that doesn't, and that reads something else.
//! * **L9** the alternatives for a value are read by nothing else, and neither inputs nor results; a placed graph has none to
//!   choose from.
//! * **L10** an [open](LinearMap::open) map can be open, and its operands are clean: 0 in all slots without an element.
//!
//! [`Layout`]: crate::layout::Layout
//! [`Layout::period`]: crate::layout::Layout::period
//! [`Layout::check`]: crate::layout::Layout::check

mod baby_giant;
mod clean;
pub mod encode;
pub mod interp;
mod map;
mod node;
mod op;
pub mod routing;
mod separable;
mod term;

pub use baby_giant::BabyGiant;
pub use clean::{clean, relied_on};
pub use map::{LinearMap, MapPlan, Product, Stage, Term};
pub use op::{PolyStrategy, SlotGraph, SlotHeader, SlotOp, SlotType};
pub use term::Effort;
