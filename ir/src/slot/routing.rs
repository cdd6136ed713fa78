//! Which rotation brings which product together: the geometry of a linear map.
//!
//! An entry takes input position p to output position q. In slots it needs the offset d = p − q (rot(x, d)[s] =
//! x[s + d]). Replicas give freedom: an input that is P-periodic by replicas has d only modulo P, and a plan that
//! spreads partial sums over output replicas (`reduce`, strides from R up to the input period) has d only modulo
//! R. So offsets fall into *classes* modulo g = min(P, R), and a plan needs one product per class.

use std::collections::BTreeMap;

use super::LinearMap;
use super::separable::Separable;
use crate::Constant;
use crate::layout::{Factor, Layout};

/// Where a class of products acts: (output ciphertext, operand, input ciphertext, offset modulo the operand's g).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class {
    /// Output ciphertext.
    pub out_ct: u32,
    /// Operand of the map.
    pub operand: u32,
    /// Ciphertext of the operand.
    pub in_ct: u32,
    /// p − q modulo [`Routing::modulus`].
    pub offset: u32,
}

/// The geometry of a map under a choice of replicas to reduce over.
#[derive(Debug)]
pub struct Routing {
    slots: usize,
    /// Per operand: period of its ciphertexts.
    periods: Vec<usize>,
    /// Offsets of the output replicas that each hold a whole partial sum.
    keep: Vec<usize>,
    /// Period of the output ciphertexts by those replicas.
    keep_period: usize,
    /// Smallest stride of `reduce`; S if there is none.
    reduce_stride: usize,
}

impl Routing {
    /// The routing of `map` when partial sums are spread over the output replicas `reduce`.
    ///
    /// # Errors
    /// If `reduce` is not a closed chain of the output's replicas: doublings from its smallest stride up to the
    /// largest period of the inputs.
    pub fn new(map: &LinearMap, reduce: &[Factor]) -> Result<Self, String> {
        let slots = map.output.slots;
        let periods: Vec<usize> = map.inputs.iter().map(|l| l.period()).collect();
        let mut rest = map.output.replicas.clone();
        let mut strides = Vec::new();
        for f in reduce {
            let at =
                rest.iter().position(|r| r == f).ok_or("a reduced replica is not in the output layout")?;
            rest.remove(at);
            if f.extent != 2 {
                return Err("reduced replicas have extent 2".into());
            }
            strides.push(f.stride);
        }
        strides.sort_unstable();
        let reduce_stride = strides.first().copied().unwrap_or(slots);
        if !strides.is_empty() {
            let end = strides.iter().try_fold(reduce_stride, |s, &t| (s == t).then_some(2 * s));
            if end != periods.iter().max().copied() || map.output.period() > reduce_stride {
                return Err(
                    "reduced replicas are no chain of doublings up to the period of the inputs".into()
                );
            }
        }
        let kept = Layout { replicas: rest, ..map.output.clone() };
        let (keep, keep_period) = (kept.replica_offsets(), kept.period());
        if keep.len() > 1 && map.output.ciphertexts > 1 {
            return Err("replicas of a result in several ciphertexts".into());
        }
        Ok(Self { slots, periods, keep, keep_period, reduce_stride })
    }

    /// Offsets of operand `k` matter modulo this power of two.
    pub fn modulus(&self, operand: usize) -> usize {
        self.periods[operand].min(self.reduce_stride)
    }

    /// After how many slots the plaintexts of an operand repeat at the latest, a power of two.
    pub fn length(&self, operand: usize) -> usize {
        // A replica of the output that is a whole number of input periods away takes the same products.
        let repeats =
            self.periods[operand] <= self.keep_period && self.keep.len() * self.keep_period == self.slots;
        if repeats { self.keep_period } else { self.slots }
    }

    /// All classes that the map has.
    pub fn classes(&self, map: &LinearMap, constants: &[Constant]) -> Vec<Class> {
        self.classes_of(&Offsets::new(self, map, constants))
    }

    /// The classes that the map's offsets fall into.
    pub fn classes_of(&self, offsets: &Offsets) -> Vec<Class> {
        let mut classes = Vec::new();
        for (&(out_ct, operand, in_ct), found) in &offsets.0 {
            let g = self.modulus(operand as usize);
            let mut all = vec![false; g];
            for x in (0..found.len()).filter(|x| found[*x]) {
                self.keep.iter().for_each(|&keep| all[x.wrapping_sub(keep) & (g - 1)] = true);
            }
            let offsets = (0..g).filter(|x| all[*x]);
            classes.extend(offsets.map(|x| Class { out_ct, operand, in_ct, offset: x as u32 }));
        }
        classes
    }

    /// The slots of the output ciphertext at which entry p → q is multiplied, up to [`Routing::length`]: calls `f` with
    /// the product and the slot for each. `actual` gives the product of a class and its full offset.
    ///
    /// # Errors
    /// If the plan lacks a class, or has another offset for it.
    pub fn targets(
        &self,
        operand: usize,
        p: usize,
        q: usize,
        actual: impl FnMut(Class) -> Option<(usize, usize)>,
        mut f: impl FnMut(usize, usize),
    ) -> Result<(), String> {
        let log_s = self.slots.trailing_zeros();
        let ciphertexts = ((q >> log_s) as u32, (p >> log_s) as u32);
        let length = self.length(operand);
        self.shifts(operand, ciphertexts, p.wrapping_sub(q), actual, |product, shift| {
            f(product, (q + shift) & (length - 1));
        })
    }

    /// As [`targets`](Self::targets), for all entries from an output to an input ciphertext with p − q = `offset`: `f` gets by
    /// how many slots from q these are multiplied.
    pub(super) fn shifts(
        &self,
        operand: usize,
        (out_ct, in_ct): (u32, u32),
        offset: usize,
        mut actual: impl FnMut(Class) -> Option<(usize, usize)>,
        mut f: impl FnMut(usize, usize),
    ) -> Result<(), String> {
        let (g, period) = (self.modulus(operand), self.periods[operand]);
        let replicas = if self.length(operand) < self.slots { &self.keep[..1] } else { &self.keep };
        for &keep in replicas {
            let rest = offset.wrapping_sub(keep);
            let class = Class { out_ct, operand: operand as u32, in_ct, offset: (rest & (g - 1)) as u32 };
            let (product, full) = actual(class).ok_or_else(|| format!("the plan lacks {class:?}"))?;
            // The replica r of the output with p − q − keep − r ≡ offset (mod period).
            let r = rest.wrapping_sub(full) & (period - 1);
            if r & (self.reduce_stride - 1) != 0 {
                return Err(format!("the plan's offset {full} is not of {class:?}"));
            }
            f(product, keep + r);
        }
        Ok(())
    }
}

/// Which offsets p − q a map has between first replicas, modulo its operands' periods. They do not depend on what a plan
/// reduces over; where a map is [separable](super::separable) they are sums of few steps, else finding them takes a pass over
/// all entries.
#[derive(Debug)]
pub struct Offsets(BTreeMap<(u32, u32, u32), Vec<bool>>);

impl Offsets {
    /// The offsets of a map, by output ciphertext, operand and input ciphertext.
    pub fn new(routing: &Routing, map: &LinearMap, constants: &[Constant]) -> Self {
        let mut all = BTreeMap::new();
        let log_s = routing.slots.trailing_zeros();
        for (k, term) in map.terms.iter().enumerate() {
            let period = routing.periods[k];
            let cts = map.inputs[k].ciphertexts;
            let mut found = vec![Vec::new(); cts * map.output.ciphertexts];
            let mut note = |out_ct: usize, in_ct: usize, offset: usize| {
                let found = &mut found[out_ct * cts + in_ct];
                if found.is_empty() {
                    found.resize(period, false);
                }
                found[offset & (period - 1)] = true;
            };
            match Separable::new(term, (&map.inputs[k], &map.output), constants) {
                Some(separable) => separable
                    .for_each_bundle(|b| note(b.out_ct as usize, b.in_ct as usize, b.offset as usize)),
                None => {
                    let (inputs, output) = (map.inputs[k].positions(), map.output.positions());
                    term.for_each_entry(inputs.len(), constants, |o, i, w| {
                        if w != 0.0 {
                            let (p, q) = (inputs[i] as usize, output[o] as usize);
                            note(q >> log_s, p >> log_s, p.wrapping_sub(q));
                        }
                    });
                }
            }
            for (at, found) in found.into_iter().enumerate().filter(|(_, v)| !v.is_empty()) {
                all.insert(((at / cts) as u32, k as u32, (at % cts) as u32), found);
            }
        }
        Self(all)
    }
}
