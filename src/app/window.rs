//! The window itself: takes in what other threads send, shows the panels, carries out commands.

use super::command::Command;
use super::load::{self, Piece, Progress};
use super::log::{Level, Log};
use super::model::Model;
use super::orbit::Orbit;
use super::panels::{self, Dialogs, Field, Pane, PanelFrame, Panels, RunState};
use super::photos::Photos;
use super::screenshot::Screenshot;
use super::shortcuts::{self, Action, tip};
use super::view_state::{self, LAYOUT_FILE, Layout, SceneView, Shown};
use super::{Open, export, order};
use crate::export::{Format, Include};
use crate::pipeline::{Live, Message, Pipeline, RunOptions};
use crate::review::{Decision, Review, ReviewError, Verdict, queue};
use crate::scene::Instance;
use crate::scene::folder::SceneFolder;
use crossbeam_channel::{Receiver, Sender, TryRecvError};
use eframe::egui::{self, Color32, Context, ThemePreference, Ui, ViewportCommand};
use egui_notify::{Anchor, Toasts};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Seconds that a flight of the 3D camera takes.
const FLIGHT: f64 = 0.3;

/// Seconds between a change of the view and its being saved.
const SAVE_AFTER: f64 = 0.5;

/// A run, and what of it has been taken in.
struct Running {
    pipeline: Pipeline,
    progress: Progress,
    out: PathBuf,
    seen: Seen,
}

/// Addresses of the values taken in from [`Live`] last.
#[derive(Default, PartialEq, Clone, Copy)]
struct Seen {
    capture: usize,
    sparse: usize,
    gaussians: usize,
    masks: usize,
    instances: usize,
}

/// Answers of threads that the window started.
enum Answer {
    /// The user chose a folder, or none.
    Folder(Option<PathBuf>),
    /// An export is done.
    Exported(Result<String, String>),
}

/// The window.
pub(super) struct Window {
    model: Model,
    panels: Panels,
    photos: Photos,
    dialogs: Dialogs,
    layout: Layout,
    log: Log,
    toasts: Toasts,
    pieces: Receiver<Piece>,
    loading: bool,
    run: Option<Running>,
    answers: (Sender<Answer>, Receiver<Answer>),
    asking: bool,
    flight: Option<(Orbit, Orbit, f64)>,
    /// The user has moved the 3D camera: an overview that has got better must not take it away.
    camera_moved: bool,
    config: Option<PathBuf>,
    saved: (Option<SceneView>, Option<Layout>),
    changed_at: Option<f64>,
    screenshot: Screenshot,
    reviewer: String,
    title: String,
    options: RunOptions,
}

/// The saved layout, or the first one.
pub(super) fn load_layout(config: Option<&Path>) -> Layout {
    let saved: Option<Layout> = config.and_then(|c| view_state::load(c, LAYOUT_FILE));
    saved
        .filter(|l| panels::is_complete(&l.tree) && l.size.iter().all(|s| (100.0..1e5).contains(s)))
        .unwrap_or_else(panels::default_layout)
}

impl Window {
    pub(super) fn new(ctx: &Context, with_gl: bool, open: Open, config: Option<PathBuf>, layout: Layout) -> Self {
        ctx.set_theme(layout.theme);
        let mut window = Self {
            model: Model::default(),
            panels: Panels::new(ctx, with_gl),
            photos: Photos::new(ctx),
            dialogs: Dialogs::default(),
            layout,
            log: Log::default(),
            toasts: Toasts::default().with_anchor(Anchor::BottomRight),
            pieces: load::closed(),
            loading: false,
            run: None,
            answers: crossbeam_channel::unbounded(),
            asking: false,
            flight: None,
            camera_moved: false,
            config,
            saved: (None, None),
            changed_at: None,
            screenshot: Screenshot::from_env(),
            reviewer: reviewer(),
            title: String::new(),
            options: RunOptions::default(),
        };
        if !with_gl {
            window.tell(Level::Error, "OpenGL is not there: the 3D view shows lines only".into());
        }
        match open {
            Open::Scene(root) => window.open(ctx, &root),
            Open::Run { input, out, options } => {
                window.options = options;
                window.start_run(ctx, input, out);
            }
            Open::Nothing => {}
        }
        window
    }

    /// Toast and line of the log.
    fn tell(&mut self, level: Level, text: String) {
        let short: String = text.chars().take(300).collect();
        // The signs of egui-notify are not in egui's fonts.
        let (sign, color, seconds) = match level {
            Level::Info => ("i", Color32::from_rgb(90, 160, 240), 3),
            Level::Warning => ("!", Color32::from_rgb(230, 160, 40), 8),
            Level::Error => ("x", Color32::from_rgb(240, 90, 80), 8),
        };
        let toast = self.toasts.custom(short, sign.into(), color);
        toast.duration(Some(Duration::from_secs(seconds))).closable(false);
        self.log.add(level, text);
    }

    /// Opens a scene; offers to make one of anything else.
    fn open(&mut self, ctx: &Context, path: &Path) {
        if !SceneFolder::is_scene(path) {
            if path.exists() {
                self.dialogs.offer_run(path);
            } else {
                self.tell(Level::Error, format!("there is nothing at {}", path.display()));
            }
            return;
        }
        self.close_scene();
        self.end_run();
        self.load(ctx, path);
    }

    /// Reads a scene on the loader's thread.
    fn load(&mut self, ctx: &Context, root: &Path) {
        self.model.root = Some(root.to_path_buf());
        let saved =
            self.config.as_deref().and_then(|c| view_state::load::<SceneView>(c, &view_state::scene_file(root)));
        if let Some(view) = saved {
            self.camera_moved = view.orbit.is_some_and(|o| o.is_sane());
            self.model.view = SceneView { orbit: view.orbit.filter(Orbit::is_sane), ..view };
        }
        let wake = ctx.clone();
        self.pieces = load::start(root.to_path_buf(), move || wake.request_repaint());
        self.loading = true;
        self.log.add(Level::Info, format!("opening {}", root.display()));
    }

    /// Saves how one looked at the scene, and forgets it.
    fn close_scene(&mut self) {
        self.save_view();
        let shown = self.model.view.shown;
        let mask_stamp = self.model.mask_stamp + 1;
        self.model = Model { mask_stamp, ..Model::default() };
        self.model.view.shown = shown;
        self.photos.clear();
        (self.camera_moved, self.flight, self.saved.0) = (false, None, None);
        self.pieces = load::closed();
        self.loading = false;
    }

    /// Ends a run without waiting for it here: that may take as long as its next tick.
    fn end_run(&mut self) {
        if let Some(run) = self.run.take() {
            std::thread::spawn(move || drop(run));
        }
    }

    fn start_run(&mut self, ctx: &Context, input: PathBuf, out: PathBuf) {
        self.close_scene();
        self.end_run();
        self.model.name = input.display().to_string();
        let wake = ctx.clone();
        let pipeline = Pipeline::start(input, out.clone(), self.options.clone(), move || wake.request_repaint());
        self.run = Some(Running { pipeline, progress: Progress::default(), out, seen: Seen::default() });
    }

    // What other threads send.

    fn poll_loader(&mut self) {
        while self.loading {
            match self.pieces.try_recv() {
                Ok(piece) => self.take(piece),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => self.loading = false,
            }
        }
    }

    fn take(&mut self, piece: Piece) {
        let root = self.model.root.clone().unwrap_or_default();
        match piece {
            Piece::Meta(meta) => {
                self.photos.clear();
                self.model.set_meta(&root, &meta);
            }
            Piece::Sparse(sparse) => self.model.sparse = sparse,
            Piece::Masks(masks) => {
                self.model.masks = masks;
                self.model.mask_stamp += 1;
            }
            Piece::Gaussians(g) => self.model.cloud = Some(g),
            Piece::Instances(instances) => self.begin_review(&root, instances),
            Piece::Trouble(text) => self.tell(Level::Warning, text),
            Piece::Failed(text) => self.tell(Level::Error, text),
            Piece::Done => {
                self.loading = false;
                self.log.add(Level::Info, "the scene is loaded".into());
                if self.run.as_ref().is_some_and(|r| r.progress.over && r.progress.failed.is_none()) {
                    self.end_run();
                }
            }
        }
        self.scene_changed();
    }

    /// After cameras, points or splats have changed.
    fn scene_changed(&mut self) {
        self.model.measure();
        if !self.camera_moved || self.model.view.orbit.is_none() {
            self.model.view.orbit = self.model.overview().or(self.model.view.orbit);
        }
    }

    fn begin_review(&mut self, root: &Path, instances: Vec<Instance>) {
        self.model.set_running(&instances);
        match Review::open(root, instances, &self.reviewer) {
            Ok(review) => {
                for notice in review.notices().to_vec() {
                    self.tell(Level::Warning, notice);
                }
                self.model.review = Some(review);
            }
            Err(e) => self.tell(Level::Error, e.to_string()),
        }
        self.model.arrange();
        if self.model.selected().is_none() {
            self.model.view.instance = None;
            // The first that waits for a decision.
            let first =
                self.model.order.iter().copied().find(|id| self.model.items()[id].verdict == Verdict::Unreviewed);
            self.model.select(first);
        }
        if let Some(id) = self.screenshot.select.take() {
            self.model.select(Some(id));
            self.model.show_best_view();
        }
        self.model.mask_stamp += 1;
    }

    fn poll_run(&mut self, ctx: &Context) {
        let Some(run) = &mut self.run else { return };
        let messages: Vec<Message> = run.pipeline.messages.try_iter().collect();
        for m in &messages {
            run.progress.take(m);
        }
        let live = Arc::clone(&run.pipeline.live);
        let (before, now) = (run.seen, seen(&live));
        run.seen = now;
        let out = run.out.clone();
        if before != now {
            self.take_live(&live, before, now);
        }
        for m in messages {
            match m {
                Message::Warned(text) => self.tell(Level::Warning, text),
                Message::StageFailed { stage, error } => {
                    self.tell(Level::Error, format!("stage {}: {error}", stage.name()))
                }
                Message::Cancelled => self.tell(Level::Info, "the run was cancelled; finished stages are kept".into()),
                Message::StageFinished { stage, seconds, .. } => {
                    self.log.add(Level::Info, format!("stage {} took {seconds:.1} s", stage.name()));
                }
                Message::Finished => {
                    self.tell(Level::Info, "the scene is ready".into());
                    // From here on the files count: decisions are about them.
                    let view = self.model.view.clone();
                    let moved = self.camera_moved;
                    self.load(ctx, &out);
                    (self.model.view, self.camera_moved) = (view, moved);
                }
                Message::StageStarted(_) | Message::StageProgressed { .. } | Message::Updated => {}
            }
        }
    }

    fn take_live(&mut self, live: &Live, before: Seen, now: Seen) {
        if let (true, Some(c)) = (before.capture != now.capture, live.capture.load_full()) {
            self.model.set_capture(&c);
            for warning in c.warnings.clone() {
                self.log.add(Level::Warning, warning);
            }
        }
        if let (true, Some(s)) = (before.sparse != now.sparse, live.sparse.load_full()) {
            self.model.sparse = s;
        }
        if let (true, Some(g)) = (before.gaussians != now.gaussians, live.gaussians.load_full()) {
            self.model.cloud = Some(g);
        }
        if let (true, Some(m)) = (before.masks != now.masks, live.masks.load_full()) {
            self.model.masks = m;
            self.model.mask_stamp += 1;
        }
        if let (true, Some(i)) = (before.instances != now.instances, live.instances.load_full()) {
            self.model.set_running(&i);
            self.model.mask_stamp += 1;
        }
        self.scene_changed();
    }

    fn poll_answers(&mut self, ctx: &Context) {
        while let Ok(answer) = self.answers.1.try_recv() {
            match answer {
                Answer::Folder(folder) => {
                    self.asking = false;
                    if let Some(folder) = folder {
                        self.open(ctx, &folder);
                    }
                }
                Answer::Exported(Ok(text)) => self.tell(Level::Info, text),
                Answer::Exported(Err(text)) => self.tell(Level::Error, text),
            }
        }
    }

    // Commands.

    fn handle(&mut self, ctx: &Context, command: Command) {
        match command {
            Command::Do(action) => self.act(ctx, action),
            Command::Select(id) => self.model.select(id),
            Command::ShowPhoto(photo) => self.model.show_photo(photo),
            Command::Snap(photo) => self.snap(photo),
            Command::FlyTo(id) => {
                self.model.select(Some(id));
                self.fly_to_selected(ctx);
            }
            Command::Look(orbit) => {
                self.flight = None;
                self.camera_moved = true;
                self.model.view.orbit = Some(orbit);
                self.model.view.on_camera = None;
            }
            Command::LookAtPhoto(view) => self.model.view.photo_view = view,
            Command::Decide(id, decision) => self.decide(id, decision),
            Command::Filter(filter) => {
                self.model.view.filter = filter;
                self.model.arrange();
            }
            Command::Sort(sort) => {
                self.model.view.sort = sort;
                self.model.arrange();
            }
            Command::Show(shown) => self.show(shown),
            Command::Theme(theme) => {
                self.layout.theme = theme;
                ctx.set_theme(theme);
            }
            Command::ResetLayout => self.layout.tree = panels::default_layout().tree,
            Command::Open(path) => self.open(ctx, &path),
            Command::Run { input, out } => self.start_run(ctx, input, out),
            Command::Pause(paused) => self.run.iter().for_each(|r| r.pipeline.set_paused(paused)),
            Command::Cancel => self.run.iter().for_each(|r| r.pipeline.cancel()),
            Command::Export { format, include, out } => self.export(ctx, format, include, out),
        }
    }

    fn act(&mut self, ctx: &Context, action: Action) {
        let selected = self.model.view.instance;
        let shown = self.model.view.shown;
        match action {
            Action::Accept => selected.into_iter().for_each(|id| self.decide(id, Decision::Accept)),
            Action::Reject => selected.into_iter().for_each(|id| self.decide(id, Decision::Reject)),
            Action::Recaption => self.edit(Field::Caption),
            Action::Relabel => self.edit(Field::Label),
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
            Action::Filter => {
                panels::bring_up(&mut self.layout.tree, Pane::List);
                self.panels.edit_filter();
            }
            Action::Undo => self.step_back(Review::undo, "nothing to undo"),
            Action::Redo => self.step_back(Review::redo, "nothing to redo"),
            Action::Open => self.ask_folder(ctx),
            Action::Export => match &self.model.root {
                Some(root) if self.model.review.is_some() => self.dialogs.ask_export(root),
                _ => self.tell(Level::Info, "there is no finished scene to export yet".into()),
            },
            Action::Help => self.dialogs.help = !self.dialogs.help,
        }
    }

    fn edit(&mut self, field: Field) {
        panels::bring_up(&mut self.layout.tree, Pane::Inspector);
        self.panels.edit(field);
    }

    fn show(&mut self, shown: Shown) {
        self.model.view.shown = shown;
        self.model.mask_stamp += 1;
    }

    /// Decides, on disk before the next frame; after a verdict goes on to the next unreviewed.
    fn decide(&mut self, id: u32, decision: Decision) {
        let is_verdict = matches!(decision, Decision::Accept | Decision::Reject);
        let Some(review) = &mut self.model.review else {
            self.tell(Level::Info, "decisions can be taken when the run is done".into());
            return;
        };
        if let Err(e) = review.decide(id, decision) {
            self.tell(Level::Error, e.to_string());
            return;
        }
        // The order as it was when the user saw it.
        let next = queue::next_unreviewed(&self.model.order, self.model.items(), id);
        self.model.arrange();
        self.model.mask_stamp += 1;
        if is_verdict {
            match next {
                Some(next) => self.model.select(Some(next)),
                None if self.model.counts()[2] == 0 => self.tell(Level::Info, "all instances are reviewed".into()),
                None => {}
            }
        }
    }

    fn step_back(&mut self, step: fn(&mut Review) -> Result<Option<u32>, ReviewError>, nothing: &str) {
        let Some(review) = &mut self.model.review else { return };
        match step(review) {
            Ok(Some(id)) => {
                self.model.arrange();
                self.model.select(Some(id));
                self.model.mask_stamp += 1;
            }
            Ok(None) => self.tell(Level::Info, nothing.into()),
            Err(e) => self.tell(Level::Error, e.to_string()),
        }
    }

    /// Puts the 3D view exactly on a photo's camera.
    fn snap(&mut self, photo: usize) {
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

    fn fly_to_selected(&mut self, ctx: &Context) {
        let Some(item) = self.model.selected() else { return };
        let b = item.instance.obb;
        let from = self.model.view.orbit.unwrap_or_default();
        // Very large things are looked at from inside: one would be behind the wall otherwise.
        let radius = (b.size.norm() * 0.5).min(self.model.extent.radius * 0.5);
        self.fly(ctx, from.framing(b.center, radius));
        self.camera_moved = true;
    }

    fn fly(&mut self, ctx: &Context, to: Orbit) {
        let from = self.model.view.orbit.unwrap_or(to);
        self.model.view.on_camera = None;
        self.flight = Some((from, to, ctx.input(|i| i.time)));
    }

    fn advance_flight(&mut self, ctx: &Context) {
        if let Some((from, to, start)) = self.flight {
            let t = ((ctx.input(|i| i.time) - start) / FLIGHT).min(1.0);
            self.model.view.orbit = Some(from.between(&to, t));
            if t >= 1.0 {
                self.flight = None;
            }
            ctx.request_repaint();
        }
    }

    fn ask_folder(&mut self, ctx: &Context) {
        if std::mem::replace(&mut self.asking, true) {
            return;
        }
        let (answer, ctx) = (self.answers.0.clone(), ctx.clone());
        std::thread::spawn(move || {
            let folder = rfd::FileDialog::new().set_title("Open a scene, or a folder of photos").pick_folder();
            let _ = answer.send(Answer::Folder(folder));
            ctx.request_repaint();
        });
    }

    fn export(&mut self, ctx: &Context, format: Format, include: Include, out: PathBuf) {
        let Some(root) = self.model.root.clone() else { return };
        let (answer, ctx) = (self.answers.0.clone(), ctx.clone());
        std::thread::spawn(move || {
            let _ = answer.send(Answer::Exported(export::export(&root, format, include, &out)));
            ctx.request_repaint();
        });
    }

    // Saving how it looks.

    fn save_view(&mut self) {
        let Some(config) = &self.config else { return };
        let mut troubles = Vec::new();
        if let Some(root) = self.model.root.as_deref().filter(|_| !self.loading) {
            if self.saved.0.as_ref() != Some(&self.model.view) {
                troubles.extend(view_state::save(config, &view_state::scene_file(root), &self.model.view).err());
                self.saved.0 = Some(self.model.view.clone());
            }
        }
        if self.saved.1.as_ref() != Some(&self.layout) {
            troubles.extend(view_state::save(config, LAYOUT_FILE, &self.layout).err());
            self.saved.1 = Some(self.layout.clone());
        }
        let config = config.display().to_string();
        for e in troubles {
            self.log.add(Level::Warning, format!("the view cannot be saved to {config}: {e}"));
        }
    }

    /// Saves a little after the last change.
    fn save_later(&mut self, ctx: &Context) {
        if self.config.is_none() {
            return;
        }
        let no_scene = self.model.root.is_none() || self.loading;
        let same_view = no_scene || self.saved.0.as_ref() == Some(&self.model.view);
        let same = same_view && self.saved.1.as_ref() == Some(&self.layout);
        let now = ctx.input(|i| i.time);
        match self.changed_at {
            None if !same => {
                self.changed_at = Some(now);
                ctx.request_repaint_after_secs(SAVE_AFTER as f32 + 0.05);
            }
            Some(at) if now - at >= SAVE_AFTER => {
                self.changed_at = None;
                self.save_view();
            }
            _ => {}
        }
    }

    // Showing.

    fn top_bar(&mut self, ui: &mut Ui, out: &mut Vec<Command>) {
        egui::Panel::top("bar").show(ui, |ui| {
            egui::MenuBar::new().ui(ui, |ui| {
                ui.menu_button("File", |ui| {
                    item(ui, "Open...", Action::Open, out);
                    item(ui, "Export...", Action::Export, out);
                    if ui.button("Quit").clicked() {
                        ui.ctx().send_viewport_cmd(ViewportCommand::Close);
                    }
                });
                ui.menu_button("Edit", |ui| {
                    item(ui, "Undo", Action::Undo, out);
                    item(ui, "Redo", Action::Redo, out);
                });
                ui.menu_button("View", |ui| self.view_menu(ui, out));
                item(ui, "Help", Action::Help, out);
                ui.separator();
                let (undo, redo) = self.model.review.as_ref().map_or((false, false), Review::can_undo_redo);
                for (text, action, enabled) in [("Undo", Action::Undo, undo), ("Redo", Action::Redo, redo)] {
                    if ui.add_enabled(enabled, egui::Button::new(text)).on_hover_text(tip(action)).clicked() {
                        out.push(Command::Do(action));
                    }
                }
                ui.separator();
                self.summary(ui);
            });
        });
    }

    fn view_menu(&mut self, ui: &mut Ui, out: &mut Vec<Command>) {
        for (text, theme) in [
            ("Dark", ThemePreference::Dark),
            ("Light", ThemePreference::Light),
            ("As the system", ThemePreference::System),
        ] {
            if ui.radio(self.layout.theme == theme, text).clicked() {
                out.push(Command::Theme(theme));
            }
        }
        ui.separator();
        item(ui, "Overview", Action::Overview, out);
        if ui.button("Reset layout").clicked() {
            out.push(Command::ResetLayout);
            ui.close();
        }
    }

    fn summary(&self, ui: &mut Ui) {
        ui.strong(&self.model.name);
        let [accepted, rejected, open] = self.model.counts();
        let all = accepted + rejected + open;
        if all > 0 {
            let done = accepted + rejected;
            ui.label(format!("{done} of {all} reviewed"))
                .on_hover_text(format!("{accepted} accepted, {rejected} rejected"));
            ui.add(egui::ProgressBar::new(done as f32 / all as f32).desired_width(90.0).desired_height(10.0));
        }
        if self.loading {
            ui.weak("loading...");
        }
        if let Some(run) = &self.run {
            let at = crate::pipeline::Stage::ALL.iter().zip(&run.progress.stages);
            for (stage, progress) in at {
                if let load::StageProgress::Running(done, total) = progress {
                    ui.weak(format!("{} {done}/{total}", stage.name()));
                }
            }
        }
    }

    fn panels(&mut self, ui: &mut Ui, out: &mut Vec<Command>) {
        let run = self.run.as_ref().map(|r| RunState {
            progress: &r.progress,
            training: r.pipeline.live.training.load().as_deref().copied(),
            paused: r.pipeline.is_paused(),
            running: r.pipeline.is_running(),
        });
        let (model, panels, photos, log) = (&self.model, &mut self.panels, &mut self.photos, &self.log);
        let mut frame = PanelFrame { model, panels, photos, run, log, out };
        self.layout.tree.ui(&mut frame, ui);
    }

    fn is_settled(&self) -> bool {
        let idle = !self.loading && self.flight.is_none() && !self.photos.is_busy();
        let run_over = self.run.as_ref().is_none_or(|r| r.progress.over && !r.pipeline.is_running());
        idle && run_over && self.panels.is_settled(&self.model)
    }
}

impl eframe::App for Window {
    fn logic(&mut self, ctx: &Context, _: &mut eframe::Frame) {
        self.poll_loader();
        self.poll_run(ctx);
        self.poll_answers(ctx);
        for text in self.photos.poll(ctx) {
            self.tell(Level::Warning, text);
        }
        if let Some(error) = self.panels.viewport.take_error() {
            self.tell(Level::Error, error);
        }
        self.advance_flight(ctx);
        if self.title != self.model.name {
            self.title.clone_from(&self.model.name);
            ctx.send_viewport_cmd(ViewportCommand::Title(format!("{} - Holoscope", self.title)));
        }
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        let mut commands = Vec::new();
        let has_scene = self.run.is_some() || self.model.root.is_some();
        let modal = self.dialogs.is_open();
        commands.extend(shortcuts::pressed(&ctx).into_iter().filter(|a| !modal || *a == Action::Help).map(Command::Do));
        let dropped = ctx.input(|i| i.raw.dropped_files.clone());
        commands.extend(dropped.into_iter().map(|f| Command::Open(f.path().to_path_buf())));
        self.top_bar(ui, &mut commands);
        egui::CentralPanel::no_frame().show(ui, |ui| {
            if has_scene {
                self.panels(ui, &mut commands);
            } else {
                self.dialogs.welcome(ui, &mut commands);
            }
        });
        self.dialogs.ui(&ctx, &mut commands);
        self.toasts.show(&ctx);
        if !commands.is_empty() {
            ctx.request_repaint();
        }
        for command in commands {
            self.handle(&ctx, command);
        }
        if let Some(rect) = ctx.input(|i| i.viewport().inner_rect) {
            self.layout.size = [rect.width(), rect.height()];
        }
        self.save_later(&ctx);
        if self.screenshot.is_pending() {
            let settled = self.is_settled();
            self.screenshot.frame(&ctx, settled);
        }
    }

    fn on_exit(&mut self, _: Option<&eframe::glow::Context>) {
        super::gl::release();
        self.save_view();
    }
}

fn item(ui: &mut Ui, text: &str, action: Action, out: &mut Vec<Command>) {
    let button = egui::Button::new(text).shortcut_text(shortcuts::keys(action));
    if ui.add(button).on_hover_text(tip(action)).clicked() {
        out.push(Command::Do(action));
        ui.close();
    }
}

fn seen(live: &Live) -> Seen {
    Seen {
        capture: live.capture.load().as_ref().map_or(0, |a| Arc::as_ptr(a) as usize),
        sparse: live.sparse.load().as_ref().map_or(0, |a| Arc::as_ptr(a) as usize),
        gaussians: live.gaussians.load().as_ref().map_or(0, |a| Arc::as_ptr(a) as usize),
        masks: live.masks.load().as_ref().map_or(0, |a| Arc::as_ptr(a) as usize),
        instances: live.instances.load().as_ref().map_or(0, |a| Arc::as_ptr(a) as usize),
    }
}

/// Who decides: the name of the user.
fn reviewer() -> String {
    let named = ["USER", "USERNAME", "LOGNAME"].iter().filter_map(|v| std::env::var(v).ok()).find(|n| !n.is_empty());
    let asked = || {
        let out = std::process::Command::new("whoami").output().ok()?;
        let name = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        (!name.is_empty()).then_some(name)
    };
    named.or_else(asked).unwrap_or_else(|| "unknown".into())
}
