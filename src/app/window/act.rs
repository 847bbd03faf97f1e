//! What the user asked for, carried out after the frame.

use super::choose::is_about_shape;
use super::{Answer, Window};
use crate::app::command::Command;
use crate::app::log::Level;
use crate::app::orbit::Orbit;
use crate::app::order;
use crate::app::panels::{self, Field, Pane};
use crate::app::shortcuts::Action;
use crate::app::view_state::Shown;
use crate::review::{Decision, Review, ReviewError, queue};
use crate::scene::{Instance, OrientedBox};
use eframe::egui::Context;
use std::collections::BTreeSet;

/// Seconds that a flight of the 3D camera takes.
const FLIGHT: f64 = 0.3;

impl Window {
    pub(super) fn handle(&mut self, ctx: &Context, command: Command) {
        match command {
            Command::Do(action) => self.act(ctx, action),
            Command::Select(id) => self.model.select(id),
            Command::ShowPhoto(photo) => self.model.show_photo(photo),
            Command::Snap(photo) => self.snap(photo),
            Command::FlyTo(id) => {
                self.model.select(Some(id));
                self.fly_to_selected(ctx);
            }
            Command::MeasureAlong(origin, direction) => self.measure_along(&origin, &direction),
            Command::MeasureInPhoto(photo, pixel) => self.measure_in_photo(photo, pixel),
            Command::SetScale(metres) => self.set_scale(ctx, metres),
            Command::Look(orbit) => {
                (self.flight, self.shell.turning) = (None, None);
                self.camera_moved = true;
                self.model.view.orbit = Some(orbit);
                self.model.view.on_camera = None;
            }
            Command::LookAtPhoto(view) => self.model.view.photo_view = view,
            Command::Decide(id, decision) => self.decide(id, decision),
            Command::DecideAll(decisions) => self.decide_all(decisions),
            Command::RenameCategory { from, to } => self.rename_category(&from, &to),
            Command::Mark(ids) => self.model.mark(ids),
            Command::Toggle(id) => self.model.toggle(id),
            Command::Hover(id) => self.model.hovered = id,
            Command::FlyToBox(place) => self.fly_to_box(ctx, &place),
            Command::Only(ids) => {
                let ids: BTreeSet<u32> = ids.into_iter().collect();
                let words: Vec<String> = ids.iter().map(u32::to_string).collect();
                self.model.view.filter = format!("#{}", words.join(","));
                self.model.arrange();
                self.model.mark(ids);
            }
            Command::Versus(wish) => self.versus(ctx, wish),
            Command::SecondOpinion(second) => self.second_opinion(second),
            Command::Filter(filter) => {
                self.model.view.filter = filter;
                self.model.arrange();
            }
            Command::Sort(sort) => {
                self.model.view.sort = sort;
                self.model.arrange();
            }
            Command::Show(shown) => self.show(shown),
            Command::Compare(compare) => self.model.view.compare = compare,
            Command::Split(x) => self.model.view.split = x,
            Command::SetLook(look) => self.model.view.look = look,
            Command::Theme(theme) => {
                self.layout.theme = theme;
                ctx.set_theme(theme);
            }
            Command::ResetLayout => {
                self.layout.tree = panels::default_layout().tree;
                self.layout.demo = false;
            }
            Command::Open(path) => self.open(ctx, &path),
            Command::Browse { video } => self.browse(ctx, video),
            Command::Run { input, out } => self.start_run(ctx, input, out),
            Command::Pause(paused) => self.run.iter().for_each(|r| r.pipeline.set_paused(paused)),
            Command::Cancel => self.run.iter().for_each(|r| r.pipeline.cancel()),
            Command::Export { format, include, out } => self.export(ctx, format, include, out),
            Command::FixAndAccept(typed) => self.fix_and_accept(typed),
            Command::Edit(command) => self.edit_command(ctx, command),
            Command::SetFilters(filters) => self.set_filters(filters),
            Command::Shell(wish) => self.shell(ctx, wish),
        }
    }

    pub(super) fn act(&mut self, ctx: &Context, action: Action) {
        let selected = self.model.view.instance;
        let shown = self.model.view.shown;
        match action {
            Action::Accept => self.decide_selected(Decision::Accept),
            Action::Reject => self.decide_selected(Decision::REJECT),
            Action::Recaption => self.edit(ctx, Field::Caption),
            Action::Relabel => self.edit(ctx, Field::Label),
            Action::Next => self.model.select(order::neighbour(&self.model.order, selected, 1)),
            Action::Previous => self.model.select(order::neighbour(&self.model.order, selected, -1)),
            Action::NextFrame => self.model.step_photo(1),
            Action::PreviousFrame => self.model.step_photo(-1),
            Action::BestView => self.model.show_best_view(),
            Action::Focus => self.fly_to_selected(ctx),
            Action::Overview => {
                if let Some(orbit) = self.model.overview() {
                    self.fly(ctx, orbit);
                    self.camera_moved = false;
                }
            }
            Action::Masks => self.show(Shown { masks: !shown.masks, ..shown }),
            Action::Boxes => self.show(Shown { boxes: !shown.boxes, ..shown }),
            Action::Cameras => self.show(Shown { cameras: !shown.cameras, ..shown }),
            Action::Splats => self.show(Shown { splats: !shown.splats, ..shown }),
            Action::NextMode => self.model.view.look.mode = self.model.view.look.mode.next(),
            Action::Compare => self.model.view.compare = self.model.view.compare.next(),
            Action::Isolate => self.show(Shown { isolate: !shown.isolate, ..shown }),
            Action::Trim => self.show(Shown { trim: !shown.trim, ..shown }),
            Action::Measure => self.measure(),
            Action::Filter => {
                panels::bring_up(&mut self.layout.tree, Pane::List);
                self.panels.edit_filter(ctx);
            }
            Action::Categories => self.show_categories(),
            Action::Undo => self.step_back(Review::undo, "nothing to undo"),
            Action::Redo => self.step_back(Review::redo, "nothing to redo"),
            Action::Open => self.dialogs.ask_open(),
            Action::Help => self.dialogs.help = !self.dialogs.help,
            Action::EditBox => self.edit_box(ctx),
            Action::FixAndAccept => self.fix_and_accept(Vec::new()),
            Action::Merge => self.ask_merge(ctx),
            Action::Split => self.ask_split(ctx),
            Action::Delete => self.delete(),
            Action::Add => self.ask_add(ctx),
            Action::RejectAs(reason) => self.decide_selected(Decision::Reject { reason: Some(reason) }),
            Action::Unsure => self.decide_selected(Decision::Unsure),
            Action::Note => self.edit(ctx, Field::Note),
            Action::MarkAll => self.mark_all(),
            Action::OnlyOne => self.only_one(),
            Action::Confirm => self.confirm(),
            Action::Export
            | Action::Palette
            | Action::ScaleUp
            | Action::ScaleDown
            | Action::ScaleReset
            | Action::NextScene
            | Action::DemoLayout
            | Action::SlowOrbit
            | Action::Picture
            | Action::Film
            | Action::Reviewer => self.shell_action(ctx, action),
        }
    }

    pub(super) fn edit(&mut self, ctx: &Context, field: Field) {
        panels::bring_up(&mut self.layout.tree, Pane::Inspector);
        self.panels.edit(ctx, field);
    }

    pub(super) fn show(&mut self, shown: Shown) {
        self.model.view.shown = shown;
        self.model.mask_stamp += 1;
    }

    /// Decides, on disk before the next frame; after a verdict goes on to the next unreviewed.
    pub(super) fn decide(&mut self, id: u32, decision: Decision) {
        let goes_on = decision.is_verdict();
        // The order as it was when the user saw it.
        let next = queue::next_unreviewed(&self.model.order, self.model.items(), id);
        if !self.record(vec![(id, decision)]) || !goes_on {
            return;
        }
        match next.filter(|next| *next != id) {
            Some(next) => self.model.select(Some(next)),
            None if self.model.counts().unreviewed == 0 => {
                self.tell(Level::Info, "all instances are reviewed".into());
            }
            None => {}
        }
    }

    /// Decides about several at once; the selection stays.
    pub(super) fn decide_all(&mut self, decisions: Vec<(u32, Decision)>) {
        self.record(decisions);
    }

    /// Whether it was written.
    pub(super) fn record(&mut self, decisions: Vec<(u32, Decision)>) -> bool {
        let Some(review) = &mut self.model.review else {
            self.tell(Level::Info, "decisions can be taken when the run is done".into());
            return false;
        };
        self.fits_old |= decisions.iter().any(|d| is_about_shape(&d.1));
        let gone: BTreeSet<u32> = decisions.iter().filter(|d| d.1 == Decision::Delete).map(|d| d.0).collect();
        // As the user saw it: what comes behind the selected one.
        let mut behind = self.model.order.iter().copied().skip_while(|id| self.model.view.instance != Some(*id));
        let next = behind.find(|id| !gone.contains(id)).filter(|_| !gone.is_empty());
        if let Err(e) = review.decide_all(decisions) {
            self.tell(Level::Error, e.to_string());
            return false;
        }
        self.reviewed();
        if !gone.is_empty() && self.model.view.instance.is_none() {
            self.model.select(next.or(self.model.order.last().copied()));
            let what = if gone.len() == 1 { "1 instance was".into() } else { format!("{} instances were", gone.len()) };
            self.tell(Level::Info, format!("{what} deleted; undo brings them back"));
        }
        true
    }

    /// After the review has changed.
    fn reviewed(&mut self) {
        self.model.arrange();
        self.model.forget_gone();
        self.model.mask_stamp += 1;
        if let Some(mut versus) = self.model.versus.take() {
            versus.refresh(self.model.items());
            self.model.versus = Some(versus);
        }
    }

    pub(super) fn step_back(&mut self, step: fn(&mut Review) -> Result<Option<Vec<u32>>, ReviewError>, nothing: &str) {
        let Some(review) = &mut self.model.review else { return };
        match step(review) {
            Ok(Some(ids)) => {
                self.fits_old = true;
                self.reviewed();
                self.model.mark(ids.into_iter().collect());
            }
            Ok(None) => self.tell(Level::Info, nothing.into()),
            Err(e) => self.tell(Level::Error, e.to_string()),
        }
    }

    /// Puts the 3D view exactly on a photo's camera.
    pub(super) fn snap(&mut self, photo: usize) {
        self.model.show_photo(photo);
        let Some(camera) = self.model.camera(photo).copied() else { return };
        self.flight = None;
        self.camera_moved = true;
        self.model.view.on_camera = Some(self.model.photos[photo].stem.clone());
        // What a drag goes on with turns about what the photo looks at.
        let old = self.model.view.orbit.unwrap_or_default();
        let distance = self.model.overview().map_or(old.distance, |o| o.distance);
        self.model.view.orbit = Some(Orbit::from_eye(&camera.center(), &camera.forward(), distance, old.fov_y));
    }

    pub(super) fn fly_to_selected(&mut self, ctx: &Context) {
        let Some(item) = self.model.selected() else { return };
        let to = self.view_of(&item.instance);
        self.fly(ctx, to);
        self.camera_moved = true;
    }

    /// The 3D view that shows an instance from the side where it was photographed.
    pub(super) fn view_of(&self, instance: &Instance) -> Orbit {
        let b = instance.obb;
        let from = self.model.view.orbit.unwrap_or_default();
        // Very large things are looked at from inside: one would be behind the wall otherwise.
        let radius = (b.size.norm() * 0.5).min(self.model.extent.radius * 0.5);
        let mut to = from.framing(b.center, radius);
        let best = self.model.photo_index(&instance.best_view).and_then(|k| self.model.camera(k));
        if let Some(photo) = best.filter(|c| self.model.extent.upright && !b.contains(&c.center(), 0.0)) {
            // From the side that was photographed: the other one is full of holes.
            let ahead = b.center - photo.center();
            let seen = Orbit::from_eye(&photo.center(), &ahead, ahead.norm(), to.fov_y);
            let distance = to.distance.clamp(0.2 * ahead.norm(), 1.2 * ahead.norm());
            to = Orbit { target: b.center, distance, ..seen };
        }
        to
    }

    fn fly_to_box(&mut self, ctx: &Context, place: &OrientedBox) {
        let from = self.model.view.orbit.unwrap_or_default();
        self.fly(ctx, from.framing(place.center, place.size.norm() * 0.5));
        self.camera_moved = true;
    }

    pub(super) fn fly(&mut self, ctx: &Context, to: Orbit) {
        let from = self.model.view.orbit.unwrap_or(to);
        self.model.view.on_camera = None;
        self.flight = Some((from, to, ctx.input(|i| i.time)));
    }

    pub(super) fn advance_flight(&mut self, ctx: &Context) {
        if let Some((from, to, start)) = self.flight {
            let t = ((ctx.input(|i| i.time) - start) / FLIGHT).min(1.0);
            self.model.view.orbit = Some(from.between(&to, t));
            if t >= 1.0 {
                self.flight = None;
            }
            ctx.request_repaint();
        }
    }

    pub(super) fn browse(&mut self, ctx: &Context, video: bool) {
        if std::mem::replace(&mut self.asking, true) {
            return;
        }
        let (answer, ctx) = (self.answers.0.clone(), ctx.clone());
        std::thread::spawn(move || {
            let chosen = if video {
                let dialog = rfd::FileDialog::new().set_title("Open a video");
                dialog.add_filter("Videos", &crate::input::video::ENDINGS).pick_file()
            } else {
                rfd::FileDialog::new().set_title("Open a scene, or a folder of photos").pick_folder()
            };
            let _ = answer.send(Answer::Chosen(chosen));
            ctx.request_repaint();
        });
    }
}
