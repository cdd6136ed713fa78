//! Which rotation brings which product together: the geometry of a linear map.
//!
//! An entry takes input position p to output position q. In slots it needs the offset d = p − q (rot(x, d)[s] =
//! x[s + d]). Copies give freedom: an input that is P-periodic by replicas has d only modulo P, and a plan that
//! spreads partial sums over output replicas (`reduce`, strides from R up to the input period) has d only modulo
//! R. So offsets fall into *classes* modulo g = min(P, R), and a plan needs one product per class.

use std::collections::BTreeMap;

use super::LinearMap;
use crate::Constant;
use crate::layout::Factor;

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
    /// Per operand: first-copy position of each element.
    pub inputs: Vec<Vec<u32>>,
    /// Per operand: period of its ciphertexts.
    periods: Vec<usize>,
    /// First-copy position of each output element.
    pub output: Vec<u32>,
    /// Offsets of the output copies that each hold a whole partial sum.
    keep: Vec<usize>,
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
        let keep = crate::layout::Layout { replicas: rest, ..map.output.clone() }.replica_offsets();
        if keep.len() > 1 && map.output.ciphertexts > 1 {
            return Err("replicas of a result in several ciphertexts".into());
        }
        let inputs = map.inputs.iter().map(|l| l.positions()).collect();
        Ok(Self { slots, inputs, periods, output: map.output.positions(), keep, reduce_stride })
    }

    /// Offsets of operand `k` matter modulo this power of two.
    pub fn modulus(&self, operand: usize) -> usize {
        self.periods[operand].min(self.reduce_stride)
    }

    /// All classes that the map has.
    pub fn classes(&self, map: &LinearMap, constants: &[Constant]) -> Vec<Class> {
        let mut found: BTreeMap<(u32, u32, u32), Vec<bool>> = BTreeMap::new();
        let s = self.slots;
        for (k, term) in map.terms.iter().enumerate() {
            let g = self.modulus(k);
            let cts = map.inputs[k].ciphertexts;
            let mut seen = vec![Vec::new(); cts * map.output.ciphertexts];
            term.for_each_entry(self.inputs[k].len(), constants, |o, i, w| {
                if w != 0.0 {
                    let (p, q) = (self.inputs[k][i] as usize, self.output[o] as usize);
                    let seen = &mut seen[q / s * cts + p / s];
                    if seen.is_empty() {
                        seen.resize(g, false);
                    }
                    seen[p.wrapping_sub(q) & (g - 1)] = true;
                }
            });
            for (at, seen) in seen.into_iter().enumerate().filter(|(_, v)| !v.is_empty()) {
                found.insert(((at / cts) as u32, k as u32, (at % cts) as u32), seen);
            }
        }
        let mut classes = Vec::new();
        for ((out_ct, operand, in_ct), seen) in found {
            let g = self.modulus(operand as usize);
            let mut all = vec![false; g];
            for (x, _) in seen.iter().enumerate().filter(|(_, s)| **s) {
                self.keep.iter().for_each(|&keep| all[x.wrapping_sub(keep) & (g - 1)] = true);
            }
            let offsets = all.iter().enumerate().filter(|(_, a)| **a).map(|(x, _)| x as u32);
            classes.extend(offsets.map(|offset| Class { out_ct, operand, in_ct, offset }));
        }
        classes
    }

    /// The slots of the output ciphertext at which entry p → q is multiplied, with the class of each; `actual`
    /// gives the full offset that a plan uses for a class.
    pub fn targets(
        &self,
        operand: usize,
        p: usize,
        q: usize,
        mut actual: impl FnMut(Class) -> Option<(usize, usize)>,
        mut f: impl FnMut(usize, usize),
    ) -> Result<(), String> {
        let (s, g, period) = (self.slots, self.modulus(operand), self.periods[operand]);
        for &keep in &self.keep {
            let class = Class {
                out_ct: (q / s) as u32,
                operand: operand as u32,
                in_ct: (p / s) as u32,
                offset: (p.wrapping_sub(q).wrapping_sub(keep) & (g - 1)) as u32,
            };
            let (product, offset) = actual(class).ok_or_else(|| format!("the plan lacks {class:?}"))?;
            // The copy r of the output with p − q − keep − r ≡ offset (mod period).
            let r = p.wrapping_sub(q).wrapping_sub(keep).wrapping_sub(offset) & (period - 1);
            if r & (self.reduce_stride - 1) != 0 {
                return Err(format!("the plan's offset {offset} is not of {class:?}"));
            }
            f(product, (q + keep + r) & (s - 1));
        }
        Ok(())
    }
}
