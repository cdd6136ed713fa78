//! Where the numbers of large constants come from.

use std::collections::HashMap;

use crate::{Constant, Graph, Op};

/// Constants by digest: what a text that gives only digests is read with.
#[derive(Clone, Debug, Default)]
pub struct Constants(HashMap<String, Constant>);

impl Constants {
    /// Those of a graph.
    pub fn of<O: Op>(graph: &Graph<O>) -> Self {
        graph.constants.iter().cloned().collect()
    }

    /// The constant with this digest ([`Constant::digest`]).
    pub fn get(&self, digest: &str) -> Option<&Constant> {
        self.0.get(digest)
    }

    /// Takes those of another collection as well.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// All of them with their digests, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Constant)> {
        self.0.iter().map(|(digest, constant)| (&digest[..], constant))
    }
}

impl FromIterator<Constant> for Constants {
    fn from_iter<I: IntoIterator<Item = Constant>>(constants: I) -> Self {
        Self(constants.into_iter().map(|c| (c.digest(), c)).collect())
    }
}

impl Extend<Constant> for Constants {
    fn extend<I: IntoIterator<Item = Constant>>(&mut self, constants: I) {
        self.0.extend(constants.into_iter().map(|c| (c.digest(), c)));
    }
}
