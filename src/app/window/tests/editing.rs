//! Editing boxes through the window: by keys, and by what the panels ask for.

use super::*;
use crate::app::edit::{Adding, EditCommand, Found, What};
use crate::perception::testing::{self, Shot};
use crate::review::edit;

impl Desk {
    fn ask(&mut self, command: EditCommand) {
        let ctx = self.harness.ctx.clone();
        self.harness.state_mut().as_mut().unwrap().edit_command(&ctx, command);
        self.harness.run_steps(2);
    }

    fn decided(&self) -> usize {
        self.window().model.review.as_ref().unwrap().events().count()
    }

    fn items(&self) -> usize {
        self.window().model.items().len()
    }

    fn selected_box(&self) -> OrientedBox {
        self.window().model.selected().unwrap().instance.obb
    }

    fn shown_box(&self) -> Option<OrientedBox> {
        self.window().model.edit.as_ref().map(|e| e.now)
    }
}

#[test]
fn a_stroke_is_one_decision_and_the_camera_stays() {
    let mut desk = Desk::new(LARGE);
    let before = (desk.selected_box(), desk.window().model.view.orbit, desk.window().model.view.photo_view);
    desk.press(Modifiers::NONE, Key::E);
    assert!(desk.window().model.edit.is_some());
    desk.harness.get_by_label_contains("Fit to points");
    desk.press(Modifiers::NONE, Key::PageUp);
    desk.press(Modifiers::SHIFT, Key::Period);
    assert_eq!(desk.decided(), 2);
    assert!((desk.selected_box().center.z - before.0.center.z - 0.01).abs() < 1e-12);
    assert!((edit::yaw_pitch_roll(&desk.selected_box())[0] + 15f64.to_radians()).abs() < 1e-9);
    // A digit chooses handles now: it rejects nothing.
    desk.press(Modifiers::NONE, Key::Num2);
    assert_eq!((desk.decided(), desk.window().model.counts().unreviewed), (2, 4));
    desk.press(Modifiers::COMMAND, Key::Z);
    desk.press(Modifiers::COMMAND, Key::Z);
    assert_eq!((desk.selected_box(), desk.shown_box()), (before.0, Some(before.0)), "the handles follow undo");
    desk.press(Modifiers::NONE, Key::E);
    assert!(desk.window().model.edit.is_none());
    let view = &desk.window().model.view;
    assert_eq!((view.orbit, view.photo_view), (before.1, before.2));
}

#[test]
fn esc_lets_go_first_and_then_ends() {
    let mut desk = Desk::new(LARGE);
    let kept = desk.selected_box();
    desk.press(Modifiers::NONE, Key::E);
    desk.ask(EditCommand::Preview(edit::moved(&kept, &Vector3::x())));
    assert_ne!(desk.shown_box(), Some(kept));
    desk.press(Modifiers::NONE, Key::Escape);
    assert_eq!(desk.shown_box(), Some(kept));
    desk.press(Modifiers::NONE, Key::Escape);
    assert_eq!((desk.shown_box(), desk.decided()), (None, 0));
}

#[test]
fn fix_and_accept_is_one_step() {
    let mut desk = Desk::new(LARGE);
    let (id, kept) = (desk.window().model.view.instance.unwrap(), desk.selected_box());
    desk.press(Modifiers::NONE, Key::E);
    let to = edit::moved(&kept, &Vector3::x());
    desk.ask(EditCommand::Preview(to));
    desk.press(Modifiers::COMMAND, Key::Enter);
    let item = desk.window().model.items()[&id].clone();
    assert_eq!((item.verdict, item.instance.obb, desk.decided()), (Verdict::Accepted, to, 1));
    assert_ne!(desk.window().model.view.instance, Some(id), "it goes on");
    desk.press(Modifiers::COMMAND, Key::Z);
    assert_eq!(desk.window().model.items()[&id].instance.obb, kept);
    assert_eq!(desk.window().model.counts().accepted, 0);
}

#[test]
fn split_and_merge_show_first_and_are_one_step_each() {
    let mut desk = Desk::new(LARGE);
    let whole = desk.selected_box();
    desk.press(Modifiers::COMMAND, Key::K);
    assert_eq!((desk.decided(), desk.items()), (0, 4), "only shown yet");
    desk.press(Modifiers::NONE, Key::Enter);
    assert_eq!((desk.decided(), desk.items(), desk.window().model.marked.len()), (1, 5, 2));
    let parts: f64 =
        desk.window().model.marked.iter().map(|id| desk.window().model.items()[id].instance.obb.volume()).sum();
    assert!((parts - whole.volume()).abs() < 1e-9);
    desk.press(Modifiers::COMMAND, Key::M);
    assert_eq!((desk.decided(), desk.items()), (1, 5), "only shown yet");
    desk.press(Modifiers::NONE, Key::Enter);
    assert_eq!((desk.decided(), desk.items()), (2, 4));
    assert!(desk.selected_box().iou(&whole) > 0.999);
    desk.press(Modifiers::COMMAND, Key::Z);
    desk.press(Modifiers::COMMAND, Key::Z);
    assert_eq!((desk.items(), desk.selected_box()), (4, whole));
}

#[test]
fn what_is_deleted_is_gone_and_comes_back() {
    let mut desk = Desk::new(LARGE);
    let id = desk.window().model.view.instance.unwrap();
    desk.press(Modifiers::NONE, Key::Delete);
    assert!(!desk.window().model.items().contains_key(&id));
    assert!(desk.window().model.selected().is_some(), "the next one is selected");
    desk.press(Modifiers::COMMAND, Key::Z);
    assert!(desk.window().model.items().contains_key(&id));
}

#[test]
fn deleting_many_shows_how_many_first() {
    let mut desk = Desk::new(LARGE);
    desk.press(Modifiers::NONE, Key::J);
    let kept = desk.window().model.order[3];
    let three: std::collections::BTreeSet<u32> = desk.window().model.order[..3].iter().copied().collect();
    desk.harness.state_mut().as_mut().unwrap().model.mark(three);
    desk.press(Modifiers::NONE, Key::Delete);
    assert_eq!(desk.items(), 4, "only shown yet");
    desk.harness.get_by_label_contains("Delete 3: 3 unreviewed");
    desk.press(Modifiers::NONE, Key::Enter);
    assert_eq!((desk.items(), desk.decided(), desk.selected()), (1, 1, Some(kept)));
    desk.press(Modifiers::COMMAND, Key::Z);
    assert_eq!(desk.items(), 4);
}

#[test]
fn a_new_instance_is_drawn_named_and_accepted() {
    let mut desk = Desk::new(LARGE);
    desk.press(Modifiers::NONE, Key::I);
    assert!(desk.window().model.edit.as_ref().is_some_and(|e| matches!(e.what, What::Add(Adding::Start))));
    desk.press(Modifiers::NONE, Key::Enter);
    assert_eq!(desk.items(), 4, "nothing was drawn yet");
    let corner = Point3::new(1.0, 1.0, 0.0);
    let drawn = edit::drawn(&Point3::origin(), &corner, 0.0, 0.0, 0.7);
    desk.ask(EditCommand::Draw(Adding::Height(corner), Some(drawn)));
    desk.press(Modifiers::NONE, Key::Enter);
    assert_eq!((desk.items(), desk.selected_box()), (5, drawn));
    let id = desk.window().model.view.instance.unwrap();
    // The cursor is in the label, all of it chosen.
    desk.type_text("stool");
    desk.press(Modifiers::COMMAND, Key::Enter);
    let item = &desk.window().model.items()[&id];
    assert_eq!((item.instance.label.as_str(), item.verdict), ("stool", Verdict::Accepted));
    assert_eq!(desk.decided(), 2, "label and verdict are one step");
}

/// A scene with the photos, cameras and depth of the ray-cast room.
fn photographed(folder: &Path, shots: &[Shot]) -> PathBuf {
    let root = scene(folder, "room");
    let folder = SceneFolder::open(&root).unwrap();
    let names: Vec<String> = shots.iter().map(|s| format!("{}.png", s.stem)).collect();
    let mut meta = folder.read_meta().unwrap();
    meta.images = names.clone();
    folder.write_meta(&meta).unwrap();
    let cameras = shots.iter().map(|s| Some(s.camera)).collect();
    folder.write_sparse(&names, &crate::scene::Sparse { cameras, ..Default::default() }).unwrap();
    std::fs::create_dir_all(root.join("images")).unwrap();
    for (shot, name) in shots.iter().zip(&names) {
        shot.image.save(folder.image_path(name)).unwrap();
        folder.write_depth(&shot.stem, &shot.depth).unwrap();
    }
    root
}

/// The middle of what a photo of the room shows of a thing.
fn middle(shot: &Shot, id: u8) -> [f64; 2] {
    let all: Vec<usize> = (0..shot.ids.len()).filter(|k| shot.ids[*k] == id).collect();
    let k = all[all.len() / 2];
    [(k % 200) as f64 + 0.5, (k / 200) as f64 + 0.5]
}

fn found(w: &Window) -> Option<&Found> {
    match w.model.edit.as_ref().map(|e| &e.what) {
        Some(What::Add(Adding::Mask(found))) => Some(found),
        _ => None,
    }
}

#[test]
fn what_is_pointed_out_in_a_photo_is_found_in_the_others_and_added() {
    let shots = testing::room(0.0);
    let home = tempfile::tempdir().unwrap();
    let root = photographed(home.path(), &shots);
    let mut desk = Desk::on(home, Open::Scene(root), ThemePreference::Dark, LARGE);
    let area = |k: usize| shots[k].ids.iter().filter(|i| **i == 5).count();
    let best = (0..shots.len()).max_by_key(|k| area(*k)).unwrap();
    desk.press(Modifiers::NONE, Key::I);
    desk.ask(EditCommand::Point(best, [3.0, 3.0], false));
    assert!(desk.window().model.edit.as_ref().is_some_and(|e| matches!(e.what, What::Add(Adding::Start))));
    desk.ask(EditCommand::Point(best, middle(&shots[best], 5), true));
    desk.until("the mask is there", |w| found(w).is_some());
    desk.ask(EditCommand::Point(best, middle(&shots[best], 1), false));
    desk.until("the second point counts too", |w| found(w).is_some_and(|f| f.asked.prompt.points.len() == 2));
    let mask = found(desk.window()).unwrap().mask.decode();
    let right = mask.iter().zip(&shots[best].ids).filter(|(on, id)| **on && **id == 5).count();
    let wrong = mask.iter().zip(&shots[best].ids).filter(|(on, id)| **on && **id != 5).count();
    assert!(right > area(best) * 3 / 4 && wrong < area(best) / 4, "{right} and {wrong} of {}", area(best));
    // It is added when the other photos have been looked through, and not before.
    desk.press(Modifiers::NONE, Key::Enter);
    desk.until("it is added", |w| w.model.items().len() == 5);
    let item = desk.window().model.selected().unwrap().clone();
    let masked = item.instance.views.iter().filter(|v| v.mask_score > 0.0).count();
    assert!(masked >= 4, "{masked}");
    assert_eq!(item.masks.iter().map(|m| m.drawn.len()).sum::<usize>(), masked, "a mask in each of these photos");
    assert_eq!(item.instance.best_view, shots[best].stem);
    let overlap = item.instance.obb.iou(&testing::boxes()[0]);
    assert!(overlap > 0.6, "{overlap}");
    // The cursor is in the label.
    desk.press(Modifiers::NONE, Key::Escape);
    desk.press(Modifiers::COMMAND, Key::Z);
    assert_eq!(desk.items(), 4);
}

#[test]
fn a_rectangle_in_a_photo_is_a_prompt_and_can_be_taken_back() {
    let shots = testing::room(0.0);
    let home = tempfile::tempdir().unwrap();
    let root = photographed(home.path(), &shots);
    let mut desk = Desk::on(home, Open::Scene(root), ThemePreference::Dark, LARGE);
    let bits: Vec<bool> = shots[0].ids.iter().map(|i| *i == 6).collect();
    let bounds = crate::scene::Rle::encode(200, 150, &bits).bounds().unwrap().map(f64::from);
    desk.press(Modifiers::NONE, Key::I);
    desk.ask(EditCommand::Around(0, bounds));
    desk.until("the mask is there", |w| found(w).is_some_and(|f| f.others.is_some()));
    let drawn = found(desk.window()).unwrap().mask.area() as usize;
    let want = bits.iter().filter(|b| **b).count();
    assert!((want * 3 / 4..want * 5 / 4).contains(&drawn), "{drawn} of {want}");
    desk.harness.get_by_label_contains("other photos.");
    desk.click("Start again");
    assert!(desk.window().model.edit.as_ref().is_some_and(|e| matches!(e.what, What::Add(Adding::Start))));
    desk.press(Modifiers::NONE, Key::Escape);
    assert_eq!((desk.window().model.edit.is_none(), desk.items()), (true, 4));
}

#[test]
fn what_was_selected_is_selected_after_a_restart() {
    let mut desk = Desk::new(LARGE);
    desk.press(Modifiers::NONE, Key::J);
    let id = desk.selected().unwrap();
    desk.harness.state_mut().as_mut().unwrap().save_view();
    let Desk { harness, home } = desk;
    drop(harness);
    let root = home.path().join("room_a");
    let mut desk = Desk::on(home, Open::Scene(root), ThemePreference::Dark, LARGE);
    assert_eq!((desk.selected(), desk.window().model.marked.clone()), (Some(id), [id].into()));
    desk.press(Modifiers::NONE, Key::Delete);
    assert!(!desk.window().model.items().contains_key(&id));
}

#[test]
fn a_second_opinion_knows_nothing_of_what_was_added() {
    let mut desk = Desk::new(LARGE);
    desk.press(Modifiers::COMMAND, Key::K);
    desk.press(Modifiers::NONE, Key::Enter);
    let new = *desk.window().model.items().keys().last().unwrap();
    desk.harness.state_mut().as_mut().unwrap().model.select(Some(new));
    desk.harness.state_mut().as_mut().unwrap().second_opinion(true);
    desk.harness.run_steps(2);
    assert_eq!(desk.items(), 4);
    assert!(desk.selected().is_some_and(|id| id != new), "another one is selected");
}
