//! The schedule operators as an IR: names, constants, verification.

use super::{Kind, Recipe, ScheduleHeader, ScheduleOp, ScheduleType, check};
use crate::{ConstId, Graph, Op, ValueId, Violation};

impl Op for ScheduleOp {
    const IR: &'static str = "schedule";
    type Type = ScheduleType;
    type Header = ScheduleHeader;

    fn mnemonic(&self) -> &'static str {
        match self {
            Self::Input { .. } => "Input",
            Self::Hoist => "Hoist",
            Self::RotateHoisted { .. } => "RotateHoisted",
            Self::RotateExt { .. } => "RotateExt",
            Self::Rotate { .. } => "Rotate",
            Self::Giant { .. } => "Giant",
            Self::Fold { .. } => "Fold",
            Self::MulAcc { .. } => "MulAcc",
            Self::AddPlain { .. } => "AddPlain",
            Self::MulScalar { .. } => "MulScalar",
            Self::AddScalar { .. } => "AddScalar",
            Self::Add => "Add",
            Self::Sub => "Sub",
            Self::Mul => "Mul",
            Self::Relinearize => "Relinearize",
            Self::Rescale => "Rescale",
            Self::RelinRescale => "RelinRescale",
            Self::ModDown => "ModDown",
            Self::ModDownRescale => "ModDownRescale",
            Self::Drop { .. } => "Drop",
            Self::Relabel { .. } => "Relabel",
            Self::Bootstrap { .. } => "Bootstrap",
        }
    }

    fn input_name(&self) -> Option<&str> {
        match self {
            Self::Input { name, .. } => Some(name),
            _ => None,
        }
    }

    fn with_next(&self) -> Option<bool> {
        match self {
            Self::Bootstrap { with_next, .. } => Some(*with_next),
            _ => None,
        }
    }

    fn visit_constants(&self, f: &mut dyn FnMut(ConstId)) {
        for recipe in self.recipes() {
            if let Recipe::Spread { value, .. } = recipe {
                f(*value);
            }
        }
    }

    fn map_constants(&mut self, f: &mut dyn FnMut(ConstId) -> ConstId) {
        let recipes = match self {
            Self::MulAcc { recipes, .. } => recipes.as_mut_slice(),
            Self::AddPlain { recipe } => std::slice::from_mut(recipe),
            _ => &mut [],
        };
        for recipe in recipes {
            if let Recipe::Spread { value, .. } = recipe {
                *value = f(*value);
            }
        }
    }

    fn visit_header_constants(header: &ScheduleHeader, f: &mut dyn FnMut(ConstId)) {
        header.maps.iter().for_each(|m| m.visit_constants(f));
    }

    fn map_header_constants(header: &mut ScheduleHeader, f: &mut dyn FnMut(ConstId) -> ConstId) {
        header.maps.iter_mut().for_each(|m| m.map_constants(f));
    }

    fn check_node(graph: &Graph<Self>, id: ValueId, report: &mut Vec<Violation>) {
        check::node(graph, id, report);
    }

    fn check_graph(graph: &Graph<Self>, report: &mut Vec<Violation>) {
        check::graph(graph, report);
    }
}

impl ScheduleOp {
    /// The plaintexts that the instruction needs, in operand order.
    pub fn recipes(&self) -> &[Recipe] {
        match self {
            Self::MulAcc { recipes, .. } => recipes,
            Self::AddPlain { recipe } => std::slice::from_ref(recipe),
            _ => &[],
        }
    }

    /// True for a sum of products with pairs.
    pub fn makes_pair(&self) -> bool {
        matches!(self, Self::MulAcc { recipes, .. } if matches!(recipes.first(), Some(Recipe::Pair { .. })))
    }

    /// The step of a rotation that needs a key (0 in `RotateExt` needs none).
    pub fn rotation(&self) -> Option<u32> {
        match *self {
            Self::RotateHoisted { step }
            | Self::RotateExt { step }
            | Self::Rotate { step }
            | Self::Giant { step }
            | Self::Fold { step }
                if step != 0 =>
            {
                Some(step)
            }
            _ => None,
        }
    }

    /// The steps whose keys the instruction needs, S + k standing for a rotation by k that a conjugation follows.
    pub fn key_steps(&self, slots: usize) -> Vec<u32> {
        let conjugated = slots as u32;
        match *self {
            Self::Fold { step } => vec![step, conjugated, conjugated + step],
            _ => self.rotation().into_iter().collect(),
        }
    }

    /// True if the instruction needs the relinearisation key.
    pub fn relinearises(&self) -> bool {
        matches!(self, Self::Relinearize | Self::RelinRescale)
    }
}

impl Kind {
    /// Number of polynomials of a value, each of `level + 1` limbs (Ext: and the special primes). For
    /// `Digits` the first polynomial and the digits, counted as one.
    pub fn polynomials(self) -> usize {
        match self {
            Self::Ct | Self::Ext | Self::ExtPair | Self::Digits => 2,
            Self::Ct3 => 3,
        }
    }

    /// Whether polynomials have limbs of the special primes.
    pub fn over_qp(self) -> bool {
        matches!(self, Self::Ext | Self::ExtPair)
    }
}
