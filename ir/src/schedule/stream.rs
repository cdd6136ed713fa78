//! Plaintexts in the order of their use.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, sync_channel};

use rayon::prelude::*;

use super::recipes::{RecipeVectors, Vector};
use super::{Recipe, Schedule};

/// Evaluates the plaintexts of a schedule as its instructions use them, once each, while another thread looks at the next map.
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

    /// The plaintexts of the next instruction.
    ///
    /// # Errors
    /// If one cannot be evaluated.
    pub fn next(&mut self, recipes: &[Recipe]) -> Result<Vec<Vector>, String> {
        for recipe in recipes {
            if self.maps.next_if_eq(&recipe).is_some() {
                let _ = self.evaluated.recv();
            }
        }
        let vectors = recipes.par_iter().map(|recipe| self.recipes.get(recipe)).collect();
        self.release(recipes);
        vectors
    }

    /// Passes the plaintexts of the next instruction over.
    pub fn skip(&mut self, recipes: &[Recipe]) {
        for recipe in recipes {
            if self.maps.next_if_eq(&recipe).is_some() {
                let _ = self.evaluated.recv();
            }
        }
        self.release(recipes);
    }

    fn release(&self, recipes: &[Recipe]) {
        recipes.iter().for_each(|recipe| self.recipes.release(recipe));
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
