//! How numbers, scales, rotation steps and sets of integers are written.
//!
//! What is written reads back to the same bits: floats have as many digits as that takes.

use std::fmt::{Display, LowerExp};

/// The shorter of the two usual forms.
fn shortest<T: Display + LowerExp>(x: T) -> String {
    let (plain, scientific) = (x.to_string(), format!("{x:e}"));
    if plain.len() <= scientific.len() { plain } else { scientific }
}

/// An f64; what is not finite as its bits.
pub(super) fn f64_text(x: f64) -> String {
    if x.is_finite() { shortest(x) } else { format!("bits {}", x.to_bits()) }
}

/// An f32; what is not finite as its bits.
pub(super) fn f32_text(x: f32) -> String {
    if x.is_finite() { shortest(x) } else { format!("bits {}", x.to_bits()) }
}

/// A scale: the nearest power of two and the relative deviation from it, `2^36-1.2e-7`. Both parts are exact.
pub(super) fn scale_text(x: f64) -> String {
    if !x.is_normal() || x < 0.0 {
        return f64_text(x);
    }
    let exponent = x.log2().round() as i32;
    // Exact: a division by a power of two, then the difference of numbers within a factor of two.
    let deviation = x / 2f64.powi(exponent) - 1.0;
    if from_scale(exponent, deviation) != x {
        return f64_text(x);
    }
    match deviation {
        0.0 => format!("2^{exponent}"),
        d if d > 0.0 => format!("2^{exponent}+{d:e}"),
        d => format!("2^{exponent}{d:e}"),
    }
}

/// The scale of [`scale_text`].
pub(super) fn from_scale(exponent: i32, deviation: f64) -> f64 {
    (1.0 + deviation) * 2f64.powi(exponent)
}

/// A rotation step as the shorter way around: steps from half of the slots on are negative.
pub(super) fn signed(step: u32, slots: usize) -> i64 {
    let (step, slots) = (i64::from(step), slots as i64);
    if step < slots && 2 * step >= slots { step - slots } else { step }
}

/// The step of [`signed`]; none if it is out of range.
pub(super) fn unsigned(step: i64, slots: usize) -> Option<u32> {
    u32::try_from(if step < 0 { step + slots as i64 } else { step }).ok()
}

/// Integers in their order: single ones, runs `a..b`, and runs `a..b/step`, ends included.
pub(super) fn sequence_text(numbers: &[i64]) -> String {
    let mut parts = Vec::new();
    let mut rest = numbers;
    while let [first, tail @ ..] = rest {
        let step = tail.first().map_or(0, |second| second - first);
        let run = 1 + rest.windows(2).take_while(|pair| pair[1] - pair[0] == step).count();
        let run = if step > 0 && run > 2 { run } else { 1 };
        parts.push(match (run, step) {
            (1, _) => first.to_string(),
            (_, 1) => format!("{first}..{}", rest[run - 1]),
            _ => format!("{first}..{}/{step}", rest[run - 1]),
        });
        rest = &rest[run..];
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_powers_of_two_and_a_deviation() {
        assert_eq!(scale_text(2f64.powi(36)), "2^36");
        assert_eq!(scale_text(2f64.powi(-3)), "2^-3");
        assert_eq!(scale_text(3.0), "2^2-2.5e-1");
        assert_eq!(scale_text(0.0), "0");
        for x in [1.1, 68719403009.0, 1.9999999999999998, std::f64::consts::SQRT_2, 1e300, 5e-324, f64::MAX] {
            let text = scale_text(x);
            let Some((exponent, deviation)) = text.strip_prefix("2^").map(|t| {
                let end = t[1..].find(['+', '-']).map_or(t.len(), |at| at + 1);
                (t[..end].parse().unwrap(), t[end..].parse().unwrap_or(0.0))
            }) else {
                assert_eq!(text.parse::<f64>().unwrap(), x);
                continue;
            };
            assert_eq!(from_scale(exponent, deviation), x, "{text}");
        }
    }

    #[test]
    fn steps_are_signed() {
        let signed_steps = [0, 7, 8, 15, 16, 20].map(|step| signed(step, 16));
        assert_eq!(signed_steps, [0, 7, -8, -1, 16, 20]);
        assert_eq!(signed_steps.map(|step| unsigned(step, 16).unwrap()), [0, 7, 8, 15, 16, 20]);
        assert_eq!(unsigned(-17, 16), None);
    }

    #[test]
    fn sequences_have_runs() {
        assert_eq!(sequence_text(&[-2, -1, 0, 4, 8, 12, 20, 21, 5]), "-2..0, 4..12/4, 20, 21, 5");
        assert_eq!(sequence_text(&[3, 5]), "3, 5");
        assert_eq!(sequence_text(&[]), "");
    }
}
