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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{KeyShape, insecure_test_params};

    fn digest(poly: &RnsPoly) -> String {
        let mut hasher = blake3::Hasher::new();
        poly.words().iter().for_each(|w| {
            hasher.update(&w.to_le_bytes());
        });
        hasher.finalize().to_hex()[..32].to_string()
    }

    /// Files hold seeds in the place of uniform halves: another expansion makes every file garbage.
    #[test]
    fn seeds_expand_to_known_halves() {
        let params = insecure_test_params(5, &[45, 30, 30], &[49, 49]).unwrap();
        let seed: Seed = std::array::from_fn(|k| 3 * k as u8);
        let shape = KeyShape { level: 2, special: 1, digit_limbs: 1 };
        let ciphertext = expand_uniform(params.ring(), &seed, Domain::Ciphertext, 0, 2, 0);
        let found = [
            digest(&ciphertext),
            digest(&public::uniform_half(&params, &seed)),
            digest(&switching::uniform_half(&params, &shape, &seed, 0)),
            digest(&switching::uniform_half(&params, &shape, &seed, 2)),
        ];
        let known = [
            "33924fc896bf7b02c30d13ad644c927d",
            "241616606268191f1ad92dbfa784707d",
            "3024cc533bb49eddcbc11248f4a50f9d",
            "c8319ce1fc640dc2f9fffd9a8a869f12",
        ];
        assert_eq!(found, known);
    }
}
