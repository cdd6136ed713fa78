use super::*;

fn literal(log_n: u32, q: &[u32], p: &[u32]) -> ParametersLiteral {
    ParametersLiteral::from_bits(log_n, q, p).unwrap()
}

#[test]
fn secure_sets_pass_and_identify_themselves() {
    let l = literal(14, &[50, 40, 40, 40, 40, 40], &[50, 50, 50]);
    let a = Parameters::new(&l).unwrap();
    let b = Parameters::new(&l).unwrap();
    assert_eq!(a.id(), b.id());
    assert!(a.security_bits() >= 128.0);
    let mut other = l.clone();
    other.p.swap(0, 1);
    assert_ne!(Parameters::new(&other).unwrap().id(), a.id());
    let text = postcard::to_stdvec(&l).unwrap();
    assert_eq!(postcard::from_bytes::<ParametersLiteral>(&text).unwrap(), l);
}

#[test]
fn every_kind_of_bad_literal_is_refused() {
    use ParameterError as E;
    let good = literal(13, &[45, 35, 35], &[49]);
    assert!(Parameters::new(&good).is_ok());
    let refuse = |f: &dyn Fn(&mut ParametersLiteral)| {
        let mut l = good.clone();
        f(&mut l);
        Parameters::new(&l).unwrap_err()
    };
    assert!(matches!(refuse(&|l| l.log_n = 11), E::RingDegree { .. }));
    assert!(matches!(refuse(&|l| l.log_n = 60), E::RingDegree { .. }));
    assert!(matches!(refuse(&|l| l.sigma = 1.0), E::Sigma { .. }));
    assert!(matches!(refuse(&|l| l.sigma = f64::NAN), E::Sigma { .. }));
    assert!(matches!(refuse(&|l| l.q.clear()), E::PrimeCount { what: "q", .. }));
    assert!(matches!(refuse(&|l| l.p.clear()), E::PrimeCount { what: "p", .. }));
    assert!(matches!(refuse(&|l| l.q[1] = l.q[2]), E::Duplicate { .. }));
    assert!(matches!(refuse(&|l| l.q[1] = l.p[0]), E::Duplicate { .. }));
    assert!(matches!(refuse(&|l| l.q[1] = (1 << 35) + 3), E::NotNttFriendly { .. }));
    assert!(matches!(refuse(&|l| l.q[1] = 1 + (1 << 34)), E::NotPrime { .. }));
    assert!(matches!(refuse(&|l| l.q[1] = 97), E::PrimeBits { .. }));
    assert!(matches!(refuse(&|l| l.q[1] = u64::MAX), E::PrimeBits { .. }));
    assert!(matches!(refuse(&|l| l.q[1] = 0), E::PrimeBits { .. }));
    let long = literal(13, &[45, 35, 35, 40, 40], &[49]);
    assert!(matches!(Parameters::new(&long), Err(E::Insecure { cap: 214, .. })));
    // The special primes count: the same Q with small P passes.
    let with_p = literal(13, &[45, 40, 40], &[48, 48]);
    assert!(matches!(Parameters::new(&with_p), Err(E::Insecure { .. })));
    let small_p = literal(13, &[45, 35, 35], &[46]);
    assert!(matches!(Parameters::new(&small_p), Err(E::SpecialTooSmall { level: 0, .. })));
    assert!(insecure_test_params(10, &[45, 35], &[44]).is_err());
    assert!(insecure_test_params(10, &[45, 35], &[49]).is_ok());
    assert!(insecure_test_params(3, &[45, 35], &[49]).is_err());
}

#[test]
fn shapes_keep_the_gadget_condition_and_two_digits() {
    let q: Vec<u32> = [50].into_iter().chain([40; 23]).collect();
    let params = insecure_test_params(14, &q, &[50; 12]).unwrap();
    for level in 0..=params.max_level() {
        let shape = params.key_shape(level);
        assert!(params.admits(&shape), "{shape:?}");
        assert!(shape.digits() <= 2, "{shape:?}");
        assert!(shape.digits_at(0) == 1);
    }
    assert_eq!(params.key_shape(9), KeyShape { level: 9, special: 5, digit_limbs: 5 });
    // Half bytes: 41 bits take 44, 50 take 52.
    let bits: u32 =
        params.q()[..10].iter().chain(&params.p()[..5]).map(|q| (q.ilog2() + 1).next_multiple_of(4)).sum();
    assert_eq!(params.key_bytes(&params.key_shape(9)), 2 * 2 * (1 << 14) / 8 * bits as usize);
    assert!(!params.admits(&KeyShape { level: 9, special: 1, digit_limbs: 2 }));
}

#[test]
fn a_sparse_secret_needs_a_large_ring() {
    use crate::params::KeyName::{DenseToSparse, SparseToDense};
    for (log_n, admitted) in [(13, false), (14, false), (15, true), (16, true)] {
        let params = Parameters::new(&literal(log_n, &[50, 40], &[50, 50])).unwrap();
        assert_eq!(params.admits_key(DenseToSparse, &KeyShape::dense_to_sparse()), admitted);
        assert_eq!(params.admits_key(SparseToDense, &KeyShape::sparse_to_dense(1)), admitted);
    }
}

#[test]
fn table_matches_the_guidelines() {
    assert_eq!(security_table::max_log_qp(12), Some(106));
    assert_eq!(security_table::max_log_qp(17), Some(3523));
    assert_eq!(security_table::max_log_qp(11), None);
}
