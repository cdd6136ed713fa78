//! Decides how a network is compiled: ring, modulus chain, bootstraps, and what fits the memory.
//!
//! The passes transform a network once parameters are given, and the backend describes parameters once levels are given;
//! here the two are brought to agree, and the best agreement is chosen.
//!
//! *Without bootstraps* levels depend on the layouts, layouts on the ring, the ring on the levels: the driver goes from
//! the smallest ring up until they agree, and from narrow scales up until the predicted precision suffices.
//!
//! *With bootstraps*, which a network gets that would need more than 24 levels otherwise, a chain is designed for every
//! number of levels between them and several scales, and the network is placed on each chain and its variants. Each
//! placement is a *candidate*. Chains whose bootstraps keep fewer slots apart are designed where they may win. Candidates
//! are lowered best first by a bound on what they cost; one that exceeds the memory budget gives up rotation keys, whose
//! steps are composed of others, and plaintexts kept between images, always what saves the most bytes per modelled second.
//! Once one has to, candidates with fewer keys compete with it. The first candidate is taken that no other can beat and
//! whose plan is small and precise enough.
//!
//! Magnitudes come from samples run in clear, synthetic images within the domain of the inputs if none are given: every value
//! must fit the modulus of its level, operands of bootstraps their range. Scales and base modulus follow from that, and
//! before there is a plan all samples run through its schedule and are checked against its moduli, whatever was planned.
//! Samples on which a network diverges bound nothing.
//!
//! Everything is decided by modelled costs, never by a clock: the same request gives the same plan. A caller in Rust
//! watches through an [`Observer`], and says through an [`Objective`] what makes a candidate best and which plan to take.
//! Nothing here prints.
//!
//! ```no_run
//! use fhec_driver::{Driver, LeastMemory, Observer, Request, Summary};
//!
//! struct Log;
//!
//! impl Observer for Log {
//!     fn candidate_taken(&mut self, candidate: &Summary) {
//!         println!("{candidate}");
//!     }
//! }
//!
//! let import = fhec_frontend::import("resnet20.onnx".as_ref(), &Default::default())?;
//! let request = Request { memory_budget: 8 << 30, ..Request::default() };
//! let compiled = Driver::new(&import, &request).observer(&mut Log).objective(&LeastMemory).run()?;
//! println!("log2 N = {}", compiled.plan.expect("ran to the end").parameters.log_n);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A file uses only what stands above it here:
//!
//! * what a caller knows: [`Request`], [`CompileError`], [`Summary`] of a candidate, [`Observer`], [`Objective`];
//! * `watch`, `refusals`: telling the observer; remembering why there is no plan;
//! * `facts`: what is known of the network: depth, samples, ranges; `fidelity`: what replacing its functions costs;
//! * `attempt`: runs of the passes; `approximation`: how functions are replaced;
//! * `candidates`: shapes, chains designed for them, placements on these;
//! * `budget`, `search`, `emission`: fitting a schedule to the memory, the order of candidates, the plan;
//! * `levelled`, `bootstrapped`: a plan without bootstraps and one with them, each a page; [`Driver`] chooses between them.

mod approximation;
mod attempt;
mod bootstrapped;
mod budget;
mod candidates;
mod driver;
mod emission;
mod error;
mod facts;
mod fidelity;
mod levelled;
mod objective;
mod observer;
mod refusals;
mod request;
mod search;
mod summary;
mod watch;

pub use driver::{Compiled, Driver, compile};
pub use error::CompileError;
pub use fidelity::Fidelity;
pub use objective::{LeastMemory, LeastTime, Objective};
pub use observer::{Observer, Stage};
pub use request::{Accuracy, Activation, Request};
pub use summary::Summary;
