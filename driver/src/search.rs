//! The order in which candidates are lowered, and when one is taken.
//!
//! Best first: the open candidate of the least bound is lowered next, unless one that fits the memory budget costs no
//! more, which is taken then. Since a bound does not exceed the cost, no candidate is cheaper, lowered or not.
//!
//! What a tight budget makes candidates give up is known of few: those of one packed network differ in what their bootstraps
//! take, and are expected to give up the rest at the price at which those did that were lowered ([`Tight`]). And where
//! results are not precise enough, candidates whose scale and bootstraps are hardly more precise are not looked at.

use std::collections::HashMap;

use crate::budget::Fit;
use crate::error::CompileError;
use crate::objective::Objective;
use crate::observer::Stage;
use crate::refusals::Refusals;
use crate::request::Request;
use crate::summary::Summary;
use crate::watch::Watch;

/// A candidate that was not lowered yet.
pub(crate) struct Open<C> {
    pub(crate) summary: Summary,
    pub(crate) candidate: C,
    /// Which packed network it is of.
    packing: usize,
}

/// A candidate that was lowered and fits the memory budget.
pub(crate) struct Fitting<C, L> {
    pub(crate) summary: Summary,
    pub(crate) candidate: C,
    /// What it was lowered to.
    pub(crate) lowered: L,
    cost: f64,
}

/// What to do next.
pub(crate) enum Next<C, L> {
    /// Lower this candidate and see whether it fits.
    Lower(Box<Open<C>>),
    /// Nothing is cheaper: make a plan of it.
    Take(Box<Fitting<C, L>>),
}

/// Candidates that were and are to be looked at.
pub(crate) struct Search<'c, C, L> {
    objective: &'c dyn Objective,
    watch: Watch<'c>,
    budget: u64,
    open: Vec<Open<C>>,
    /// By packed network.
    tight: HashMap<usize, Tight>,
    imprecise: Vec<Imprecise>,
    fitting: Vec<Fitting<C, L>>,
    considered: usize,
    looked_at: usize,
    /// Modelled seconds of the fastest candidate that was lowered, before it gave anything up.
    fastest: f64,
    /// Work on candidates since one was cheaper than all before by more than [`GAIN`].
    idle: usize,
    refusals: Refusals,
}

/// Instructions and plaintexts of candidates that may be lowered in a row without finding a cheaper one: half a minute to a
/// minute's. Nothing small comes near it.
const PATIENCE: usize = 1_500_000;

/// By how much cheaper a candidate counts as cheaper.
const GAIN: f64 = 0.99;

impl<'c, C, L> Search<'c, C, L> {
    pub(crate) fn new(objective: &'c dyn Objective, watch: Watch<'c>, budget: u64) -> Self {
        Self {
            objective,
            watch,
            budget,
            open: vec![],
            tight: HashMap::new(),
            imprecise: vec![],
            fitting: vec![],
            considered: 0,
            looked_at: 0,
            fastest: f64::INFINITY,
            idle: 0,
            refusals: Refusals::default(),
        }
    }

    /// Adds candidates of a packed network each, and numbers them.
    pub(crate) fn consider(&mut self, candidates: impl IntoIterator<Item = (Summary, usize, C)>) {
        for (summary, packing, candidate) in candidates {
            let summary = Summary { number: self.considered, ..summary };
            self.considered += 1;
            self.watch.tell(|o| o.candidate_considered(&summary));
            self.open.push(Open { summary, candidate, packing });
        }
    }

    /// What to do next; None if no candidate is left.
    pub(crate) fn next(&mut self) -> Option<Next<C, L>> {
        self.drop_hopeless();
        let cheapest =
            (0..self.fitting.len()).min_by(|a, b| self.fitting[*a].cost.total_cmp(&self.fitting[*b].cost));
        let bounds = self.open.iter().map(|open| self.bound(open)).enumerate();
        // Of equals the later one.
        let next = bounds.min_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        let bound = next.map_or(f64::INFINITY, |(_, bound)| bound);
        match cheapest.filter(|k| self.fitting[*k].cost <= bound || self.idle > PATIENCE) {
            Some(cheapest) => Some(Next::Take(Box::new(self.fitting.swap_remove(cheapest)))),
            None => {
                let next = self.open.remove(next?.0);
                self.watch.tell(|o| o.stage_progress(Stage::Search, self.looked_at, self.considered));
                self.looked_at += 1;
                Some(Next::Lower(Box::new(next)))
            }
        }
    }

    /// What an open candidate is expected to cost at least.
    fn bound(&self, open: &Open<C>) -> f64 {
        let memory = open.summary.memory.total();
        let lost = self.tight.get(&open.packing).map_or(0.0, |tight| tight.seconds(memory, self.budget));
        let seconds = open.summary.seconds + lost;
        self.objective.bound(&Summary { seconds, ..open.summary.clone() })
    }

    /// Whether no candidate is left.
    pub(crate) fn is_over(&self) -> bool {
        self.open.is_empty() && self.fitting.is_empty()
    }

    /// Drops candidates whose bootstrap alone exceeds the budget, and takes more than something seen, and those that are
    /// too much like imprecise ones.
    fn drop_hopeless(&mut self) {
        let (imprecise, by_scale) = (&self.imprecise, self.scale_matters());
        let may_do = |summary: &Summary| imprecise.iter().all(|known| known.may_beat(summary, by_scale));
        self.open.retain(|open| may_do(&open.summary));
        self.fitting.retain(|fitting| may_do(&fitting.summary));
        let most = self.budget.max(self.refusals.least_bytes().unwrap_or(u64::MAX));
        let hopeless = |open: &mut Open<C>| open.summary.memory.total() > most;
        for Open { summary, .. } in self.open.extract_if(.., hopeless) {
            let (least, seconds) = (Box::new(summary.memory), Some(summary.seconds));
            let why = CompileError::Memory { least, seconds, budget: self.budget };
            self.watch.tell(|o| o.candidate_refused(&summary, &why));
        }
    }

    /// Whether a wider scale made results more precise, as far as two that were not precise enough tell.
    fn scale_matters(&self) -> bool {
        let pairs = self.imprecise.iter().flat_map(|a| self.imprecise.iter().map(move |b| (a, b)));
        let gains = |(a, b): (&Imprecise, &Imprecise)| a.missing - b.missing > PLACEMENT_BITS;
        let mut wider = pairs.filter(|(a, b)| a.summary.scale_bits < b.summary.scale_bits).peekable();
        wider.peek().is_none() || wider.any(gains)
    }

    /// Remembers what a candidate was lowered to. True if it had to give something up.
    pub(crate) fn lowered(&mut self, open: Open<C>, fit: Fit, lowered: L) -> bool {
        let Open { mut summary, candidate, packing } = open;
        if let Some(tight) = Tight::new(&summary, &fit, self.budget) {
            let known = self.tight.entry(packing).or_insert(tight);
            *known = known.least(tight);
        }
        self.fastest = self.fastest.min(summary.seconds);
        summary.seconds += fit.seconds;
        summary.memory = fit.memory;
        self.idle += fit.work;
        if fit.fits {
            self.watch.tell(|o| o.candidate_lowered(&summary));
            let cost = self.objective.cost(&summary);
            if self.fitting.iter().all(|known| cost < GAIN * known.cost) {
                self.idle = 0;
            }
            self.fitting.push(Fitting { summary, candidate, lowered, cost });
        } else {
            let (least, seconds) = (Box::new(fit.memory), Some(summary.seconds));
            self.refuse(&summary, CompileError::Memory { least, seconds, budget: self.budget });
        }
        !fit.fits || fit.seconds > 0.0
    }

    /// Remembers why a candidate becomes no plan.
    pub(crate) fn refuse(&mut self, summary: &Summary, why: CompileError) {
        self.watch.tell(|o| o.candidate_refused(summary, &why));
        if let CompileError::Precision { got, wanted, .. } = why {
            self.imprecise.push(Imprecise { missing: wanted - got, summary: summary.clone() });
        }
        self.refusals.note(why);
    }

    /// Tells that a candidate became the plan.
    pub(crate) fn take(&self, summary: &Summary) {
        self.watch.tell(|o| o.candidate_taken(summary));
    }

    /// Modelled seconds of the fastest candidate that was lowered, regardless of memory.
    pub(crate) fn fastest(&self) -> f64 {
        self.fastest
    }

    /// Why no candidate is left.
    pub(crate) fn into_error(self, request: &Request) -> CompileError {
        self.refusals.into_error(request)
    }
}

/// What a memory budget took from candidates of a packed network.
#[derive(Clone, Copy, Debug)]
struct Tight {
    /// Bytes that the network needs beside what is known of a candidate before it is lowered.
    others: u64,
    /// Seconds for each byte beyond the budget.
    price: f64,
}

/// What of the seconds that are expected to be lost counts.
const SURE: f64 = 0.9;

impl Tight {
    /// By a candidate that was lowered; None if it gave up nothing.
    fn new(summary: &Summary, fit: &Fit, budget: u64) -> Option<Self> {
        let beyond = fit.before.saturating_sub(budget);
        (fit.fits && beyond > 0).then(|| Self {
            others: fit.before.saturating_sub(summary.memory.total()),
            price: fit.seconds / beyond as f64,
        })
    }

    fn least(self, other: Self) -> Self {
        Self { others: self.others.min(other.others), price: self.price.min(other.price) }
    }

    /// Seconds that a candidate will lose of which so many bytes are known.
    fn seconds(&self, bytes: u64, budget: u64) -> f64 {
        SURE * self.price * bytes.saturating_add(self.others).saturating_sub(budget) as f64
    }
}

/// A candidate whose results lacked so many bits.
struct Imprecise {
    missing: f64,
    summary: Summary,
}

/// Bits that another placement may gain.
const PLACEMENT_BITS: f64 = 0.7;

impl Imprecise {
    /// Whether a candidate may be precise enough: no noise shrinks by more bits than scale and bootstraps gain.
    fn may_beat(&self, other: &Summary, by_scale: bool) -> bool {
        let scale =
            if by_scale { f64::from(other.scale_bits) - f64::from(self.summary.scale_bits) } else { 0.0 };
        let bootstraps = other.bootstrap_bits - self.summary.bootstrap_bits;
        self.missing <= scale.max(bootstraps).max(0.0) + PLACEMENT_BITS
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use fhec_ir::plan::MemoryReport;

    use super::*;
    use crate::objective::{LeastMemory, LeastTime};
    use crate::observer::Observer;

    const BUDGET: u64 = 100;

    /// A candidate that takes so many seconds, whose bootstrap takes so many bytes, and which takes others beside it.
    /// What exceeds the budget it gives up, a second for a byte, unless it is `rigid`.
    #[derive(Clone, Copy)]
    struct Fake {
        seconds: f64,
        bootstrap: u64,
        others: u64,
        rigid: bool,
    }

    fn fake(seconds: f64, bootstrap: u64, others: u64) -> Fake {
        Fake { seconds, bootstrap, others, rigid: false }
    }

    fn memory(keys: u64) -> MemoryReport {
        MemoryReport { keys, ..MemoryReport::default() }
    }

    fn fit(fake: &Fake) -> Fit {
        let total = fake.bootstrap + fake.others;
        let over = if fake.rigid { 0 } else { total.saturating_sub(BUDGET) };
        let fits = total - over <= BUDGET;
        Fit { fits, seconds: over as f64, memory: memory(total - over), before: total, work: 1 }
    }

    /// Writes down what it is told of.
    #[derive(Default)]
    struct Log(Vec<String>);

    impl Observer for Log {
        fn candidate_lowered(&mut self, candidate: &Summary) {
            self.0.push(format!("{} fits", candidate.number));
        }

        fn candidate_refused(&mut self, candidate: &Summary, why: &CompileError) {
            let why = if matches!(why, CompileError::Memory { .. }) { "memory" } else { "other" };
            self.0.push(format!("{} {why}", candidate.number));
        }

        fn candidate_taken(&mut self, candidate: &Summary) {
            self.0.push(format!("{} taken", candidate.number));
        }
    }

    /// Runs a search to its end; `accept` says which plans are taken. Gives what was told, and why there is no plan.
    fn run(
        fakes: &[Fake],
        objective: &dyn Objective,
        accept: impl Fn(&Summary) -> bool,
    ) -> (Vec<String>, Option<CompileError>) {
        let mut log = Log::default();
        let observer: &mut dyn Observer = &mut log;
        let audience = Mutex::new(observer);
        let mut search = Search::<Fake, ()>::new(objective, Watch::new(&audience), BUDGET);
        search.consider(fakes.iter().map(|fake| (summary(fake), 0, *fake)));
        let error = loop {
            match search.next() {
                Some(Next::Lower(open)) => {
                    let fit = fit(&open.candidate);
                    let tight = search.lowered(*open, fit, ());
                    assert_eq!(tight, !fit.fits || fit.seconds > 0.0);
                }
                Some(Next::Take(best)) if accept(&best.summary) => {
                    search.take(&best.summary);
                    break None;
                }
                Some(Next::Take(best)) => search.refuse(&best.summary, CompileError::Declined),
                None => break Some(search.into_error(&Request::default())),
            }
        };
        (log.0, error)
    }

    fn summary(fake: &Fake) -> Summary {
        Summary {
            number: usize::MAX,
            log_n: 16,
            levels: 8,
            scale_bits: 40,
            bootstraps: 1,
            pairs: 0,
            slots: 8,
            bootstrap_bits: 19.0,
            seconds: fake.seconds,
            memory: memory(fake.bootstrap),
        }
    }

    fn told(fakes: &[Fake], objective: &dyn Objective) -> Vec<String> {
        run(fakes, objective, |_| true).0
    }

    #[test]
    fn the_fastest_is_lowered_first_and_the_rest_never() {
        let fakes = [fake(5.0, 10, 10), fake(3.0, 10, 10), fake(4.0, 10, 10)];
        assert_eq!(told(&fakes, &LeastTime), ["1 fits", "1 taken"]);
    }

    #[test]
    fn what_gives_much_up_waits_for_those_that_may_be_faster() {
        // The first gives up 5 bytes and takes 6 s then: more than the third, less than the second.
        let fakes = [fake(1.0, 60, 45), fake(6.5, 10, 10), fake(4.0, 10, 10)];
        assert_eq!(told(&fakes, &LeastTime), ["0 fits", "2 fits", "2 taken"]);
        let fakes = [fake(1.0, 60, 45), fake(6.5, 10, 10)];
        assert_eq!(told(&fakes, &LeastTime), ["0 fits", "0 taken"]);
    }

    #[test]
    fn bootstraps_beyond_the_budget_are_not_lowered_once_something_smaller_was_seen() {
        let rigid = Fake { rigid: true, ..fake(1.0, 90, 20) };
        let fakes = [rigid, fake(2.0, 120, 0), fake(3.0, 105, 0)];
        // The first takes 110 in all: so may the third.
        assert_eq!(told(&fakes, &LeastTime), ["0 memory", "1 memory", "2 fits", "2 taken"]);
    }

    #[test]
    fn the_objective_decides_what_is_best() {
        let fakes = [fake(1.0, 10, 60), fake(2.0, 10, 20), fake(3.0, 40, 0)];
        assert_eq!(told(&fakes, &LeastTime), ["0 fits", "0 taken"]);
        // The bound of the third is above what the second takes.
        assert_eq!(told(&fakes, &LeastMemory), ["1 fits", "0 fits", "1 taken"]);
    }

    #[test]
    fn a_declined_plan_gives_way_to_the_next_best() {
        let fakes = [fake(1.0, 10, 10), fake(2.0, 10, 10)];
        let (told, error) = run(&fakes, &LeastTime, |candidate| candidate.number == 1);
        assert_eq!(told, ["0 fits", "0 other", "1 fits", "1 taken"]);
        assert!(error.is_none());
        let (_, error) = run(&fakes, &LeastTime, |_| false);
        assert!(matches!(error, Some(CompileError::Declined)), "{error:?}");
    }

    #[test]
    fn the_least_memory_is_named_if_nothing_fits() {
        let rigid = |bootstrap, others| Fake { rigid: true, ..fake(1.0, bootstrap, others) };
        let (told, error) = run(&[rigid(90, 50), rigid(90, 20)], &LeastTime, |_| true);
        assert_eq!(told, ["1 memory", "0 memory"], "equal bounds: the later one first");
        let Some(CompileError::Memory { least, .. }) = error else { panic!("{error:?}") };
        assert_eq!(least.total(), 110);
    }
}
