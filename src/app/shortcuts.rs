//! The one table of keys: it drives the keyboard, the tooltips and the help.

use super::{keymap, keystrokes};
use crate::review::Reason;
use eframe::egui::{Context, Event, Key, Modifiers};
use serde::Serialize;

/// What a key or button does. In `keys.json` it has its name in small letters: "next_frame".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
    EditBox,
    FixAndAccept,
    Merge,
    Split,
    Delete,
    Add,
    RejectAs(Reason),
    Unsure,
    Note,
    MarkAll,
    OnlyOne,
    Confirm,
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
    Categories,
    Isolate,
}

/// What the keys are about at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Instances are decided about.
    Deciding,
    /// A tool is in use, in 3D or in the photo: digits, Enter and Esc are its own.
    Tool,
}

/// The only mode that an action has its keys in; `None` for every mode.
pub(super) fn mode_of(action: Action) -> Option<Mode> {
    match action {
        // A distance that is typed must not reject anything.
        Action::RejectAs(_) | Action::OnlyOne | Action::Confirm => Some(Mode::Deciding),
        _ => None,
    }
}

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers::COMMAND;
const CTRL_SHIFT: Modifiers = Modifiers { shift: true, ..Modifiers::COMMAND };

const SHIFT: Modifiers = Modifiers::SHIFT;

/// Action, modifiers, key, what it does.
pub(super) type Row = (Action, Modifiers, Key, &'static str);

/// The keys as they are where `keys.json` does not say otherwise.
pub(super) const TABLE: &[Row] = &[
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
    (Action::RejectAs(Reason::Nothing), NONE, Key::Num1, "Reject: nothing there"),
    (Action::RejectAs(Reason::Label), NONE, Key::Num2, "Reject: wrong label"),
    (Action::RejectAs(Reason::Box), NONE, Key::Num3, "Reject: wrong box"),
    (Action::RejectAs(Reason::Mask), NONE, Key::Num4, "Reject: wrong masks"),
    (Action::RejectAs(Reason::Duplicate), NONE, Key::Num5, "Reject: duplicate"),
    (Action::RejectAs(Reason::Several), NONE, Key::Num6, "Reject: several things in one"),
    (Action::RejectAs(Reason::Part), NONE, Key::Num7, "Reject: only a part"),
    (Action::RejectAs(Reason::Caption), NONE, Key::Num8, "Reject: wrong caption"),
    (Action::RejectAs(Reason::Other), NONE, Key::Num9, "Reject: another reason"),
    (Action::Unsure, NONE, Key::S, "Leave the instance as unsure and go on"),
    (Action::Note, NONE, Key::Y, "Write a note beside the instance"),
    (Action::Undo, NONE, Key::U, "Take the last decision back"),
    (Action::MarkAll, CTRL, Key::A, "Select all that the list shows"),
    (Action::OnlyOne, NONE, Key::Escape, "Leave what is asked, or select one instance only"),
    (Action::Confirm, NONE, Key::Enter, "Take the decisions that are shown"),
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
    (Action::Categories, CTRL_SHIFT, Key::L, "Categories: rename or merge one for all of its instances"),
    (Action::Isolate, NONE, Key::H, "Only the selected instances, or all of them again"),
    (Action::Palette, NONE, Key::F2, "Find anything to do by its name"),
];

/// Takes the pressed keys of a mode out of the input; none while a text field has the focus. Under a `dialog` only the
/// help's keys are taken: the others are the dialog's.
pub(super) fn pressed(ctx: &Context, mode: Mode, dialog: bool) -> Vec<Action> {
    if ctx.egui_wants_keyboard_input() || keystrokes::had_field(ctx) {
        // The text field takes Enter for itself too: it keeps its text.
        let fix =
            |e: &Event| matches!(e, Event::Key { key: Key::Enter, pressed: true, modifiers, .. } if modifiers.command);
        return if ctx.input(|i| i.events.iter().any(fix)) { vec![Action::FixAndAccept] } else { Vec::new() };
    }
    let mut found = Vec::new();
    ctx.input_mut(|i| {
        i.events.retain(|event| {
            let Event::Key { key, pressed: true, repeat, modifiers, .. } = event else { return true };
            let Some(action) = action_of(*key, *modifiers, mode).filter(|a| !dialog || *a == Action::Help) else {
                return true;
            };
            // A key that is held down must not decide about one instance after the other.
            if !(*repeat && decides(action)) {
                found.push(action);
            }
            false
        });
    });
    found
}

/// Whether it decides about what is selected.
pub(super) fn decides(action: Action) -> bool {
    matches!(action, Action::Accept | Action::Reject | Action::RejectAs(_) | Action::Unsure | Action::Confirm)
}

/// The action of a key with the modifiers held as it went down; they may be up again by the end of the frame.
pub(super) fn action_of(key: Key, held: Modifiers, mode: Mode) -> Option<Action> {
    let here = |action: Action| mode_of(action).is_none_or(|m| m == mode);
    keymap::with(|keys| keys.rows().iter().find(|t| t.2 == key && fits(key, t.1, held) && here(t.0)).map(|t| t.0))
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
        Key::Escape => "Esc",
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
        for mode in [Mode::Deciding, Mode::Tool] {
            let here: Vec<_> = TABLE.iter().filter(|t| mode_of(t.0).is_none_or(|m| m == mode)).collect();
            for (i, a) in here.iter().enumerate() {
                for b in &here[..i] {
                    assert!((a.1, a.2) != (b.1, b.2), "{:?} and {:?} share {:?} in {mode:?}", a.0, b.0, a.2);
                }
            }
        }
    }

    #[test]
    fn every_reason_has_its_digit() {
        for reason in Reason::ALL {
            assert_eq!(keys(Action::RejectAs(reason)), reason.key().to_string());
        }
        assert_eq!(press_in(Mode::Deciding, false, false, NONE, Key::Num5), [Action::RejectAs(Reason::Duplicate)]);
        assert_eq!(press_in(Mode::Tool, false, false, NONE, Key::Num5), []);
    }

    #[test]
    fn a_held_key_decides_once_and_a_dialog_keeps_its_keys() {
        for key in [Key::A, Key::R, Key::S, Key::Num3, Key::Enter] {
            assert_eq!(press_in(Mode::Deciding, true, false, NONE, key), [], "{key:?}");
            assert_eq!(press_in(Mode::Deciding, false, true, NONE, key), [], "{key:?}");
        }
        assert_eq!(press_in(Mode::Deciding, true, false, NONE, Key::J), [Action::Next]);
        assert_eq!(press_in(Mode::Deciding, false, true, NONE, Key::F1), [Action::Help]);
    }

    fn press(modifiers: Modifiers, key: Key) -> Vec<Action> {
        press_in(Mode::Deciding, false, false, modifiers, key)
    }

    fn press_in(mode: Mode, repeat: bool, dialog: bool, modifiers: Modifiers, key: Key) -> Vec<Action> {
        let ctx = Context::default();
        let event = Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers };
        let mut found = Vec::new();
        if repeat {
            // Down already.
            let _ = ctx.run_ui(RawInput { events: vec![event.clone()], ..Default::default() }, |_| {});
        }
        // The modifiers are up again when the frame begins, as after a quick stroke.
        let _ = ctx.run_ui(RawInput { events: vec![event], ..Default::default() }, |ui| {
            found.extend(pressed(ui.ctx(), mode, dialog));
        });
        found
    }

    #[test]
    fn redo_is_not_undo() {
        let ctrl = Modifiers { ctrl: true, ..Modifiers::COMMAND };
        assert_eq!(press(Modifiers { shift: true, ..ctrl }, Key::Z), [Action::Redo]);
        assert_eq!(press(ctrl, Key::Z), [Action::Undo]);
        assert_eq!(press(ctrl, Key::A), [Action::MarkAll]);
        assert_eq!(press(ctrl, Key::O), [Action::Open]);
        assert_eq!(press(NONE, Key::O), [Action::Overview]);
        assert_eq!(press(Modifiers::SHIFT, Key::Questionmark), [Action::Help]);
        assert_eq!(press(Modifiers::SHIFT, Key::Slash), [Action::Filter], "a German keyboard");
        assert_eq!(press(Modifiers::SHIFT, Key::A), []);
    }

    #[test]
    fn keys_have_names() {
        assert_eq!(keys(Action::Undo).replace("Cmd", "Ctrl"), "Ctrl+Z or U");
        assert_eq!(keys(Action::Help), "? or F1");
        assert!(tip(Action::Accept).ends_with("(A)"));
    }
}
