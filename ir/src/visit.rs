//! petgraph's visit traits over a graph, so that its algorithms run on every IR.

use petgraph::Direction;
use petgraph::visit::{
    GraphBase, IntoNeighbors, IntoNeighborsDirected, IntoNodeIdentifiers, NodeCount, NodeIndexable, VisitMap,
    Visitable,
};

use crate::{Graph, Op, ValueId};

/// A graph seen as data flow: edges lead from a value to the nodes that use it.
#[derive(Debug)]
pub struct UseGraph<'g, O: Op> {
    graph: &'g Graph<O>,
    users: Vec<Vec<ValueId>>,
}

impl<'g, O: Op> UseGraph<'g, O> {
    /// Collects the uses of every value.
    pub fn new(graph: &'g Graph<O>) -> Self {
        Self { graph, users: graph.users() }
    }
}

/// Visited values, one flag each.
#[derive(Clone, Debug, Default)]
pub struct Visited(Vec<bool>);

impl VisitMap<ValueId> for Visited {
    fn visit(&mut self, a: ValueId) -> bool {
        !std::mem::replace(&mut self.0[a.index()], true)
    }
    fn is_visited(&self, a: &ValueId) -> bool {
        self.0[a.index()]
    }
    fn unvisit(&mut self, a: ValueId) -> bool {
        std::mem::replace(&mut self.0[a.index()], false)
    }
}

impl<O: Op> GraphBase for UseGraph<'_, O> {
    type EdgeId = (ValueId, ValueId);
    type NodeId = ValueId;
}

impl<O: Op> Visitable for UseGraph<'_, O> {
    type Map = Visited;
    fn visit_map(&self) -> Visited {
        Visited(vec![false; self.graph.len()])
    }
    fn reset_map(&self, map: &mut Visited) {
        *map = self.visit_map();
    }
}

impl<O: Op> NodeCount for UseGraph<'_, O> {
    fn node_count(&self) -> usize {
        self.graph.len()
    }
}

impl<O: Op> NodeIndexable for UseGraph<'_, O> {
    fn node_bound(&self) -> usize {
        self.graph.len()
    }
    fn to_index(&self, a: ValueId) -> usize {
        a.index()
    }
    fn from_index(&self, i: usize) -> ValueId {
        ValueId(i as u32)
    }
}

impl<'a, O: Op> IntoNodeIdentifiers for &'a UseGraph<'_, O> {
    type NodeIdentifiers = Box<dyn Iterator<Item = ValueId> + 'a>;
    fn node_identifiers(self) -> Self::NodeIdentifiers {
        Box::new(self.graph.ids())
    }
}

impl<'a, O: Op> IntoNeighbors for &'a UseGraph<'_, O> {
    type Neighbors = std::iter::Copied<std::slice::Iter<'a, ValueId>>;
    fn neighbors(self, a: ValueId) -> Self::Neighbors {
        self.users[a.index()].iter().copied()
    }
}

impl<'a, O: Op> IntoNeighborsDirected for &'a UseGraph<'_, O> {
    type NeighborsDirected = std::iter::Copied<std::slice::Iter<'a, ValueId>>;
    fn neighbors_directed(self, a: ValueId, direction: Direction) -> Self::NeighborsDirected {
        match direction {
            Direction::Outgoing => self.users[a.index()].iter().copied(),
            Direction::Incoming => self.graph.node(a).args.iter().copied(),
        }
    }
}
