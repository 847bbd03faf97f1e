//! The `holoscope` command.
fn main() {}
