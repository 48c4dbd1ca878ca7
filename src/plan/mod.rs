//! Desired, observed and recorded to a plan: pure.
