//! An edit in progress: whose box, how far it is, and what panels and keys ask of it. Commands alone change it, so that
//! 3D, photo and the views of the box all show it as it is.

use super::gizmo::Tool;
use super::near::Near;
use crate::perception::prompt::Prompt;
use crate::review::edit::{self, Snap};
use crate::scene::{OrientedBox, Rle};
use eframe::egui::{Context, Event, Key, Modifiers};
use nalgebra::{Point3, Vector3};
use std::sync::Arc;

/// What is being done.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// The box of an instance.
    Adjust,
    /// An instance is to be cut in two.
    Split {
        /// Its third axis is the normal of the plane, its centre is on it; world.
        plane: OrientedBox,
    },
    /// Instances are to become one.
    Merge {
        /// The one that stays, then the others.
        ids: Vec<u32>,
    },
    /// A thing that the pipeline did not find.
    Add(Adding),
}

/// How far a new instance is.
#[derive(Clone, Debug)]
pub(super) enum Adding {
    /// Nothing is drawn yet.
    Start,
    /// One corner of the footprint, world.
    Footprint(Point3<f64>),
    /// The footprint is there; its last corner, world. Now the height.
    Height(Point3<f64>),
    /// What was pointed out is being looked for.
    Finding(Asked),
    /// A mask was found, and a box of it.
    Mask(Found),
}

/// What was pointed out in a photo: points, points that are not of the thing, or a rectangle around it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    /// The photo.
    pub photo: usize,
    /// In pixels of the camera.
    pub prompt: Prompt,
}

/// A mask of what was pointed out.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// What was asked.
    pub asked: Asked,
    /// The mask, at the size of the photo.
    pub mask: Arc<Rle>,
    /// Its masks in other photos, when they have been looked through.
    pub others: Option<Arc<Vec<(usize, Rle)>>>,
}

/// An edit in progress.
#[derive(Clone, Debug)]
pub(super) struct BoxEdit {
    /// Whose; for a new instance the id it will have.
    pub id: u32,
    /// What is being done.
    pub what: What,
    /// The box as it was decided last.
    pub kept: OrientedBox,
    /// The box as it is shown.
    pub now: OrientedBox,
    /// `now` is being dragged, typed or nudged: it is not decided yet.
    pub live: bool,
    /// A key that nudges is down: `now` is decided when it is up.
    pub nudging: bool,
    /// What the handles do.
    pub tool: Tool,
    /// Handles turn it about all axes, also where it stands upright.
    pub free: bool,
    /// Points near it and its own, when they have been gathered.
    pub near: Option<Arc<Near>>,
    /// Fit it to its points as soon as they are there.
    pub fit_later: bool,
    /// Add it as soon as the other photos have been looked through.
    pub add_later: bool,
    /// Goes up when what is being dragged must be let go.
    pub cancels: u32,
}

impl BoxEdit {
    /// Begins.
    pub(super) fn new(id: u32, what: What, obb: OrientedBox) -> Self {
        Self {
            id,
            what,
            kept: obb,
            now: obb,
            live: false,
            nudging: false,
            tool: Tool::default(),
            free: false,
            near: None,
            fit_later: false,
            add_later: false,
            cancels: 0,
        }
    }

    /// The box to show; none before a new one is drawn.
    pub(super) fn shown(&self) -> Option<OrientedBox> {
        let is_drawn = !matches!(self.what, What::Add(Adding::Start | Adding::Finding(_)));
        is_drawn.then_some(self.now)
    }

    /// Whether the box itself can be changed now.
    pub(super) fn is_adjusting(&self) -> bool {
        matches!(self.what, What::Adjust)
    }

    /// The two parts that a split makes.
    pub(super) fn parts(&self) -> Option<[OrientedBox; 2]> {
        let What::Split { plane } = &self.what else { return None };
        let normal = edit::axis(plane, 2);
        edit::split(&self.now, &normal, normal.dot(&plane.center.coords))
    }
}

/// A plane through the middle of a box, across its longest horizontal side.
pub(super) fn first_plane(b: &OrientedBox) -> OrientedBox {
    across(b, if b.size.x >= b.size.y { 0 } else { 1 })
}

/// A plane through the middle of a box, across axis `k` of it; as a frame whose third axis is that axis.
pub(super) fn across(b: &OrientedBox, k: usize) -> OrientedBox {
    // A third of a turn about the diagonal takes each axis to the next.
    let third = nalgebra::UnitQuaternion::from_axis_angle(
        &nalgebra::Unit::new_normalize(Vector3::repeat(1.0)),
        std::f64::consts::TAU / 3.0,
    );
    let turns = (k + 1) % 3;
    let rotation = (0..turns).fold(b.rotation, |r, _| r * third);
    OrientedBox { rotation, ..*b }
}

/// What panels and keys ask of the edit.
#[derive(Clone, Debug)]
pub(super) enum EditCommand {
    /// What the handles do.
    Tool(Tool),
    /// Whether handles turn it about all axes.
    Free(bool),
    /// The box while it is dragged or typed.
    Preview(OrientedBox),
    /// The box when it is let go: decided.
    Keep(OrientedBox),
    /// The plane of a split.
    Plane(OrientedBox),
    /// The plane of a split through the point of the scene that a ray ends on.
    PlaneThrough(Point3<f64>, Vector3<f64>),
    /// How far the drawing of a new box is.
    Draw(Adding, Option<OrientedBox>),
    /// A pixel of a photo is of the thing that becomes a new instance, or is not.
    Point(usize, [f64; 2], bool),
    /// A new instance is in this rectangle of a photo, `[x0, y0, x1, y1)`.
    Around(usize, [f64; 4]),
    /// Forget what was pointed out or drawn of a new instance.
    Anew,
    /// Around the points.
    Fit,
    /// Down to the floor.
    Snap(Snap),
    /// Stand upright.
    Upright,
    /// A quarter turn of the names of the axes about this one.
    Relabel(usize),
    /// As the pipeline found it.
    Reset,
    /// Remember the box.
    Copy,
    /// Size and direction of the remembered one.
    Paste,
    /// A stroke of a key.
    Key(EditKey, bool),
    /// Do it: merge, split, add; of a box, that was all.
    Apply,
    /// Let go of what is being dragged, else end.
    Cancel,
}

/// What a key does while something is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub(super) enum EditKey {
    First,
    Second,
    Third,
    Right,
    Left,
    Away,
    Nearer,
    Up,
    Down,
    TurnLeft,
    TurnRight,
    Apply,
    Cancel,
}

impl EditKey {
    /// Whether it moves or turns the box a little: it may be held down, and Shift makes it more.
    pub(super) fn is_nudge(self) -> bool {
        use EditKey::{Away, Down, Left, Nearer, Right, TurnLeft, TurnRight, Up};
        matches!(self, Right | Left | Away | Nearer | Up | Down | TurnLeft | TurnRight)
    }
}

/// Key, what it does, and in words. Only while something is edited; Shift makes a nudge larger.
pub(super) const KEYS: [(EditKey, Key, &str); 14] = [
    (EditKey::First, Key::Num1, "Handles that move; of a split, across the first axis"),
    (EditKey::Second, Key::Num2, "Handles that turn; of a split, across the second axis"),
    (EditKey::Third, Key::Num3, "Handles on the faces; of a split, across the third axis"),
    (EditKey::Right, Key::ArrowRight, "1 cm to the right, with Shift 10 cm"),
    (EditKey::Left, Key::ArrowLeft, "1 cm to the left, with Shift 10 cm"),
    (EditKey::Away, Key::ArrowUp, "1 cm away, with Shift 10 cm"),
    (EditKey::Nearer, Key::ArrowDown, "1 cm nearer, with Shift 10 cm"),
    (EditKey::Up, Key::PageUp, "1 cm up, with Shift 10 cm"),
    (EditKey::Down, Key::PageDown, "1 cm down, with Shift 10 cm"),
    (EditKey::TurnLeft, Key::Comma, "1 degree to the left, with Shift 15"),
    (EditKey::TurnRight, Key::Period, "1 degree to the right, with Shift 15"),
    (EditKey::Apply, Key::Enter, "Merge, split or add; of a box, that was all"),
    (EditKey::Cancel, Key::Escape, "Let go of what is being dragged, else end"),
    (EditKey::Cancel, Key::E, "Let go of what is being dragged, else end"),
];

/// Takes the keys of an edit out of the input; none while a text field has the focus.
pub(super) fn pressed(ctx: &Context) -> Vec<EditCommand> {
    if ctx.egui_wants_keyboard_input() {
        return Vec::new();
    }
    let mut found = Vec::new();
    ctx.input_mut(|i| {
        i.events.retain(|event| {
            let command = match event {
                Event::Copy => Some(EditCommand::Copy),
                Event::Paste(_) => Some(EditCommand::Paste),
                Event::Key { key, pressed: true, repeat, modifiers, .. } => key_of(*key, *modifiers)
                    .filter(|k| !repeat || k.is_nudge())
                    .map(|k| EditCommand::Key(k, modifiers.shift)),
                _ => None,
            };
            found.extend(command.clone());
            command.is_none()
        });
    });
    found
}

fn key_of(key: Key, held: Modifiers) -> Option<EditKey> {
    let found = KEYS.iter().find(|k| k.1 == key).map(|k| k.0)?;
    let shift = !held.shift || found.is_nudge();
    (!held.command && !held.alt && shift).then_some(found)
}

/// Whether a key that nudges is down.
pub(super) fn is_nudge_down(ctx: &Context) -> bool {
    ctx.input(|i| KEYS.iter().any(|(k, key, _)| k.is_nudge() && i.keys_down.contains(key)))
}

/// Steps of a nudge: scene units and radians.
const STEP: [f64; 2] = [0.01, 0.1];
const TURN: [f64; 2] = [1.0, 15.0];

/// The box after a nudge, as seen by someone who looks along `forward` (world).
pub(super) fn nudged(b: &OrientedBox, key: EditKey, large: bool, forward: &Vector3<f64>) -> OrientedBox {
    let step = STEP[usize::from(large)];
    let angle = TURN[usize::from(large)].to_radians();
    let right = forward.cross(&Vector3::z());
    let along = |wanted: &Vector3<f64>| edit::moved(b, &(edit::nudge_direction(b, wanted) * step));
    match key {
        EditKey::Right => along(&right),
        EditKey::Left => along(&-right),
        EditKey::Away => along(forward),
        EditKey::Nearer => along(&-forward),
        EditKey::Up => edit::moved(b, &(Vector3::z() * step)),
        EditKey::Down => edit::moved(b, &(Vector3::z() * -step)),
        EditKey::TurnLeft => edit::turned(b, &Vector3::z_axis(), angle),
        EditKey::TurnRight => edit::turned(b, &Vector3::z_axis(), -angle),
        _ => *b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eframe::egui::RawInput;

    /// What a key asks for that goes down, and then `held` times says that it still is.
    fn press(key: Key, modifiers: Modifiers, held: usize) -> Vec<(EditKey, bool)> {
        let ctx = Context::default();
        let event = Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers };
        let mut found = Vec::new();
        let _ = ctx.run_ui(RawInput { events: vec![event; 1 + held], ..Default::default() }, |ui| {
            found.extend(pressed(ui.ctx()));
        });
        let key = |c: EditCommand| match c {
            EditCommand::Key(key, large) => Some((key, large)),
            _ => None,
        };
        found.into_iter().filter_map(key).collect()
    }

    #[test]
    fn keys_of_an_edit() {
        for (i, a) in KEYS.iter().enumerate() {
            assert!(KEYS[..i].iter().all(|b| a.1 != b.1), "{:?} twice", a.1);
        }
        assert_eq!(press(Key::ArrowLeft, Modifiers::SHIFT, 2), [(EditKey::Left, true); 3]);
        assert_eq!(press(Key::Escape, Modifiers::NONE, 2).len(), 1, "held down it must not cancel and then end");
        assert_eq!(press(Key::E, Modifiers::COMMAND, 0), [], "that is the export");
        assert_eq!(press(Key::Enter, Modifiers::NONE, 0), [(EditKey::Apply, false)]);
    }

    #[test]
    fn arrows_go_where_they_point_on_the_screen() {
        let b = OrientedBox::upright(Point3::origin(), Vector3::repeat(1.0), 0.2);
        // Looking along +y a little down: right is +x.
        let forward = Vector3::new(0.0, 0.9, -0.4);
        let to = |key| nudged(&b, key, false, &forward).center;
        let x = Vector3::new(0.2f64.cos(), 0.2f64.sin(), 0.0) * 0.01;
        assert!((to(EditKey::Right).coords - x).norm() < 1e-12 && (to(EditKey::Left).coords + x).norm() < 1e-12);
        assert!(to(EditKey::Away).y > 0.0 && to(EditKey::Nearer).y < 0.0 && to(EditKey::Up).z == 0.01);
        let turned = nudged(&b, EditKey::TurnLeft, true, &forward);
        assert!((edit::yaw_pitch_roll(&turned)[0] - 0.2 - 15f64.to_radians()).abs() < 1e-9);
    }

    #[test]
    fn planes_across_each_axis() {
        let b = OrientedBox::upright(Point3::new(1.0, 2.0, 3.0), Vector3::new(3.0, 2.0, 1.0), 0.4);
        for k in 0..3 {
            assert!((edit::axis(&across(&b, k), 2) - edit::axis(&b, k)).norm() < 1e-9, "{k}");
        }
        let mut e = BoxEdit::new(1, What::Split { plane: first_plane(&b) }, b);
        let [low, high] = e.parts().unwrap();
        assert!((low.size.x - 1.5).abs() < 1e-9 && (high.size.x - 1.5).abs() < 1e-9);
        e.what = What::Add(Adding::Start);
        assert!(e.shown().is_none() && e.parts().is_none());
    }
}
