//! Predicted error of a bootstrap: the variance model up to EvalMod, and behind it what [EvalMod played](super::played)
//! shows.

use super::circuit::{BootstrapCircuit, Stage};
use super::played::raised_rms;
use crate::noise::{Estimate, NoiseModel, rounding};
use crate::params::KeyShape;
use crate::params::security_table::SPARSE_WEIGHT;

impl BootstrapCircuit {
    /// Estimate after ModRaise and the trace, of coefficients with `variance` before: the message is
    /// that of slots t/range taken through the DFT.
    pub(super) fn raised(&self, noise: &NoiseModel, variance: f64) -> Estimate {
        let exact = |variance| Estimate { variance, message: 1.0 };
        let to = noise.key_switch(exact(variance), 0, &KeyShape::dense_to_sparse());
        let sparse = to.variance + rounding(SPARSE_WEIGHT as f64, 2);
        // The digit is below q_0, whatever the level.
        let back = noise.key_switch(exact(sparse), 0, &KeyShape::dense_to_sparse());
        let mut variance = noise.mod_down(back).variance;
        let top = self.parameters().key_shape(self.spec().top_level());
        for _ in self.trace_steps() {
            let rotated = noise.mod_down(noise.key_switch(exact(variance), self.spec().top_level(), &top));
            variance += rotated.variance;
        }
        let slots = f64::from(self.spec().log_slots).exp2();
        Estimate { variance, message: raised_rms() / self.range * (2.0 * slots).sqrt() }
    }

    /// Estimate of EvalMod's result at `scale`, from that of its input: t/range at its scale, with all of
    /// the error in the real parts. `ratio` is Δ'/q_0.
    pub(super) fn reduced(&self, input: Estimate, ratio: f64, scale: f64, message: f64) -> Estimate {
        let n = self.parameters().n();
        let before = input.slot_error(self.input_scale, n) * self.range / ratio;
        // EvalMod's own error is a fraction of the nominal range, whatever the scale.
        let nominal = (-self.spec().message_ratio).exp2();
        let error = before.hypot(self.eval_mod_error * nominal / ratio);
        Estimate { variance: (error * scale).powi(2) * 2.0 / n as f64, message }
    }

    /// Predicted estimate of a refreshed ciphertext of real slots, from that of the input at the nominal
    /// scale.
    pub fn estimate(&self, input: Estimate) -> Estimate {
        let (params, spec) = (self.parameters(), self.spec());
        let noise = NoiseModel::new(params);
        let through = |(x, scale), stage: &Stage| stage.estimate(&noise, x, scale, params.n());
        let (low, raised_scale) =
            self.slots_to_coeffs.iter().fold((input, spec.scale), |(x, scale), stage| {
                let (x, scale) = through((x, scale), stage);
                (x, scale / params.q()[stage.shape.level] as f64)
            });
        let joined = low.variance * f64::from(1u32 << spec.log_joined);
        let trace = (params.slots() >> spec.log_slots) as f64;
        let scale = params.q()[0] as f64 * self.range * trace;
        let raised = self.raised(&noise, joined);
        let (high, _) = self.coeffs_to_slots.iter().fold((raised, scale), |(x, scale), stage| {
            let (x, scale) = through((x, scale), stage);
            (x, scale / params.q()[stage.shape.level] as f64)
        });
        // w + w̄ at twice the scale: the error of Re w, of which the model counts half.
        let conjugated = noise.mod_down(noise.key_switch(high, spec.eval_mod_level(), &self.top_shape()));
        let sum = Estimate { variance: 2.0 * (high.variance + conjugated.variance), message: 0.0 };
        self.reduced(sum, raised_scale / params.q()[0] as f64, spec.scale, input.message)
    }
}

impl Stage {
    /// Estimate and scale after the matrix and its rescaling (the scale not yet divided).
    fn estimate(&self, noise: &NoiseModel, x: Estimate, scale: f64, n: usize) -> (Estimate, f64) {
        let level = self.shape.level;
        let rotated = noise.key_switch(x, level, &self.shape);
        let mut sum = Estimate::exact(0.0);
        let coefficients = (2 * self.matrix.diagonals.period()).min(n);
        for rms in &self.matrix.rms {
            let plain = noise.encoded(coefficients, *rms);
            sum = noise.add(sum, noise.mul((rotated, scale), (plain, self.scale)));
        }
        (noise.rescale(sum, level, 2), scale * self.scale)
    }
}
