//! One file of each kind from a deployment of the example LeNet, and how the command line loads it.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use fhec::frontend::{Import, import};
use fhec::ir::schedule::interp::interpret;
use fhec::plan::{ClientSpec, Plan, PlanId};
use fhec::runtime::client::{Client, Keys, read_secret_key, write_secret_key};
use fhec::runtime::files::{self, Bundle, Direction, RequestId, read_evaluation_keys, read_public_key};
use fhec::runtime::server::Server;
use fhec::runtime::{ExecuteOptions, RunError};
use fhec::{Driver, Request, pipeline::Program};

use super::{Load, Loaded, Target, accept, refused, same};

/// All files of a deployment, and what they hold.
pub(super) struct Deployment {
    folder: PathBuf,
    onnx: PathBuf,
    schedule: Program,
    plan: (Arc<Plan>, PlanId),
    client: Client,
    keys: Keys,
    inputs: Bundle,
    outputs: Bundle,
}

impl Deployment {
    /// Compiles, makes keys, encrypts, runs, and writes every file.
    pub(super) fn new(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let onnx = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/mnist/lenet.onnx");
        let network = import(&onnx, &Default::default())?;
        let schedule = lowered(&network)?;
        let request = Request { precision_bits: 5.0, ..Request::default() };
        let plan = fhec::compile(&onnx, &request)?.plan.ok_or("no plan")?;
        let id = plan.save(&folder.join("plan"))?;
        plan.client_spec()?.save(&folder.join("client"))?;
        let client = Client::new(plan.client_spec()?)?;
        let keys = client.generate_keys(None)?;
        let parameters = client.parameters();
        write_secret_key(&folder.join("secret"), &keys.secret, keys.id)?;
        files::write_public_key(&folder.join("public"), parameters, &keys.public, keys.id)?;
        files::write_evaluation_keys(&folder.join("evaluation"), &keys.evaluation, keys.id)?;
        let images = zeros(&client);
        let seeded = client.encrypt_seeded(&keys.secret, &images)?;
        let request = RequestId([7; 16]);
        files::save_seeded(&folder.join("seeded"), parameters, (id, keys.id, request), &seeded)?;
        let inputs = Bundle::load(&folder.join("seeded"), Direction::Inputs, parameters, (id, &plan.client))?;
        inputs.save(&folder.join("inputs"), Direction::Inputs, parameters)?;
        let plan = (Arc::new(plan), id);
        let server = Server::new(plan.clone(), parameters, (keys.evaluation.clone(), keys.id), 0)?;
        let outputs = server.run(inputs.clone(), &ExecuteOptions::default())?.outputs;
        outputs.save(&folder.join("outputs"), Direction::Outputs, parameters)?;
        Ok(Self { folder: folder.into(), onnx, schedule, plan, client, keys, inputs, outputs })
    }

    /// Every kind of file, once as it is and once, if it has checksums, inside them.
    pub(super) fn targets(&self) -> Result<Vec<Target<'_>>, Box<dyn Error>> {
        let kinds: [(_, _, Load<'_>); 8] = [
            ("plan", "plan", Rc::new(|p| self.plan(p))),
            ("client", "client", Rc::new(|p| self.client(p))),
            ("secret key", "secret", Rc::new(|p| self.secret(p))),
            ("public key", "public", Rc::new(|p| self.public(p))),
            ("evaluation keys", "evaluation", Rc::new(|p| self.evaluation(p))),
            ("seeded inputs", "seeded", Rc::new(|p| self.inputs(p))),
            ("inputs", "inputs", Rc::new(|p| self.inputs(p))),
            ("outputs", "outputs", Rc::new(|p| self.outputs(p))),
        ];
        let bytes = std::fs::read(&self.onnx)?;
        let mut targets = vec![Target::unguarded("onnx", "onnx", bytes, Rc::new(|p: &Path| self.network(p)))];
        for (kind, file, load) in kinds {
            targets.extend(Target::guarded(kind, std::fs::read(self.folder.join(file))?, load));
        }
        Ok(targets)
    }

    fn network(&self, path: &Path) -> Loaded {
        let import = accept!(import(path, &Default::default()));
        let program = accept!(lowered(&import));
        let (Program::Schedule(found), Program::Schedule(wanted)) = (&program, &self.schedule) else {
            return Err("internal: no schedule".into());
        };
        Ok(same(**found == **wanted))
    }

    fn plan(&self, path: &Path) -> Loaded {
        let (plan, id) = accept!(Plan::load(path));
        let equal = plan == *self.plan.0;
        if !equal {
            let parameters = accept!(Server::parameters(&plan));
            let plan = Arc::new(plan);
            let keys = (self.keys.evaluation.clone(), self.keys.id);
            accept!(Server::new((plan.clone(), id), &parameters, keys, 0));
            let inputs = plan.client.inputs.iter();
            let packed: Vec<_> = inputs.map(|i| i.layout.pack(&vec![0.0; i.layout.elements()])).collect();
            accept!(interpret(&plan.schedule, &packed));
        }
        Ok(same(equal))
    }

    fn client(&self, path: &Path) -> Loaded {
        let spec = accept!(ClientSpec::load(path));
        let equal = spec == *self.client.spec();
        if !equal {
            let client = accept!(Client::new(spec));
            let secret = (&self.keys.secret, self.keys.id);
            accept!(client.encrypt(secret, &zeros(&client)));
            let outputs = Bundle { plan: client.spec().plan, ..self.outputs.clone() };
            accept!(client.decrypt(secret, &outputs));
        }
        Ok(same(equal))
    }

    fn secret(&self, path: &Path) -> Loaded {
        let (secret, id) = accept!(read_secret_key(path, self.client.parameters()));
        accept!(self.client.decrypt((&secret, id), &self.outputs));
        self.written("secret", path, |copy| write_secret_key(copy, &secret, id))
    }

    fn public(&self, path: &Path) -> Loaded {
        let (public, id) = accept!(read_public_key(path, self.client.parameters()));
        accept!(self.client.encrypt_public((public.clone(), id), &zeros(&self.client)));
        self.written("public", path, |copy| {
            files::write_public_key(copy, self.client.parameters(), &public, id)
        })
    }

    fn evaluation(&self, path: &Path) -> Loaded {
        let needs = accept!(Server::key_needs(&self.plan.0, self.client.parameters()));
        let (evaluation, id) = accept!(read_evaluation_keys(path, self.client.parameters(), &needs));
        let evaluation = Arc::new(evaluation);
        accept!(Server::new(self.plan.clone(), self.client.parameters(), (evaluation.clone(), id), 0));
        self.written("evaluation", path, |copy| files::write_evaluation_keys(copy, &evaluation, id))
    }

    fn inputs(&self, path: &Path) -> Loaded {
        let bundle = accept!(self.bundle(path, Direction::Inputs));
        let form = |b: &Bundle| -> Vec<_> {
            let cts = |v: &[fhec_ckks::cipher::Ciphertext]| -> Vec<_> {
                v.iter().map(|c| (c.level(), c.scale().to_bits(), c.parts())).collect()
            };
            b.values.iter().map(|(name, v)| (name.clone(), cts(v))).collect()
        };
        let equal = bundle == self.inputs;
        if form(&bundle) != form(&self.inputs) || bundle.keys != self.keys.id {
            // Not what the plan takes: the server must notice.
            let keys = (self.keys.evaluation.clone(), self.keys.id);
            let server = accept!(Server::new(self.plan.clone(), self.client.parameters(), keys, 0));
            return match server.run(bundle, &ExecuteOptions::default()) {
                Ok(_) => Err("the server ran inputs of another form".into()),
                Err(RunError::Type { .. }) => {
                    Err("inputs of another form looked like a defect of fhec".into())
                }
                Err(error) => refused(&error),
            };
        }
        Ok(same(equal))
    }

    fn bundle(&self, path: &Path, direction: Direction) -> Result<Bundle, fhec::runtime::FileError> {
        let (plan, id) = &self.plan;
        Bundle::load(path, direction, self.client.parameters(), (*id, &plan.client))
    }

    fn outputs(&self, path: &Path) -> Loaded {
        let bundle = accept!(self.bundle(path, Direction::Outputs));
        accept!(self.client.decrypt((&self.keys.secret, self.keys.id), &bundle));
        Ok(same(bundle == self.outputs))
    }

    /// Writes what was loaded: the same bytes as those of the undamaged file?
    fn written<E: std::fmt::Display>(
        &self,
        original: &str,
        path: &Path,
        write: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Loaded {
        let copy = path.with_extension("copy");
        // A secret key is not overwritten.
        let _ = std::fs::remove_file(&copy);
        write(&copy).map_err(|e| e.to_string())?;
        let read = |p: &Path| std::fs::read(p).map_err(|e| e.to_string());
        Ok(same(read(&copy)? == read(&self.folder.join(original))?))
    }
}

/// The network down to ciphertexts, without parameters.
fn lowered(network: &Import) -> Result<Program, fhec::CompileError> {
    let request = Request { stop_after: Some("lower".into()), log_n: Some(14), ..Request::default() };
    Ok(Driver::new(network, &request).run()?.program)
}

fn zeros(client: &Client) -> Vec<Vec<f64>> {
    client.spec().client.inputs.iter().map(|i| vec![0.0; i.layout.elements()]).collect()
}
