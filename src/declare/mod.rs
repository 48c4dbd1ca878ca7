//! Text to [`Declared`]: a tree with places, a decoder that gathers every problem, hash lists.

mod declared;

pub use declared::*;
