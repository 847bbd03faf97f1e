//! Measuring, and setting the scale by a distance that the user types.

use super::{Answer, Window};
use crate::app::log::Level;
use crate::app::measure::{Applying, Measure};
use crate::app::orbit::Orbit;
use crate::app::pick;
use crate::pipeline::{TypedDistance, rescale};
use crate::scene::folder::SceneFolder;
use eframe::egui::Context;
use nalgebra::{Point3, Vector3};
use std::sync::Arc;

impl Window {
    /// Takes the tape into the hand, or puts it away.
    pub(super) fn measure(&mut self) {
        if self.is_applying() {
            return;
        }
        self.model.measure = match self.model.measure {
            Some(_) => None,
            None => Some(Measure::default()),
        };
    }

    /// Whether the scene is being brought to another scale.
    pub(super) fn is_applying(&self) -> bool {
        self.model.measure.as_ref().is_some_and(|m| m.applying.is_some())
    }

    pub(super) fn measure_along(&mut self, origin: &Point3<f64>, direction: &Vector3<f64>) {
        let point = self.point_along(origin, direction);
        self.measure_at(point, "there is nothing at that place of the 3D view to measure from");
    }

    /// The point of the scene, as it is shown, that a ray ends on.
    pub(super) fn point_along(&self, origin: &Point3<f64>, direction: &Vector3<f64>) -> Option<Point3<f64>> {
        let model = &self.model;
        match model.cloud.is_some() && model.view.shown.splats {
            true => model.surface(origin, direction),
            false => pick::nearest_point(model.sparse.points.iter().map(|p| &p.position), origin, direction),
        }
    }

    pub(super) fn measure_in_photo(&mut self, photo: usize, pixel: [f64; 2]) {
        let point = self.point_in_photo(photo, pixel);
        self.measure_at(point, "the depth at that place of the photo is not known: choose another one near it");
    }

    /// The point of the scene at a pixel of the photo's camera, by the depth on disk.
    fn point_in_photo(&self, photo: usize, pixel: [f64; 2]) -> Option<Point3<f64>> {
        let (camera, stem) = (self.model.camera(photo)?, &self.model.photos.get(photo)?.stem);
        let depth = SceneFolder::open(self.model.root.as_deref()?).ok()?.read_depth(stem).ok()?;
        let camera = camera.resized(depth.width, depth.height);
        let k = self.model.camera(photo)?.intrinsics;
        let at = [
            pixel[0] * f64::from(depth.width) / f64::from(k.width),
            pixel[1] * f64::from(depth.height) / f64::from(k.height),
        ];
        let z = f64::from(depth.at(at[0].floor() as i64, at[1].floor() as i64));
        (z > 0.0).then(|| camera.unproject(at[0], at[1], z))
    }

    fn measure_at(&mut self, point: Option<Point3<f64>>, nothing: &str) {
        match (point, &mut self.model.measure) {
            (Some(point), Some(measure)) if measure.applying.is_none() => measure.add(point),
            (None, Some(_)) => self.tell(Level::Info, nothing.into()),
            _ => {}
        }
    }

    /// Brings the scene folder to the scale that follows from the typed distance, on a thread of its own.
    pub(super) fn set_scale(&mut self, ctx: &Context, metres: f64) {
        let (Some(root), Some(measure)) = (self.model.root.clone(), &mut self.model.measure) else { return };
        let (Some(in_scene), None) = (measure.distance(), &measure.applying) else { return };
        let applying = Arc::new(Applying::default());
        measure.applying = Some(Arc::clone(&applying));
        // The log gets a line about it: nobody may decide meanwhile.
        self.model.review = None;
        let (answer, ctx, reviewer) = (self.answers.0.clone(), ctx.clone(), self.reviewer.clone());
        std::thread::spawn(move || {
            let work = || {
                let folder = SceneFolder::open(&root).map_err(|e| e.to_string())?;
                let typed = TypedDistance { in_scene, metres };
                rescale(&folder, &typed, &reviewer, applying.as_ref()).map_err(|e| e.to_string())
            };
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            let fault = |_| Err("setting the scale went wrong unexpectedly; the scene is as it was".into());
            let _ = answer.send(Answer::Rescaled(result.unwrap_or_else(fault)));
            ctx.request_repaint();
        });
    }

    /// Shows the scene as it is now.
    pub(super) fn rescaled(&mut self, ctx: &Context, result: Result<f64, String>) {
        // Another scene may have been opened meanwhile.
        let applying = self.model.measure.as_mut().and_then(|m| m.applying.take());
        let is_open = applying.is_some();
        for warning in applying.iter().flat_map(|a| a.warnings()) {
            self.tell(Level::Warning, warning);
        }
        let factor = match result {
            Ok(factor) => factor,
            Err(error) => {
                self.tell(Level::Error, error);
                1.0
            }
        };
        if factor != 1.0 {
            self.tell(Level::Info, format!("every length of the scene is {factor:.4} times as large now, in metres"));
        }
        if !is_open {
            return;
        }
        if let Some(measure) = &mut self.model.measure {
            measure.points.iter_mut().for_each(|p| p.coords *= factor);
        }
        let mut view = self.model.view.clone();
        let grown = |o: Orbit| Orbit { target: o.target * factor, distance: o.distance * factor, ..o };
        view.orbit = view.orbit.map(grown).filter(Orbit::is_sane);
        let moved = self.camera_moved;
        if let Some(root) = self.model.root.clone() {
            self.load(ctx, &root);
        }
        (self.model.view, self.camera_moved) = (view, moved);
    }
}
