//! kedrctl
