//! What the user types, and which command that is.
