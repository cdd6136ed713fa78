//! Parameter sets: from levels and precision to primes.

use fhec_ckks::CkksError;
use fhec_ckks::bootstrap::BootstrapError;
use fhec_ckks::params::{
    GADGET_HEADROOM_BITS, KeyShape, MAX_PRIME_BITS, MIN_PRIME_BITS, ParameterError, Parameters,
    ParametersLiteral, security_table::max_log_qp,
};
use fhec_ir::plan::{Gadget, ParameterData};
use fhec_ir::schedule::BootstrapHeader;

/// Smallest and largest log2 N that [`select`] considers.
pub const LOG_N: std::ops::RangeInclusive<u32> = 12..=17;

/// What a network needs of its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainRequest {
    /// Rescalings on the longest path: the level of fresh ciphertexts.
    pub levels: usize,
    /// Bits of the scale, and of each prime but the base.
    pub scale_bits: u32,
    /// Bits by which the base modulus exceeds the scale: log2 of twice the largest value of a result, plus
    /// something for safety.
    pub headroom_bits: u32,
    /// Digits to aim at in a key switch at the top; more where the cap asks for it.
    pub digits: usize,
    /// A ring degree chosen by hand.
    pub log_n: Option<u32>,
    /// Smallest ring whose slots suffice.
    pub min_log_n: u32,
    /// Decompose at every level as at the top, so that one key per step serves all levels. Otherwise every level
    /// has its own shape: smaller keys and faster switches at low levels, but a key per shape for steps that
    /// occur at several.
    pub shared_gadget: bool,
}

impl Default for ChainRequest {
    fn default() -> Self {
        Self {
            levels: 1,
            scale_bits: 40,
            headroom_bits: 7,
            digits: 2,
            log_n: None,
            min_log_n: *LOG_N.start(),
            shared_gadget: false,
        }
    }
}

/// What one bootstrap costs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BootstrapCosts {
    /// Time of one ciphertext on one thread.
    pub seconds: f64,
    /// Time of two at once on one thread.
    pub pair_seconds: f64,
    /// Memory of its keys.
    pub key_bytes: u64,
    /// Memory of its matrices.
    pub matrix_bytes: u64,
}

/// A checked parameter set with its key shapes.
#[derive(Clone, Debug)]
pub struct Chain {
    /// For the engine.
    pub parameters: Parameters,
    /// For the plan.
    pub data: ParameterData,
    /// What a bootstrap costs, if the chain is made for one.
    pub bootstrap: Option<BootstrapCosts>,
    /// The level of results without bootstraps: the base modulus is the product of the primes up to it.
    pub floor: u32,
}

/// Why there are no parameters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// No ring, or not the one asked for, is large enough.
    #[error(
        "{levels} levels of {scale_bits} bits need log2 QP = {log_qp:.0}, at 128-bit security log2 N = {log_n} \
         allows {cap}: {} bits too many",
        (log_qp - f64::from(*cap)).ceil()
    )]
    TooLong {
        /// Levels asked for.
        levels: usize,
        /// Bits of each.
        scale_bits: u32,
        /// Ring degree.
        log_n: u32,
        /// What would be needed, with a single special prime.
        log_qp: f64,
        /// What is allowed.
        cap: u32,
    },
    /// A prime width that the engine does not have.
    #[error("primes of {bits} bits ({what}) are outside {MIN_PRIME_BITS}..={MAX_PRIME_BITS}")]
    Width {
        /// Which primes.
        what: &'static str,
        /// Their width.
        bits: u32,
    },
    /// The engine refuses.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// No chain with a bootstrap meets the request.
    #[error(transparent)]
    Bootstrap(BootstrapError),
    /// The engine fails otherwise.
    #[error("{0}")]
    Engine(String),
}

impl From<BootstrapError> for ChainError {
    fn from(error: BootstrapError) -> Self {
        match error {
            BootstrapError::Engine(CkksError::Parameters(e)) => Self::Parameters(e),
            BootstrapError::Engine(other) => Self::Engine(other.to_string()),
            refusal => Self::Bootstrap(refusal),
        }
    }
}

impl ChainRequest {
    /// Widths of the base's primes: two where one would be too wide.
    fn base_bits(&self) -> Vec<u32> {
        match self.scale_bits + self.headroom_bits {
            base @ ..=MAX_PRIME_BITS => vec![base],
            base => vec![base.div_ceil(2); 2],
        }
    }

    fn q_bits(&self) -> Vec<u32> {
        self.base_bits().into_iter().chain(std::iter::repeat_n(self.scale_bits, self.levels)).collect()
    }

    fn check_widths(&self) -> Result<(), ChainError> {
        let widths = [("scale", self.scale_bits), ("base", self.base_bits()[0])];
        for (what, bits) in widths {
            if !(MIN_PRIME_BITS..=MAX_PRIME_BITS).contains(&bits) {
                return Err(ChainError::Width { what, bits });
            }
        }
        Ok(())
    }
}

/// Special primes for digits of `alpha` limbs: their number and width, as narrow as the gadget condition allows.
fn special_primes(q_bits: &[u32], alpha: usize) -> Option<(usize, u32)> {
    let digit = q_bits.chunks(alpha).map(|d| d.iter().sum::<u32>()).max()?;
    // Primes lie within a hundredth of a bit of their nominal width.
    let wanted = f64::from(digit) + GADGET_HEADROOM_BITS + 0.05;
    // One prime more than limbs in a digit where the base is too wide for as many.
    (alpha..=alpha + 1)
        .map(|k| (k, (wanted / k as f64).ceil() as u32))
        .find(|&(_, bits)| bits <= MAX_PRIME_BITS)
        .map(|(k, bits)| (k, bits.max(MIN_PRIME_BITS).max(30)))
}

/// Digit widths to try, best first: the fewest limbs that give at most the digits aimed at, then fewer limbs and
/// more digits, which need fewer special primes.
fn candidates(limbs: usize, digits: usize) -> impl Iterator<Item = usize> {
    (1..=limbs.div_ceil(digits.max(1))).rev()
}

/// Parameters for a request: the smallest ring in which the chain is secure, unless one is given, and in it the
/// special primes for as few digits as fit.
///
/// # Errors
/// If nothing fits ([`ChainError::TooLong`] says by how much), or a width is unsupported.
pub fn select(request: &ChainRequest) -> Result<Chain, ChainError> {
    request.check_widths()?;
    let rings = match request.log_n {
        Some(log_n) => log_n..=log_n,
        None => request.min_log_n.max(*LOG_N.start())..=*LOG_N.end(),
    };
    let q_bits = request.q_bits();
    let log_q: u32 = q_bits.iter().sum();
    let mut shortest = (f64::INFINITY, *rings.end());
    for log_n in rings {
        let Some(cap) = max_log_qp(log_n) else {
            return Err(ParameterError::RingDegree { log_n, min: *LOG_N.start(), max: *LOG_N.end() }.into());
        };
        for alpha in candidates(q_bits.len(), request.digits) {
            let Some((count, bits)) = special_primes(&q_bits, alpha) else { continue };
            let log_qp = f64::from(log_q + count as u32 * bits);
            shortest = (shortest.0.min(log_qp), log_n);
            if log_qp > f64::from(cap) {
                continue;
            }
            match ParametersLiteral::from_bits(log_n, &q_bits, &vec![bits; count]) {
                Err(ParameterError::NotEnoughPrimes { .. } | ParameterError::PrimeBits { .. }) => break,
                literal => match Parameters::new(&literal?) {
                    // Within a hundredth of a bit of the cap.
                    Err(ParameterError::Insecure { .. }) => continue,
                    parameters => return Ok(Chain::new(parameters?, request)),
                },
            }
        }
    }
    let (log_qp, log_n) = shortest;
    let cap = max_log_qp(log_n).unwrap_or(0);
    Err(ChainError::TooLong { levels: request.levels, scale_bits: request.scale_bits, log_n, log_qp, cap })
}

impl Chain {
    fn new(parameters: Parameters, request: &ChainRequest) -> Self {
        let floor = request.base_bits().len() as u32 - 1;
        Self { floor, ..Self::from_parameters(parameters, request.scale_bits, request.shared_gadget) }
    }

    /// Describes a parameter set that was made otherwise.
    pub fn from_parameters(parameters: Parameters, scale_bits: u32, shared_gadget: bool) -> Self {
        let shared = shared_gadget.then(|| parameters.max_level());
        Self::with_gadgets(parameters, scale_bits, shared)
    }

    /// Decomposes at every level up to `shared` as there, above as is best for each level.
    pub(crate) fn with_gadgets(parameters: Parameters, scale_bits: u32, shared: Option<usize>) -> Self {
        let gadget = |level: usize| {
            let like = shared.filter(|top| level <= *top).unwrap_or(level);
            let KeyShape { special, digit_limbs, .. } = parameters.key_shape(like);
            Gadget { special: special as u32, digit_limbs: digit_limbs as u32 }
        };
        let data = ParameterData {
            id: parameters.id().0,
            log_n: parameters.log_n(),
            q: parameters.q().to_vec(),
            p: parameters.p().to_vec(),
            scale_bits,
            gadgets: (0..parameters.q().len()).map(gadget).collect(),
            bootstrap: None,
        };
        Self { parameters, data, bootstrap: None, floor: 0 }
    }

    /// What a schedule for this chain says about its bootstrap.
    pub fn bootstrap_header(&self) -> Option<BootstrapHeader> {
        self.data.bootstrap.as_ref().map(fhec_ir::plan::BootstrapData::header)
    }

    /// The moduli of a schedule for this chain.
    pub fn moduli(&self) -> Vec<f64> {
        self.data.q.iter().map(|&q| q as f64).collect()
    }

    /// The nominal scale 2^scale_bits.
    pub fn scale(&self) -> f64 {
        2f64.powi(self.data.scale_bits as i32)
    }

    /// Slots of a ciphertext.
    pub fn slots(&self) -> usize {
        self.parameters.slots()
    }

    /// log2 of the largest magnitude that a result of the given scale may have at level 0.
    pub fn headroom_bits(&self, scale: f64) -> f64 {
        (self.data.q[0] as f64 / scale).log2() - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(levels: usize, scale_bits: u32) -> ChainRequest {
        ChainRequest { levels, scale_bits, ..ChainRequest::default() }
    }

    #[test]
    fn the_smallest_secure_ring_is_taken() {
        for (levels, scale_bits, log_n) in [(1, 29, 12), (3, 35, 13), (7, 40, 14), (15, 40, 15), (30, 40, 16)]
        {
            let chain = select(&request(levels, scale_bits)).unwrap();
            assert_eq!(chain.data.log_n, log_n, "{levels} levels");
            assert_eq!(chain.parameters.max_level(), levels);
            assert!(chain.parameters.security_bits() >= 128.0);
            assert_eq!(chain.data.gadgets.len(), levels + 1);
        }
    }

    #[test]
    fn what_does_not_fit_says_by_how_much() {
        let wide = ChainRequest { log_n: Some(13), ..request(5, 40) };
        let message = select(&wide).unwrap_err().to_string();
        assert!(message.contains("93 bits too many"), "{message}");
        assert!(select(&request(95, 40)).is_err());
        assert!(matches!(select(&request(2, 60)), Err(ChainError::Width { what: "scale", .. })));
        let endless = ChainRequest { headroom_bits: 60, ..request(2, 45) };
        assert!(matches!(select(&endless), Err(ChainError::Width { what: "base", .. })));
        assert!(select(&ChainRequest { log_n: Some(9), ..request(1, 30) }).is_err());
    }

    #[test]
    fn a_base_too_wide_for_a_prime_has_two() {
        let chain = select(&ChainRequest { headroom_bits: 20, ..request(3, 40) }).unwrap();
        assert_eq!((chain.floor, chain.data.q.len()), (1, 5));
        let base: f64 = chain.moduli()[..2].iter().map(|q| q.log2()).sum();
        assert!((base - 60.0).abs() < 0.1, "{base}");
        assert_eq!(select(&request(3, 40)).unwrap().floor, 0);
    }

    #[test]
    fn the_largest_digits_that_fit_are_taken() {
        let chain = select(&request(7, 40)).unwrap();
        let top = chain.parameters.key_shape(7);
        // 47 + 7·40 = 327 bits leave 103 for P: two primes, four digits.
        assert_eq!((top.special, top.digits()), (2, 4));
        let roomy = select(&ChainRequest { log_n: Some(15), ..request(7, 40) }).unwrap();
        assert_eq!(roomy.parameters.key_shape(7).digits(), 2);
        let shared = select(&ChainRequest { shared_gadget: true, ..request(7, 40) }).unwrap();
        assert!(shared.data.gadgets.iter().all(|g| *g == shared.data.gadgets[7]));
    }
}
