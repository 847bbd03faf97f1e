//! What a stage costs: wall seconds and peak memory.

use serde::{Deserialize, Serialize};

/// A stage's line in `timings.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Stage name.
    pub stage: String,
    /// Wall seconds.
    pub seconds: f64,
    /// Peak resident memory while it ran, MiB; `None` where the system does not tell.
    pub peak_memory_mib: Option<f64>,
}

/// Starts a new measurement of peak memory (Linux: resets `VmHWM`; elsewhere nothing).
pub(super) fn reset_peak_memory() {
    // Fails where it is not offered; the peak is then that of the whole process.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Memory that could be taken now without swapping, bytes; `None` where the system does not tell.
pub(super) fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("MemAvailable:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
}

/// Peak resident memory since the last reset, MiB.
pub fn peak_memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}
