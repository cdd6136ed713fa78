//! Slot vectors of plaintext recipes, shared by the interpreter and the engines.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{Recipe, Schedule};
use crate::slot::encode;

/// Slot vectors of one map: all products of its plan, or all its biases.
type Vectors = Arc<Vec<Arc<[f64]>>>;
type Cell = Arc<OnceLock<Result<Vectors, String>>>;

/// What of a map is evaluated together.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Products(u32),
    Biases(u32),
}

impl Part {
    fn of(recipe: &Recipe) -> Option<Self> {
        match *recipe {
            Recipe::Product { map, .. } => Some(Self::Products(map)),
            Recipe::Bias { map, .. } => Some(Self::Biases(map)),
            Recipe::Spread { .. } => None,
        }
    }
}

/// Evaluates recipes on demand. A map is evaluated once, by the first thread that needs it, and forgotten after
/// [`release`](RecipeVectors::release) was called for each of its uses in the schedule.
pub struct RecipeVectors<'s> {
    schedule: &'s Schedule,
    cells: Mutex<HashMap<Part, Cell>>,
    uses: HashMap<Part, AtomicUsize>,
}

impl<'s> RecipeVectors<'s> {
    /// Counts the uses of every map.
    pub fn new(schedule: &'s Schedule) -> Self {
        let mut uses: HashMap<Part, AtomicUsize> = HashMap::new();
        for part in schedule.iter().flat_map(|(_, n)| n.op.recipes()).filter_map(Part::of) {
            *uses.entry(part).or_default().get_mut() += 1;
        }
        Self { schedule, cells: Mutex::default(), uses }
    }

    /// The slot vector of a recipe: of length S or of a power of two below it, to be read periodically.
    ///
    /// # Errors
    /// If the recipe cannot be evaluated or its vector is not of such a length.
    pub fn get(&self, recipe: &Recipe) -> Result<Arc<[f64]>, String> {
        let vector = match *recipe {
            Recipe::Spread { value, row, layout, ct } => {
                let layout = &self.schedule.header.layouts[layout as usize];
                encode::spread(self.schedule.constant(value), row, layout, ct)?.into()
            }
            Recipe::Product { map, product } => self.part(Part::Products(map), product)?,
            Recipe::Bias { map, ct } => self.part(Part::Biases(map), ct)?,
        };
        let length = vector.len();
        if length.is_power_of_two() && length <= self.schedule.header.slots {
            Ok(vector)
        } else {
            Err(format!("{recipe:?} gives a vector of {length} slots"))
        }
    }

    /// Tells that one use of the recipe is over.
    pub fn release(&self, recipe: &Recipe) {
        let Some(part) = Part::of(recipe) else { return };
        if self.uses.get(&part).is_some_and(|n| n.fetch_sub(1, Ordering::AcqRel) == 1) {
            self.lock().remove(&part);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Part, Cell>> {
        // The map stays consistent whatever a panicking thread was doing: entries are inserted whole.
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn part(&self, part: Part, index: u32) -> Result<Arc<[f64]>, String> {
        let cell = self.lock().entry(part).or_default().clone();
        let vectors = cell.get_or_init(|| self.evaluate(part)).clone()?;
        vectors.get(index as usize).cloned().ok_or_else(|| format!("a map has no plaintext {index}"))
    }

    fn evaluate(&self, part: Part) -> Result<Vectors, String> {
        let header = &self.schedule.header;
        let constants = &self.schedule.constants;
        let vectors = match part {
            Part::Products(map) => encode::products(&header.maps[map as usize], constants)?,
            Part::Biases(map) => {
                let map = &header.maps[map as usize];
                // A map without constant part adds nothing.
                encode::bias(map, constants)?.unwrap_or_else(|| vec![vec![0.0]; map.output.ciphertexts])
            }
        };
        Ok(Arc::new(vectors.into_iter().map(Into::into).collect()))
    }
}
