//! Parameters of passes in words, `slots=64 tile=4x4 levels=6`: what file tests and `fhec opt` run single passes with.

use std::str::FromStr;
use std::sync::Arc;

use fhec_ir::tensor::bounds::{Bounds, Interval, bounds};

use crate::PassError;
use crate::approximate;
use crate::assign_layout::{self, Compaction};
use crate::lower;
use crate::minimize_rotations;
use crate::pipeline::{Config, PASSES, Pipeline, Program};
use crate::place;

/// Parameters of all passes for a program of any stage. What is not given is as in the standard pipeline, without
/// parameters of an encryption.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `slots=N`: slots of a ciphertext.
    pub slots: usize,
    /// `tile=HxW`: the base tile; chosen by cost if not given.
    pub tile: Option<[usize; 2]>,
    /// `compact=first` or `compact=joins`: which maps leave interleaving.
    pub compaction: Option<Compaction>,
    /// `apart`: linear maps are not composed.
    pub apart: bool,
    /// `drift`: moduli are not powers of two, so that scales differ by the way they were reached.
    pub drift: bool,
    /// `levels=L`: levels that a bootstrap gives; without it there are no bootstraps.
    pub levels: Option<u32>,
    /// `price=P`: of a bootstrap, in rotations.
    pub price: f64,
    /// `pair=P`: of bootstrapping two ciphertexts at once.
    pub pair: f64,
    /// `range=R`: a bound on the slots of every value.
    pub range: f64,
    /// `period=N`: slots that bootstraps keep apart; all if not given.
    pub period: Option<usize>,
    /// `even=D` or `alpha=A`: what |x| is approximated by, an even polynomial of degree D or the cheapest composition of precision A, and bits of precision of
    /// smooth functions.
    pub method: Option<(approximate::Method, f64)>,
    /// `exact`: functions that are no polynomials are kept.
    pub exact: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            slots: 1 << 15,
            tile: None,
            compaction: None,
            apart: false,
            drift: false,
            levels: None,
            price: 50.0,
            pair: f64::INFINITY,
            range: 1.0,
            period: None,
            method: None,
            exact: false,
        }
    }
}

/// Words that settings consist of, for messages.
pub const WORDS: &str = "slots=N tile=HxW compact=first|joins apart drift exact levels=L price=P pair=P range=R period=N even=D alpha=A";

/// Bits of smooth functions beside even polynomials.
const EVEN_BITS: f64 = 10.0;

impl FromStr for Settings {
    type Err = String;

    fn from_str(words: &str) -> Result<Self, String> {
        let mut settings = Self::default();
        for word in words.split_whitespace() {
            settings.set(word).ok_or_else(|| format!("{word:?} is no setting; there are {WORDS}"))?;
        }
        Ok(settings)
    }
}

/// Level at which nominal bootstraps begin.
const LEVEL_IN: u32 = 1;

/// Bits of the nominal scale, and of the base modulus.
const NOMINAL_BITS: (u32, u32) = (40, 60);

impl Settings {
    /// Those that a text names in its first line, `// run: …`; the default ones if it does not.
    ///
    /// # Errors
    /// What is no setting.
    pub fn of_text(text: &str) -> Result<Self, String> {
        let first = text.lines().next().unwrap_or_default();
        first.strip_prefix("// run:").unwrap_or_default().parse()
    }

    fn set(&mut self, word: &str) -> Option<()> {
        let positive = |x: &str| x.parse().ok().filter(|x: &f64| *x > 0.0);
        let power = |n: &str| n.parse().ok().filter(|n: &usize| n.is_power_of_two());
        match word.split_once('=') {
            Some(("slots", n)) => self.slots = power(n)?,
            Some(("tile", tile)) => {
                let (h, w) = tile.split_once('x')?;
                self.tile = Some([h.parse().ok()?, w.parse().ok()?]);
            }
            Some(("compact", "first")) => self.compaction = Some(Compaction::First),
            Some(("compact", "joins")) => self.compaction = Some(Compaction::Joins),
            Some(("levels", n)) => self.levels = Some(n.parse().ok()?),
            Some(("price", x)) => self.price = positive(x)?,
            Some(("pair", x)) => self.pair = positive(x)?,
            Some(("range", x)) => self.range = positive(x)?,
            Some(("period", n)) => self.period = Some(power(n)?),
            Some(("even", d)) => {
                let degree =
                    d.parse().ok().filter(|d: &usize| (2..256).contains(d) && d.is_multiple_of(2))?;
                self.method = Some((approximate::Method::Even(degree), EVEN_BITS));
            }
            Some(("alpha", a)) => {
                let alpha = positive(a)?;
                self.method = Some((approximate::composite(alpha)?, alpha));
            }
            None if word == "apart" => self.apart = true,
            None if word == "drift" => self.drift = true,
            None if word == "exact" => self.exact = true,
            _ => return None,
        }
        Some(())
    }

    /// What a pass makes of a program.
    ///
    /// # Errors
    /// If there is no such pass, or it refuses the program.
    pub fn run(&self, pass: &str, program: Program) -> Result<Program, PassError> {
        if !PASSES.contains(&pass) {
            return Err(PassError::Unknown { pass: pass.into(), known: &PASSES });
        }
        let mut pipeline = Pipeline::standard(self.config(&program));
        pipeline.start_at(pass);
        pipeline.stop_after(pass);
        pipeline.run(program, &mut |_, _| {})
    }

    /// Ranges are proven for inputs within the range that was given.
    fn approximate(&self) -> approximate::Config {
        let range = Interval::new(-self.range, self.range);
        let approximation = self.method.clone().map(|(method, alpha)| approximate::Approximation {
            ranges: Arc::new(move |graph| {
                let inputs = vec![Bounds::uniform(range); graph.inputs().count()];
                let values = bounds(graph, &inputs).into_iter().map(Some).collect();
                Ok(approximate::Ranges { values, spreads: vec![] })
            }),
            method,
            methods: Default::default(),
            alpha,
        });
        approximate::Config { exact_activations: self.exact, approximation }
    }

    fn config(&self, program: &Program) -> Config {
        let (slots, values) = match program {
            Program::Tensor(_) => (self.slots, 0),
            Program::Slot(graph) => (graph.header.slots, graph.len()),
            Program::Schedule(schedule) => (schedule.header.slots, 0),
        };
        let (tile, compaction, compose) = (self.tile, self.compaction, !self.apart);
        let period = self.period.unwrap_or(slots);
        let bootstrap = self.levels.map(|levels| place::Bootstrap {
            levels,
            level_in: LEVEL_IN,
            price: self.price,
            pair_price: self.pair,
            period,
            ranges: vec![self.range; values],
        });
        let (levels, drift) = (self.levels, self.drift);
        Config {
            approximate: self.approximate(),
            layout: assign_layout::Config { tile, compaction, compose, ..assign_layout::Config::new(slots) },
            rotations: minimize_rotations::Config {
                level: self.levels.map(|_| self.price),
                ..minimize_rotations::Config::default()
            },
            place: place::Config { bootstrap, ..place::Config::default() },
            chain: Box::new(move |top| {
                let mut chain = nominal_chain(top, levels.map(|levels| (levels, period)));
                if drift {
                    chain.moduli.iter_mut().enumerate().for_each(|(k, q)| *q *= 1.0 + k as f64 / 1024.0);
                }
                Ok(chain)
            }),
        }
    }
}

/// A chain of powers of two for so many levels, or for bootstraps that give so many levels and keep so many slots apart.
pub fn nominal_chain(top: u32, bootstrap: Option<(u32, usize)>) -> lower::Config {
    let (scale_bits, base_bits) = NOMINAL_BITS;
    let Some((levels, period)) = bootstrap else { return lower::Config::nominal(top, scale_bits, base_bits) };
    let config = lower::Config::nominal(levels + LEVEL_IN, scale_bits, base_bits);
    let bootstrap = fhec_ir::schedule::BootstrapHeader {
        level_in: LEVEL_IN,
        level_out: levels + LEVEL_IN,
        scale: config.scale,
        period: period as u32,
    };
    lower::Config { bootstrap: Some(bootstrap), ..config }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_words() {
        let settings =
            Settings::of_text("// run: slots=64 tile=4x2 compact=joins levels=6 drift\ntensor").unwrap();
        let expected = Settings {
            slots: 64,
            tile: Some([4, 2]),
            compaction: Some(Compaction::Joins),
            levels: Some(6),
            drift: true,
            ..Settings::default()
        };
        assert_eq!(settings, expected);
        assert_eq!(Settings::of_text("tensor \"x\" {"), Ok(Settings::default()));
        for wrong in ["slots=3", "tile=4", "price=0", "speed=3", "slots"] {
            assert!(wrong.parse::<Settings>().unwrap_err().contains(wrong), "{wrong}");
        }
    }
}
