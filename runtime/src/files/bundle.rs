//! Files of ciphertexts: all inputs or outputs of a network.

use std::io::Write;
use std::path::Path;

use fhec_ckks::cipher::{Ciphertext, SeededCiphertext};
use fhec_ckks::params::Parameters;
use fhec_ckks::{CiphertextForm, CkksError, Serializable};
use fhec_ir::plan::{ClientSection, PlanId};
use serde::{Deserialize, Serialize};

use super::format::{KeySetId, Kind, Tags, expect_same, open, write};
use crate::error::FileError;

/// Polynomials of a ciphertext in a file.
const PARTS: usize = 2;

/// A random number that tells requests apart; a result has that of its request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct RequestId(pub [u8; 16]);

impl RequestId {
    /// A number that nobody can guess.
    ///
    /// # Errors
    /// `Random` if the system's source fails.
    #[cfg(feature = "client")]
    pub fn random() -> Result<Self, CkksError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|e| CkksError::Random(e.to_string()))?;
        Ok(Self(id))
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// Whether ciphertexts go into a network or come out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Inputs,
    /// Back.
    Outputs,
}

impl Direction {
    fn kind(self) -> Kind {
        match self {
            Self::Inputs => Kind::Inputs,
            Self::Outputs => Kind::Outputs,
        }
    }

    /// Names of the values that a plan has on this side, with levels and scales of their ciphertexts.
    fn forms(self, client: &ClientSection) -> Vec<(&str, Vec<CiphertextForm>)> {
        let form = |(level, scale): (u32, f64)| CiphertextForm { level: level as usize, scale, parts: PARTS };
        match self {
            Self::Inputs => {
                let inputs = client.inputs.iter();
                let forms = |count: usize, ty| vec![form(ty); count];
                inputs.map(|i| (i.name.as_str(), forms(i.layout.ciphertexts, (i.level, i.scale)))).collect()
            }
            Self::Outputs => {
                let outputs = client.outputs.iter();
                outputs.map(|o| (o.name.as_str(), o.types.iter().copied().map(form).collect())).collect()
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
struct BundleRecord {
    /// Names and numbers of ciphertexts.
    values: Vec<(String, u32)>,
    /// Uniform halves as seeds.
    seeded: bool,
    request: RequestId,
}

impl BundleRecord {
    /// Says what is not as a plan has it.
    fn check(&self, forms: &[(&str, Vec<CiphertextForm>)]) -> Result<(), String> {
        let (found, wanted) = (self.values.len(), forms.len());
        if found != wanted {
            return Err(format!("it holds {found} values, the plan has {wanted}"));
        }
        self.values.iter().zip(forms).try_for_each(|((name, count), (wanted, forms))| {
            if name != wanted {
                return Err(format!("it holds {name:?} where the plan has {wanted:?}"));
            }
            match forms.len() {
                n if n == *count as usize => Ok(()),
                n => Err(format!("{name:?} has {count} ciphertexts, the plan has {n}")),
            }
        })
    }
}

/// All ciphertexts of a network's inputs or outputs, with what they were made for.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    /// The plan.
    pub plan: PlanId,
    /// The keys.
    pub keys: KeySetId,
    /// The request that they are, or answer.
    pub request: RequestId,
    /// Packed values by name, in order.
    pub values: Vec<(String, Vec<Ciphertext>)>,
}

impl Bundle {
    /// Writes the bundle.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, path: &Path, direction: Direction, parameters: &Parameters) -> Result<(), FileError> {
        let names = self.values.iter().map(|(name, cts)| (name.as_str(), cts.len()));
        let made_for = (self.plan, self.keys, self.request);
        save(path, direction.kind(), parameters, made_for, names, false, &mut |out| {
            self.values.iter().flat_map(|(_, cts)| cts).try_for_each(|ct| ct.write_to(parameters, out))
        })
    }

    /// Reads a bundle for a plan, whose client section says what it has to hold: anything else is refused before memory is
    /// taken for it.
    ///
    /// # Errors
    /// If the file is no such bundle, or for other parameters or another plan.
    pub fn load(
        path: &Path,
        direction: Direction,
        parameters: &Parameters,
        (plan, client): (PlanId, &ClientSection),
    ) -> Result<Self, FileError> {
        let mut file = open(path, direction.kind(), parameters)?;
        expect_same(path, "plan", &plan.0, &file.tags.plan.0)?;
        let Ok((record, [])) = postcard::take_from_bytes::<BundleRecord>(&file.record) else {
            return Err(FileError::damaged(path, "its table of contents is malformed"));
        };
        let forms = direction.forms(client);
        let unlike = |message| FileError::Form { path: path.to_owned(), message };
        record.check(&forms).map_err(unlike)?;
        let mut values = Vec::with_capacity(forms.len());
        for (name, forms) in forms {
            let mut cts = Vec::with_capacity(forms.len());
            for form in forms {
                let read = if record.seeded {
                    SeededCiphertext::read_as(parameters, form, &mut file.input)
                        .and_then(|ct| ct.expand(parameters))
                } else {
                    Ciphertext::read_as(parameters, form, &mut file.input)
                };
                cts.push(read.map_err(FileError::ckks(path))?);
            }
            values.push((name.to_string(), cts));
        }
        let keys = file.tags.keys;
        file.end()?;
        Ok(Self { plan, keys, request: record.request, values })
    }
}

/// Writes fresh ciphertexts with seeds for their uniform halves: half the size.
///
/// # Errors
/// Those of the file system.
pub fn save_seeded(
    path: &Path,
    parameters: &Parameters,
    made_for: (PlanId, KeySetId, RequestId),
    values: &[(String, Vec<SeededCiphertext>)],
) -> Result<(), FileError> {
    let names = values.iter().map(|(name, cts)| (name.as_str(), cts.len()));
    save(path, Kind::Inputs, parameters, made_for, names, true, &mut |out| {
        values.iter().flat_map(|(_, cts)| cts).try_for_each(|ct| ct.write_to(parameters, out))
    })
}

fn save<'n>(
    path: &Path,
    kind: Kind,
    parameters: &Parameters,
    (plan, keys, request): (PlanId, KeySetId, RequestId),
    names: impl Iterator<Item = (&'n str, usize)>,
    seeded: bool,
    content: &mut dyn FnMut(&mut &mut dyn Write) -> Result<(), CkksError>,
) -> Result<(), FileError> {
    let values = names.map(|(name, count)| (name.to_string(), count as u32)).collect();
    let record = postcard::to_stdvec(&BundleRecord { values, seeded, request })
        .map_err(|e| FileError::damaged(path, e.to_string()))?;
    let tags = Tags { parameters: parameters.id().0, keys, plan };
    write(path, kind, &tags, &record, |mut out| content(&mut out))
}
