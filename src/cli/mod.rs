//! The command line: one file per verb. Exit codes: 0 done, 1 a stated failure, 2 usage.

#[cfg(any(feature = "compiler", feature = "client"))]
mod assumed;
#[cfg(feature = "client")]
mod boxes;
mod bundles;
#[cfg(feature = "compiler")]
mod calibrate;
#[cfg(feature = "client")]
mod check;
mod clean;
mod client_spec;
#[cfg(feature = "compiler")]
mod compile;
#[cfg(feature = "client")]
mod consent;
#[cfg(feature = "compiler")]
mod constants;
#[cfg(feature = "client")]
mod decrypt;
#[cfg(feature = "client")]
mod encrypt;
#[cfg(all(feature = "compiler", feature = "client"))]
mod eval;
mod figures;
mod files;
#[cfg(feature = "compiler")]
mod given;
mod html;
#[cfg(feature = "client")]
mod infer;
mod inspect;
#[cfg(feature = "client")]
mod keygen;
mod kind;
#[cfg(feature = "client")]
mod layers;
mod memory;
#[cfg(feature = "compiler")]
mod normalisation;
#[cfg(feature = "compiler")]
mod opt;
mod output;
mod paths;
#[cfg(feature = "client")]
mod records;
#[cfg(feature = "client")]
mod release;
#[cfg(feature = "client")]
mod results;
mod run;
mod scale;
#[cfg(feature = "client")]
mod secrets;
#[cfg(feature = "compiler")]
mod shapes;
#[cfg(feature = "client")]
mod simulate;
#[cfg(feature = "client")]
mod tasks;
mod trace;
#[cfg(feature = "client")]
mod usual;
mod verbs;
#[cfg(feature = "compiler")]
mod watching;

use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

pub(crate) use output::Context;

/// Compiler and runtime for convolutional networks on encrypted images.
#[derive(Parser)]
#[command(
    name = "fhec",
    version,
    arg_required_else_help = true,
    after_help = "\
Examples:
  fhec model.onnx -o model.plan                         compile
  fhec infer model.plan --input cat.png                 try it: keys, encryption, evaluation, decryption

A real deployment takes four processes on two machines:
  client$ fhec keygen model.client -o keys
  client$ fhec encrypt model.client --key keys/secret.key --input cat.png -o cat.ct
  server$ fhec run model.plan --keys keys/evaluation.keys --input cat.ct -o result.ct
  client$ fhec decrypt model.client --key keys/secret.key --input result.ct
where model.client comes from `fhec client-spec model.plan -o model.client` and keys/secret.key stays where it is.

A file that is written is there as a whole or not at all. Links are followed; devices and FIFOs are written to; an existing
file keeps its permissions. No command overwrites what it reads, or a secret key, which only `keygen --force` replaces with
its whole set.

Exit codes: 0 done, 1 a stated failure (details with -v), 2 wrong usage."
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    global: Global,
}

/// Most threads that can be asked for.
const MAX_THREADS: u64 = fhec_runtime::executor::MAX_THREADS as u64;
/// Most threads for each core: more only wait for each other.
const THREADS_PER_CORE: usize = 4;

/// Options of all verbs.
#[derive(Args, Clone)]
struct Global {
    /// Threads, 256 at most; as many as there are cores if not given.
    #[arg(
        long,
        global = true,
        value_name = "N",
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=MAX_THREADS),
        help_heading = "General"
    )]
    threads: Option<usize>,
    /// More detail in messages and errors.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "General")]
    verbose: u8,
    /// No progress and no remarks.
    #[arg(short, long, global = true, help_heading = "General")]
    quiet: bool,
    /// Results as JSON on standard output.
    #[arg(long, global = true, help_heading = "General")]
    json: bool,
}

#[derive(Subcommand)]
enum Verb {
    /// Compile an ONNX network into a plan (the default verb).
    #[cfg(feature = "compiler")]
    Compile(compile::CompileArgs),
    /// Generate the keys for a plan: secret, public, and evaluation keys for the server.
    #[cfg(feature = "client")]
    Keygen(keygen::KeygenArgs),
    /// Encrypt inputs for a plan.
    #[cfg(feature = "client")]
    Encrypt(encrypt::EncryptArgs),
    /// Run a plan on encrypted inputs; needs no secret.
    Run(run::RunArgs),
    /// Decrypt the results of a run.
    #[cfg(feature = "client")]
    Decrypt(decrypt::DecryptArgs),
    /// Keys, encryption, evaluation and decryption in one process, for trying out.
    #[cfg(feature = "client")]
    Infer(infer::InferArgs),
    /// Run a plan in clear with exact levels and scales and modelled noise.
    #[cfg(feature = "client")]
    Simulate(simulate::SimulateArgs),
    /// Show what a plan or client file holds and costs.
    Inspect(inspect::InspectArgs),
    /// Evaluate a network in clear at any stage of compilation.
    #[cfg(all(feature = "compiler", feature = "client"))]
    Eval(eval::EvalArgs),
    /// Run passes on a program written as text, as dumps are.
    #[cfg(feature = "compiler")]
    Opt(opt::OptArgs),
    /// Split off what a client needs of a plan; no weights go with it.
    ClientSpec(client_spec::ClientSpecArgs),
    /// Measure this machine's kernels for predictions of time.
    #[cfg(feature = "compiler")]
    Calibrate(calibrate::CalibrateArgs),
}

/// Runs the command line.
pub(crate) fn main() -> ExitCode {
    // Clap prints help and usage errors itself, with exit code 2 for the latter.
    let mut verbs = Cli::command();
    let given: Vec<_> = std::env::args_os().collect();
    let json = given.iter().any(|arg| arg == "--json");
    let parsed = match verbs::with_default(given, &verbs) {
        Ok(args) => Cli::try_parse_from(args),
        Err(message) => Err(verbs.error(clap::error::ErrorKind::InvalidSubcommand, message)),
    };
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            if json && error.use_stderr() {
                output::usage_error(&error.to_string());
            }
            error.exit();
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cli.global.threads.map(|n| n.min(THREADS_PER_CORE * cores));
    let context = Context::new(cli.global.quiet, cli.global.json, cli.global.verbose, threads);
    if threads < cli.global.threads {
        let used = THREADS_PER_CORE * cores;
        context.remark(format!("--threads: {used} are used, {THREADS_PER_CORE} for each of {cores} cores"));
    }
    if let Some(threads) = threads {
        // Fails only if a pool exists, which none does yet.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
    match cli.verb.run(&context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            context.fail(&error);
            ExitCode::from(1)
        }
    }
}

impl Verb {
    fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            #[cfg(feature = "compiler")]
            Self::Compile(args) => args.run(context),
            #[cfg(feature = "client")]
            Self::Keygen(args) => args.run(context),
            #[cfg(feature = "client")]
            Self::Encrypt(args) => args.run(context),
            Self::Run(args) => args.run(context),
            #[cfg(feature = "client")]
            Self::Decrypt(args) => args.run(context),
            #[cfg(feature = "client")]
            Self::Infer(args) => args.run(context),
            #[cfg(feature = "client")]
            Self::Simulate(args) => args.run(context),
            Self::Inspect(args) => args.run(context),
            #[cfg(all(feature = "compiler", feature = "client"))]
            Self::Eval(args) => args.run(context),
            #[cfg(feature = "compiler")]
            Self::Opt(args) => args.run(context),
            Self::ClientSpec(args) => args.run(context),
            #[cfg(feature = "compiler")]
            Self::Calibrate(args) => args.run(context),
        }
    }
}
