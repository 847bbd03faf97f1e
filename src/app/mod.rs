//! The window: panels, 3D viewport, image view, commands and keys.
