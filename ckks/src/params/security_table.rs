//! The 128-bit security table: largest log2(QP) per ring degree for a uniform ternary secret.

/// Security level the table is for, in bits (classical).
pub const SECURITY_BITS: u32 = 128;

/// (log2 N, largest log2(QP) including the special primes) for a uniform ternary secret and σ = 3.19.
///
/// Source: Bossuat et al., *Security Guidelines for Implementing Homomorphic Encryption*,
/// ePrint 2024/463, table for 128-bit classical security.
const TERNARY_128: [(u32, u32); 6] = [(12, 106), (13, 214), (14, 430), (15, 868), (16, 1747), (17, 3523)];

/// Hamming weight of the ephemeral secret that bootstrapping encapsulates in (Bossuat, Troncoso-Pastoriza
/// and Hubaux, ePrint 2022/024).
pub const SPARSE_WEIGHT: usize = 32;
/// Largest log2 of the modulus q_0·p_0 of the key to the ephemeral secret, at N ≥ 2^15: the sparse
/// secret is safe under this modulus only, never under that of an ordinary key.
pub const MAX_LOG_ENCAPSULATION: u32 = 110;
/// Smallest log2 N at which that holds.
pub const MIN_LOG_N_ENCAPSULATION: u32 = 15;

/// Largest log2(QP), special primes included, at which a uniform ternary secret in a ring of degree
/// 2^`log_n` keeps 128 bits; `None` where the table has no row (then no secure parameters exist).
pub fn max_log_qp(log_n: u32) -> Option<u32> {
    TERNARY_128.iter().find(|(n, _)| *n == log_n).map(|(_, cap)| *cap)
}

/// Estimated security in bits of a modulus of `log_qp` bits at ring degree 2^`log_n`.
///
/// Security of LWE at fixed N falls nearly as 1/log2(QP); the estimate 128·cap/log2(QP) stays at or
/// below lattice-estimator figures at N = 2^16 (1400 bits: 162 estimated, 159 here).
pub fn estimate_bits(log_n: u32, log_qp: f64) -> Option<f64> {
    max_log_qp(log_n).map(|cap| f64::from(SECURITY_BITS) * f64::from(cap) / log_qp)
}
