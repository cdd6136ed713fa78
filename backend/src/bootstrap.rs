//! Parameter sets with a bootstrap: from levels between bootstraps and precision to primes.

use fhec_ckks::bootstrap::{
    BootstrapCircuit, BootstrapError, BootstrapSpec, DesignRequest, Designer, KernelCosts,
};
use fhec_ckks::noise::Estimate;
use fhec_ckks::params::{KeyShape, Parameters};
use fhec_ir::plan::{BootstrapData, EvalModData, Gadget};

use crate::chain::{BootstrapCosts, Chain, ChainError, LOG_N};

/// What a network with bootstraps needs of its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct BootstrapRequest {
    /// Rescalings on the longest path from one bootstrap to the next.
    pub levels: usize,
    /// Bits of the scale, and of the primes of these levels.
    pub level_bits: u32,
    /// Bits after the binary point that a bootstrap of slots in [−1, 1] shall keep: −log2 of its rms error.
    pub precision: f64,
    /// Most bytes of the bootstrap's keys in memory.
    pub key_bytes: Option<usize>,
    /// A ring degree chosen by hand.
    pub log_n: Option<u32>,
    /// Smallest ring whose slots suffice.
    pub min_log_n: u32,
    /// log2 of the slots that the bootstrap keeps apart, at most those of the ring; None: all.
    pub log_slots: Option<u32>,
}

impl Default for BootstrapRequest {
    fn default() -> Self {
        Self {
            levels: 8,
            level_bits: 40,
            precision: 17.0,
            key_bytes: None,
            log_n: None,
            min_log_n: *LOG_N.start(),
            log_slots: None,
        }
    }
}

/// Parameters for a request: the smallest ring, unless one is given, that has a bootstrap of the precision and within
/// the memory asked for, and in it the chain whose bootstrap is fastest by the designer's table.
///
/// Levels up to that of refreshed ciphertexts share one decomposition, so that one key per rotation step serves all of
/// them.
///
/// # Errors
/// [`ChainError::Bootstrap`] if nothing fits, with the best precision in the largest ring tried.
pub fn select_bootstrapped(request: &BootstrapRequest, designer: &mut Designer) -> Result<Chain, ChainError> {
    let rings = match request.log_n {
        Some(log_n) => log_n..=log_n,
        None => request.min_log_n.max(*LOG_N.start())..=*LOG_N.end(),
    };
    let mut refusal = None;
    for log_n in rings {
        let all = log_n.saturating_sub(1);
        let design = DesignRequest {
            log_n,
            log_slots: request.log_slots.map_or(all, |log_slots| log_slots.min(all)),
            levels: request.levels,
            level_bits: f64::from(request.level_bits),
            precision: request.precision,
            key_bytes: request.key_bytes,
        };
        match designer.search(&design).map_err(ChainError::from) {
            Ok(design) => {
                return Chain::of_circuit(&design.circuit, [design.seconds, design.pair_seconds]);
            }
            Err(ChainError::Bootstrap(e @ BootstrapError::NoDesign { .. })) => refusal = Some(e),
            Err(other) => return Err(other),
        }
    }
    let empty = BootstrapError::NoDesign {
        log_n: *LOG_N.end(),
        levels: request.levels,
        level_bits: f64::from(request.level_bits),
        precision: request.precision,
        best: f64::NEG_INFINITY,
    };
    Err(ChainError::Bootstrap(refusal.unwrap_or(empty)))
}

impl Chain {
    /// Describes a parameter set that was made for the bootstrap `spec`, which joins nothing.
    ///
    /// # Errors
    /// [`ChainError::Bootstrap`] if they do not suit each other, or ciphertexts are joined.
    pub fn bootstrapped(
        parameters: Parameters,
        spec: &BootstrapSpec,
        costs: &KernelCosts,
    ) -> Result<Self, ChainError> {
        if spec.log_joined != 0 {
            return Err(BootstrapError::Joined { expected: 1 << spec.log_joined.min(31), found: 1 }.into());
        }
        let circuit = BootstrapCircuit::new(&parameters, spec)?;
        Self::of_circuit(&circuit, [circuit.seconds(costs), circuit.pair_seconds(costs)])
    }

    /// Describes the chain of a bootstrap that takes so many seconds, for one ciphertext and for two.
    fn of_circuit(circuit: &BootstrapCircuit, [seconds, pair_seconds]: [f64; 2]) -> Result<Self, ChainError> {
        let (parameters, spec) = (circuit.parameters().clone(), circuit.spec());
        let fresh = Estimate { variance: parameters.sigma().powi(2), message: 1.0 };
        let error = circuit.estimate(fresh).slot_error(spec.scale, parameters.n());
        let scale_bits = spec.scale.log2().round() as u32;
        let mut chain = Self::with_gadgets(parameters, scale_bits, Some(spec.output_level()));
        chain.data.bootstrap = Some(data(spec, error));
        chain.bootstrap = Some(BootstrapCosts {
            seconds,
            pair_seconds,
            key_bytes: circuit.key_bytes() as u64,
            matrix_bytes: circuit.matrix_bytes() as u64,
        });
        Ok(chain)
    }

    /// The chain, and the same with a decomposition of their own for low levels: these have faster switches, but steps
    /// that occur at high levels too need two keys. No others for a chain without a bootstrap.
    pub fn variants(&self) -> Vec<Self> {
        let mut variants = vec![self.clone()];
        let Some(bootstrap) = &self.data.bootstrap else { return variants };
        let (low, top) = (bootstrap.slots_to_coeffs.len(), bootstrap.header().level_out as usize);
        let gadget = |level: usize| {
            let KeyShape { special, digit_limbs, .. } = self.parameters.key_shape(level);
            Gadget { special: special as u32, digit_limbs: digit_limbs as u32 }
        };
        for level in (low + 1..top).filter(|level| gadget(*level) != gadget(level + 1)) {
            let mut variant = self.clone();
            variant.data.gadgets[..=level].fill(gadget(level));
            variants.push(variant);
        }
        variants
    }
}

/// The description of a bootstrap in a plan.
fn data(spec: &BootstrapSpec, error: f64) -> BootstrapData {
    BootstrapData {
        log_slots: spec.log_slots,
        slots_to_coeffs: spec.slots_to_coeffs.clone(),
        residual_levels: spec.residual_levels as u32,
        eval_mod: EvalModData {
            bound: spec.eval_mod.bound,
            degree: spec.eval_mod.degree as u32,
            doublings: spec.eval_mod.doublings,
        },
        coeffs_to_slots: spec.coeffs_to_slots.clone(),
        message_ratio: spec.message_ratio,
        scale: spec.scale,
        error,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use fhec_ckks::bootstrap::{EvalModSpec, insecure_test_bootstrap};

    use super::*;

    /// A chain with a bootstrap at N = 2^10, without security.
    pub(crate) fn small() -> Chain {
        let (parameters, spec) = insecure_test_bootstrap(3).unwrap();
        Chain::bootstrapped(parameters, &spec, &KernelCosts::default()).unwrap()
    }

    #[test]
    fn description_and_chain_agree() {
        let chain = small();
        let data = chain.data.bootstrap.as_ref().unwrap();
        assert_eq!(data.top_level() as usize, chain.parameters.max_level());
        let header = chain.bootstrap_header().unwrap();
        assert_eq!((header.level_in, header.level_out, header.scale), (3, 6, chain.scale()));
        assert!((2f64.powi(-22)..2f64.powi(-15)).contains(&data.error), "{}", data.error);
        let gadgets = &chain.data.gadgets;
        assert!(gadgets[..6].iter().all(|g| *g == gadgets[6]), "one key per step");
        assert_ne!(gadgets[6], gadgets[15]);
        let variants = chain.variants();
        assert!(variants.len() > 1);
        for variant in &variants[1..] {
            let gadgets = &variant.data.gadgets;
            let low = gadgets.iter().take_while(|g| **g == gadgets[0]).count();
            assert!((5..=6).contains(&low), "one decomposition up to level 4 or 5: {gadgets:?}");
            assert_ne!(gadgets[0], gadgets[6]);
            assert_eq!(gadgets[low..], chain.data.gadgets[low..]);
        }
        for degree in (2..=126).step_by(2) {
            let (bound, doublings) = (15, 3);
            let spec = EvalModSpec { bound, degree, doublings };
            let data = EvalModData { bound, degree: degree as u32, doublings };
            assert_eq!(spec.levels() as u32, data.levels());
        }
    }

    #[test]
    fn a_sparse_bootstrap_on_the_same_chain_is_cheaper() {
        let (parameters, all) = insecure_test_bootstrap(3).unwrap();
        let described = |log_slots, low: &[u32], high: &[u32]| {
            let (slots_to_coeffs, coeffs_to_slots) = (low.to_vec(), high.to_vec());
            let spec = BootstrapSpec { log_slots, slots_to_coeffs, coeffs_to_slots, ..all.clone() };
            Chain::bootstrapped(parameters.clone(), &spec, &KernelCosts::default()).unwrap()
        };
        let chains = [small(), described(7, &[3, 2, 2], &[4, 3]), described(5, &[2, 2, 1], &[3, 2])];
        let period = |chain: &Chain| chain.bootstrap_header().unwrap().period;
        assert_eq!(chains.each_ref().map(period), [512, 128, 32]);
        for pair in chains.windows(2) {
            let [dense, sparse] = [&pair[0], &pair[1]].map(|chain| chain.bootstrap.unwrap());
            assert!(sparse.seconds < dense.seconds && sparse.pair_seconds < dense.pair_seconds);
            assert!(sparse.key_bytes < dense.key_bytes && sparse.matrix_bytes < dense.matrix_bytes);
            let error = |chain: &Chain| chain.data.bootstrap.as_ref().unwrap().error;
            assert!(
                (0.7..1.1).contains(&(error(&pair[1]) / error(&pair[0]))),
                "a trace adds next to nothing"
            );
        }
    }

    #[test]
    fn a_bootstrap_of_other_slots_or_levels_is_refused() {
        let chain = small();
        let spec = |log_slots, residual_levels, log_joined| BootstrapSpec {
            log_slots,
            log_joined,
            slots_to_coeffs: vec![log_slots],
            residual_levels,
            eval_mod: EvalModSpec::default(),
            coeffs_to_slots: vec![log_slots],
            message_ratio: 9.0,
            scale: 2f64.powi(40),
        };
        let refused = |spec| {
            let costs = KernelCosts::default();
            Chain::bootstrapped(chain.parameters.clone(), &spec, &costs).unwrap_err()
        };
        assert!(matches!(refused(spec(10, 6, 0)), ChainError::Bootstrap(BootstrapError::Slots { .. })));
        assert!(matches!(refused(spec(9, 5, 0)), ChainError::Bootstrap(BootstrapError::Levels { .. })));
        assert!(matches!(refused(spec(9, 6, 1)), ChainError::Bootstrap(BootstrapError::Joined { .. })));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let request = BootstrapRequest { log_n: Some(13), ..BootstrapRequest::default() };
        let mut designer = Designer::new(&KernelCosts::default());
        let refused = select_bootstrapped(&request, &mut designer).unwrap_err();
        assert!(matches!(refused, ChainError::Bootstrap(BootstrapError::NoDesign { .. })), "{refused}");
    }

    /// Slow without optimisation.
    #[test]
    #[ignore]
    fn a_secure_chain_for_a_residual_network() {
        let start = std::time::Instant::now();
        let request = BootstrapRequest { levels: 12, precision: 18.0, ..BootstrapRequest::default() };
        let chain = select_bootstrapped(&request, &mut Designer::new(&KernelCosts::default())).unwrap();
        println!("{:.1} s: {:?} {:?}", start.elapsed().as_secs_f64(), chain.data.bootstrap, chain.bootstrap);
        println!("{:?}", chain.data.gadgets);
        assert!(chain.parameters.security_bits() >= 128.0);
        assert_eq!(chain.data.log_n, 16);
    }
}
