use super::*;
use crate::params::insecure_test_params;

fn encoder(log_n: u32) -> Encoder {
    Encoder::new(&insecure_test_params(log_n, &[45, 40, 40], &[49]).unwrap())
}

fn values(n: usize) -> Vec<Complex64> {
    (0..n).map(|i| Complex64::new((i as f64).sin(), (3.0 * i as f64).cos())).collect()
}

fn max_error(a: &[Complex64], b: &[Complex64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max)
}

#[test]
fn round_trip_and_noise_follow_the_rounding_model() {
    let encoder = encoder(10);
    let v = values(512);
    for level in 0..3 {
        let scale = 2f64.powi(35);
        let plaintext = encoder.encode(&v, level, scale).unwrap();
        assert_eq!((plaintext.level(), plaintext.special()), (level, 0));
        let back = encoder.decode(&plaintext).unwrap();
        let rms = (back.iter().zip(&v).map(|(a, b)| (a - b).norm_sqr()).sum::<f64>() / 512.0).sqrt();
        // Variance 1/12 per coefficient, N coefficients, |.|^2 of a complex slot.
        let model = (1024.0f64 / 12.0).sqrt() / scale;
        assert!((rms / model).log2().abs() < 0.2, "{rms:e} vs {model:e}");
    }
}

#[test]
fn periodic_vectors_are_short_and_equal_to_the_full_encoding() {
    let encoder = encoder(10);
    for log in 0..=9 {
        let short = values(1 << log);
        let full = short.repeat(512 >> log);
        let a = encoder.encode_ext(&short, 1, 1, 2f64.powi(30)).unwrap();
        let b = encoder.encode_ext(&full, 1, 1, 2f64.powi(30)).unwrap();
        assert_eq!(a.bytes(), b.bytes() >> (9 - log.max(3)), "2^{log}");
        let (x, y) = (encoder.decode(&a).unwrap(), encoder.decode(&b).unwrap());
        assert!(max_error(&x, &full) < 1e-7);
        assert!(max_error(&x, &y) < 1e-7);
    }
}

#[test]
fn large_scales_use_wide_integers() {
    let encoder = encoder(8);
    let v = values(128);
    let plaintext = encoder.encode(&v, 2, 2f64.powi(100)).unwrap();
    assert!(max_error(&encoder.decode(&plaintext).unwrap(), &v) < 1e-14);
}

#[test]
fn bad_input_is_refused() {
    let encoder = encoder(8);
    let scale = 2f64.powi(30);
    let bad = |v: &[f64], level, scale| encoder.encode(v, level, scale).unwrap_err();
    assert!(matches!(bad(&[1.0, f64::NAN], 0, scale), CkksError::NotFinite { index: 1 }));
    assert!(matches!(bad(&[f64::INFINITY], 0, scale), CkksError::NotFinite { index: 0 }));
    assert!(matches!(bad(&[1e300; 2], 0, 1e300), CkksError::CoefficientTooLarge { .. }));
    assert!(matches!(bad(&[1.0], 0, 2f64.powi(45)), CkksError::CoefficientTooLarge { .. }));
    assert!(matches!(bad(&[1.0], 2, 2f64.powi(126)), CkksError::CoefficientTooLarge { .. }));
    assert!(matches!(bad(&[], 0, scale), CkksError::SlotCount { found: 0, .. }));
    assert!(matches!(bad(&[1.0; 3], 0, scale), CkksError::SlotCount { .. }));
    assert!(matches!(bad(&[1.0; 256], 0, scale), CkksError::SlotCount { .. }));
    assert!(matches!(bad(&[1.0], 3, scale), CkksError::LevelTooHigh { level: 3, .. }));
    assert!(matches!(bad(&[1.0], 0, 0.0), CkksError::BadScale(_)));
    assert!(matches!(bad(&[1.0], 0, f64::NAN), CkksError::BadScale(_)));
    assert!(encoder.encode_ext(&[1.0], 0, 2, scale).is_err());
}

#[test]
fn compact_plaintexts_hold_the_coefficients() {
    let encoder = encoder(10);
    let ring = encoder.parameters().ring();
    for log in [0, 2, 5, 9] {
        let v = values(1 << log);
        let compact = encoder.encode_compact(&v, 2f64.powi(30)).unwrap();
        let mut plain = encoder.encode_ext(&v, 1, 1, 2f64.powi(30)).unwrap();
        assert_eq!((compact.scale(), compact.estimate()), (plain.scale(), plain.estimate()));
        ring.inverse(&mut plain.poly);
        let n = plain.poly.n();
        assert_eq!((compact.coefficients.len(), compact.bytes()), (n, 8 * n));
        for (limb, index) in [ring.index(2, 0), ring.index(2, 1), ring.index(2, 2)].into_iter().enumerate() {
            let residues = compact.coefficients.iter().map(|c| ring.modulus(index).residue_i64(*c));
            assert!(residues.eq(plain.poly.limb(limb).iter().copied()));
        }
    }
    let large = encoder.encode_compact(&[2f64.powi(20)], 2f64.powi(30)).unwrap();
    assert!(large.check(encoder.parameters().log_q_at(0)).is_err());
    assert!(large.check(encoder.parameters().log_q_at(1)).is_ok());
    let error = encoder.encode_compact(&[1.0], 2f64.powi(62)).unwrap_err();
    assert!(matches!(error, CkksError::CoefficientTooLarge { .. }));
}
