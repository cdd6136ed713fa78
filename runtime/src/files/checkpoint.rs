//! Checkpoints: ciphertexts from the midst of a run.

use std::path::Path;
use std::sync::Arc;

use fhec_ckks::cipher::Ciphertext;
use fhec_ckks::params::Parameters;
use fhec_ckks::{CiphertextForm, CkksError, Serializable};
use fhec_ir::ValueId;
use fhec_ir::plan::PlanId;
use fhec_ir::schedule::{Kind as ValueKind, Schedule};
use serde::{Deserialize, Serialize};

use super::bundle::RequestId;
use super::format::{KeySetId, Kind, Tags, expect_same, open, write};
use crate::ckks::CkksValue;
use crate::error::FileError;

#[derive(Serialize, Deserialize)]
struct Record {
    request: RequestId,
    /// In ascending order.
    values: Vec<u32>,
}

/// Ciphertexts of a run with what they were made for. It has nothing that the server did not have before.
#[derive(Debug)]
pub struct Checkpoint {
    /// The keys.
    pub keys: KeySetId,
    /// The request whose run it was.
    pub request: RequestId,
    /// Ciphertexts of the schedule, in ascending order.
    pub values: Vec<(ValueId, Ciphertext)>,
}

impl Checkpoint {
    /// Writes ciphertexts of a run.
    ///
    /// # Errors
    /// Those of the file system; a value that is no ciphertext.
    pub fn save(
        path: &Path,
        parameters: &Parameters,
        (plan, keys, request): (PlanId, KeySetId, RequestId),
        values: &[(ValueId, Arc<CkksValue>)],
    ) -> Result<(), FileError> {
        let record = Record { request, values: values.iter().map(|(id, _)| id.0).collect() };
        let record = postcard::to_stdvec(&record).map_err(|e| FileError::damaged(path, e.to_string()))?;
        let tags = Tags { parameters: parameters.id().0, keys, plan };
        write(path, Kind::Checkpoint, &tags, &record, |mut out| {
            values.iter().try_for_each(|(_, value)| match &**value {
                CkksValue::Ct(ct) => ct.write_to(parameters, &mut out),
                _ => Err(CkksError::Io(std::io::Error::other("no ciphertext"))),
            })
        })
    }

    /// Reads a checkpoint of a run of a plan's schedule.
    ///
    /// # Errors
    /// If the file is no checkpoint, or of other parameters or another plan.
    pub fn load(
        path: &Path,
        parameters: &Parameters,
        (plan, schedule): (PlanId, &Schedule),
    ) -> Result<Self, FileError> {
        let mut file = open(path, Kind::Checkpoint, parameters)?;
        expect_same(path, "plan", &plan.0, &file.tags.plan.0)?;
        let Ok((record, [])) = postcard::take_from_bytes::<Record>(&file.record) else {
            return Err(FileError::damaged(path, "its table of contents is malformed"));
        };
        let is_ct =
            |id: &u32| (*id as usize) < schedule.len() && schedule.ty(ValueId(*id)).kind == ValueKind::Ct;
        if !record.values.is_sorted_by(|a, b| a < b) || !record.values.iter().all(is_ct) {
            return Err(FileError::damaged(path, "it names values that the plan does not have"));
        }
        let mut values = Vec::with_capacity(record.values.len());
        for id in record.values.into_iter().map(ValueId) {
            let ty = schedule.ty(id);
            let form = CiphertextForm { level: ty.level as usize, scale: ty.scale, parts: 2 };
            let ct = Ciphertext::read_as(parameters, form, &mut file.input).map_err(FileError::ckks(path))?;
            values.push((id, ct));
        }
        let keys = file.tags.keys;
        file.end()?;
        Ok(Self { keys, request: record.request, values })
    }
}
