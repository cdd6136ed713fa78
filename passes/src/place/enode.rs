//! The e-nodes of a slot graph, and what rules ask about them.

use std::collections::{HashMap, HashSet};

use egg::{Analysis, EGraph, Id, Language};
use fhec_ir::slot::PolyStrategy;

/// In which of several ways an op is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Way {
    /// As it stands in the graph; no polynomial can be.
    Given,
    /// A polynomial by a strategy.
    By(PolyStrategy),
    /// A linear map as an open one, and one that clears its result behind it.
    Opened,
}

impl Way {
    pub(super) fn strategy(self) -> Option<PolyStrategy> {
        if let Self::By(strategy) = self { Some(strategy) } else { None }
    }
}

/// How a value of the slot graph is computed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ENode {
    /// Index of the value.
    pub value: u32,
    /// In which way.
    pub way: Way,
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
    /// Linear maps that can be opened and cleared.
    pub opens: HashSet<u32>,
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
    /// Even, but for a multiple of x, and cheaper that way.
    pub even: bool,
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
    type Discriminant = (u32, Way);
    fn discriminant(&self) -> Self::Discriminant {
        (self.value, self.way)
    }
    fn matches(&self, other: &Self) -> bool {
        self.value == other.value && self.way == other.way
    }
    fn children(&self) -> &[Id] {
        &self.children
    }
    fn children_mut(&mut self) -> &mut [Id] {
        &mut self.children
    }
}
