//! What is pressed, clicked and typed, frame by frame: it means what it meant when it went down, however slow a frame is.

use super::shortcuts::{self, Action, Mode};
use eframe::egui::{Context, Event, Id, Key, Modifiers};

/// Before a frame: leaves it the `events` up to the first that changes what those behind it mean. They wait, in their
/// order, for the next: on a slow machine a frame takes as long as several keys and clicks.
pub(super) fn deliver(ctx: &Context, mode: Mode, events: &mut Vec<Event>) {
    let typing = ctx.memory(|m| m.focused().is_some());
    let (waiting, opening) = (Id::unique("events that wait for the next frame"), Id::unique("a dialog may open"));
    let opens = ctx.data_mut(|d| {
        d.insert_temp(field_before(), typing);
        if let Some(mut held) = d.remove_temp::<Vec<Event>>(waiting) {
            held.append(events);
            *events = held;
        }
        d.remove_temp::<bool>(opening).is_some()
    });
    // A dialog takes a frame to find its size: only then its field has the focus.
    let (now, turned) = if opens { (0, false) } else { of_one_frame(events, typing, mode) };
    let later = events.split_off(now);
    if turned {
        ctx.data_mut(|d| d.insert_temp(opening, true));
    }
    if !later.is_empty() {
        ctx.data_mut(|d| d.insert_temp(waiting, later));
        ctx.request_repaint();
    }
}

/// How many of the first events mean in one frame what they meant one by one, and whether the last of them is a key that
/// turns what others mean; `typing` into a field no key is a shortcut.
fn of_one_frame(events: &[Event], typing: bool, mode: Mode) -> (usize, bool) {
    let mut before = None;
    for (k, event) in events.iter().enumerate() {
        let kind = match event {
            Event::PointerButton { .. } => Kind::Mouse,
            Event::Key { key: Key::Enter | Key::Escape | Key::Tab, pressed: true, .. } => Kind::Turn,
            Event::Key { key: Key::ArrowUp | Key::ArrowDown, pressed: true, .. } => Kind::Choice,
            Event::Key { pressed: true, .. } | Event::Text(_) | Event::Cut | Event::Copy | Event::Paste(_) => {
                Kind::Word
            }
            _ => continue,
        };
        if before.is_some_and(|b| b != kind || kind == Kind::Turn) {
            return (k, false);
        }
        before = Some(kind);
        if let Event::Key { key, modifiers, .. } = event
            && !typing
            && shortcuts::action_of(*key, *modifiers, mode).is_some_and(turns)
        {
            // The letter that the key itself writes is not for the field that it opens.
            let own = matches!(events.get(k + 1), Some(Event::Text(_)));
            return (k + 1 + usize::from(own), true);
        }
    }
    (events.len(), false)
}

/// Events of one kind may come in one frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Takes the selection or the focus elsewhere.
    Mouse,
    /// Ends what is being typed or done: one a frame.
    Turn,
    /// Chooses among what is offered for the text so far.
    Choice,
    /// Anything else that is typed.
    Word,
}

/// Whether other keys may mean something else behind an action: all but those that come quickly, one after the other.
fn turns(action: Action) -> bool {
    let steps = [Action::Next, Action::Previous, Action::NextFrame, Action::PreviousFrame, Action::Undo, Action::Redo];
    !shortcuts::decides(action) && !steps.contains(&action)
}

/// Whether a field had the focus when the frame began: Esc takes it away before anybody sees what else was typed.
pub(super) fn had_field(ctx: &Context) -> bool {
    ctx.data_mut(|d| d.remove_temp::<bool>(field_before())).unwrap_or(false)
}

fn field_before() -> Id {
    Id::unique("a field had the focus")
}

/// The modifiers that go with the mouse: those that were held as its button went, which may be up again by the end of the
/// frame.
pub(super) fn held_with_mouse(ctx: &Context) -> Modifiers {
    ctx.input(|i| {
        let of_button = i.events.iter().rev().find_map(|event| match event {
            Event::PointerButton { modifiers, .. } => Some(*modifiers),
            _ => None,
        });
        of_button.unwrap_or(i.modifiers)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::shortcuts::pressed;
    use eframe::egui::{PointerButton, Pos2, RawInput};

    const NONE: Modifiers = Modifiers::NONE;
    const CTRL: Modifiers = Modifiers::COMMAND;
    const SHIFT: Modifiers = Modifiers::SHIFT;

    fn down(key: Key) -> Event {
        Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers: NONE }
    }

    fn text(t: &str) -> Event {
        Event::Text(t.into())
    }

    fn button(pressed: bool) -> Event {
        let (pos, button) = (Pos2::ZERO, PointerButton::Primary);
        Event::PointerButton { pos, button, pressed, modifiers: NONE }
    }

    /// What comes at once, frame by frame.
    fn frames(typing: bool, mode: Mode, mut events: Vec<Event>) -> Vec<Vec<Event>> {
        let ctx = Context::default();
        let _ = ctx.run_ui(RawInput::default(), |_| {});
        if typing {
            ctx.memory_mut(|m| m.request_focus(Id::unique("field")));
        }
        let mut all = Vec::new();
        for _ in 0..20 {
            deliver(&ctx, mode, &mut events);
            all.push(std::mem::take(&mut events));
        }
        all.retain(|frame| !frame.is_empty());
        all
    }

    #[test]
    fn what_is_typed_behind_a_key_that_opens_a_field_is_for_the_field() {
        let events = vec![
            down(Key::A),
            text("a"),
            down(Key::Slash),
            text("/"),
            down(Key::A),
            Event::PointerGone,
            text("a"),
            down(Key::Enter),
            down(Key::R),
        ];
        let found = frames(false, Mode::Deciding, events.clone());
        assert_eq!(found, [&events[..4], &events[4..7], &events[7..8], &events[8..]]);
    }

    #[test]
    fn digits_behind_a_key_that_begins_a_tool_reject_nothing() {
        let events = vec![down(Key::E), text("e"), down(Key::Num3), text("3")];
        let found = frames(false, Mode::Deciding, events.clone());
        assert_eq!(found, [&events[..2], &events[2..]]);
        let (ctx, mut actions, mut asked) = (Context::default(), Vec::new(), 0);
        let _ = ctx.run_ui(RawInput { events: found[1].clone(), ..Default::default() }, |ui| {
            asked += crate::app::edit::pressed(ui.ctx()).len();
            actions.extend(pressed(ui.ctx(), Mode::Tool, false));
        });
        assert_eq!((actions, asked), (vec![], 1), "the digit is the tool's");
    }

    #[test]
    fn a_text_is_completed_and_kept_as_it_stood_when_the_key_went_down() {
        let events = vec![
            text("c"),
            text("e"),
            down(Key::ArrowDown),
            down(Key::ArrowDown),
            down(Key::Tab),
            text("f"),
            down(Key::Enter),
            down(Key::Escape),
        ];
        let found = frames(true, Mode::Deciding, events.clone());
        let cuts = [&events[..2], &events[2..4], &events[4..5], &events[5..6], &events[6..7], &events[7..]];
        assert_eq!(found, cuts);
    }

    #[test]
    fn keys_and_clicks_take_turns() {
        let events = vec![
            down(Key::Escape),
            button(true),
            button(false),
            down(Key::A),
            down(Key::J),
            down(Key::S),
            button(true),
            button(false),
        ];
        let found = frames(false, Mode::Tool, events.clone());
        assert_eq!(found, [&events[..1], &events[1..3], &events[3..6], &events[6..]]);
    }

    #[test]
    fn a_click_has_the_modifiers_of_its_own_moment() {
        let ctx = Context::default();
        let click = |modifiers| {
            [true, false].map(|pressed| {
                let (pos, button) = (Pos2::ZERO, PointerButton::Primary);
                Event::PointerButton { pos, button, pressed, modifiers }
            })
        };
        let held = |events: Vec<Event>, after| {
            let events = [events, vec![Event::ModifiersChanged(after)]].concat();
            let mut held = None;
            let _ = ctx.run_ui(RawInput { events, ..Default::default() }, |ui| {
                held = Some(held_with_mouse(ui.ctx()));
            });
            held
        };
        assert_eq!(held(click(CTRL).to_vec(), NONE), Some(CTRL));
        assert_eq!(held(click(NONE).to_vec(), CTRL), Some(NONE));
        assert_eq!(held(Vec::new(), SHIFT), Some(SHIFT));
    }

    #[test]
    fn keys_that_wait_come_in_order_and_none_is_lost() {
        let (ctx, mut found) = (Context::default(), Vec::new());
        let mut events = [Key::E, Key::I, Key::Enter, Key::J].map(down).to_vec();
        for _ in 0..10 {
            deliver(&ctx, Mode::Deciding, &mut events);
            let _ = ctx.run_ui(RawInput { events: std::mem::take(&mut events), ..Default::default() }, |ui| {
                found.extend(pressed(ui.ctx(), Mode::Deciding, false));
            });
        }
        assert_eq!(found, [Action::EditBox, Action::Add, Action::Confirm, Action::Next]);
    }

    #[test]
    fn what_is_typed_into_a_field_before_esc_decides_nothing() {
        let (ctx, id, mut text) = (Context::default(), Id::unique("field"), String::new());
        let mut frame = |mut events: Vec<Event>| {
            let mut found = Vec::new();
            // Keys go up again: one that stays down only repeats.
            let up = |e: &Event| match e.clone() {
                Event::Key { key, physical_key, repeat, modifiers, .. } => {
                    Event::Key { key, physical_key, pressed: false, repeat, modifiers }
                }
                other => other,
            };
            events.extend(events.iter().map(up).collect::<Vec<_>>());
            deliver(&ctx, Mode::Deciding, &mut events);
            let _ = ctx.run_ui(RawInput { events, ..Default::default() }, |ui| {
                found = pressed(ui.ctx(), Mode::Deciding, false);
                ui.add(eframe::egui::TextEdit::singleline(&mut text).id(id));
            });
            found
        };
        frame(Vec::new());
        ctx.memory_mut(|m| m.request_focus(id));
        assert_eq!(frame(vec![down(Key::R)]), []);
        assert_eq!(frame(vec![down(Key::A), down(Key::Escape)]), []);
        assert_eq!(frame(vec![]), [], "the Esc of the field");
        assert_eq!(frame(vec![down(Key::A)]), [Action::Accept], "the field has been left");
    }
}
