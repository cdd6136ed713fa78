//! Negacyclic NTT with AVX-512 IFMA for moduli below 2^50 and degrees from 64.
//!
//! Harvey's lazy butterflies on 52-bit words: t = y·w − ⌊y·w'/2^52⌋·p lies in [0, 2p), and both
//! products accumulate straight into x by `madd52lo`, with −p as 2^52 − p. Only the low 52 bits of a
//! word are meaningful; carries into the upper twelve are ignored by the next `madd52`. Where a
//! comparison is needed the word is masked first.
//!
//! * LAZY (48p < 2^52): the forward transform never reduces, since x grows by 2p a layer (35p after
//!   17); the inverse reduces once per pass, by Barrett.
//! * otherwise (p < 2^50): every layer brings x below 2p, so that words stay below 4p < 2^52.
//!
//! Layers are grouped: passes of one to three layers (four spill registers and thrash the cache's sets) over strided vectors until blocks of
//! [`BLOCK`](transform::BLOCK) words fit the first-level cache; each block is then finished by itself, its last six
//! layers in one pass over runs of 64 words, the final three of them after an 8×8 transpose.
//!
//! Twiddle tables, not arithmetic, bound an engine that cycles over dozens of primes. Only three of the
//! seven twiddle vectors of a run are therefore stored, and no quotients: block twiddles of a layer
//! differ by constants, w[2b+1] = w[2b]·ι, and Shoup's quotient of a product w·κ is the fraction of
//! w·(κ/p), with κ/p to 104 bits. It is short by less than 1.25: a lazy product stays below 2p for
//! words below 34/48·2^52; otherwise the quotient is corrected.

mod arith;
mod passes;
mod run;
mod tables;
mod transform;

pub(crate) use tables::Tables;
