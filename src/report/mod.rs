//! Plans and outcomes as text and JSON; one file per format.
