//! The one table of keys: it drives the keyboard, the tooltips and the help.

use super::keymap::{self, Keymap};
use eframe::egui::{Context, Event, Key, Modifiers};
use serde::{Deserialize, Serialize};

/// What a key or button does. In `keys.json` it has its name in small letters: "next_frame".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub(super) enum Action {
    Accept,
    Reject,
    Recaption,
    Relabel,
    Next,
    Previous,
    NextFrame,
    PreviousFrame,
    BestView,
    Focus,
    Overview,
    Masks,
    Boxes,
    Cameras,
    Splats,
    NextMode,
    Trim,
    Compare,
    Measure,
    Filter,
    Undo,
    Redo,
    Open,
    Export,
    Help,
    Palette,
    ScaleUp,
    ScaleDown,
    ScaleReset,
    NextScene,
    DemoLayout,
    SlowOrbit,
    Picture,
    Film,
    Reviewer,
}

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers::COMMAND;
const CTRL_SHIFT: Modifiers = Modifiers { shift: true, ..Modifiers::COMMAND };

const SHIFT: Modifiers = Modifiers::SHIFT;

/// Action, modifiers, key, what it does.
pub(super) type Row = (Action, Modifiers, Key, &'static str);

/// The keys as they are where `keys.json` does not say otherwise.
pub(super) const TABLE: [Row; 39] = [
    (Action::Accept, NONE, Key::A, "Accept the instance and go on"),
    (Action::Reject, NONE, Key::R, "Reject the instance and go on"),
    (Action::Recaption, NONE, Key::C, "Write another caption"),
    (Action::Relabel, NONE, Key::L, "Write another label"),
    (Action::Next, NONE, Key::J, "Next instance"),
    (Action::Previous, NONE, Key::K, "Previous instance"),
    (Action::NextFrame, NONE, Key::CloseBracket, "Next photo that shows the instance"),
    (Action::PreviousFrame, NONE, Key::OpenBracket, "Previous photo that shows the instance"),
    (Action::BestView, NONE, Key::V, "The photo that shows the instance best"),
    (Action::Focus, NONE, Key::F, "Fly to the instance in 3D"),
    (Action::Overview, NONE, Key::O, "Back to the overview"),
    (Action::Masks, NONE, Key::M, "Show or hide masks"),
    (Action::Boxes, NONE, Key::B, "Show or hide boxes"),
    (Action::Cameras, NONE, Key::P, "Show or hide the photos' cameras in 3D"),
    (Action::Splats, NONE, Key::G, "Splats or sparse points in 3D"),
    (Action::NextMode, NONE, Key::N, "The 3D view in colour, as depth, normals or opacity"),
    (Action::Trim, NONE, Key::T, "Hide splats: outside of a box, or faint ones"),
    (Action::Compare, NONE, Key::X, "The photo against the splats, their error, or alone"),
    (Action::Measure, NONE, Key::D, "Measure a distance, and set the scale by it"),
    (Action::Filter, NONE, Key::Slash, "Filter the list"),
    (Action::Undo, CTRL, Key::Z, "Take the last decision back"),
    (Action::Redo, CTRL_SHIFT, Key::Z, "Do the undone decision again"),
    (Action::Redo, CTRL, Key::Y, "Do the undone decision again"),
    (Action::Open, CTRL, Key::O, "Open a scene, or a folder of photos"),
    (Action::Export, CTRL, Key::E, "Export the reviewed scene"),
    (Action::Help, NONE, Key::Questionmark, "Show or hide this help"),
    (Action::Help, NONE, Key::F1, "Show or hide this help"),
    (Action::Palette, CTRL, Key::P, "Find anything to do by its name"),
    (Action::ScaleUp, CTRL, Key::Plus, "Everything larger"),
    (Action::ScaleUp, CTRL, Key::Equals, "Everything larger"),
    (Action::ScaleDown, CTRL, Key::Minus, "Everything smaller"),
    (Action::ScaleReset, CTRL, Key::Num0, "Everything at its own size"),
    (Action::NextScene, CTRL, Key::ArrowRight, "Next scene with unreviewed instances"),
    (Action::DemoLayout, NONE, Key::F10, "Demo layout: only the 3D view and captions, or all panels"),
    (Action::SlowOrbit, SHIFT, Key::O, "Slow orbit: turn around what the 3D view looks at"),
    (Action::Picture, CTRL_SHIFT, Key::S, "Screenshot: save a picture of the window or of the 3D view"),
    (Action::Film, CTRL_SHIFT, Key::F, "Film: turntable or orbit video of an instance or the scene"),
    (Action::Reviewer, CTRL_SHIFT, Key::R, "Say who reviews"),
    (Action::Palette, NONE, Key::F2, "Find anything to do by its name"),
];

/// Takes the pressed keys out of the input; none while a text field has the focus.
pub(super) fn pressed(ctx: &Context) -> Vec<Action> {
    if ctx.egui_wants_keyboard_input() {
        return Vec::new();
    }
    let mut found = Vec::new();
    ctx.input_mut(|i| {
        i.events.retain(|event| {
            let Event::Key { key, pressed: true, repeat, modifiers, .. } = event else { return true };
            let Some(action) = keymap::with(|keys| action_of(keys, *key, *modifiers)) else { return true };
            // A key that is held down must not decide about one instance after the other.
            if !(*repeat && matches!(action, Action::Accept | Action::Reject)) {
                found.push(action);
            }
            false
        });
    });
    found
}

/// The action of a key with the modifiers held as it went down; they may be up again by the end of the frame.
fn action_of(keys: &Keymap, key: Key, held: Modifiers) -> Option<Action> {
    keys.rows().iter().find(|t| t.2 == key && fits(key, t.1, held)).map(|t| t.0)
}

/// Whether a key with the modifiers `held` is the key with the modifiers `wanted`.
pub(super) fn fits(key: Key, wanted: Modifiers, held: Modifiers) -> bool {
    wanted.command == held.command && (is_sign(key) || (wanted.alt == held.alt && wanted.shift == held.shift))
}

/// Some keyboards need Shift or Alt for a sign.
fn is_sign(key: Key) -> bool {
    matches!(key, Key::Questionmark | Key::Slash | Key::OpenBracket | Key::CloseBracket | Key::Plus)
}

/// The keys of an action that hold now, as text: "Ctrl+Shift+Z"; empty where it has none.
pub(super) fn keys(action: Action) -> String {
    keymap::with(|keys| {
        let own = keys.rows().iter().filter(|t| t.0 == action);
        own.map(|t| key_text(t.1, t.2)).collect::<Vec<_>>().join(" or ")
    })
}

/// A key as text: "Ctrl+Shift+Z".
pub(super) fn key_text(m: Modifiers, key: Key) -> String {
    let key = match key {
        Key::Questionmark => "?",
        Key::Slash => "/",
        Key::OpenBracket => "[",
        Key::CloseBracket => "]",
        Key::Plus => "+",
        Key::Equals => "=",
        Key::Minus => "-",
        key => key.name(),
    };
    let ctrl = if cfg!(target_os = "macos") { "Cmd+" } else { "Ctrl+" };
    let part = |held: bool, name: &'static str| if held { name } else { "" };
    format!("{}{}{}{key}", part(m.command, ctrl), part(m.alt, "Alt+"), part(m.shift, "Shift+"))
}

/// What an action does, in one line.
pub(super) fn what(action: Action) -> &'static str {
    TABLE.iter().find(|t| t.0 == action).map_or("", |t| t.3)
}

/// Tooltip: what it does and its keys.
pub(super) fn tip(action: Action) -> String {
    match keys(action) {
        none if none.is_empty() => what(action).into(),
        keys => format!("{} ({keys})", what(action)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eframe::egui::RawInput;

    #[test]
    fn no_key_does_two_things() {
        for (i, a) in TABLE.iter().enumerate() {
            for b in &TABLE[..i] {
                assert!((a.1, a.2) != (b.1, b.2), "{:?} and {:?} share {:?}", a.0, b.0, a.2);
            }
        }
    }

    fn press(modifiers: Modifiers, key: Key) -> Vec<Action> {
        let ctx = Context::default();
        let event = Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers };
        let mut found = Vec::new();
        // The modifiers are up again when the frame begins, as after a quick stroke.
        let _ = ctx.run_ui(RawInput { events: vec![event], ..Default::default() }, |ui| {
            found.extend(pressed(ui.ctx()));
        });
        found
    }

    #[test]
    fn redo_is_not_undo() {
        let ctrl = Modifiers { ctrl: true, ..Modifiers::COMMAND };
        assert_eq!(press(Modifiers { shift: true, ..ctrl }, Key::Z), [Action::Redo]);
        assert_eq!(press(ctrl, Key::Z), [Action::Undo]);
        assert_eq!(press(ctrl, Key::A), []);
        assert_eq!(press(ctrl, Key::O), [Action::Open]);
        assert_eq!(press(NONE, Key::O), [Action::Overview]);
        assert_eq!(press(Modifiers::SHIFT, Key::Questionmark), [Action::Help]);
        assert_eq!(press(Modifiers::SHIFT, Key::Slash), [Action::Filter], "a German keyboard");
        assert_eq!(press(Modifiers::SHIFT, Key::A), []);
    }

    #[test]
    fn keys_have_names() {
        assert_eq!(keys(Action::Undo).replace("Cmd", "Ctrl"), "Ctrl+Z");
        assert_eq!(keys(Action::Help), "? or F1");
        assert!(tip(Action::Accept).ends_with("(A)"));
    }
}
