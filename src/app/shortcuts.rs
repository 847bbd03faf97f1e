//! The one table of keys: it drives the keyboard, the tooltips and the help.

use eframe::egui::{Context, Event, Key, KeyboardShortcut, Modifiers};

/// What a key or button does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    EditBox,
    FixAndAccept,
    Merge,
    Split,
    Delete,
    Add,
}

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers::COMMAND;
const CTRL_SHIFT: Modifiers = Modifiers { shift: true, ..Modifiers::COMMAND };

/// Action, modifiers, key, what it does.
pub(super) const TABLE: [(Action, Modifiers, Key, &str); 33] = [
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
    (Action::EditBox, NONE, Key::E, "Edit the box, or end that"),
    (Action::FixAndAccept, CTRL, Key::Enter, "Keep what is being typed or dragged, and accept"),
    (Action::Merge, CTRL, Key::M, "Merge the selected instances into one"),
    (Action::Split, CTRL, Key::K, "Split the instance by a plane"),
    (Action::Delete, NONE, Key::Delete, "Delete the selected instances"),
    (Action::Add, NONE, Key::I, "Add an instance: click it in the photo, or draw its box"),
];

/// Takes the pressed keys out of the input; none while a text field has the focus.
pub(super) fn pressed(ctx: &Context) -> Vec<Action> {
    if ctx.egui_wants_keyboard_input() {
        // The text field takes Enter for itself too: it keeps its text.
        let fix =
            |e: &Event| matches!(e, Event::Key { key: Key::Enter, pressed: true, modifiers, .. } if modifiers.command);
        return if ctx.input(|i| i.events.iter().any(fix)) { vec![Action::FixAndAccept] } else { Vec::new() };
    }
    let mut found = Vec::new();
    ctx.input_mut(|i| {
        i.events.retain(|event| {
            let Event::Key { key, pressed: true, repeat, modifiers, .. } = event else { return true };
            let Some(action) = action_of(*key, *modifiers) else { return true };
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
fn action_of(key: Key, held: Modifiers) -> Option<Action> {
    // Some keyboards need Shift or Alt for a sign.
    let sign = matches!(key, Key::Questionmark | Key::Slash | Key::OpenBracket | Key::CloseBracket);
    let fits = |m: &Modifiers| m.command == held.command && (sign || (m.alt == held.alt && m.shift == held.shift));
    TABLE.iter().find(|t| t.2 == key && fits(&t.1)).map(|t| t.0)
}

/// The keys of an action, as text: "Ctrl+Shift+Z".
pub(super) fn keys(action: Action) -> String {
    let all: Vec<String> =
        TABLE.iter().filter(|t| t.0 == action).map(|t| key_text(&KeyboardShortcut::new(t.1, t.2))).collect();
    all.join(" or ")
}

fn key_text(s: &KeyboardShortcut) -> String {
    let key = match s.logical_key {
        Key::Questionmark => "?",
        Key::Slash => "/",
        Key::OpenBracket => "[",
        Key::CloseBracket => "]",
        key => key.name(),
    };
    let ctrl = if cfg!(target_os = "macos") { "Cmd+" } else { "Ctrl+" };
    let m = s.modifiers;
    format!("{}{}{key}", if m.command { ctrl } else { "" }, if m.shift { "Shift+" } else { "" })
}

/// Tooltip: what it does and its keys.
pub(super) fn tip(action: Action) -> String {
    let what = TABLE.iter().find(|t| t.0 == action).map_or("", |t| t.3);
    format!("{what} ({})", keys(action))
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
