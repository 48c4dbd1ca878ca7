//! A cleared plan to an outcome: look, record, write, verify.
