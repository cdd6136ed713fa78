//! The entries of a term in clusters: those of one axis whose distance in slots is the same.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::axis::{Part, Parts, Role};
use super::state::{Dense, State};
use crate::Constant;
use crate::layout::Layout;

/// From which ciphertext to which, and how far: of one axis, or of a whole entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Step {
    pub out_ct: u32,
    pub in_ct: u32,
    /// Slots from the result back to the operand, modulo S.
    pub offset: u32,
}

impl Step {
    fn new(o: u32, i: u32, slots: u32) -> Self {
        let log = slots.trailing_zeros();
        Self { out_ct: o >> log, in_ct: i >> log, offset: i.wrapping_sub(o) & (slots - 1) }
    }

    pub(super) fn plus(self, other: Self, slots: u32) -> Self {
        Self {
            out_ct: self.out_ct + other.out_ct,
            in_ct: self.in_ct + other.in_ct,
            offset: (self.offset + other.offset) & (slots - 1),
        }
    }
}

/// Entries of a spatial axis under one tap with the same step: slot of the result, and factor.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub step: Step,
    pub entries: Vec<(u32, f64)>,
}

/// Entries of all other axes with the same step.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub step: Step,
    /// Slot of the result, where the taps' weights begin, and factor.
    pub entries: Vec<(u32, u32, f64)>,
    /// By tap, whether any weight is not 0.
    pub taps: Vec<bool>,
}

/// A term's entries: one of each kind together are one of the matrix.
#[derive(Debug)]
pub(super) struct Clusters<'c> {
    pub channels: Vec<Cluster>,
    /// By row of the kernel.
    pub rows: Vec<Vec<Run>>,
    /// By column of the kernel.
    pub columns: Vec<Vec<Run>>,
    /// Weights; of a term without any a single 1.
    pub weights: &'c [f32],
    /// Columns of the kernel.
    pub width: usize,
    /// Where the rows of the result lie.
    pub row_table: Vec<u32>,
}

/// Most entries outside the spatial axes, which are held.
const MOST: usize = 1 << 24;

/// Most clusters: beyond that there is no structure.
const MOST_CLUSTERS: usize = 1 << 20;

impl<'c> Clusters<'c> {
    /// None where ciphertexts are no sum over axes, or where this would take much memory.
    pub(super) fn of(state: State, output: &Layout, constants: &'c [Constant]) -> Option<Self> {
        let slots = output.slots as u32;
        let tables = output.axes.iter().map(|axis| axis.table().into_iter().map(|p| p as u32).collect());
        let dropped = state.dropped.into_iter().map(|parts| (vec![0], parts));
        let mut axes: Vec<(Vec<u32>, Parts)> = tables.zip(state.axes).chain(dropped).collect();
        let [rows, columns] = spatial(&mut axes);
        let [runs_of_rows, runs_of_columns] = [&rows, &columns].map(|axis| runs(axis, slots));
        let (mut lows, mut reach) = ([0, 0], Reach { slots, most: [0; 2] });
        for (table, parts) in [&rows, &columns] {
            for (k, low) in reach.of(table, parts).into_iter().enumerate() {
                lows[k] += low;
            }
        }
        let weights =
            state.dense.as_ref().map_or(&[1.0][..], |dense| &constants[dense.weight.index()].data[..]);
        let channels = channels(axes, state.dense.as_ref(), weights, &mut reach)?;
        let fits = lows.iter().zip(reach.most).all(|(low, most)| low + most < slots);
        let width = state.dense.as_ref().map_or(1, |dense| dense.order.columns);
        fits.then_some(Self {
            channels,
            rows: runs_of_rows,
            columns: runs_of_columns,
            weights,
            width,
            row_table: rows.0,
        })
    }
}

/// The largest slots of results and operands, by which carries from slots to ciphertexts are ruled out.
struct Reach {
    slots: u32,
    most: [u32; 2],
}

impl Reach {
    fn of(&self, table: &[u32], parts: &Parts) -> [u32; 2] {
        let low = |p: u32| p & (self.slots - 1);
        let from = parts.indices.iter().flatten().map(|part| low(part.from)).max();
        [table.iter().map(|p| low(*p)).max().unwrap_or(0), from.unwrap_or(0)]
    }

    fn note(&mut self, o: u32, i: u32) {
        self.most = [self.most[0].max(o & (self.slots - 1)), self.most[1].max(i & (self.slots - 1))];
    }
}

/// Takes the axes of rows and columns: those labelled so, else the largest ones without weights.
fn spatial(axes: &mut Vec<(Vec<u32>, Parts)>) -> [(Vec<u32>, Parts); 2] {
    [Role::Rows, Role::Columns].map(|role| {
        let labelled = axes.iter().position(|(_, parts)| parts.role == role);
        let plain = (0..axes.len()).filter(|k| axes[*k].1.role == Role::Plain);
        let largest = plain.max_by_key(|k| axes[*k].1.extent()).filter(|k| axes[*k].1.extent() > 1);
        match labelled.or(largest) {
            Some(k) => axes.remove(k),
            None => (vec![0], Parts::unit()),
        }
    })
}

/// By tap, the entries of a spatial axis in runs.
fn runs((table, parts): &(Vec<u32>, Parts), slots: u32) -> Vec<Vec<Run>> {
    let taps = parts.indices.iter().flatten().map(|part| part.label + 1).max().unwrap_or(1);
    let mut runs: Vec<Vec<Run>> = vec![Vec::new(); taps as usize];
    let mut known: HashMap<(u32, Step), usize> = HashMap::new();
    for (o, parts) in table.iter().zip(&parts.indices) {
        for part in parts {
            let (step, runs) = (Step::new(*o, part.from, slots), &mut runs[part.label as usize]);
            let at = *known.entry((part.label, step)).or_insert_with(|| {
                runs.push(Run { step, entries: vec![] });
                runs.len() - 1
            });
            runs[at].entries.push((o & (slots - 1), part.factor));
        }
    }
    runs
}

/// The entries of all axes but the spatial ones, in clusters.
fn channels(
    axes: Vec<(Vec<u32>, Parts)>,
    dense: Option<&Dense>,
    weights: &[f32],
    reach: &mut Reach,
) -> Option<Vec<Cluster>> {
    let count = |parts: &Parts| parts.indices.iter().map(Vec::len).sum::<usize>();
    let sources = dense.map_or(1, |dense| dense.order.group[0]);
    let all = axes.iter().try_fold(sources, |n, (_, parts)| n.checked_mul(count(parts).max(1)));
    if all.is_none_or(|n| n > MOST) {
        return None;
    }
    // Of the result's axes: position, and what its elements are made of.
    let mut outs: Vec<(u32, Part)> = vec![(0, Part::ONE)];
    for (table, parts) in &axes {
        let of = |&(o, whole): &(u32, Part)| {
            let indices = table.iter().zip(&parts.indices);
            let both = move |(p, part): (u32, &Part)| {
                let from = whole.from + part.from;
                (o + p, Part { label: whole.label + part.label, from, factor: whole.factor * part.factor })
            };
            indices.flat_map(move |(p, parts)| parts.iter().map(move |part| both((*p, part))))
        };
        outs = outs.iter().flat_map(of).collect();
    }
    let taps = dense.map_or(1, |dense| dense.order.taps);
    let mut found = Found { clusters: vec![], known: HashMap::default(), slots: reach.slots, taps };
    for (o, out) in outs {
        let Some(dense) = dense else {
            reach.note(o, out.from);
            found.add((o, out.from, out.factor), 0, weights);
            continue;
        };
        for i in dense.order.sources(out.label as usize) {
            let at = dense.order.at(out.label as usize, i);
            for part in &dense.inputs[i] {
                let from = out.from + part.from;
                reach.note(o, from);
                found.add((o, from, out.factor * part.factor), at, weights);
            }
        }
        if found.clusters.len() > MOST_CLUSTERS {
            return None;
        }
    }
    Some(found.clusters)
}

struct Found {
    clusters: Vec<Cluster>,
    known: HashMap<Step, u32, BuildHasherDefault<Quick>>,
    slots: u32,
    taps: usize,
}

impl Found {
    /// Adds an entry unless all its weights, which begin at `at`, are 0.
    fn add(&mut self, (o, i, factor): (u32, u32, f64), at: usize, weights: &[f32]) {
        let weights = &weights[at..at + self.taps];
        if factor == 0.0 || weights.iter().all(|w| *w == 0.0) {
            return;
        }
        let step = Step::new(o, i, self.slots);
        let (clusters, taps) = (&mut self.clusters, self.taps);
        let number = *self.known.entry(step).or_insert_with(|| {
            clusters.push(Cluster { step, entries: vec![], taps: vec![false; taps] });
            clusters.len() as u32 - 1
        });
        let cluster = &mut clusters[number as usize];
        cluster.entries.push((o & (self.slots - 1), at as u32, factor));
        cluster.taps.iter_mut().zip(weights).for_each(|(any, w)| *any |= *w != 0.0);
    }
}

/// A hash of few operations, for keys that nobody chooses with bad intent: it is asked for every weight.
#[derive(Default)]
struct Quick(u64);

impl Hasher for Quick {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(u64::from(*b)));
    }

    fn write_u32(&mut self, x: u32) {
        self.write_u64(u64::from(x));
    }

    fn write_u64(&mut self, x: u64) {
        self.0 = (self.0.rotate_left(5) ^ x).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
