//! Plaintexts in the order of their use.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, sync_channel};

use super::recipes::{RecipeVectors, Vector};
use super::{Recipe, Schedule};

/// Evaluates the plaintexts of a schedule as its instructions use them, once each, while another thread evaluates those of
/// the next map.
pub struct Stream<'s> {
    recipes: &'s RecipeVectors<'s>,
    /// The first recipe of every map that the other thread evaluates.
    maps: std::iter::Peekable<std::slice::Iter<'s, Recipe>>,
    evaluated: Receiver<()>,
}

impl Stream<'_> {
    /// Runs something that takes the plaintexts of all instructions in their order.
    pub fn scope<R>(schedule: &Schedule, run: impl FnOnce(&mut Stream<'_>) -> R) -> R {
        let (recipes, maps) = (&RecipeVectors::new(schedule), &maps(schedule));
        std::thread::scope(|scope| {
            let (send, evaluated) = sync_channel(1);
            scope.spawn(move || {
                let evaluate = |recipe| {
                    // Whoever uses it hears of an error.
                    let _ = recipes.get(recipe);
                    send.send(()).is_ok()
                };
                maps.iter().all(evaluate)
            });
            run(&mut Stream { recipes, maps: maps.iter().peekable(), evaluated })
        })
    }

    /// The next plaintext.
    ///
    /// # Errors
    /// If it cannot be evaluated.
    pub fn next(&mut self, recipe: &Recipe) -> Result<Vector, String> {
        if self.maps.next_if_eq(&recipe).is_some() {
            let _ = self.evaluated.recv();
        }
        let vector = self.recipes.get(recipe);
        self.recipes.release(recipe);
        vector
    }
}

/// The first recipe of every map's products and of its biases, in the order of their use.
fn maps(schedule: &Schedule) -> Vec<Recipe> {
    let mut seen = HashSet::new();
    let recipes = schedule.iter().flat_map(|(_, n)| n.op.recipes());
    let first = |recipe: &&Recipe| match recipe {
        Recipe::Product { map, .. } | Recipe::Pair { map, .. } => seen.insert((*map, true)),
        Recipe::Bias { map, .. } => seen.insert((*map, false)),
        Recipe::Spread { .. } => false,
    };
    recipes.filter(first).copied().collect()
}
