//! The rules: alternative computations of a value. `RULES.md` says how to write one.

use egg::{
    Analysis, Applier, EGraph, Id, Language, PatternAst, Rewrite, SearchMatches, Searcher, Subst, Symbol, Var,
};
use fhec_ir::slot::PolyStrategy;

use super::choices::{Facts, Kernel};

/// All rules.
pub(super) fn rules() -> Vec<Rewrite<Kernel, Facts>> {
    // Horner's scheme is nowhere here: the power basis is never deeper and has as many products.
    vec![
        strategy_rule("poly-monic-square", PolyStrategy::MonicSquare, |p| p.monic_square),
        strategy_rule("poly-monic-quartic", PolyStrategy::MonicQuartic, |p| p.monic_quartic),
        strategy_rule("poly-power-basis", PolyStrategy::PowerBasis, |p| !p.monic_square),
        EitherRule.rewrite("either"),
    ]
}

/// The ways to compute a value, and what stands for any of them, are one class.
#[derive(Clone, Copy)]
struct EitherRule;

impl EitherRule {
    fn ways(egraph: &EGraph<Kernel, Facts>, class: Id) -> Vec<Id> {
        let either = |k: &&Kernel| egraph.analysis.eithers.contains(&k.value);
        egraph[class].nodes.iter().filter(either).flat_map(|k| k.children.clone()).collect()
    }
}

impl ClassRule for EitherRule {
    fn matches(&self, egraph: &EGraph<Kernel, Facts>, class: Id) -> bool {
        Self::ways(egraph, class).into_iter().any(|way| egraph.find(way) != egraph.find(class))
    }

    fn apply(&self, egraph: &mut EGraph<Kernel, Facts>, class: Id) -> Vec<Id> {
        let ways = Self::ways(egraph, class);
        ways.into_iter().filter(|way| egraph.union(class, *way)).collect()
    }
}

/// What decides how a polynomial may be evaluated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PolyForm {
    /// [c, 0, 1] in all channels.
    pub monic_square: bool,
    /// Degree 4, leading coefficient 1 in all channels or −1 in all, no cube.
    pub monic_quartic: bool,
}

fn strategy_rule(name: &str, strategy: PolyStrategy, fits: fn(PolyForm) -> bool) -> Rewrite<Kernel, Facts> {
    StrategyRule { strategy, fits }.rewrite(name)
}

/// Finds polynomials without a strategy that fit one, and adds them with it.
#[derive(Clone, Copy)]
struct StrategyRule {
    strategy: PolyStrategy,
    fits: fn(PolyForm) -> bool,
}

impl StrategyRule {
    fn matching(&self, egraph: &EGraph<Kernel, Facts>, class: Id) -> Option<Kernel> {
        let open = egraph[class].nodes.iter().find(|k| k.strategy.is_none());
        let form = |k: &&Kernel| egraph.analysis.polys.get(&k.value).copied();
        open.filter(|k| form(k).is_some_and(self.fits)).cloned()
    }
}

impl ClassRule for StrategyRule {
    fn matches(&self, egraph: &EGraph<Kernel, Facts>, class: Id) -> bool {
        self.matching(egraph, class).is_some()
    }

    fn apply(&self, egraph: &mut EGraph<Kernel, Facts>, class: Id) -> Vec<Id> {
        let Some(open) = self.matching(egraph, class) else { return vec![] };
        let id = egraph.add(Kernel { strategy: Some(self.strategy), ..open });
        if egraph.union(class, id) { vec![id] } else { vec![] }
    }
}

/// A rule that looks at a class as a whole and binds no variables.
trait ClassRule: Copy + Send + Sync + 'static {
    fn matches(&self, egraph: &EGraph<Kernel, Facts>, class: Id) -> bool;

    /// Adds what it found; the classes that were joined.
    fn apply(&self, egraph: &mut EGraph<Kernel, Facts>, class: Id) -> Vec<Id>;

    fn rewrite(self, name: &str) -> Rewrite<Kernel, Facts> {
        Rewrite::new(name, OnClass(self), OnClass(self)).expect("the rule binds no variables")
    }
}

/// A [`ClassRule`] as egg has rules.
struct OnClass<R>(R);

impl<R: ClassRule> Searcher<Kernel, Facts> for OnClass<R> {
    fn search_eclass_with_limit(
        &self,
        egraph: &EGraph<Kernel, Facts>,
        eclass: Id,
        _limit: usize,
    ) -> Option<SearchMatches<'_, Kernel>> {
        let found = self.0.matches(egraph, eclass);
        found.then(|| SearchMatches { eclass, substs: vec![Subst::default()], ast: None })
    }

    fn vars(&self) -> Vec<Var> {
        vec![]
    }
}

impl<R: ClassRule> Applier<Kernel, Facts> for OnClass<R> {
    fn apply_one(
        &self,
        egraph: &mut EGraph<Kernel, Facts>,
        eclass: Id,
        _subst: &Subst,
        _ast: Option<&PatternAst<Kernel>>,
        _rule: Symbol,
    ) -> Vec<Id> {
        self.0.apply(egraph, eclass)
    }
}

/// Keeps the trait bound in one place: facts are looked up, never merged.
impl Analysis<Kernel> for Facts {
    type Data = ();
    fn make(_: &mut EGraph<Kernel, Self>, _: &Kernel, _: Id) {}
    fn merge(&mut self, (): &mut (), (): ()) -> egg::DidMerge {
        egg::DidMerge(false, false)
    }
}

impl Language for Kernel {
    type Discriminant = (u32, Option<PolyStrategy>);
    fn discriminant(&self) -> Self::Discriminant {
        (self.value, self.strategy)
    }
    fn matches(&self, other: &Self) -> bool {
        self.value == other.value && self.strategy == other.strategy
    }
    fn children(&self) -> &[Id] {
        &self.children
    }
    fn children_mut(&mut self) -> &mut [Id] {
        &mut self.children
    }
}
