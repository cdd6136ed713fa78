//! What follows from a schedule and its parameters: key manifest, client section, the plan.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ClientInput, ClientOutput, ClientSection, Gadget, KeyManifest, LevelKey, Normalisation, ParameterData,
    Plan, PlanError, Preprocessing, Report, RotationKey,
};
use crate::Verified;
use crate::schedule::keys::{KeyNeeds, key_needs};
use crate::schedule::transparent::transparent;
use crate::schedule::{Recipe, Schedule, ScheduleOp, scale};

/// Bounds are no larger than this in bits, though long chains hold more: they are numbers that clients compute with.
const MAX_BOUND_BITS: f64 = 512.0;

impl KeyManifest {
    /// The keys for the given needs: per step and gadget one key, of the highest level at which it is used.
    /// The parameters must have every level that occurs. Bootstraps have keys of their own: their size is set afterwards.
    pub fn for_needs(needs: &KeyNeeds, parameters: &ParameterData) -> Self {
        let gadgets = &parameters.gadgets;
        let mut rotations: BTreeMap<(u32, Gadget), u32> = BTreeMap::new();
        for &(step, level) in &needs.rotations {
            let highest = rotations.entry((step, gadgets[level as usize])).or_default();
            *highest = level.max(*highest);
        }
        let bytes = |level: u32| parameters.key_bytes(level);
        let of_levels = |levels: &BTreeSet<u32>| {
            let mut highest: BTreeMap<Gadget, u32> = BTreeMap::new();
            // In ascending order: the last one stays.
            highest.extend(levels.iter().map(|&level| (gadgets[level as usize], level)));
            let levels: BTreeSet<_> = highest.into_values().collect();
            levels.into_iter().map(|level| LevelKey { level, bytes: bytes(level) }).collect()
        };
        let rotations: BTreeSet<_> = rotations.into_iter().map(|((step, _), level)| (step, level)).collect();
        Self {
            relinearisation: of_levels(&needs.relinearisations),
            rotations: rotations
                .into_iter()
                .map(|(step, level)| RotationKey { step, level, bytes: bytes(level) })
                .collect(),
            bootstrap_bytes: 0,
        }
    }
}

impl ClientSection {
    /// Reads inputs and outputs off a schedule. `normalisations` are those of the inputs, in order; missing ones
    /// are the default. Bounds are what the moduli have room for, of results half of that: what is larger is about to wrap
    /// around, or has.
    ///
    /// # Errors
    /// If the ciphertexts of one input differ in level or scale.
    pub fn of(schedule: &Verified<Schedule>, normalisations: &[Normalisation]) -> Result<Self, PlanError> {
        let header = &schedule.header;
        let mut types = vec![None; header.inputs.len()];
        for (id, node) in schedule.iter() {
            if let ScheduleOp::Input { input, .. } = &node.op {
                let (level, scale) = (node.ty.level, node.ty.scale);
                if *types[*input as usize].get_or_insert((level, scale)) != (level, scale) {
                    let message = format!("{} differs from its siblings", schedule.describe(id));
                    return Err(PlanError::Inconsistent(message));
                }
            }
        }
        let room = scale::room(&header.moduli);
        let holds = |(level, scale): (u32, f64)| {
            let bits = room.get(level as usize).map_or(0.0, |room| room - scale.log2());
            bits.min(MAX_BOUND_BITS).exp2()
        };
        let mut inputs = Vec::with_capacity(types.len());
        for (k, (packed, ty)) in header.inputs.iter().zip(types).enumerate() {
            let missing = || PlanError::Inconsistent(format!("input {:?} has no node", packed.name));
            let (level, scale) = ty.ok_or_else(missing)?;
            inputs.push(ClientInput {
                name: packed.name.clone(),
                layout: packed.layout.clone(),
                normalisation: normalisations.get(k).cloned().unwrap_or_default(),
                preprocessing: Preprocessing::default(),
                level,
                scale,
                bound: holds((level, scale)),
            });
        }
        let mut types = schedule.outputs.iter().map(|o| schedule.ty(o.value)).map(|t| (t.level, t.scale));
        let outputs = header.outputs.iter().map(|packed| {
            let types: Vec<_> = types.by_ref().take(packed.layout.ciphertexts).collect();
            let bound = types.iter().map(|ty| holds(*ty) / 2.0).fold(f64::MAX, f64::min);
            ClientOutput {
                name: packed.name.clone(),
                layout: packed.layout.clone(),
                types,
                bound,
                range: 1.0,
                error: 1.0,
                constant: false,
            }
        });
        let outputs = outputs.collect();
        let (tail, classes) = (None, vec![]);
        let mut client = Self { network: schedule.name.clone(), inputs, outputs, tail, classes };
        client.note_constants(schedule, &|_, _| false);
        Ok(client)
    }
}

impl ClientSection {
    /// Notes which outputs are constants, plaintexts that are `small` at a scale being encoded as 0.
    pub fn note_constants(&mut self, schedule: &Schedule, small: &dyn Fn(&Recipe, f64) -> bool) {
        let transparent = transparent(schedule, small);
        let mut values = schedule.outputs.iter().map(|o| transparent[o.value.index()]);
        for output in &mut self.outputs {
            let of_output: Vec<bool> = values.by_ref().take(output.layout.ciphertexts).collect();
            output.constant = of_output.contains(&true);
        }
    }
}

impl Plan {
    /// A plan for a schedule that was planned for `parameters`. `bootstrap_bytes` is the size of the bootstrap's keys,
    /// which the engine knows; 0 without a bootstrap.
    ///
    /// # Errors
    /// If they contradict each other.
    pub fn assemble(
        parameters: ParameterData,
        schedule: Verified<Schedule>,
        normalisations: &[Normalisation],
        report: Report,
        bootstrap_bytes: u64,
    ) -> Result<Self, PlanError> {
        if parameters.gadgets.len() != schedule.header.moduli.len() {
            return Err(PlanError::Inconsistent("the schedule was planned for another chain".into()));
        }
        let keys = KeyManifest::for_needs(&key_needs(&schedule), &parameters);
        let keys = KeyManifest { bootstrap_bytes, ..keys };
        let client = ClientSection::of(&schedule, normalisations)?;
        let plan = Self { parameters, schedule, keys, client, report };
        plan.check()?;
        Ok(plan)
    }

    /// The plan with what becomes of pictures, in order of the inputs; nothing for missing ones.
    ///
    /// # Errors
    /// If that does not fit an input.
    pub fn with_preprocessing(mut self, steps: &[Preprocessing]) -> Result<Self, PlanError> {
        for (input, steps) in self.client.inputs.iter_mut().zip(steps) {
            input.preprocessing = *steps;
        }
        self.client.check_preprocessing().map_err(PlanError::Inconsistent)?;
        Ok(self)
    }
}
