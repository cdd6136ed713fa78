//! Keys: public key, key-switching keys and sets of them; behind `client`, the secret key and
//! key generation.

#[cfg(feature = "client")]
mod generator;
mod public;
#[cfg(feature = "client")]
mod secret;
mod set;
mod switching;

#[cfg(feature = "client")]
pub use generator::{KeyGenerator, KeyRequest};
pub use public::PublicKey;
#[cfg(feature = "client")]
pub use secret::SecretKey;
pub use set::EvaluationKeySet;
pub use switching::SwitchingKey;

use crate::ring::{Ring, RnsPoly, par};
use crate::sampling::{Domain, Prng, Seed};

/// The uniform polynomial of `seed`: stream (`domain`, `major`, modulus index) for every limb, so a
/// polynomial with fewer limbs is a truncation. Uniform in either domain.
pub(crate) fn expand_uniform(
    ring: &Ring,
    seed: &Seed,
    domain: Domain,
    major: u32,
    q_limbs: usize,
    special: usize,
) -> RnsPoly {
    let mut poly = ring.uninit(q_limbs, special);
    par::for_limbs(ring.n(), poly.words_mut(), |i, limb| {
        let index = ring.index(q_limbs, i);
        Prng::new(seed, domain, major, index as u32).fill_uniform(limb, ring.modulus(index).q);
    });
    poly
}
