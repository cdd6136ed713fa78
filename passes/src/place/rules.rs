//! The rules: alternative computations of a value. `RULES.md` says how to write one.

use egg::{Applier, EGraph, Id, PatternAst, Rewrite, SearchMatches, Searcher, Subst, Symbol, Var};
use fhec_ir::slot::PolyStrategy;

use super::enode::{ENode, Facts, PolyForm, Way};

/// All rules.
pub(super) fn rules() -> Vec<Rewrite<ENode, Facts>> {
    // Horner's scheme is nowhere here: the power basis is never deeper and has as many products.
    vec![
        strategy_rule("poly-monic-square", PolyStrategy::MonicSquare, |p| p.monic_square),
        strategy_rule("poly-monic-quartic", PolyStrategy::MonicQuartic, |p| p.monic_quartic),
        strategy_rule("poly-power-basis", PolyStrategy::PowerBasis, |p| p.powers && !p.monic_square),
        strategy_rule("poly-baby-giant", PolyStrategy::BabyGiant, |p| p.steps || !p.powers),
        strategy_rule("poly-even-baby-giant", PolyStrategy::EvenBabyGiant, |p| p.even),
        OpenRule.rewrite("open-rows"),
        EitherRule.rewrite("either"),
    ]
}

/// The alternatives for a value, and what stands for any of them, are one e-class.
#[derive(Clone, Copy)]
struct EitherRule;

impl EitherRule {
    fn alternatives(egraph: &EGraph<ENode, Facts>, class: Id) -> Vec<Id> {
        let either = |k: &&ENode| egraph.analysis.eithers.contains(&k.value);
        egraph[class].nodes.iter().filter(either).flat_map(|k| k.children.clone()).collect()
    }
}

impl ClassRule for EitherRule {
    fn matches(&self, egraph: &EGraph<ENode, Facts>, class: Id) -> bool {
        Self::alternatives(egraph, class).into_iter().any(|id| egraph.find(id) != egraph.find(class))
    }

    fn apply(&self, egraph: &mut EGraph<ENode, Facts>, class: Id) -> Vec<Id> {
        let alternatives = Self::alternatives(egraph, class);
        alternatives.into_iter().filter(|id| egraph.union(class, *id)).collect()
    }
}

/// A linear map may be open, if a map behind it clears its result.
#[derive(Clone, Copy)]
struct OpenRule;

impl OpenRule {
    fn opened(egraph: &EGraph<ENode, Facts>, class: Id) -> Option<ENode> {
        let opens = |k: &&ENode| k.way == Way::Given && egraph.analysis.opens.contains(&k.value);
        let opened = ENode { way: Way::Opened, ..egraph[class].nodes.iter().find(opens)?.clone() };
        (!egraph[class].nodes.contains(&opened)).then_some(opened)
    }
}

impl ClassRule for OpenRule {
    fn matches(&self, egraph: &EGraph<ENode, Facts>, class: Id) -> bool {
        Self::opened(egraph, class).is_some()
    }

    fn apply(&self, egraph: &mut EGraph<ENode, Facts>, class: Id) -> Vec<Id> {
        let Some(opened) = Self::opened(egraph, class) else { return vec![] };
        let id = egraph.add(opened);
        if egraph.union(class, id) { vec![id] } else { vec![] }
    }
}

fn strategy_rule(name: &str, strategy: PolyStrategy, fits: fn(PolyForm) -> bool) -> Rewrite<ENode, Facts> {
    StrategyRule { strategy, fits }.rewrite(name)
}

/// Finds polynomials without a strategy that fit one, and adds them with it.
#[derive(Clone, Copy)]
struct StrategyRule {
    strategy: PolyStrategy,
    fits: fn(PolyForm) -> bool,
}

impl StrategyRule {
    fn matching(&self, egraph: &EGraph<ENode, Facts>, class: Id) -> Option<ENode> {
        let open = egraph[class].nodes.iter().find(|k| k.way == Way::Given);
        let form = |k: &&ENode| egraph.analysis.polys.get(&k.value).copied();
        open.filter(|k| form(k).is_some_and(self.fits)).cloned()
    }
}

impl ClassRule for StrategyRule {
    fn matches(&self, egraph: &EGraph<ENode, Facts>, class: Id) -> bool {
        self.matching(egraph, class).is_some()
    }

    fn apply(&self, egraph: &mut EGraph<ENode, Facts>, class: Id) -> Vec<Id> {
        let Some(open) = self.matching(egraph, class) else { return vec![] };
        let id = egraph.add(ENode { way: Way::By(self.strategy), ..open });
        if egraph.union(class, id) { vec![id] } else { vec![] }
    }
}

/// A rule that looks at an e-class as a whole and binds no variables.
trait ClassRule: Copy + Send + Sync + 'static {
    fn matches(&self, egraph: &EGraph<ENode, Facts>, class: Id) -> bool;

    /// Adds what it found; the e-classes that were joined.
    fn apply(&self, egraph: &mut EGraph<ENode, Facts>, class: Id) -> Vec<Id>;

    fn rewrite(self, name: &str) -> Rewrite<ENode, Facts> {
        Rewrite::new(name, OnClass(self), OnClass(self)).expect("the rule binds no variables")
    }
}

/// A [`ClassRule`] as egg has rules.
struct OnClass<R>(R);

impl<R: ClassRule> Searcher<ENode, Facts> for OnClass<R> {
    fn search_eclass_with_limit(
        &self,
        egraph: &EGraph<ENode, Facts>,
        eclass: Id,
        _limit: usize,
    ) -> Option<SearchMatches<'_, ENode>> {
        let found = self.0.matches(egraph, eclass);
        found.then(|| SearchMatches { eclass, substs: vec![Subst::default()], ast: None })
    }

    fn vars(&self) -> Vec<Var> {
        vec![]
    }
}

impl<R: ClassRule> Applier<ENode, Facts> for OnClass<R> {
    fn apply_one(
        &self,
        egraph: &mut EGraph<ENode, Facts>,
        eclass: Id,
        _subst: &Subst,
        _ast: Option<&PatternAst<ENode>>,
        _rule: Symbol,
    ) -> Vec<Id> {
        self.0.apply(egraph, eclass)
    }
}
