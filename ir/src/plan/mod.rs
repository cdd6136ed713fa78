//! The plan file: a compiled network on disk.
//!
//! # Format (version 7, little endian)
//! ```text
//! magic 8 bytes | version u32 | sections u32 | file length u64
//! per section: kind u32 | 0 u32 | offset u64 | length u64 | BLAKE3 of the section
//! BLAKE3 of all of the above           – this is the plan's identity
//! sections in order of kind, each at the next multiple of 64, gaps zero, nothing after the last
//! ```
//! Sections are [postcard](https://postcard.jamesmunns.com) data, except the weights: every constant at a
//! multiple of 64 bytes, f32 ones used in place, f64 ones (coefficients of polynomials, biases) copied. A file is read
//! into memory before it is checked, never mapped: what others do to it meanwhile changes nothing that was checked. The
//! schedule is stored without its constants; their shapes, and which of them are f64, are a section of their own.
//!
//! Reading checks everything: magic, version, lengths, checksums, that no byte is left over, the invariants of
//! the schedule, and that parameters, keys, client section and schedule agree. What a damaged or hostile
//! file can cause is a [`PlanError`] and memory in proportion to its size.
//!
//! Keys: the manifest names those that the schedule's own instructions use. The keys of a bootstrap follow from its
//! description in the parameters ([`BootstrapData`]), on the client as on the server; the manifest has their size.
//!
//! The client section holds the network's tail, tensor IR that the client runs on decrypted outputs, and names of classes. A
//! tail is verified like any graph and bounded in size and work ([`check_tail_size`]).
//!
//! A client gets a [`ClientSpec`], split off into a file of its own: all but schedule, weights and report.

mod assemble;
mod check;
mod classes;
mod container;
mod data;
mod image;
mod loaded;
mod normalisation;
mod preprocessing;
mod read;
mod tail;
mod write;

use std::path::{Path, PathBuf};

use crate::schedule::Schedule;
use crate::{Verified, Violations};

pub use classes::{check_classes, parse_classes};
pub use container::{Damage, Digest};
pub use data::{
    BootstrapData, BudgetReport, ClientInput, ClientOutput, ClientSection, EvalModData, Gadget, KeyManifest,
    LayerReport, LevelKey, MemoryReport, Normalisation, ParameterData, PlacementReport, Report, RotationKey,
};
pub use image::{AxisOrder, ImageAxes};
pub use normalisation::channels;
pub use preprocessing::{ChannelOrder, MAX_SIDE, Preprocessing, Resize, parse_size, pixels};
pub use tail::{Excess, MAX_TAIL_ELEMENTS, MAX_TAIL_NODES, Tail, TailResult, check_tail_size, largest};

/// Versions of the formats; a reader accepts exactly those listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[non_exhaustive]
pub enum Version {
    /// With preprocessing of inputs, ranges and errors of results, tails and classes, f64 constants and bases of polynomials,
    /// open maps. Older ones are not read any more.
    V7 = 7,
}

impl TryFrom<u32> for Version {
    type Error = u32;
    fn try_from(number: u32) -> Result<Self, u32> {
        match number {
            7 => Ok(Self::V7),
            other => Err(other),
        }
    }
}

/// Identity of a plan: digest of its header, which holds the digests of all sections.
#[derive(Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct PlanId(pub [u8; 32]);

impl std::fmt::Display for PlanId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0[..8].iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl std::fmt::Debug for PlanId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PlanId({self})")
    }
}

/// A compiled network.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Ring and primes.
    pub parameters: ParameterData,
    /// What to execute.
    pub schedule: Verified<Schedule>,
    /// Keys that the execution needs.
    pub keys: KeyManifest,
    /// What a client needs to encrypt and decrypt.
    pub client: ClientSection,
    /// What people want to know.
    pub report: Report,
}

/// What a client needs: everything for key generation, encryption and decryption, and no weights.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ClientSpec {
    /// The plan it was split off from.
    pub plan: PlanId,
    /// Ring and primes.
    pub parameters: ParameterData,
    /// Evaluation keys to generate for the server.
    pub keys: KeyManifest,
    /// Inputs and outputs.
    pub client: ClientSection,
}

/// Why a plan or client file is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The operating system refuses.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not the kind of file that was expected.
    #[error("this is no fhec {expected} file")]
    Magic {
        /// What was expected.
        expected: &'static str,
    },
    /// Written by another version of fhec.
    #[error("format version {0} is not supported")]
    Version(u32),
    /// The bytes are damaged.
    #[error("the file is damaged: {0}")]
    Damaged(#[from] Damage),
    /// A section is not what it should be.
    #[error("section {section}: {message}")]
    Section {
        /// Its name.
        section: &'static str,
        /// What is wrong.
        message: String,
    },
    /// The schedule breaks its invariants.
    #[error("section schedule: {0}")]
    Schedule(#[from] Violations),
    /// Sections contradict each other.
    #[error("the plan contradicts itself: {0}")]
    Inconsistent(String),
}

impl PlanError {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

impl Plan {
    /// Splits off what a client needs.
    ///
    /// # Errors
    /// If the plan contradicts itself.
    pub fn client_spec(&self) -> Result<ClientSpec, PlanError> {
        let spec = ClientSpec {
            plan: self.id()?,
            parameters: self.parameters.clone(),
            keys: self.keys.clone(),
            client: self.client.clone(),
        };
        Ok(spec)
    }
}

#[cfg(test)]
mod tests;
