//! What an evaluation says.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::fmt;
use std::path::{Path, PathBuf};

/// A number and what it means.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metric {
    /// Short name, unique in a report.
    #[serde(skip)]
    pub name: String,
    /// The number, finite.
    pub value: f64,
    /// Its unit; empty for a ratio or a count.
    pub unit: &'static str,
    /// What was measured, and how.
    pub definition: String,
}

/// How well one object of the ground truth was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ObjectScore {
    /// Its id in the ground truth.
    pub id: u32,
    /// Its label in the ground truth.
    pub label: String,
    /// Exact IoU with the best instance's box; `None` where boxes were not scored.
    pub best_box_iou: Option<f64>,
    /// IoU with the best instance's masks over all images; `None` where masks were not scored.
    pub mask_iou: Option<f64>,
}

/// All that was measured. As JSON: `metrics` is a map from name to value, unit and definition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The scene folder.
    pub scene: PathBuf,
    /// The folder of ground truth.
    pub gt: PathBuf,
    /// What was measured, in order.
    #[serde(serialize_with = "as_map")]
    pub metrics: Vec<Metric>,
    /// Object by object.
    pub objects: Vec<ObjectScore>,
    /// What was not measured, and why.
    pub notes: Vec<String>,
}

fn as_map<S: Serializer>(metrics: &[Metric], s: S) -> Result<S::Ok, S::Error> {
    let mut map = s.serialize_map(Some(metrics.len()))?;
    for metric in metrics {
        map.serialize_entry(&metric.name, metric)?;
    }
    map.end()
}

impl Report {
    pub(super) fn new(scene: &Path, gt: &Path) -> Self {
        Self { scene: scene.into(), gt: gt.into(), metrics: Vec::new(), objects: Vec::new(), notes: Vec::new() }
    }

    /// Adds a metric; a number that is not finite becomes a note.
    pub(super) fn add(
        &mut self,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        definition: impl Into<String>,
    ) {
        let name = name.into();
        if value.is_finite() {
            self.metrics.push(Metric { name, value, unit, definition: definition.into() });
        } else {
            self.note(format!("{name} is not finite"));
        }
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// The value of a metric by name.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|m| m.name == name).map(|m| m.value)
    }
}

/// A table for people: metrics, objects, notes.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.metrics.iter().map(|m| m.name.len()).max().unwrap_or(0);
        for m in &self.metrics {
            let value = if m.value.fract() == 0.0 { format!("{:.0}", m.value) } else { format!("{:.4}", m.value) };
            writeln!(f, "{:name$}  {value:>10} {:<4} {}", m.name, m.unit, m.definition)?;
        }
        if !self.objects.is_empty() {
            let label = self.objects.iter().map(|o| o.label.chars().count()).max().unwrap_or(0).max(6);
            writeln!(f, "\n  id  {:label$}  box IoU  mask IoU", "object")?;
            let number = |v: Option<f64>| v.map_or_else(|| "-".into(), |v| format!("{v:.3}"));
            for o in &self.objects {
                let (b, m) = (number(o.best_box_iou), number(o.mask_iou));
                writeln!(f, "{:>4}  {:label$}  {b:>7}  {m:>8}", o.id, o.label)?;
            }
        }
        if !self.notes.is_empty() {
            writeln!(f)?;
        }
        self.notes.iter().try_for_each(|n| writeln!(f, "note: {n}"))
    }
}
