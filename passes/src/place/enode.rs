//! The e-nodes of a slot graph, and what rules ask about them.

use std::collections::{HashMap, HashSet};

use egg::{Analysis, EGraph, Id, Language};
use fhec_ir::slot::PolyStrategy;

/// How a value of the slot graph is computed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ENode {
    /// Index of the value.
    pub value: u32,
    /// How a polynomial is evaluated; None on other ops, and on polynomials before the rules ran.
    pub strategy: Option<PolyStrategy>,
    /// E-classes of the operands.
    pub children: Vec<Id>,
}

/// What rules ask about values.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Form of each polynomial.
    pub polys: HashMap<u32, PolyForm>,
    /// Values for which the graph has alternatives.
    pub eithers: HashSet<u32>,
}

/// What decides how a polynomial may be evaluated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PolyForm {
    /// [c, 0, 1] in all channels.
    pub monic_square: bool,
    /// Degree 4, leading coefficient 1 in all channels or −1 in all, no cube.
    pub monic_quartic: bool,
    /// A sum of powers, not of Chebyshev polynomials.
    pub powers: bool,
    /// Baby and giant steps take fewer levels or fewer products than powers.
    pub steps: bool,
}

/// Facts are looked up by value, so e-classes need no data of their own.
impl Analysis<ENode> for Facts {
    type Data = ();
    fn make(_: &mut EGraph<ENode, Self>, _: &ENode, _: Id) {}
    fn merge(&mut self, (): &mut (), (): ()) -> egg::DidMerge {
        egg::DidMerge(false, false)
    }
}

impl Language for ENode {
    type Discriminant = (u32, Option<PolyStrategy>);
    fn discriminant(&self) -> Self::Discriminant {
        (self.value, self.strategy)
    }
    fn matches(&self, other: &Self) -> bool {
        self.value == other.value && self.strategy == other.strategy
    }
    fn children(&self) -> &[Id] {
        &self.children
    }
    fn children_mut(&mut self) -> &mut [Id] {
        &mut self.children
    }
}
