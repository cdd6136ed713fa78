//! Synthetic images: without sample data they stand for the inputs of a network.
//!
//! Moduli must have room for every value, and the precision forecast needs the size of what errors are multiplied with.

use fhec_ir::Verified;
use fhec_ir::plan::{AxisOrder, ImageAxes, channels};
use fhec_ir::tensor::{Tensor, TensorGraph};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::domain::number;
use crate::request::Request;

/// What an image is like.
#[derive(Clone, Copy)]
enum Kind {
    Blank,
    Full,
    Sparse,
    Dense,
    /// The inputs in turn full and blank, so that differences of inputs are large.
    Opposite,
    /// Areas of plain colours: what filters for edges, areas or colours answer most to, and noise never has.
    Coloured,
    Grey,
}

const KINDS: [Kind; 7] =
    [Kind::Blank, Kind::Full, Kind::Sparse, Kind::Dense, Kind::Opposite, Kind::Coloured, Kind::Grey];

/// Areas of a plain colour along a side of an image.
const AREAS: usize = 5;

/// Grey images more for networks that are deep: what grows with every layer shows on some of them.
const MORE_GREY: usize = 7;

/// Blank, full, sparse, dense, coloured and grey noise images within the domain of the inputs: inputs of the network. Grey noise
/// comes last: of these it is the closest to what real images are like.
pub(crate) fn synthetic(graph: &Verified<TensorGraph>, request: &Request) -> Vec<Vec<Tensor<f64>>> {
    let mut rng = ChaCha8Rng::seed_from_u64(request.seed);
    let several = graph.inputs().count() > 1;
    let kinds = KINDS.into_iter().filter(|kind| several || !matches!(kind, Kind::Opposite));
    kinds.map(|kind| image(graph, request, kind, &mut rng)).collect()
}

/// The same with more grey noise.
pub(crate) fn many_synthetic(graph: &Verified<TensorGraph>, request: &Request) -> Vec<Vec<Tensor<f64>>> {
    let mut rng = ChaCha8Rng::seed_from_u64(request.seed.wrapping_add(1));
    let grey = (0..MORE_GREY).map(|_| image(graph, request, Kind::Grey, &mut rng));
    grey.collect::<Vec<_>>().into_iter().chain(synthetic(graph, request)).collect()
}

/// An image of a kind for every input.
fn image(
    graph: &Verified<TensorGraph>,
    request: &Request,
    kind: Kind,
    rng: &mut ChaCha8Rng,
) -> Vec<Tensor<f64>> {
    let inputs = graph.inputs().enumerate().map(|(k, (id, _))| {
        let shape = graph.ty(id).clone();
        let (channels, plane) = channels(&shape);
        let colours = Colours::new(request.seed.wrapping_add(2 + k as u64), &shape);
        let mut pixel = |i: usize| match kind {
            Kind::Blank => 0.0,
            Kind::Full => 1.0,
            Kind::Sparse => f64::from(u8::from(rng.random_bool(0.15))),
            Kind::Dense => f64::from(u8::from(rng.random_bool(0.5))),
            Kind::Opposite => f64::from(u8::from(k % 2 == 0)),
            Kind::Coloured => colours.at(i),
            Kind::Grey => rng.random::<f64>(),
        };
        let numbers = 0..shape.iter().product::<usize>();
        let data = numbers.map(|i| number(request, k, i / plane % channels, pixel(i)));
        let data = data.collect();
        Tensor::new(shape, data)
    });
    inputs.collect()
}

/// An image in areas of plain colours, of a generator of its own: other images are the same without it.
struct Colours {
    height: usize,
    width: usize,
    channels: usize,
    /// Elements between neighbours of a row.
    step: usize,
    /// Elements between channels.
    plane: usize,
    /// By channel, row of areas and column of areas.
    full: Vec<bool>,
}

impl Colours {
    fn new(seed: u64, shape: &[usize]) -> Self {
        let (channels, plane) = channels(shape);
        let (height, width, step) = match ImageAxes::of(shape) {
            Some(ImageAxes { order, height, width, .. }) => {
                (height, width, if order == AxisOrder::Hwc { channels } else { 1 })
            }
            None => (1, plane, 1),
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let full = (0..channels * AREAS * AREAS).map(|_| rng.random_bool(0.5)).collect();
        Self { height, width, channels, step, plane, full }
    }

    /// Element `i`.
    fn at(&self, i: usize) -> f64 {
        let pixel = i / self.step;
        let along = |at: usize, extent: usize| (at % extent) * AREAS / extent;
        let (row, column) = (along(pixel / self.width, self.height), along(pixel, self.width));
        let channel = i / self.plane % self.channels;
        f64::from(u8::from(self.full[(channel * AREAS + row) * AREAS + column]))
    }
}
