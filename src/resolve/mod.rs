//! Declared state and a host list to desired state: which sensor is meant, with where each value came from.
