//! Slot vectors of plaintexts: what the recipes of a schedule mean.

use rayon::prelude::*;

use super::routing::{Class, Routing};
use super::separable::{Bundle, Separable};
use super::{LinearMap, MapPlan};
use crate::Constant;
use crate::layout::Layout;

/// The slot vector of every product of the map's plan, already rotated by its giant step. A vector that repeats
/// is cut to its period, a power of two.
///
/// # Errors
/// If the map has no plan or one that does not cover it.
pub fn products(map: &LinearMap, constants: &[Constant]) -> Result<Vec<Vec<f64>>, String> {
    let products = Products::new(map, constants)?;
    Ok((0..products.len()).into_par_iter().map(|k| products.vector(k)).collect())
}

/// The slot vectors of the products of a map's plan, made when they are asked for where the map is
/// [separable](super::separable), and all at once where it is not.
#[derive(Debug)]
pub struct Products<'c> {
    plan: &'c MapPlan,
    /// By operand.
    lengths: Vec<usize>,
    terms: Vec<Source<'c>>,
    /// By product of a separable term, the bundles of its entries, and by how many slots they move from the result's.
    bundles: Vec<Vec<(Bundle, u32)>>,
}

/// Where the vectors of a term's products come from.
#[derive(Debug)]
enum Source<'c> {
    Separable(Box<Separable<'c>>),
    /// By product of the plan; empty for those of other terms.
    Vectors(Vec<Vec<f64>>),
}

impl<'c> Products<'c> {
    /// Looks at a map's entries, by bundles where that is possible.
    ///
    /// # Errors
    /// If the map has no plan or one that does not cover it.
    pub fn new(map: &'c LinearMap, constants: &'c [Constant]) -> Result<Self, String> {
        let plan = map.plan.as_ref().ok_or("the linear map has no plan")?;
        let routing = Routing::new(map, &plan.reduce)?;
        let by_class = ByClass::new(map, plan, &routing)?;
        let length = |operand| if map.open { map.plaintext_period() } else { routing.length(operand) };
        let lengths: Vec<usize> = (0..map.inputs.len()).map(length).collect();
        let mut bundles = vec![Vec::new(); plan.products.len()];
        let mut terms = Vec::with_capacity(map.terms.len());
        let mut failure = None;
        for (operand, term) in map.terms.iter().enumerate() {
            let length = lengths[operand];
            let get = |class| by_class.get(class);
            let giant = |k: usize| plan.products[k].giant as usize;
            let layouts = (&map.inputs[operand], &map.output);
            let mut separable = Separable::new(term, layouts, constants);
            if map.open {
                let opened = separable.and_then(|separable| separable.opened(layouts));
                separable = Some(opened.ok_or("the rows of an open map have to end where its image ends")?);
            }
            if let Some(separable) = separable {
                separable.for_each_bundle(|bundle| {
                    let (cts, offset) = ((bundle.out_ct, bundle.in_ct), bundle.offset as usize);
                    let add = |k: usize, shift: usize| {
                        bundles[k].push((bundle, ((shift + giant(k)) & (length - 1)) as u32));
                    };
                    failure = routing.shifts(operand, cts, offset, get, add).err().or(failure.take());
                });
                terms.push(Source::Separable(Box::new(separable)));
                continue;
            }
            let mut vectors = vec![Vec::new(); plan.products.len()];
            let (inputs, output) = (map.inputs[operand].positions(), map.output.positions());
            term.for_each_entry(inputs.len(), constants, |o, i, w| {
                if w == 0.0 || failure.is_some() {
                    return;
                }
                let add = |k: usize, slot: usize| {
                    if vectors[k].is_empty() {
                        vectors[k] = vec![0.0; length];
                    }
                    vectors[k][(slot + giant(k)) & (length - 1)] += w;
                };
                failure = routing.targets(operand, inputs[i] as usize, output[o] as usize, get, add).err();
            });
            terms.push(Source::Vectors(vectors));
        }
        match failure {
            Some(message) => Err(message),
            None => Ok(Self { plan, lengths, terms, bundles }),
        }
    }

    /// Number of products.
    pub fn len(&self) -> usize {
        self.bundles.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bundles.is_empty()
    }

    /// The slot vector of a product.
    ///
    /// # Panics
    /// If there is none of this number.
    pub fn vector(&self, k: usize) -> Vec<f64> {
        let operand = self.plan.products[k].operand as usize;
        match &self.terms[operand] {
            Source::Vectors(vectors) => shortened(vectors[k].clone()),
            Source::Separable(_) if self.bundles[k].is_empty() => shortened(vec![]),
            Source::Separable(separable) => {
                let length = self.lengths[operand];
                let mut vector = vec![0.0; length];
                for (bundle, shift) in &self.bundles[k] {
                    let add = |slot: usize, w: f64| vector[(slot + *shift as usize) & (length - 1)] += w;
                    separable.for_each_entry(bundle, add);
                }
                shortened(vector)
            }
        }
    }
}

/// Which product a class belongs to. Looked up for every entry, so a table and no hash map.
#[derive(Debug)]
struct ByClass {
    /// Ciphertexts of the operands before each operand.
    before: Vec<usize>,
    /// Ciphertexts of all operands.
    inputs: usize,
    /// Per output and input ciphertext, by offset: product and full offset; empty if there is none.
    rows: Vec<Vec<Option<(u32, u32)>>>,
}

impl ByClass {
    fn new(map: &LinearMap, plan: &MapPlan, routing: &Routing) -> Result<Self, String> {
        let mut before = Vec::new();
        let mut inputs = 0;
        for layout in &map.inputs {
            before.push(inputs);
            inputs += layout.ciphertexts;
        }
        let mut table = Self { before, inputs, rows: vec![Vec::new(); inputs * map.output.ciphertexts] };
        for (k, p) in plan.products.iter().enumerate() {
            let operand = p.operand as usize;
            let known = map.inputs.get(operand).is_some_and(|l| (p.in_ct as usize) < l.ciphertexts)
                && (p.out_ct as usize) < map.output.ciphertexts;
            if !known {
                return Err(format!("product {k} is out of range: {p:?}"));
            }
            let modulus = routing.modulus(operand);
            let offset = (p.baby as usize + p.giant as usize) & (map.output.slots - 1);
            let class = Class {
                out_ct: p.out_ct,
                operand: p.operand,
                in_ct: p.in_ct,
                offset: (offset & (modulus - 1)) as u32,
            };
            let row = table.row(class);
            let row = &mut table.rows[row];
            row.resize(modulus, None);
            if row[class.offset as usize].replace((k as u32, offset as u32)).is_some() {
                return Err(format!("the plan has {class:?} twice"));
            }
        }
        Ok(table)
    }

    fn row(&self, class: Class) -> usize {
        class.out_ct as usize * self.inputs + self.before[class.operand as usize] + class.in_ct as usize
    }

    /// The product of a class and its full offset.
    fn get(&self, class: Class) -> Option<(usize, usize)> {
        let (product, offset) = (*self.rows[self.row(class)].get(class.offset as usize)?)?;
        Some((product as usize, offset as usize))
    }
}

/// The constant part of the map: one slot vector per output ciphertext; None if it is 0.
///
/// # Errors
/// Never for a verified map.
pub fn bias(map: &LinearMap, constants: &[Constant]) -> Result<Option<Vec<Vec<f64>>>, String> {
    let mut sum: Option<Vec<f64>> = None;
    for part in map.terms.iter().filter_map(|t| t.constant_part(constants)) {
        match &mut sum {
            None => sum = Some(part),
            Some(sum) => sum.iter_mut().zip(part).for_each(|(a, b)| *a += b),
        }
    }
    Ok(sum.map(|values| map.output.pack(&values)))
}

/// A constant broadcast to a layout, by ciphertext. If the constant has one axis more than the layout, `row` picks along its
/// first axis.
///
/// # Errors
/// If the shapes do not broadcast.
pub fn spread(constant: &Constant, row: u32, layout: &Layout) -> Result<Vec<Vec<f64>>, String> {
    let (shape, first) = row_of(constant, row, layout.axes.len())?;
    let mut positions = vec![(0usize, 0usize)];
    for (axis, &extent) in layout.axes.iter().zip(shape) {
        if extent != 1 && extent != axis.extent {
            return Err(format!("a constant of shape {shape:?} does not broadcast to {:?}", layout.shape()));
        }
        let table = axis.table();
        positions = positions
            .iter()
            .flat_map(|&(p, i)| {
                table
                    .iter()
                    .enumerate()
                    .map(move |(k, t)| (p + t, i * extent + if extent == 1 { 0 } else { k }))
            })
            .collect();
    }
    let mut slots = vec![vec![0.0; layout.slots]; layout.ciphertexts];
    let (log_s, low) = (layout.slots.trailing_zeros(), layout.slots - 1);
    for offset in layout.replica_offsets() {
        for (p, i) in &positions {
            let p = p + offset;
            slots[p >> log_s][p & low] = constant.at(first + i);
        }
    }
    Ok(slots)
}

/// Shape of a row, and where its numbers begin.
fn row_of(constant: &Constant, row: u32, rank: usize) -> Result<(&[usize], usize), String> {
    let (shape, row) = (&constant.shape, row as usize);
    if shape.len() == rank {
        return Ok((shape, 0));
    }
    if shape.len() != rank + 1 || row >= shape[0] {
        return Err(format!("row {row} of a constant of shape {shape:?} for a value of {rank} axes"));
    }
    let size: usize = shape[1..].iter().product();
    Ok((&shape[1..], row * size))
}

/// Cuts a vector to its smallest power-of-two period; an empty one stands for 0.
fn shortened(mut v: Vec<f64>) -> Vec<f64> {
    if v.is_empty() {
        return vec![0.0];
    }
    while v.len() > 1 {
        let (a, b) = v.split_at(v.len() / 2);
        if a != b {
            break;
        }
        v.truncate(v.len() / 2);
    }
    v
}
