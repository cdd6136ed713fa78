//! What passes count on while no chain of moduli is chosen: whether a network will need bootstraps, and what one will
//! cost.

/// Levels above which a network is expected to need bootstraps.
pub const MAX_LEVELED: u32 = 24;

/// Levels that a bootstrap gives.
pub const BOOTSTRAP_LEVELS: u32 = 9;

/// Level of the schedule at which bootstraps begin.
pub const BOOTSTRAP_LEVEL_IN: u32 = 3;

/// Price of bootstrapping one ciphertext, in rotations at level 9: about that at N = 2^16.
pub const BOOTSTRAP_PRICE: f64 = 240.0;
