//! Writing plans and client files.

use std::io::{self, Write};
use std::path::Path;

use super::container::{self, ALIGNMENT, Payload};
use super::{ClientSpec, Plan, PlanError, PlanId, Version, read};
use crate::Constant;
use crate::output::write_atomically;

/// The weights section: every constant at a multiple of 64.
fn write_weights(constants: &[Constant], out: &mut dyn Write) -> io::Result<()> {
    let mut at = 0u64;
    for constant in constants {
        let start = at.next_multiple_of(ALIGNMENT);
        out.write_all(&[0; ALIGNMENT as usize][..(start - at) as usize])?;
        match constant.data.double() {
            Some(double) => double.iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))?,
            None if cfg!(target_endian = "little") => out.write_all(bytemuck::cast_slice(&constant.data))?,
            None => constant.data.iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))?,
        }
        let size = if constant.data.double().is_some() { 8 } else { 4 };
        at = start + size * constant.len() as u64;
    }
    Ok(())
}

fn postcard<T: serde::Serialize>(section: &'static str, value: &T) -> Result<Vec<u8>, PlanError> {
    postcard::to_stdvec(value).map_err(|e| PlanError::Section { section, message: e.to_string() })
}

impl Plan {
    /// Calls `f` with the sections.
    fn with_sections<T>(
        &self,
        f: impl FnOnce(&[(container::Kind, Payload<'_>)]) -> io::Result<T>,
    ) -> Result<io::Result<T>, PlanError> {
        let mut schedule = (*self.schedule).clone();
        let constants = std::mem::take(&mut schedule.constants);
        let shapes: Vec<(&[usize], bool)> =
            constants.iter().map(|c| (c.shape.as_slice(), c.data.double().is_some())).collect();
        let parts = [
            postcard("parameters", &self.parameters)?,
            postcard("schedule", &schedule)?,
            postcard("keys", &self.keys)?,
            postcard("client", &self.client)?,
            postcard("report", &self.report)?,
            postcard("shapes", &shapes)?,
        ];
        let writers: Vec<_> = parts.iter().map(|p| move |out: &mut dyn Write| out.write_all(p)).collect();
        let weights = |out: &mut dyn Write| write_weights(&constants, out);
        let payloads = writers.iter().map(|w| w as Payload<'_>).chain([&weights as Payload<'_>]);
        let sections: Vec<_> = read::PLAN_SECTIONS.into_iter().zip(payloads).collect();
        Ok(f(&sections))
    }

    /// Identity of the plan, as reading its file gives.
    ///
    /// # Errors
    /// If it cannot be serialised.
    pub fn id(&self) -> Result<PlanId, PlanError> {
        let header = self.with_sections(|s| container::header(read::PLAN_MAGIC, Version::V7 as u32, s))?;
        let (_, digest) = header.map_err(PlanError::io(Path::new("plan")))?;
        Ok(PlanId(digest))
    }

    /// Writes the plan to `out`.
    ///
    /// # Errors
    /// If the plan contradicts itself, or those of `out`.
    pub fn write_to(&self, out: &mut dyn Write) -> Result<PlanId, PlanError> {
        self.check()?;
        let written =
            self.with_sections(|s| container::write(out, read::PLAN_MAGIC, Version::V7 as u32, s))?;
        Ok(PlanId(written.map_err(PlanError::io(Path::new("plan")))?))
    }

    /// Writes the plan file, atomically.
    ///
    /// # Errors
    /// If the plan contradicts itself, or those of the file system.
    pub fn save(&self, path: &Path) -> Result<PlanId, PlanError> {
        self.check()?;
        let mut id = None;
        let written = self.with_sections(|s| {
            write_atomically(path, None, |out| {
                id = Some(container::write(out, read::PLAN_MAGIC, Version::V7 as u32, s)?);
                Ok(())
            })
        })?;
        written.map_err(PlanError::io(path))?;
        Ok(PlanId(id.unwrap_or_default()))
    }
}

impl ClientSpec {
    /// The bytes of a client file.
    ///
    /// # Errors
    /// If the parts contradict each other.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PlanError> {
        self.check()?;
        let bytes = postcard("client", self)?;
        let payload = |out: &mut dyn Write| out.write_all(&bytes);
        let mut file = Vec::new();
        container::write(
            &mut file,
            read::CLIENT_MAGIC,
            Version::V7 as u32,
            &[(read::CLIENT_SECTIONS[0], &payload)],
        )
        .map_err(PlanError::io(Path::new("client file")))?;
        Ok(file)
    }

    /// Writes the client file, atomically.
    ///
    /// # Errors
    /// As [`ClientSpec::to_bytes`], or those of the file system.
    pub fn save(&self, path: &Path) -> Result<(), PlanError> {
        let bytes = self.to_bytes()?;
        write_atomically(path, None, |out| out.write_all(&bytes)).map_err(PlanError::io(path))
    }
}
