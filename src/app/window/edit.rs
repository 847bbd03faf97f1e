//! Editing boxes: what keys, panels and threads ask for, carried out.

use super::{Answer, Window};
use crate::app::command::Command;
use crate::app::edit::{self as editing, Adding, Asked, BoxEdit, EditCommand, EditKey, What};
use crate::app::gizmo::Tool;
use crate::app::log::Level;
use crate::app::near::{self, Gather, Near};
use crate::app::panels::{self, Pane};
use crate::app::shortcuts::Action;
use crate::perception::prompt::Prompt;
use crate::review::edit::{self, Snap};
use crate::review::{Decision, HalfSpace, Reviewed, Verdict, queue};
use crate::scene::OrientedBox;
use eframe::egui::Context;
use nalgebra::{Point3, Vector3};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Window {
    /// Turns editing of the selected instance's box on, or off.
    pub(super) fn edit_box(&mut self, ctx: &Context) {
        if self.model.edit.is_some() {
            self.end_edit();
        } else if let Some(item) = self.editable() {
            let edit = BoxEdit::new(item.instance.id, What::Adjust, item.instance.obb);
            self.begin_edit(ctx, edit, &[item]);
        }
    }

    /// The selected instance, where decisions can be taken; says why not otherwise.
    fn editable(&mut self) -> Option<Reviewed> {
        if !self.may_decide() {
            return None;
        }
        let item = self.model.selected().cloned();
        if item.is_none() {
            self.tell(Level::Info, "select an instance first".into());
        }
        item
    }

    fn may_decide(&mut self) -> bool {
        let why_not = match &self.model.review {
            None => "decisions can be taken when the run is done",
            Some(r) if r.is_read_only() => "the scene is open in another window: this one can look, not decide",
            Some(_) => return true,
        };
        self.tell(Level::Info, why_not.into());
        false
    }

    fn begin_edit(&mut self, ctx: &Context, edit: BoxEdit, items: &[Reviewed]) {
        self.model.measure = None;
        self.model.edit = Some(edit);
        self.show_box_panel();
        self.gather(ctx, items.to_vec());
    }

    pub(super) fn show_box_panel(&mut self) {
        panels::set_open(&mut self.layout.tree, Pane::Box, true);
        panels::bring_up(&mut self.layout.tree, Pane::Box);
    }

    pub(super) fn end_edit(&mut self) {
        self.model.edit = None;
        panels::bring_up(&mut self.layout.tree, Pane::Inspector);
    }

    /// Shows what merging the selected instances would do.
    pub(super) fn ask_merge(&mut self, ctx: &Context) {
        let Some(lead) = self.editable() else { return };
        let id = lead.instance.id;
        let mut items = vec![lead];
        let others = self.model.marked.iter().filter(|m| **m != id);
        items.extend(others.filter_map(|m| self.model.items().get(m).cloned()));
        let boxes: Vec<OrientedBox> = items.iter().map(|i| i.instance.obb).collect();
        let (Some(obb), true) = (edit::merged(&boxes), items.len() > 1) else {
            self.tell(Level::Info, "select two or more instances to merge: Ctrl+click adds one".into());
            return;
        };
        let ids = items.iter().map(|i| i.instance.id).collect();
        let turned = boxes.iter().any(|b| {
            let off = edit::yaw_pitch_roll(b)[0] - edit::yaw_pitch_roll(&obb)[0];
            crate::perception::rect::quarter(off).abs() > 0.1 || !edit::is_upright(b)
        });
        // Around boxes that are turned against each other much would be empty.
        let edit = BoxEdit { fit_later: turned, ..BoxEdit::new(id, What::Merge { ids }, obb) };
        self.begin_edit(ctx, edit, &items);
    }

    /// Shows a plane to split the selected instance by.
    pub(super) fn ask_split(&mut self, ctx: &Context) {
        if let Some(item) = self.editable() {
            let obb = item.instance.obb;
            let what = What::Split { plane: editing::first_plane(&obb) };
            self.begin_edit(ctx, BoxEdit::new(item.instance.id, what, obb), &[item]);
        }
    }

    /// Deletes the selected instance; of several, first shows how many.
    pub(super) fn delete(&mut self) {
        if self.editable().is_none() {
            return;
        }
        self.model.edit = None;
        self.decide_selected(Decision::Delete);
    }

    /// Keeps what is being typed or dragged, and accepts: `typed` is what text fields decided in the same frame.
    pub(super) fn fix_and_accept(&mut self, typed: Vec<Decision>) {
        let Some(item) = self.editable() else { return };
        let id = item.instance.id;
        let mut decisions: Vec<(u32, Decision)> = typed.into_iter().map(|d| (id, d)).collect();
        if let Some(e) = self.model.edit.take().filter(|e| e.id == id && e.is_adjusting() && e.now != e.kept) {
            decisions.push((id, Decision::Rebox { to: e.now }));
        }
        decisions.push((id, Decision::Accept));
        let next = queue::next_unreviewed(&self.model.order, self.model.items(), id);
        self.decide_all(decisions);
        self.end_edit();
        if let Some(next) = next.filter(|n| *n != id) {
            self.model.select(Some(next));
        }
    }

    pub(super) fn edit_command(&mut self, ctx: &Context, command: EditCommand) {
        let Some(edit) = &mut self.model.edit else { return };
        let now = edit.now;
        match command {
            EditCommand::Tool(tool) => edit.tool = tool,
            EditCommand::Free(free) => edit.free = free,
            EditCommand::Preview(b) if edit.is_adjusting() => (edit.now, edit.live) = (b, true),
            EditCommand::Keep(b) => self.keep(ctx, b),
            EditCommand::Plane(to) => {
                if let What::Split { plane } = &mut edit.what {
                    *plane = to;
                }
            }
            EditCommand::PlaneThrough(origin, direction) => self.plane_through(&origin, &direction),
            EditCommand::Draw(adding, b) => {
                if matches!(edit.what, What::Add(_)) {
                    edit.what = What::Add(adding);
                    edit.now = b.unwrap_or(now);
                }
            }
            EditCommand::Point(photo, pixel, on) => self.point_out(ctx, photo, pixel, on),
            EditCommand::Around(photo, rectangle) => {
                let prompt = Prompt { points: Vec::new(), rectangle: Some(rectangle) };
                self.find_mask(ctx, Asked { photo, prompt });
            }
            EditCommand::Anew => {
                if let What::Add(adding) = &mut edit.what {
                    *adding = Adding::Start;
                    edit.add_later = false;
                }
            }
            EditCommand::Fit => self.fit(ctx),
            EditCommand::Snap(how) => {
                let floor = self.model.floor();
                self.keep(ctx, edit::snapped(&now, floor, how));
            }
            EditCommand::Upright => self.keep(ctx, edit::made_upright(&now)),
            EditCommand::Relabel(k) => self.keep(ctx, edit::relabelled(&now, k)),
            EditCommand::Reset => {
                let id = edit.id;
                if let Some(found) = self.model.review.as_ref().and_then(|r| r.found(id)).map(|i| i.obb) {
                    self.keep(ctx, found);
                }
            }
            EditCommand::Copy if edit.is_adjusting() => {
                self.model.copied_box = Some(now);
                // Ctrl+V says nothing while the clipboard of the system is empty.
                let [x, y, z] = now.size.into();
                ctx.copy_text(format!("{x:.3} x {y:.3} x {z:.3} {}", self.model.unit()));
                self.tell(Level::Info, "the size and direction of this box are remembered".into());
            }
            EditCommand::Paste => {
                if let Some(from) = self.model.copied_box {
                    let b = OrientedBox { center: now.center, ..from };
                    self.keep(ctx, edit::snapped(&b, edit::bottom(&now), Snap::KeepSize));
                }
            }
            EditCommand::Key(key, large) => self.edit_key(ctx, key, large),
            EditCommand::Apply => self.apply_edit(ctx),
            EditCommand::Cancel => self.cancel_edit(),
            EditCommand::Preview(_) | EditCommand::Copy => {}
        }
    }

    fn edit_key(&mut self, ctx: &Context, key: EditKey, large: bool) {
        let forward = self.model.view.orbit.unwrap_or_default().camera(1.0, 1.0).forward();
        let Some(edit) = &mut self.model.edit else { return };
        let which = match key {
            EditKey::First => 0,
            EditKey::Second => 1,
            EditKey::Third => 2,
            EditKey::Apply => return self.apply_edit(ctx),
            EditKey::Cancel => return self.cancel_edit(),
            nudge => {
                if edit.is_adjusting() {
                    edit.now = editing::nudged(&edit.now, nudge, large, &forward);
                    (edit.live, edit.nudging) = (true, true);
                }
                return;
            }
        };
        match &mut edit.what {
            What::Split { plane } => *plane = editing::across(&edit.now, which),
            _ => edit.tool = Tool::ALL[which],
        }
    }

    /// Decides the box.
    fn keep(&mut self, ctx: &Context, to: OrientedBox) {
        let Some(edit) = self.model.edit.as_mut().filter(|e| e.is_adjusting()) else { return };
        (edit.live, edit.nudging) = (false, false);
        let (id, kept) = (edit.id, edit.kept);
        edit.now = to;
        if to == kept || !edit::is_sane(&to) {
            edit.now = kept;
            return;
        }
        edit.kept = to;
        let gathered = edit.near.as_ref().and_then(|n| n.region);
        self.decide(id, Decision::Rebox { to });
        let outside = |r: OrientedBox| to.corners().iter().any(|c| !r.contains(c, 0.0));
        if gathered.is_some_and(outside) {
            let items: Vec<Reviewed> = self.model.items().get(&id).cloned().into_iter().collect();
            self.gather(ctx, items);
        }
    }

    fn cancel_edit(&mut self) {
        let Some(edit) = &mut self.model.edit else { return };
        if edit.live {
            edit.now = edit.kept;
            edit.cancels += 1;
            (edit.live, edit.nudging) = (false, false);
        } else {
            self.end_edit();
        }
    }

    fn apply_edit(&mut self, ctx: &Context) {
        let Some(edit) = self.model.edit.clone() else { return };
        match &edit.what {
            What::Adjust => {
                self.keep(ctx, edit.now);
                self.end_edit();
            }
            What::Merge { ids } => {
                let others: Vec<u32> = ids.iter().copied().filter(|id| *id != edit.id).collect();
                let mut all = vec![
                    (edit.id, Decision::TakeIn { ids: others.clone() }),
                    (edit.id, Decision::Rebox { to: edit.now }),
                ];
                all.extend(others.into_iter().map(|id| (id, Decision::Delete)));
                self.end_edit();
                self.decide_all(all);
            }
            What::Split { plane } => self.apply_split(&edit, plane),
            What::Add(_) => self.apply_add(ctx, &edit),
        }
    }

    fn apply_split(&mut self, edit: &BoxEdit, plane: &OrientedBox) {
        let item = self.model.items().get(&edit.id).cloned();
        let new = self.model.review.as_ref().map(|r| r.free_id());
        let (Some([below, above]), Some(item), Some(new)) = (edit.parts(), item, new) else { return };
        let normal = edit::axis(plane, 2);
        let side = HalfSpace { normal, offset: normal.dot(&plane.center.coords) };
        let other = crate::scene::Instance { id: new, obb: above, views: Vec::new(), ..item.instance };
        self.end_edit();
        self.decide_all(vec![
            (edit.id, Decision::Rebox { to: below }),
            (edit.id, Decision::Keep { side }),
            (new, Decision::Add { instance: Box::new(other), masks: Vec::new() }),
            (new, Decision::TakeIn { ids: vec![edit.id] }),
            (new, Decision::Keep { side: side.opposite() }),
        ]);
        if self.model.items().contains_key(&new) {
            self.model.mark([edit.id, new].into());
        }
    }

    fn plane_through(&mut self, origin: &Point3<f64>, direction: &Vector3<f64>) {
        let point = self.point_along(origin, direction);
        if let (Some(p), Some(What::Split { plane })) = (point, self.model.edit.as_mut().map(|e| &mut e.what)) {
            // The middle of the plane stays near that of the box, where its handles are.
            let normal = edit::axis(plane, 2);
            plane.center += normal * normal.dot(&(p - plane.center));
        }
    }

    /// Fits the box to its points, at once or when they are there.
    fn fit(&mut self, ctx: &Context) {
        let floor = self.model.floor();
        let Some(edit) = &mut self.model.edit else { return };
        let Some(near) = edit.near.clone().filter(|n| n.is_whole) else {
            edit.fit_later = true;
            self.tell(Level::Info, "the box is fitted as soon as its photos have been looked at".into());
            return;
        };
        let fit = near::fitted(&near, &edit.now, floor);
        match (fit, &edit.what) {
            (Some(b), What::Merge { .. }) => {
                // What hid the lower end of the parts hides that of the points too.
                let bottom = edit::bottom(&edit.kept).min(edit::bottom(&b));
                edit.now = edit::snapped(&b, bottom, Snap::KeepTop);
            }
            (Some(b), _) => self.keep(ctx, b),
            (None, _) => self.tell(Level::Info, "there are no points to fit the box to: draw it by hand".into()),
        }
    }

    /// Gathers points near the box on a thread of their own.
    pub(super) fn gather(&mut self, ctx: &Context, items: Vec<Reviewed>) {
        let Some(edit) = &self.model.edit else { return };
        let whole = 4.0 * self.model.extent.radius;
        let grown = match edit.what {
            What::Add(_) => OrientedBox::upright(self.model.extent.center, Vector3::repeat(whole), 0.0),
            _ => OrientedBox { size: edit.now.size.map(|s| 1.6 * s + 0.12 * whole), ..edit.now },
        };
        let model = &self.model;
        let cameras = (0..model.photos.len()).map(|k| model.camera(k).copied());
        let gather = Gather {
            cloud: model.cloud.clone(),
            region: grown,
            root: model.root.clone(),
            photos: model.photos.iter().map(|p| p.stem.clone()).zip(cameras).collect(),
            masks: Arc::clone(&model.masks),
            others: self.others_than(&items),
            items,
        };
        let (answer, ctx, id) = (self.answers.0.clone(), ctx.clone(), edit.id);
        std::thread::spawn(move || {
            let tell = |near: &Near| {
                let _ = answer.send(Answer::Near(id, Arc::new(near.clone())));
                ctx.request_repaint();
            };
            let near = gather.splats();
            tell(&near);
            let whole = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| gather.whole(near.clone())));
            tell(&whole.unwrap_or(Near { is_whole: true, ..near }));
        });
    }

    /// Ids of what is another thing than these, as far as decided.
    fn others_than(&self, items: &[Reviewed]) -> BTreeSet<u32> {
        let all = self.model.items().values().filter(|i| i.verdict != Verdict::Rejected).map(|i| i.instance.id);
        all.filter(|id| items.iter().all(|i| i.instance.id != *id)).collect()
    }

    pub(super) fn gathered(&mut self, ctx: &Context, id: u32, near: Arc<Near>) {
        let Some(edit) = self.model.edit.as_mut().filter(|e| e.id == id) else { return };
        let is_whole = near.is_whole;
        edit.near = Some(near);
        if is_whole && std::mem::take(&mut edit.fit_later) {
            self.fit(ctx);
        }
    }

    /// Each frame: decides a nudge when its key is up, and follows what undo, redo and selecting have changed.
    pub(super) fn settle_edit(&mut self, ctx: &Context) {
        let Some(edit) = &self.model.edit else { return };
        if edit.nudging && !editing::is_nudge_down(ctx) {
            let now = edit.now;
            self.keep(ctx, now);
        }
        let Some(edit) = &mut self.model.edit else { return };
        if matches!(edit.what, What::Add(_)) {
            return;
        }
        let obb = self.model.review.as_ref().and_then(|r| r.items().get(&edit.id)).map(|i| i.instance.obb);
        match obb {
            Some(obb) if self.model.view.instance == Some(edit.id) => {
                if edit.is_adjusting() && !edit.live && edit.kept != obb {
                    (edit.kept, edit.now) = (obb, obb);
                }
            }
            _ => self.end_edit(),
        }
    }

    /// What is done of the wishes of one frame: who lets go of a drag does not mean where it was just then, and
    /// fix-and-accept goes with what text fields keep because of it.
    pub(super) fn joined(&mut self, mut commands: Vec<Command>) -> Vec<Command> {
        let lets_go =
            |c: &Command| matches!(c, Command::Edit(EditCommand::Cancel | EditCommand::Key(EditKey::Cancel, _)));
        if commands.iter().any(lets_go) {
            commands.retain(|c| !matches!(c, Command::Edit(EditCommand::Preview(_) | EditCommand::Keep(_))));
        }
        let is_fix = |c: &Command| matches!(c, Command::Do(Action::FixAndAccept));
        let Some(id) = self.model.view.instance.filter(|_| commands.iter().any(is_fix)) else { return commands };
        let (mut typed, mut rest) = (Vec::new(), Vec::new());
        for command in commands {
            match command {
                Command::Decide(of, decision) if of == id => typed.push(decision),
                Command::Do(Action::FixAndAccept) => {}
                other => rest.push(other),
            }
        }
        rest.push(Command::FixAndAccept(typed));
        rest
    }
}
