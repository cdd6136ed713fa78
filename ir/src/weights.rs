//! The numbers behind a [`Constant`](crate::Constant): owned or shared.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A shared read-only array of f32 that does not tell where it lives. Cloning copies a pointer.
#[derive(Clone)]
pub struct Weights(Arc<dyn AsRef<[f32]> + Send + Sync>);

impl Weights {
    /// Weights that live in `owner`, for example the bytes of a file.
    ///
    /// `owner.as_ref()` must return the same numbers every time.
    pub fn shared(owner: Arc<dyn AsRef<[f32]> + Send + Sync>) -> Self {
        Self(owner)
    }
}

impl Deref for Weights {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        (*self.0).as_ref()
    }
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl From<Vec<f32>> for Weights {
    fn from(data: Vec<f32>) -> Self {
        Self(Arc::new(data))
    }
}

impl From<Arc<[f32]>> for Weights {
    fn from(data: Arc<[f32]>) -> Self {
        Self(Arc::new(data))
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
        self.deref().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Weights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<f32>::deserialize(deserializer).map(Into::into)
    }
}

impl From<Weights> for Arc<[f32]> {
    fn from(weights: Weights) -> Self {
        weights.iter().copied().collect()
    }
}
