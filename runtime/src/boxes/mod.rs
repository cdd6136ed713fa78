//! Boxes of detectors: [`BoxReader`] finds them in the results of a network, [`suppress`] leaves one of those that overlap,
//! [`Detection::in_picture`] brings them back into the picture that an input was made of, and [`drawn`] draws them there.

mod detection;
mod draw;
mod font;
mod reader;
mod suppress;

pub use detection::Detection;
pub use draw::drawn;
pub use reader::{BoxReader, Format, Shown};
pub use suppress::{MAX_BOXES, suppress};
