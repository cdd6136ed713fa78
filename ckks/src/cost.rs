//! Modelled times of operations: counts of kernels over limbs, priced by a table.
//!
//! With ℓ limbs, k special primes and β digits of α limbs each:
//!
//! * decomposition (ModUp): ℓ + β(ℓ+k) − ℓ transforms, α conversions per converted limb
//! * inner product with a key: 2β(ℓ+k) limbs streamed from memory and multiplied
//! * ModDown of one polynomial: k + ℓ transforms, kℓ conversions

use crate::params::KeyShape;
use serde::{Deserialize, Serialize};

/// Microseconds that kernels take on one limb of N = 2^16 words, on one thread.
///
/// The default was measured by [`calibrate`](crate::calibrate) on a core of an AMD EPYC 9004 (AVX-512 IFMA).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelCosts {
    /// A number-theoretic transform, either direction, cycling over the primes of a chain.
    pub ntt: f64,
    /// A product with a plaintext in the cache, accumulated.
    pub product: f64,
    /// One source limb's part in one target limb of a base conversion.
    pub conversion: f64,
    /// Reading one limb of a key from memory and multiplying it into the sums of a key switch.
    pub read: f64,
    /// Adding one limb to another.
    pub add: f64,
    /// Embedding a vector of N/2 slots: the FFT and rounding to integers, without transforms.
    pub embed: f64,
    /// Reducing integer coefficients modulo one prime.
    pub reduce: f64,
}

impl Default for KernelCosts {
    fn default() -> Self {
        Self {
            ntt: 170.0,
            product: 14.0,
            conversion: 10.0,
            read: 58.0,
            add: 34.0,
            embed: 850.0,
            reduce: 53.0,
        }
    }
}

/// Prices operations on ciphertexts of one ring, in microseconds on one thread.
///
/// A level stands for its level + 1 limbs; `shape` for the gadget, whatever its own level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pricing {
    costs: KernelCosts,
}

impl Pricing {
    /// `costs` scaled from N = 2^16 to 2^`log_n`: transforms by N·log N, everything else by N.
    pub fn new(log_n: u32, costs: &KernelCosts) -> Self {
        let size = (f64::from(log_n) - 16.0).exp2();
        let transform = size * f64::from(log_n) / 16.0;
        let KernelCosts { ntt, product, conversion, read, add, embed, reduce } = *costs;
        let costs = KernelCosts {
            ntt: ntt * transform,
            product: product * size,
            conversion: conversion * size,
            read: read * size,
            add: add * size,
            embed: embed * transform,
            reduce: reduce * size,
        };
        Self { costs }
    }

    /// The kernels in this ring.
    pub fn kernels(&self) -> &KernelCosts {
        &self.costs
    }

    /// ModUp: decomposing one polynomial.
    pub fn mod_up(&self, level: usize, shape: &KeyShape) -> f64 {
        let (limbs, digits) = ((level + 1) as f64, shape.digits_at(level) as f64);
        let converted = digits * (limbs + shape.special as f64) - limbs;
        let sources = limbs / digits;
        self.costs.ntt * (limbs + converted) + self.costs.conversion * converted * sources
    }

    /// Inner product of digits with a key: a hoisted rotation without ModDown.
    pub fn inner(&self, level: usize, shape: &KeyShape) -> f64 {
        2.0 * (shape.digits_at(level) * (level + 1 + shape.special)) as f64 * self.costs.read
    }

    /// ModDown of one polynomial, dropping `drop` ciphertext limbs as well.
    pub fn mod_down(&self, level: usize, shape: &KeyShape, drop: usize) -> f64 {
        self.divide(shape.special + drop, level + 1 - drop)
    }

    /// Rescaling one polynomial.
    pub fn rescale(&self, level: usize) -> f64 {
        self.divide(1, level)
    }

    fn divide(&self, sources: usize, kept: usize) -> f64 {
        self.costs.ntt * (sources + kept) as f64 + self.costs.conversion * (sources * kept) as f64
    }

    /// A key switch of one polynomial, relinearisation or rotation, merged with `drop` rescalings.
    pub fn key_switch(&self, level: usize, shape: &KeyShape, drop: usize) -> f64 {
        self.mod_up(level, shape) + self.inner(level, shape) + 2.0 * self.mod_down(level, shape, drop)
    }

    /// A giant step over QP.
    pub fn giant(&self, level: usize, shape: &KeyShape) -> f64 {
        self.mod_down(level, shape, 0) + self.mod_up(level, shape) + self.inner(level, shape)
    }

    /// A square, relinearised and rescaled.
    pub fn square(&self, level: usize, shape: &KeyShape) -> f64 {
        self.tensor(level) + self.key_switch(level, shape, 1)
    }

    /// The tensor product of two ciphertexts: four limbs read, three written, each from memory.
    pub fn tensor(&self, level: usize) -> f64 {
        3.0 * (level + 1) as f64 * self.costs.add
    }
}
