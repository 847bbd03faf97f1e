//! What can go wrong with a review.

use std::path::PathBuf;

/// What can go wrong with a review.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The log cannot be read or written.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// "read", "write", "lock".
        action: &'static str,
        /// The log.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line that is not the last one is damaged.
    #[error("{path}, line {line}: {reason}")]
    Malformed {
        /// The log.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Another window has the scene open, or this is a reader's view of it.
    #[error("{path} is open for looking only here, so nothing can be decided: another window has it open")]
    ReadOnly {
        /// The log.
        path: PathBuf,
    },
    /// No such instance.
    #[error("there is no instance {0}")]
    NoSuchInstance(u32),
    /// An instance is added under an id that another has, or had.
    #[error("the number {0} was given to another instance already")]
    Taken(u32),
    /// A box or a plane with a number that is none.
    #[error("the new box of instance {0} is not made of finite numbers")]
    NotFinite(u32),
}
