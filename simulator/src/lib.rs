//! A simulated Central Node.
