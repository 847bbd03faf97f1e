//! What the window looked like when it was closed: a file for the program, one for each scene, both in the user's
//! configuration folder. Never in the scene: how one looks at it is neither a result nor a decision.

use super::compare::Compare;
use super::look::Look;
use super::orbit::Orbit;
use super::order::Sort;
use super::overlay::PhotoView;
use super::panels::Pane;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Shown {
    /// Masks over the photo.
    pub masks: bool,
    /// Boxes, in 3D and over the photo.
    pub boxes: bool,
    /// The photos' cameras in 3D.
    pub cameras: bool,
    /// Splats; sparse points otherwise.
    pub splats: bool,
    /// The ground grid.
    pub grid: bool,
    /// Boxes and masks of rejected instances.
    pub rejected: bool,
    /// The fields that hide splats.
    pub trim: bool,
    /// Boxes and masks of the selected instances only.
    pub isolate: bool,
}

impl Default for Shown {
    fn default() -> Self {
        Self {
            masks: true,
            boxes: true,
            cameras: true,
            splats: true,
            grid: true,
            rejected: false,
            trim: false,
            isolate: false,
        }
    }
}

/// How one looks at one scene.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SceneView {
    /// Selected instance.
    pub instance: Option<u32>,
    /// Stem of the selected photo.
    pub photo: Option<String>,
    /// Camera of the 3D view; none before the scene's overview is known.
    pub orbit: Option<Orbit>,
    /// Stem of the photo on whose camera the 3D view sits.
    pub on_camera: Option<String>,
    /// Zoom and pan of the photo.
    pub photo_view: PhotoView,
    /// Filter of the list.
    pub filter: String,
    /// Order of the list.
    pub sort: Sort,
    /// What is shown.
    pub shown: Shown,
    /// How the splats are shown.
    pub look: Look,
    /// What the photo is compared with.
    pub compare: Compare,
    /// Where the line between photo and render is, 0..1 of the photo's width.
    pub split: f32,
}

impl Default for SceneView {
    fn default() -> Self {
        Self {
            instance: None,
            photo: None,
            orbit: None,
            on_camera: None,
            photo_view: PhotoView::default(),
            filter: String::new(),
            sort: Sort::default(),
            shown: Shown::default(),
            look: Look::default(),
            compare: Compare::default(),
            split: 0.5,
        }
    }
}

/// How the window is laid out.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Layout {
    /// The panels.
    pub tree: egui_tiles::Tree<Pane>,
    /// Dark or light; as the system otherwise.
    pub theme: eframe::egui::ThemePreference,
    /// Size of the window in points.
    pub size: [f32; 2],
    /// Only the 3D view and captions.
    #[serde(default)]
    pub demo: bool,
}

/// The folder of these files; `None` where there is no home.
pub(super) fn folder() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "holoscope").map(|d| d.config_dir().to_path_buf())
}

/// File name for a scene: by its absolute path.
pub(super) fn scene_file(scene: &Path) -> String {
    let path = scene.canonicalize().unwrap_or_else(|_| scene.to_path_buf());
    let hash = blake3::hash(path.as_os_str().as_encoded_bytes()).to_hex();
    format!("views/{}.json", &hash[..16])
}

/// Name of the layout's file. The number goes up when older layouts no longer fit.
pub(super) const LAYOUT_FILE: &str = "layout-1.json";

/// Reads a file; `None` where there is none or it is damaged: the defaults do.
pub(super) fn load<T: DeserializeOwned>(folder: &Path, file: &str) -> Option<T> {
    serde_json::from_slice(&std::fs::read(folder.join(file)).ok()?).ok()
}

/// Writes a file whole or not at all.
pub(super) fn save<T: Serialize>(folder: &Path, file: &str, value: &T) -> std::io::Result<()> {
    let path = folder.join(file);
    let parent = path.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent)?;
    let mut temporary = tempfile::NamedTempFile::new_in(parent)?;
    serde_json::to_writer_pretty(&mut temporary, value)?;
    temporary.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::look::{Crop, Mode};
    use super::*;

    #[test]
    fn comes_back_as_it_was() {
        let home = tempfile::tempdir().unwrap();
        let view = SceneView {
            instance: Some(7),
            orbit: Some(Orbit { yaw: 0.1 + 0.2, ..Orbit::default() }),
            filter: "chair".into(),
            look: Look {
                mode: Mode::Normals,
                crop: Some(Crop { min: [0.1; 3], max: [1.7, 2.3, 0.9] }),
                least_opacity: 0.3,
            },
            ..SceneView::default()
        };
        let file = scene_file(home.path());
        save(home.path(), &file, &view).unwrap();
        assert_eq!(load::<SceneView>(home.path(), &file), Some(view));
        std::fs::write(home.path().join(&file), "{ torn").unwrap();
        assert_eq!(load::<SceneView>(home.path(), &file), None);
        let layout = super::super::panels::default_layout();
        save(home.path(), LAYOUT_FILE, &layout).unwrap();
        assert!(load::<Layout>(home.path(), LAYOUT_FILE).unwrap() == layout);
    }

    #[test]
    fn scenes_have_their_own_files() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_ne!(scene_file(a.path()), scene_file(b.path()));
        assert_eq!(scene_file(a.path()), scene_file(&a.path().join(".")));
    }
}
