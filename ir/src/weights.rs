//! The numbers behind a [`Constant`](crate::Constant): owned or shared.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A shared read-only array of numbers that does not tell where it lives. Cloning copies a pointer.
///
/// Numbers are f32; where some are not, as coefficients of polynomials and what folding makes of biases, all are f64.
/// Read as a slice they are f32, rounded if need be; [`Weights::at`] and [`Weights::values`] have them exactly.
#[derive(Clone)]
pub struct Weights {
    single: Arc<dyn AsRef<[f32]> + Send + Sync>,
    double: Option<Arc<[f64]>>,
}

impl Weights {
    /// Weights that live in `owner`, for example the bytes of a file.
    ///
    /// `owner.as_ref()` must return the same numbers every time.
    pub fn shared(owner: Arc<dyn AsRef<[f32]> + Send + Sync>) -> Self {
        Self { single: owner, double: None }
    }

    /// The numbers as f64, where they are not all f32.
    pub fn double(&self) -> Option<&[f64]> {
        self.double.as_deref()
    }

    /// The number at `k`, exactly.
    ///
    /// # Panics
    /// If there is none.
    pub fn at(&self, k: usize) -> f64 {
        self.double.as_ref().map_or_else(|| f64::from(self[k]), |d| d[k])
    }

    /// All numbers, exactly.
    pub fn values(&self) -> impl ExactSizeIterator<Item = f64> + DoubleEndedIterator + '_ {
        let (single, double) = (&**self, self.double());
        (0..single.len()).map(move |k| double.map_or_else(|| f64::from(single[k]), |d| d[k]))
    }
}

/// How weights are serialised.
#[derive(Serialize, Deserialize)]
enum Stored {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Deref for Weights {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        (*self.single).as_ref()
    }
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values()).finish()
    }
}

impl From<Vec<f32>> for Weights {
    fn from(data: Vec<f32>) -> Self {
        Self { single: Arc::new(data), double: None }
    }
}

impl From<Arc<[f32]>> for Weights {
    fn from(data: Arc<[f32]>) -> Self {
        Self { single: Arc::new(data), double: None }
    }
}

/// Numbers that are all f32 are kept as such.
impl From<Vec<f64>> for Weights {
    fn from(data: Vec<f64>) -> Self {
        let single: Vec<f32> = data.iter().map(|&x| x as f32).collect();
        let lossless = single.iter().zip(&data).all(|(s, d)| f64::from(*s).to_bits() == d.to_bits());
        Self { single: Arc::new(single), double: (!lossless).then(|| data.into()) }
    }
}

impl From<&[f32]> for Weights {
    fn from(data: &[f32]) -> Self {
        data.to_vec().into()
    }
}

impl<const N: usize> From<[f32; N]> for Weights {
    fn from(data: [f32; N]) -> Self {
        data.to_vec().into()
    }
}

impl FromIterator<f32> for Weights {
    fn from_iter<I: IntoIterator<Item = f32>>(iter: I) -> Self {
        iter.into_iter().collect::<Vec<_>>().into()
    }
}

impl Serialize for Weights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.double {
            Some(double) => Stored::Double(double.to_vec()),
            None => Stored::Single(self.to_vec()),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Weights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Stored::deserialize(deserializer)? {
            Stored::Single(data) => data.into(),
            Stored::Double(data) => data.into(),
        })
    }
}

impl From<Weights> for Arc<[f32]> {
    fn from(weights: Weights) -> Self {
        weights.iter().copied().collect()
    }
}
