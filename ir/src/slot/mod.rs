//! Slot IR.

mod map;

pub use map::{LinearMap, MapPlan, Product, Stage, Term};
