//! Random schedules on small rings without security, one with bootstraps: several inputs and ciphertexts, many instructions and
//! keys, and a run that takes milliseconds. What a damaged file loads as is run.

#[path = "../../../runtime/tests/common/mod.rs"]
pub(super) mod common;

use std::error::Error;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use fhec::Client;
use fhec::ir::schedule::ScheduleOp;
use fhec::plan::{ClientSpec, Plan, PlanId};
use fhec::runtime::client::Keys;
use fhec::runtime::files::{Bundle, Direction, KeySetId, read_evaluation_keys, write_evaluation_keys};
use fhec::runtime::server::Server;
use fhec_ckks::keys::EvaluationKeySet;
use fhec_ckks::params::{KeyShape, Parameters};
use fhec_ckks::{KeyName, Serializable};

use super::sealed::Sealed;
use super::{Loaded, Target, accept, same};

/// Where a file of keys has the identity of the set, and its only object.
const KEY_SET: std::ops::Range<usize> = 48..80;
const OBJECT: usize = 148;

/// A deployment of a random schedule.
pub(super) struct Small {
    pub(super) name: &'static str,
    parameters: Parameters,
    pub(super) plan: (Arc<Plan>, PlanId),
    client: Client,
    keys: Keys,
    inputs: Bundle,
    outputs: Bundle,
}

/// Steps of a schedule, each of a few instructions.
const STEPS: usize = 12;

impl Small {
    /// A ring of degree 2^7 with three levels.
    pub(super) fn levelled() -> Result<Self, Box<dyn Error>> {
        let parameters = common::small_parameters(7, 3);
        let schedule = common::random_schedule(&parameters, 1, STEPS);
        let plan = common::plan(&parameters, schedule);
        Self::new("small", parameters, plan)
    }

    /// A ring of degree 2^10 with bootstraps.
    pub(super) fn bootstrapped() -> Result<Self, Box<dyn Error>> {
        let (parameters, data, bytes) = common::bootstrapped();
        let schedule = common::bootstrapped_schedule(&data, 1, STEPS);
        if !schedule.iter().any(|(_, node)| matches!(node.op, ScheduleOp::Bootstrap { .. })) {
            return Err("the random schedule has no bootstrap".into());
        }
        Self::new("bootstrapped", parameters, common::plan_with(data, schedule, bytes))
    }

    fn new(
        name: &'static str,
        parameters: Parameters,
        (plan, id): (Arc<Plan>, PlanId),
    ) -> Result<Self, Box<dyn Error>> {
        let Plan { parameters: data, keys, client, .. } = (*plan).clone();
        let spec = ClientSpec { plan: id, parameters: data, keys, client };
        let client = Client::with_parameters(spec, parameters.clone())?.allow_out_of_range(true);
        let keys = client.generate_keys(None)?;
        let images: Vec<Vec<f64>> = (client.spec().client.inputs.iter())
            .map(|i| (0..i.layout.elements()).map(|k| f64::from(k as u32 % 7) / 7.0).collect())
            .collect();
        let inputs = client.encrypt((&keys.secret, keys.id), &images)?;
        let plan = (plan, id);
        let evaluation = (keys.evaluation.clone(), keys.id);
        let server = Server::new(plan.clone(), &parameters, evaluation, 0)?;
        let outputs = server.run(inputs.clone(), &Default::default())?.outputs;
        Ok(Self { name, parameters, plan, client, keys, inputs, outputs })
    }

    /// Its files, as they are and inside their checksums.
    pub(super) fn targets(&self, folder: &Path) -> Result<Vec<Target<'_>>, Box<dyn Error>> {
        let path = folder.join(self.name);
        let bytes = || std::fs::read(&path);
        let kind = |what: &str| format!("{} {what}", self.name);
        self.plan.0.save(&path)?;
        let plan = Target::guarded(&kind("plan"), bytes()?, Rc::new(|p| self.plan(p)));
        self.inputs.save(&path, Direction::Inputs, &self.parameters)?;
        let inputs = Target::guarded(&kind("inputs"), bytes()?, Rc::new(|p| self.inputs(p)));
        self.outputs.save(&path, Direction::Outputs, &self.parameters)?;
        let outputs = Target::guarded(&kind("outputs"), bytes()?, Rc::new(|p| self.outputs(p)));
        write_evaluation_keys(&path, &self.keys.evaluation, self.keys.id)?;
        let size = |record: &[u8]| {
            let named: Result<(KeyName, KeyShape), _> = postcard::from_bytes(record);
            named.map_or(0, |(_, shape)| self.parameters.stored_key_bytes(&shape))
        };
        let sealed = Sealed::open_keys(&bytes()?, self.keys.evaluation.len(), size);
        let keys = Target::hostile(&kind("keys, run"), bytes()?, sealed, Rc::new(|p| self.evaluation(p)));
        Ok([plan, inputs, outputs].into_iter().flatten().chain([keys]).collect())
    }

    /// Runs a plan on inputs that are for it.
    fn run(&self, plan: (Arc<Plan>, PlanId), keys: (Arc<EvaluationKeySet>, KeySetId)) -> Loaded {
        let bundle = Bundle { plan: plan.1, keys: keys.1, ..self.inputs.clone() };
        let server = accept!(Server::new(plan, &self.parameters, keys, 0));
        let outputs = accept!(server.run(bundle, &Default::default())).outputs;
        let equal = outputs.values == self.outputs.values;
        // Nonsense may lie beyond what the client accepts, no more.
        let outputs = Bundle { plan: self.plan.1, ..outputs };
        accept!(self.client.decrypt((&self.keys.secret, outputs.keys), &outputs));
        Ok(same(equal))
    }

    fn plan(&self, path: &Path) -> Loaded {
        let (plan, id) = accept!(Plan::load(path));
        if plan == *self.plan.0 {
            return Ok(same(true));
        }
        if plan.parameters != self.plan.0.parameters {
            accept!(Server::parameters(&plan));
            return Ok(same(false));
        }
        self.run((Arc::new(plan), id), (self.keys.evaluation.clone(), self.keys.id))?;
        Ok(same(false))
    }

    fn inputs(&self, path: &Path) -> Loaded {
        let (plan, id) = &self.plan;
        let loaded = Bundle::load(path, Direction::Inputs, &self.parameters, (*id, &plan.client));
        let bundle = accept!(loaded);
        if bundle == self.inputs {
            return Ok(same(true));
        }
        let keys = (self.keys.evaluation.clone(), bundle.keys);
        let server = accept!(Server::new(self.plan.clone(), &self.parameters, keys, 0));
        accept!(server.run(bundle, &Default::default()));
        Ok(same(false))
    }

    fn outputs(&self, path: &Path) -> Loaded {
        let (plan, id) = &self.plan;
        let loaded = Bundle::load(path, Direction::Outputs, &self.parameters, (*id, &plan.client));
        let bundle = accept!(loaded);
        accept!(self.client.decrypt((&self.keys.secret, bundle.keys), &bundle));
        Ok(same(bundle == self.outputs))
    }

    /// Runs keys, under the identity that a hostile writer would give them.
    fn evaluation(&self, path: &Path) -> Loaded {
        let needs = accept!(Server::key_needs(&self.plan.0, &self.parameters));
        let mut file = accept!(std::fs::read(path));
        let found = EvaluationKeySet::read_from(&self.parameters, &mut &file[OBJECT.min(file.len())..]);
        if let Ok(keys) = found {
            let id = accept!(KeySetId::of(&self.parameters, &self.keys.public, &keys));
            file[KEY_SET].copy_from_slice(&id.0);
            let (head, end) = (OBJECT - 32, file.len() - 32);
            let digest = *blake3::hash(&file[..head]).as_bytes();
            file[head..OBJECT].copy_from_slice(&digest);
            let digest = *blake3::hash(&file[..end]).as_bytes();
            file[end..].copy_from_slice(&digest);
        }
        let forged = path.with_extension("forged");
        accept!(std::fs::write(&forged, file));
        let (keys, id) = accept!(read_evaluation_keys(&forged, &self.parameters, &needs));
        self.run(self.plan.clone(), (Arc::new(keys), id))
    }
}
