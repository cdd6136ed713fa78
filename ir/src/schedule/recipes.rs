//! Slot vectors of plaintext recipes, shared by the interpreter and the engines.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{Recipe, Schedule};
use crate::ConstId;
use crate::slot::encode;

/// The slot vector of a plaintext, or the two of a pair. Each is of length S or of a power of two below, to be read
/// periodically.
#[derive(Clone, Debug, PartialEq)]
pub struct Vector {
    /// The vector, or the real part of a pair.
    pub re: Arc<[f64]>,
    /// The imaginary part of a pair.
    pub im: Option<Arc<[f64]>>,
}

impl Vector {
    /// After how many slots it repeats at the latest.
    pub fn period(&self) -> usize {
        self.re.len().max(self.im.as_ref().map_or(0, |im| im.len()))
    }

    /// Root mean square of the slots as they are encoded: those of a pair (u, v) are (u + i·v)/2.
    pub fn rms(&self) -> f64 {
        let mean = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>() / v.len().max(1) as f64;
        match &self.im {
            None => mean(&self.re).sqrt(),
            Some(im) => (mean(&self.re) + mean(im)).sqrt() / 2.0,
        }
    }

    /// Numbers held.
    pub fn len(&self) -> usize {
        self.re.len() + self.im.as_ref().map_or(0, |im| im.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Arc<[f64]>> for Vector {
    fn from(re: Arc<[f64]>) -> Self {
        Self { re, im: None }
    }
}

/// Slot vectors of one map, or of a constant.
enum Vectors<'s> {
    /// Those of its plan's products, on demand.
    Products(encode::Products<'s>),
    /// Those of its biases, or of a constant that is spread: by ciphertext.
    Whole(Vec<Arc<[f64]>>),
}

impl Vectors<'_> {
    fn get(&self, index: usize) -> Option<Arc<[f64]>> {
        match self {
            Self::Products(products) => (index < products.len()).then(|| products.vector(index).into()),
            Self::Whole(vectors) => vectors.get(index).cloned(),
        }
    }
}

type Cell<'s> = Arc<OnceLock<Result<Vectors<'s>, String>>>;

/// What is evaluated together.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Products(u32),
    Biases(u32),
    Spread { value: ConstId, row: u32, layout: u32 },
}

impl Part {
    fn of(recipe: &Recipe) -> Self {
        match *recipe {
            Recipe::Product { map, .. } | Recipe::Pair { map, .. } => Self::Products(map),
            Recipe::Bias { map, .. } => Self::Biases(map),
            Recipe::Spread { value, row, layout, .. } => Self::Spread { value, row, layout },
        }
    }
}

/// Evaluates recipes on demand. A map is looked at once, by the first thread that needs it, and forgotten after
/// [`release`](RecipeVectors::release) was called for each of its uses in the schedule.
pub struct RecipeVectors<'s> {
    schedule: &'s Schedule,
    cells: Mutex<HashMap<Part, Cell<'s>>>,
    uses: HashMap<Part, AtomicUsize>,
}

impl<'s> RecipeVectors<'s> {
    /// Counts the uses of every map.
    pub fn new(schedule: &'s Schedule) -> Self {
        let mut uses: HashMap<Part, AtomicUsize> = HashMap::new();
        for part in schedule.iter().flat_map(|(_, n)| n.op.recipes()).map(Part::of) {
            *uses.entry(part).or_default().get_mut() += 1;
        }
        Self { schedule, cells: Mutex::default(), uses }
    }

    /// The slot vector of a recipe.
    ///
    /// # Errors
    /// If the recipe cannot be evaluated or its vector is not of length S or of a power of two below.
    pub fn get(&self, recipe: &Recipe) -> Result<Vector, String> {
        let zero = || Arc::from([0.0]);
        let vector = match *recipe {
            Recipe::Spread { ct, .. } => self.part(Part::of(recipe), ct)?.into(),
            Recipe::Product { product, .. } => self.part(Part::of(recipe), product)?.into(),
            Recipe::Pair { map, re, im } => {
                let half =
                    |k: Option<u32>| k.map_or_else(|| Ok(zero()), |k| self.part(Part::Products(map), k));
                Vector { re: half(re)?, im: Some(half(im)?) }
            }
            Recipe::Bias { ct, .. } => self.part(Part::of(recipe), ct)?.into(),
        };
        for length in [vector.re.len()].into_iter().chain(vector.im.as_ref().map(|im| im.len())) {
            if !length.is_power_of_two() || length > self.schedule.header.slots {
                return Err(format!("{recipe:?} gives a vector of {length} slots"));
            }
        }
        Ok(vector)
    }

    /// Tells that one use of the recipe is over.
    pub fn release(&self, recipe: &Recipe) {
        let part = Part::of(recipe);
        if self.uses.get(&part).is_some_and(|n| n.fetch_sub(1, Ordering::AcqRel) == 1) {
            self.lock().remove(&part);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Part, Cell<'s>>> {
        // The map stays consistent whatever a panicking thread was doing: entries are inserted whole.
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn part(&self, part: Part, index: u32) -> Result<Arc<[f64]>, String> {
        let cell = self.lock().entry(part).or_default().clone();
        let vectors = cell.get_or_init(|| self.evaluate(part)).as_ref().map_err(String::clone)?;
        vectors.get(index as usize).ok_or_else(|| format!("a map has no plaintext {index}"))
    }

    fn evaluate(&self, part: Part) -> Result<Vectors<'s>, String> {
        let header = &self.schedule.header;
        let constants = &self.schedule.constants;
        let whole = |vectors: Vec<Vec<f64>>| Vectors::Whole(vectors.into_iter().map(Into::into).collect());
        Ok(match part {
            Part::Products(map) => {
                Vectors::Products(encode::Products::new(&header.maps[map as usize], constants)?)
            }
            Part::Biases(map) => {
                let map = &header.maps[map as usize];
                // A map without constant part adds nothing.
                whole(
                    encode::bias(map, constants)?.unwrap_or_else(|| vec![vec![0.0]; map.output.ciphertexts]),
                )
            }
            Part::Spread { value, row, layout } => {
                let layout = &header.layouts[layout as usize];
                whole(encode::spread(self.schedule.constant(value), row, layout)?)
            }
        })
    }
}
