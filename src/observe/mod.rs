//! Desired to readings: which reads a plan needs, made with bounded concurrency.
