//! Bootstrapping (in progress).
mod dft;
mod sine;
