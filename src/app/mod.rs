//! The window: panels, 3D viewport, image view, commands and keys.
#![allow(missing_docs)]
use crate::pipeline::RunOptions;
use std::path::PathBuf;
pub enum Open { Scene(PathBuf), Run { input: PathBuf, out: PathBuf, options: RunOptions }, Nothing }
#[derive(Debug, thiserror::Error)]
#[error("no window yet")]
pub struct AppError;
pub fn run(_: Open) -> Result<(), AppError> { Err(AppError) }
pub fn display_available() -> Result<(), AppError> { Err(AppError) }
