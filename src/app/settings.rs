//! What the user has set for all scenes: a file in the configuration folder.

use super::view_state;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Name of the file.
const FILE: &str = "settings.json";

/// Recent scenes kept.
const RECENT: usize = 12;

/// Sizes of text and controls that can be chosen, 1 is their own.
pub(super) const SCALES: [f32; 5] = [1.0, 1.25, 1.5, 1.75, 2.0];

/// What is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    /// Size of text and controls, 1 to 2.
    pub scale: f32,
    /// Who reviews; the name of the user where it is empty.
    pub reviewer: String,
    /// Scenes and folders of scenes that were open, the last first.
    pub recent: Vec<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { scale: 1.0, reviewer: String::new(), recent: Vec::new() }
    }
}

impl Settings {
    /// Reads the file; the defaults where there is none.
    pub(super) fn load(config: Option<&Path>) -> Self {
        let mut read: Self = config.and_then(|c| view_state::load(c, FILE)).unwrap_or_default();
        read.scale = bounded(read.scale);
        read.recent.truncate(RECENT);
        read
    }

    /// Writes the file.
    pub(super) fn save(&self, config: &Path) -> std::io::Result<()> {
        view_state::save(config, FILE, self)
    }

    /// Puts a scene to the front of the recent ones.
    pub(super) fn opened(&mut self, scene: &Path) {
        let full = scene.canonicalize().unwrap_or_else(|_| scene.to_path_buf());
        self.recent.retain(|r| *r != full);
        self.recent.insert(0, full);
        self.recent.truncate(RECENT);
    }

    /// The next larger or smaller scale.
    pub(super) fn stepped(&self, up: bool) -> f32 {
        let found = if up {
            SCALES.iter().find(|s| **s > self.scale + 0.01)
        } else {
            SCALES.iter().rev().find(|s| **s < self.scale - 0.01)
        };
        found.copied().unwrap_or(self.scale)
    }
}

/// A scale that the window is laid out for.
pub(super) fn bounded(scale: f32) -> f32 {
    if scale.is_finite() { scale.clamp(1.0, 2.0) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_scenes_are_in_order_once_and_few() {
        let mut s = Settings::default();
        for k in 0..20 {
            s.opened(Path::new(&format!("/nowhere/{k}")));
        }
        s.opened(Path::new("/nowhere/15"));
        assert_eq!(s.recent.len(), RECENT);
        assert_eq!(s.recent[..3], ["/nowhere/15", "/nowhere/19", "/nowhere/18"].map(PathBuf::from));
        assert_eq!(s.recent.iter().filter(|r| r.ends_with("15")).count(), 1);
    }

    #[test]
    fn steps_stay_within_the_scales() {
        let at = |scale: f32| Settings { scale, ..Settings::default() };
        assert_eq!((at(1.0).stepped(true), at(1.0).stepped(false)), (1.25, 1.0));
        assert_eq!((at(2.0).stepped(true), at(2.0).stepped(false)), (2.0, 1.75));
        assert_eq!(at(1.1).stepped(true), 1.25);
    }

    #[test]
    fn comes_back_and_holds_what_can_be_used() {
        let home = tempfile::tempdir().unwrap();
        let s = Settings { scale: 1.5, reviewer: "Ada".into(), recent: vec!["/a".into()] };
        s.save(home.path()).unwrap();
        assert_eq!(Settings::load(Some(home.path())), s);
        std::fs::write(home.path().join(FILE), r#"{"scale": 900.0}"#).unwrap();
        assert_eq!(Settings::load(Some(home.path())).scale, 2.0);
        assert_eq!(Settings::load(None), Settings::default());
    }
}
