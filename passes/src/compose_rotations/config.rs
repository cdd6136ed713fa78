//! Parameters and report of the pass.

use fhec_ir::plan::ParameterData;

/// What the key switches of a level take, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SwitchPrices {
    /// A whole rotation.
    pub rotation: f64,
    /// Decomposing a ciphertext.
    pub hoist: f64,
    /// A giant step.
    pub giant: f64,
}

/// Something beside keys that may be given up in part, evenly.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spare {
    /// What it takes, in bytes.
    pub bytes: u64,
    /// What doing without it costs, in seconds.
    pub seconds: f64,
}

/// Parameters of the pass.
#[derive(Clone, Debug)]
pub struct Config {
    /// Decompositions and sizes of keys.
    pub parameters: ParameterData,
    /// By level of the schedule, from 0 on.
    pub prices: Vec<SwitchPrices>,
    /// Most bytes of rotation keys, those of bootstraps not counted, and the spare.
    pub bytes: u64,
    /// What may be given up instead of keys: plaintexts kept between runs.
    pub spare: Spare,
}

/// What was given up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Report {
    /// Rotation keys before.
    pub keys_before: usize,
    /// Rotation keys now.
    pub keys: usize,
    /// Their bytes before.
    pub bytes_before: u64,
    /// Their bytes now.
    pub bytes: u64,
    /// Bytes given up of the spare.
    pub spared: u64,
    /// Modelled seconds lost on one thread, by keys and spare.
    pub seconds: f64,
    /// Of these, by the spare.
    pub spare_seconds: f64,
    /// Whether the rest fits.
    pub fits: bool,
}
