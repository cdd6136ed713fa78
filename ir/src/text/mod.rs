//! The language of the IRs: what dumps, file tests and `fhec opt` are written in.
//!
//! ```text
//! slot "lenet" slots 8192 {
//!   #1x28x28 = [n 1@8192, c 1@1024, y 28@32, x 28@1] replicas 8@1024
//!   #8x14x14 = [n 1@8192, c 8@1024, y 14@64, x 14@2]
//!   $0 = f32 [8,1,5,5] #c4a5104f279179ce
//!   $1 = f32 [8] #9c2dd1f3b7c5a0e4
//!   $2 = f32 [3,1,8,1,1] #57989b293779f04e
//!   %0 = input "x" : #1x28x28 @3                                           ; x
//!   %1 = linear %0 { conv $0 + $1 stride 2 pad 2 } : #8x14x14 @2           ; conv1
//!        baby {-66..-62, -34..-30, -2..2, 30..34, 62..66} giant {0}
//!   %2 = poly %1 $2 monic-square : #8x14x14 @1                             ; act1
//!   return "y" %2
//! }
//! ```
//!
//! * The head names the IR (`tensor`, `slot`, `schedule`) and the network, and says how many slots there are.
//! * `#16x32x32 = …` names a layout: for each axis the factors of its index, `extent@stride`, least significant first;
//!   then replicas, and the number of ciphertexts if it is not 1.
//! * `$3 = f32 …` is a constant: its numbers, one number if all are the same, or `#` and the digest of a large one, whose
//!   numbers are found elsewhere ([`Constants`]).
//! * `%5 = op operands attributes : type ; name`: a node. Attributes that have their usual value are left out. The name
//!   that the network gives the node reaches to the end of the line.
//! * `@7` is a level. `2^36-1.2e-7` is a scale: a power of two and the relative deviation from it, exact.
//! * Rotation steps are signed: the shorter way around.
//! * `a..b` is a range with both ends, `a..b/4` one in steps of four; in braces a set.
//! * Below a linear map stands its plan: all products of the baby and giant steps named; sums that read something else
//!   in lines of their own.
//! * `//` begins a comment. Line breaks mean nothing but the end of a name or comment.
//!
//! `parse(print(g), constants) == g` for every graph. `docs/ir.md` teaches the language with a network at all stages.

mod client;
mod constants;
mod graph;
mod layouts;
mod lex;
mod maps;
mod numbers;
mod reader;
mod schedule;
mod slot;
mod syntax;
mod tensor;
mod writer;

pub use constants::Constants;
pub use graph::{ir_of, parse, print, print_layer, print_whole};
pub use layouts::shape_text;
pub use lex::ParseError;
pub use syntax::Syntax;
