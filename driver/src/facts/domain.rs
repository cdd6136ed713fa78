//! What numbers the inputs are taken to be.

use fhec_ir::plan::Normalisation;

use crate::request::Request;

/// The number that a part of the way from the least to the largest byte becomes, in a channel.
pub(crate) fn number(request: &Request, input: usize, channel: usize, part: f64) -> f64 {
    if let Some((low, high)) = request.input_range {
        return low + part * (high - low);
    }
    let normalisation = request.normalisations.get(input).cloned().unwrap_or_default();
    let of = |v: &[f64], default| v.get(channel).or(v.first()).copied().unwrap_or(default);
    (part * largest_byte(&normalisation) - of(&normalisation.mean, 0.0)) / of(&normalisation.std, 1.0)
}

/// What the largest byte is before mean and deviation are applied.
fn largest_byte(normalisation: &Normalisation) -> f64 {
    255.0 / normalisation.divisor
}

/// For each of so many inputs a bound on the numbers that the request's domain has, or that its samples have.
pub(crate) fn input_bounds(request: &Request, inputs: usize) -> Vec<f64> {
    let of_domain = |input: usize| {
        let channels = request.normalisations.get(input).map_or(1, |n| n.mean.len().max(n.std.len()).max(1));
        let ends = (0..channels).flat_map(|c| [0.0, 1.0].map(|part| number(request, input, c, part).abs()));
        ends.fold(0.0, f64::max)
    };
    let of_samples = |input: usize| {
        let tensors = request.samples.iter().filter_map(|sample| sample.get(input));
        tensors.flat_map(|t| &t.data).filter(|x| x.is_finite()).fold(0.0, |most: f64, x| most.max(x.abs()))
    };
    let bound = |input| match of_domain(input) {
        // A domain that was given is what was asked for, whatever the samples are.
        domain if request.input_range.is_some() => domain,
        domain => domain.max(of_samples(input)),
    };
    (0..inputs).map(bound).map(|bound| if bound > 0.0 { bound } else { 1.0 }).collect()
}

#[cfg(test)]
mod tests {
    use fhec_ir::tensor::Tensor;

    use super::*;

    #[test]
    fn bounds_are_those_of_bytes_of_samples_or_of_the_range_asked_for() {
        let mut request = Request::default();
        assert_eq!(input_bounds(&request, 2), [1.0, 1.0]);
        request.normalisations =
            vec![Normalisation { mean: vec![0.5, 0.1], std: vec![0.25, 0.1], ..Normalisation::default() }];
        assert_eq!(input_bounds(&request, 2), [9.0, 1.0]);
        request.normalisations.clear();
        request.samples = vec![vec![Tensor::new(vec![2], vec![-3.0, 2.0])]];
        assert_eq!(input_bounds(&request, 1), [3.0]);
        request.input_range = Some((-2.0, 1.0));
        assert_eq!(input_bounds(&request, 1), [2.0]);
    }
}
