//! Reading plans and client files.

use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::container::{self, ALIGNMENT, Kind, Parsed};
use super::loaded::{self, Bytes};
use super::{ClientSpec, Plan, PlanError, PlanId, Version};
use crate::schedule::Schedule;
use crate::{Constant, verify};

pub(super) const PLAN_MAGIC: [u8; 8] = *b"FHECPLAN";
pub(super) const CLIENT_MAGIC: [u8; 8] = *b"FHECSPEC";
pub(super) const PLAN_SECTIONS: [Kind; 7] = [
    (1, "parameters"),
    (2, "schedule"),
    (3, "keys"),
    (4, "client"),
    (5, "report"),
    (6, "shapes"),
    (7, "weights"),
];
pub(super) const CLIENT_SECTIONS: [Kind; 1] = [(1, "client")];

fn open(bytes: &[u8], magic: [u8; 8], expected: &'static str, kinds: &[Kind]) -> Result<Parsed, PlanError> {
    let number = container::version_of(bytes, magic).ok_or(PlanError::Magic { expected })?;
    Version::try_from(number).map_err(PlanError::Version)?;
    let parsed = container::parse(bytes, kinds)?;
    debug_assert_eq!(parsed.version, number);
    Ok(parsed)
}

/// A postcard value that takes all of `bytes`.
fn decode<T: DeserializeOwned>(section: &'static str, bytes: &[u8]) -> Result<T, PlanError> {
    let fail = |message: String| PlanError::Section { section, message };
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|e| fail(e.to_string()))?;
    if rest.is_empty() { Ok(value) } else { Err(fail(format!("{} bytes too many", rest.len()))) }
}

impl Plan {
    /// Reads a plan file; weights stay where they were read to.
    ///
    /// # Errors
    /// Everything that is wrong with it, see [`PlanError`].
    pub fn load(path: &Path) -> Result<(Self, PlanId), PlanError> {
        Self::from_shared(loaded::load(path).map_err(PlanError::io(path))?)
    }

    /// Reads a plan from memory.
    ///
    /// # Errors
    /// Everything that is wrong with it, see [`PlanError`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<(Self, PlanId), PlanError> {
        Self::from_shared(Arc::new(bytes))
    }

    fn from_shared(shared: Bytes) -> Result<(Self, PlanId), PlanError> {
        let bytes = (*shared).as_ref();
        let parsed = open(bytes, PLAN_MAGIC, "plan", &PLAN_SECTIONS)?;
        let section = |k: usize| (PLAN_SECTIONS[k].1, &bytes[parsed.sections[k].clone()]);
        fn of<T: DeserializeOwned>((name, bytes): (&'static str, &[u8])) -> Result<T, PlanError> {
            decode(name, bytes)
        }
        let mut schedule: Schedule = of(section(1))?;
        if !schedule.constants.is_empty() {
            return Err(PlanError::Section { section: "schedule", message: "it holds constants".into() });
        }
        schedule.constants = constants(&shared, of(section(5))?, &parsed)?;
        let plan = Self {
            parameters: of(section(0))?,
            schedule: verify(schedule)?,
            keys: of(section(2))?,
            client: of(section(3))?,
            report: of(section(4))?,
        };
        plan.check()?;
        Ok((plan, PlanId(parsed.digest)))
    }
}

/// Cuts the weights section into constants. Their places follow from the shapes, and from which of them are f64.
fn constants(
    bytes: &Bytes,
    shapes: Vec<(Vec<usize>, bool)>,
    parsed: &Parsed,
) -> Result<Vec<Constant>, PlanError> {
    let fail = |message: &str| PlanError::Section { section: "weights", message: message.into() };
    let section = parsed.sections[6].clone();
    let mut constants = Vec::with_capacity(shapes.len());
    let mut end = section.start;
    for (shape, double) in shapes {
        let width = if double { 8 } else { 4 };
        let size = shape.iter().try_fold(width, |n: usize, &d| n.checked_mul(d));
        let start = end.next_multiple_of(ALIGNMENT as usize);
        let stop = size.and_then(|s| start.checked_add(s)).filter(|&e| e <= section.end);
        let stop = stop.ok_or_else(|| fail("shapes do not fit"))?;
        if (**bytes).as_ref()[end..start].iter().any(|b| *b != 0) {
            return Err(fail("a gap is not zero"));
        }
        let data =
            if double { loaded::doubles(bytes, start..stop) } else { loaded::weights(bytes, start..stop) };
        if data.len() != (stop - start) / width {
            return Err(fail("numbers are cut"));
        }
        constants.push(Constant { shape, data });
        end = stop;
    }
    if end == section.end { Ok(constants) } else { Err(fail("bytes follow the last number")) }
}

impl ClientSpec {
    /// Reads a client file, or splits the client's part off a plan.
    ///
    /// # Errors
    /// Everything that is wrong with it, see [`PlanError`].
    pub fn load(path: &Path) -> Result<Self, PlanError> {
        let bytes = loaded::load(path).map_err(PlanError::io(path))?;
        let slice = (*bytes).as_ref();
        if container::version_of(slice, PLAN_MAGIC).is_some() {
            let (plan, id) = Plan::from_shared(bytes)?;
            let Plan { parameters, keys, client, .. } = plan;
            return Ok(Self { plan: id, parameters, keys, client });
        }
        Self::from_bytes(slice)
    }

    /// Reads a client file from memory.
    ///
    /// # Errors
    /// Everything that is wrong with it, see [`PlanError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PlanError> {
        let parsed = open(bytes, CLIENT_MAGIC, "client", &CLIENT_SECTIONS)?;
        let spec: Self = decode("client", &bytes[parsed.sections[0].clone()])?;
        spec.check()?;
        Ok(spec)
    }
}
