//! What is asked of the system: opening things in other programs, and how much memory is used.

use std::path::Path;
use std::process::{Command, Stdio};

/// Seconds between two looks at the memory.
const EVERY: f64 = 2.0;

/// Shows a file or folder in the program that the system has for it; a sentence where that does not work.
pub(super) fn open(path: &Path) -> Result<(), String> {
    let program = if cfg!(target_os = "windows") {
        "explorer"
    } else if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let run = Command::new(program).arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let at = path.display();
    match run {
        // The explorer of Windows ends with 1 when all is well.
        Ok(status) if status.success() || cfg!(target_os = "windows") => Ok(()),
        Ok(_) => Err(format!("the system has no program that shows {at}")),
        Err(e) => Err(format!("{at} cannot be shown: {program}: {e}")),
    }
}

/// Seconds that this thread has used a processor for; `None` where the system does not tell.
pub(super) fn thread_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split_whitespace().next()?.parse::<f64>().ok().map(|ns| ns * 1e-9)
}

/// Resident memory of this process.
#[derive(Default)]
pub(super) struct Memory {
    /// MiB; `None` where the system does not tell.
    pub mib: Option<f64>,
    looked: Option<f64>,
}

impl Memory {
    /// Looks again when the last look is old. `now` in seconds.
    pub(super) fn look(&mut self, now: f64) {
        if self.looked.is_none_or(|at| now - at >= EVERY) {
            (self.mib, self.looked) = (resident(), Some(now));
        }
    }
}

fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_with_what_is_held() {
        let before = resident().unwrap();
        let held = std::hint::black_box(vec![1u8; 64 << 20]);
        let after = resident().unwrap();
        assert!(after > before + 50.0, "{before} then {after} with {} bytes", held.len());
        let mut memory = Memory::default();
        memory.look(1.0);
        assert!(memory.mib.is_some_and(|m| m > 1.0));
    }
}
