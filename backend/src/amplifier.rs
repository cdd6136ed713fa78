//! Which layer loses most of the precision: for whoever is refused for it.

use fhec_ir::ValueId;
use fhec_ir::schedule::{Layers, Recipe, Schedule};

/// What noise does to a ciphertext.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Noise {
    /// Root mean square of its slots.
    pub rms: f64,
    /// Root mean square of what noise adds to them.
    pub error: f64,
    /// The slot to which it adds most.
    pub slot: usize,
}

impl Noise {
    /// Bits of precision.
    fn bits(self) -> f64 {
        if self.rms > 0.0 { (self.rms / self.error).log2() } else { f64::INFINITY }
    }
}

/// The instruction whose result has fewest bits less than the least precise of its operands: its layer, and the channel, if its
/// slots tell it. `noise` is by value; of values that have none the operands' counts.
pub(crate) fn amplifier(schedule: &Schedule, noise: &[Option<Noise>]) -> Option<String> {
    let layers = Layers::new(schedule);
    // Bits of a value, or of the least precise of those that it is made of.
    let mut bits: Vec<f64> = Vec::with_capacity(schedule.len());
    let mut worst: Option<(f64, ValueId, f64, f64)> = None;
    for (id, node) in schedule.iter() {
        let before = node.args.iter().map(|a| bits[a.index()]).fold(f64::INFINITY, f64::min);
        let after = noise[id.index()].map_or(before, Noise::bits);
        let lost = before - after;
        if before.is_finite() && worst.is_none_or(|(most, ..)| lost > most) {
            worst = Some((lost, id, before, after));
        }
        bits.push(after);
    }
    let (_, id, before, after) = worst.filter(|(lost, ..)| *lost > 1.0)?;
    let channel = noise[id.index()].and_then(|noise| channel(schedule, id, noise.slot));
    let channel = channel.map_or(String::new(), |c| format!(", channel {c}"));
    let after = if after.is_nan() { f64::NEG_INFINITY } else { after };
    Some(format!("{}{channel}: from {before:.1} bits to {after:.1}", layers.name(id)))
}

/// The channel of a slot, of values in a single ciphertext that linear maps have laid out.
fn channel(schedule: &Schedule, id: ValueId, slot: usize) -> Option<usize> {
    let mut at = id;
    let map = loop {
        let node = schedule.node(at);
        let of_map = node.op.recipes().iter().find_map(|recipe| match recipe {
            Recipe::Product { map, .. } | Recipe::Pair { map, .. } => Some(*map),
            Recipe::Bias { .. } | Recipe::Spread { .. } => None,
        });
        match of_map {
            Some(map) => break map,
            None => at = *node.args.first()?,
        }
    };
    let layout = &schedule.header.maps[map as usize].output;
    let shape = layout.shape();
    if layout.ciphertexts > 1 || shape.len() < 2 {
        return None;
    }
    let mut slots = vec![0.0; layout.slots];
    // Any replica stands for the first one.
    slots[slot % layout.period()] = 1.0;
    let element = layout.unpack(&[slots]).iter().position(|x| *x != 0.0)?;
    let plane: usize = shape[2..].iter().product();
    Some(element / plane % shape[1])
}
