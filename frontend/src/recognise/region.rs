//! Which parts of a graph nothing outside uses.

use fhec_ir::ValueId;
use fhec_ir::tensor::TensorGraph;

/// What lies between a value and one that all its inputs pass through.
#[derive(Clone, Copy)]
struct Between {
    /// Nothing outside uses the values between the two.
    closed: bool,
    /// How often the values from the upper one down read the lower one.
    reads: usize,
}

/// Answers for the regions of one graph. Each value has one lower end, its immediate dominator, so it is looked at once.
pub(super) struct Regions<'g> {
    graph: &'g TensorGraph,
    users: Vec<Vec<ValueId>>,
    output: Vec<bool>,
    known: Vec<Option<Between>>,
    /// The last value from which a value was reached.
    mark: Vec<Option<ValueId>>,
}

impl<'g> Regions<'g> {
    pub(super) fn new(graph: &'g TensorGraph) -> Self {
        let mut output = vec![false; graph.len()];
        graph.outputs.iter().for_each(|o| output[o.value.index()] = true);
        let (known, mark) = (vec![None; graph.len()], vec![None; graph.len()]);
        Self { graph, users: graph.users(), output, known, mark }
    }

    /// True if a region that ends at `base` may go on down to `next`, the dominator of `base`: only the region itself uses
    /// `base` and what lies below. `above` is the value of which `base` is the dominator; None if the region is `base`.
    pub(super) fn extends(&mut self, above: Option<ValueId>, base: ValueId, next: ValueId) -> bool {
        if let Some(above) = above {
            let reads = self.between(above, base).reads;
            if self.output[base.index()] || self.users[base.index()].len() != reads {
                return false;
            }
        }
        self.between(base, next).closed
    }

    fn between(&mut self, top: ValueId, bottom: ValueId) -> Between {
        if let Some(known) = self.known[top.index()] {
            return known;
        }
        let (mut inner, mut reads) = (vec![top], 0);
        let mut k = 0;
        while k < inner.len() {
            for &arg in &self.graph.node(inner[k]).args {
                if arg == bottom {
                    reads += 1;
                } else if self.mark[arg.index()].replace(top) != Some(top) {
                    inner.push(arg);
                }
            }
            k += 1;
        }
        let own = |v: &ValueId| *v == top || self.mark[v.index()] == Some(top);
        let hidden = |v: &ValueId| !self.output[v.index()] && self.users[v.index()].iter().all(own);
        let between = Between { closed: inner[1..].iter().all(hidden), reads };
        self.known[top.index()] = Some(between);
        between
    }
}
