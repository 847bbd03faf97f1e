//! Metrics against ground truth.
