//! Round trips, and mutated bytes: an error or the same object, never a panic.

use super::*;
use crate::cipher::{Ciphertext, SecretEncryptor, SeededCiphertext};
use crate::encoding::Encoder;
use crate::error::CkksError;
use crate::eval::Evaluator;
use crate::keys::{EvaluationKeySet, KeyGenerator, KeyRequest, PublicKey, SecretKey};
use crate::params::{KeyName, ParametersLiteral, insecure_test_params};
use proptest::prelude::*;
use std::sync::{Arc, OnceLock};

struct Objects {
    params: Parameters,
    secret: SecretKey,
    public: PublicKey,
    keys: EvaluationKeySet,
    ciphertext: Ciphertext,
    seeded: SeededCiphertext,
}

fn objects() -> &'static Objects {
    static OBJECTS: OnceLock<Objects> = OnceLock::new();
    OBJECTS.get_or_init(|| {
        let params = insecure_test_params(5, &[45, 30, 30], &[49, 49]).unwrap();
        let secret = SecretKey::generate(&params).unwrap();
        let generator = KeyGenerator::new(&secret);
        let requests = [(KeyName::Relinearization, 2), (KeyName::Rotation(-1), 1), (KeyName::Conjugation, 0)];
        let keys = generator.evaluation_keys(requests.map(|(key, level)| KeyRequest { key, level })).unwrap();
        let public = generator.public_key().unwrap();
        let plaintext = Encoder::new(&params).encode(&[1.5, -2.0], 2, 2f64.powi(25)).unwrap();
        let seeded = SecretEncryptor::new(&secret).encrypt(&plaintext).unwrap();
        let ciphertext = seeded.clone().expand(&params).unwrap();
        Objects { params, secret, public, keys, ciphertext, seeded }
    })
}

fn round_trip<T: Serializable + PartialEq + std::fmt::Debug>(object: &T) -> Vec<u8> {
    let params = &objects().params;
    let bytes = object.to_bytes(params).unwrap();
    assert_eq!(&T::from_bytes(params, &bytes).unwrap(), object);
    let mut trailing = bytes.clone();
    trailing.push(0);
    assert!(T::from_bytes(params, &trailing).is_err());
    assert_eq!(&T::read_from(params, &mut &trailing[..]).unwrap(), object);
    let foreign = insecure_test_params(5, &[45, 30], &[49]).unwrap();
    assert!(matches!(T::from_bytes(&foreign, &bytes), Err(CkksError::ParametersMismatch { .. })));
    assert!(matches!(object.to_bytes(&foreign), Err(CkksError::ParametersMismatch { .. })));
    bytes
}

#[test]
fn every_object_survives_a_round_trip() {
    let o = objects();
    round_trip(&o.public);
    round_trip(&o.ciphertext);
    round_trip(&o.seeded);
    let keys = round_trip(&o.keys);
    let stored: usize = o.keys.iter().map(|(_, k)| o.params.stored_key_bytes(&k.shape())).sum();
    assert!(keys.len() > stored && keys.len() < stored + 80 + 64 * o.keys.len());
    let square = Evaluator::new(Arc::new(o.keys.clone())).square(&o.ciphertext).unwrap();
    round_trip(&square);
    assert!(EvaluationKeySet::from_bytes(&o.params, &o.ciphertext.to_bytes(&o.params).unwrap()).is_err());
}

#[test]
fn seeded_ciphertexts_are_half_the_size_and_expand_to_the_same() {
    let o = objects();
    let seeded = o.seeded.to_bytes(&o.params).unwrap();
    let full = o.ciphertext.to_bytes(&o.params).unwrap();
    assert!(seeded.len() - 80 < (full.len() - 80) / 2 + 64);
    let read = SeededCiphertext::from_bytes(&o.params, &seeded).unwrap();
    assert_eq!(read.expand(&o.params).unwrap(), o.ciphertext);
}

#[test]
fn secret_keys_round_trip_through_private_files() {
    let o = objects();
    let bytes = o.secret.to_bytes().unwrap();
    let read = SecretKey::from_bytes(&o.params, &bytes).unwrap();
    assert_eq!(read.coefficients(), o.secret.coefficients());
    assert!(SecretKey::from_bytes(&o.params, &bytes[..bytes.len() - 1]).is_err());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    o.secret.write_file(&path).unwrap();
    assert!(matches!(o.secret.write_file(&path), Err(CkksError::Io(_))), "no overwriting");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let read = SecretKey::read_file(&o.params, &path).unwrap();
    assert_eq!(read.coefficients(), o.secret.coefficients());
}

#[test]
fn parameters_are_checked_again_on_reading() {
    let literal = ParametersLiteral::from_bits(12, &[40, 30], &[36]).unwrap();
    assert!(Parameters::new(&literal).is_err(), "P below q_0");
    let literal = ParametersLiteral::from_bits(12, &[33, 30], &[37]).unwrap();
    let params = Parameters::new(&literal).unwrap();
    let bytes = params.to_bytes().unwrap();
    assert_eq!(Parameters::from_bytes(&bytes).unwrap(), params);
    let insecure = objects().params.to_bytes().unwrap();
    assert!(matches!(Parameters::from_bytes(&insecure), Err(CkksError::Parameters(_))));
}

/// A change to a byte string.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(prop::sample::Index, u8),
    Truncate(prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        4 => (any::<prop::sample::Index>(), 0..8u8).prop_map(|(i, b)| Mutation::Flip(i, b)),
        1 => any::<prop::sample::Index>().prop_map(Mutation::Truncate),
        1 => (any::<prop::sample::Index>(), any::<prop::sample::Index>())
            .prop_map(|(a, b)| Mutation::Repeat(a, b)),
    ]
}

fn apply(mut bytes: Vec<u8>, mutations: &[Mutation], fix_checksum: bool) -> Vec<u8> {
    for m in mutations {
        if bytes.is_empty() {
            break;
        }
        match m {
            Mutation::Flip(i, bit) => {
                let i = i.index(bytes.len());
                bytes[i] ^= 1 << bit;
            }
            Mutation::Truncate(i) => bytes.truncate(i.index(bytes.len())),
            Mutation::Repeat(a, b) => {
                let (a, b) = (a.index(bytes.len()), b.index(bytes.len()));
                let piece = bytes[a.min(b)..a.max(b)].to_vec();
                bytes.extend(piece);
            }
        }
    }
    // Half of the cases get past the checksum, to reach the checks behind it.
    if fix_checksum && bytes.len() > 80 {
        let length = (bytes.len() - 80) as u64;
        bytes[40..48].copy_from_slice(&length.to_le_bytes());
        let mut hash = blake3::Hasher::new();
        hash.update(&bytes[80..]).update(&bytes[..48]);
        bytes[48..80].copy_from_slice(hash.finalize().as_bytes());
    }
    bytes
}

fn survives<T: Serializable + PartialEq + std::fmt::Debug>(object: &T, mutations: &[Mutation], fix: bool) {
    let params = &objects().params;
    let original = object.to_bytes(params).unwrap();
    let bytes = apply(original.clone(), mutations, fix);
    if let Ok(read) = T::from_bytes(params, &bytes) {
        // Whatever is accepted is well-formed: it writes back and reads again as itself.
        assert_eq!(T::from_bytes(params, &read.to_bytes(params).unwrap()).unwrap(), read);
        assert!(fix || (&read == object && bytes == original));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn mutated_bytes_never_panic(
        mutations in prop::collection::vec(mutation(), 1..4),
        fix in any::<bool>(),
    ) {
        let o = objects();
        survives(&o.ciphertext, &mutations, fix);
        survives(&o.seeded, &mutations, fix);
        survives(&o.public, &mutations, fix);
        survives(&o.keys, &mutations, fix);
        let secret = apply(o.secret.to_bytes().unwrap().to_vec(), &mutations, fix);
        let _ = SecretKey::from_bytes(&o.params, &secret);
        let literal = ParametersLiteral::from_bits(12, &[33, 30], &[37]).unwrap();
        let bytes = Parameters::new(&literal).unwrap().to_bytes().unwrap();
        let _ = Parameters::from_bytes(&apply(bytes, &mutations, fix));
    }
}
