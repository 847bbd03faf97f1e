//! An instance in a world of another scale.

use super::caption::size_words;
use crate::scene::{Instance, Similarity};
use serde_json::Value;

/// The instance in a world `factor` times as large whose unit is the metre. `was_metric`: whether it was before. A
/// caption that tells the measured size tells the new one; words of a reader or a model are left as they are.
pub fn rescaled(instance: &Instance, factor: f64, was_metric: bool) -> Instance {
    let world = Similarity { scale: factor, ..Similarity::identity() };
    let mut new = Instance { obb: instance.obb.transformed(&world), ..instance.clone() };
    let old_words = size_words(instance.obb.size.into(), was_metric);
    let new_words = size_words(new.obb.size.into(), true);
    new.caption = instance.caption.replacen(&old_words, &new_words, 1);
    // Where a model wrote the caption, the measured one is kept beside it.
    if let Some(Value::String(text)) = new.evidence.pointer_mut("/caption/measured") {
        *text = text.replacen(&old_words, &new_words, 1);
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{InstanceState, OrientedBox};

    #[test]
    fn box_and_words_follow() {
        let caption = "a brown table about 2.0 by 1.5 units, 1.6 units high, standing on the floor";
        let old = Instance {
            id: 3,
            label: "table".into(),
            caption: caption.into(),
            score: 0.9,
            state: InstanceState::Kept,
            obb: OrientedBox::upright([1.0, -2.0, 0.8].into(), [1.5, 2.0, 1.6].into(), 0.4),
            views: Vec::new(),
            best_view: String::new(),
            evidence: serde_json::json!({"caption": {"source": "a model", "measured": caption}}),
        };
        let new = rescaled(&old, 0.5, false);
        assert_eq!(new.caption, "a brown table about 1.0 by 0.75 m, 0.80 m high, standing on the floor");
        assert_eq!(new.evidence["caption"]["measured"], new.caption.as_str());
        assert_eq!((new.obb.center, new.obb.size), ([0.5, -1.0, 0.4].into(), [0.75, 1.0, 0.8].into()));
        assert!(new.obb.rotation.angle_to(&old.obb.rotation) < 1e-12);
        let told = Instance { caption: "my desk".into(), ..old };
        assert_eq!(rescaled(&told, 0.5, false).caption, "my desk");
    }
}
