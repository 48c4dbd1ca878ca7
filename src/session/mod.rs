//! The walk that plan, apply and drift share.
