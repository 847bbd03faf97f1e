//! Fills.
use super::{Prepared, filter::Map, patchmatch::Field};
use crate::scene::Cancelled;
pub(super) fn fill(
    _prepared: &[Prepared],
    _fields: &[Field],
    measured: Vec<Map>,
    _step: &(dyn Fn() -> Result<(), Cancelled> + Sync),
) -> Result<Vec<Map>, Cancelled> {
    Ok(measured)
}
