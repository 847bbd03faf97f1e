//! The window itself: its parts, one frame of it, and what it says.

mod act;
mod add;
mod bar;
mod choose;
mod edit;
mod measure;
mod poll;
mod prepare;
mod queue;
mod scene;
mod shell;
mod status;
#[cfg(test)]
mod tests;
mod versus;

use super::Open;
use super::command::Command;
use super::keystrokes;
use super::load::{self, Piece, Progress};
use super::log::{Level, Log};
use super::model::Model;
use super::near::Near;
use super::orbit::Orbit;
use super::panels::{Dialogs, PanelFrame, Panels, RunState};
use super::photos::Photos;
use super::pick_index::PickIndex;
use super::screenshot::Screenshot;
use super::shortcuts::{self, Mode};
use super::turning::Turning;
use super::view_state::{Layout, SceneView};
use crate::perception::grow::Ground;
use crate::pipeline::{Pipeline, RunOptions};
use crate::scene::FrameMasks;
use crossbeam_channel::{Receiver, Sender};
use eframe::egui::{self, Color32, Context, FontId, Popup, TextStyle, Ui, ViewportCommand};
use egui_notify::{Anchor, Toasts};
use poll::Seen;
use shell::{EXPORT, ShellState};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(super) use scene::load_layout;

/// A run, and what of it has been taken in.
struct Running {
    pipeline: Pipeline,
    progress: Progress,
    input: PathBuf,
    out: PathBuf,
    seen: Seen,
}
/// Answers of threads that the window started.
enum Answer {
    /// The user chose a folder or a video, or none.
    Chosen(Option<PathBuf>),
    /// The user chose what to compare with, or nothing.
    ChosenVersus(Option<PathBuf>),
    /// Which splats a ray may meet is known.
    Indexed(Arc<PickIndex>),
    /// A change of scale is done: by what factor.
    Rescaled(Result<f64, String>),
    /// Points near the box of an instance.
    Near(u32, Arc<Near>),
    /// What a click in a photo found.
    Masked(add::Masked),
    /// How well boxes fit, by id, with these masks.
    Fitted(Arc<Vec<FrameMasks>>, BTreeMap<u32, f64>),
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
    indexing: bool,
    flight: Option<(Orbit, Orbit, f64)>,
    /// The user has moved the 3D camera: an overview that has got better must not take it away.
    camera_moved: bool,
    config: Option<PathBuf>,
    saved: (Option<SceneView>, Option<Layout>),
    changed_at: Option<f64>,
    screenshot: Screenshot,
    turning: Turning,
    reviewer: String,
    title: String,
    options: RunOptions,
    /// A photo made ready to find things under clicks in.
    ground: Option<(usize, Arc<Ground>)>,
    shell: ShellState,
    /// It has to be found out anew how well boxes fit.
    fits_old: bool,
}
impl Window {
    pub(super) fn new(ctx: &Context, with_gl: bool, open: Open, config: Option<PathBuf>, layout: Layout) -> Self {
        ctx.set_theme(layout.theme);
        ctx.all_styles_mut(|s| {
            s.text_styles.insert(TextStyle::Small, FontId::proportional(11.0));
        });
        let shell = ShellState::new(config.as_deref());
        let mut window = Self {
            model: Model::default(),
            panels: Panels::new(ctx, with_gl),
            photos: Photos::new(ctx),
            dialogs: Dialogs::default(),
            layout,
            log: Log::default(),
            // Above the status bar.
            toasts: Toasts::default().with_anchor(Anchor::BottomRight).with_margin(egui::vec2(8.0, 34.0)),
            pieces: load::closed(),
            loading: false,
            run: None,
            answers: crossbeam_channel::unbounded(),
            asking: false,
            indexing: false,
            flight: None,
            camera_moved: false,
            config,
            saved: (None, None),
            changed_at: None,
            screenshot: Screenshot::from_env(),
            turning: Turning::from_env(),
            reviewer: reviewer(),
            title: String::new(),
            options: RunOptions::default(),
            ground: None,
            fits_old: false,
            shell,
        };
        window.begin_shell(ctx);
        window.load_filters();
        if !with_gl {
            window.tell(Level::Error, "OpenGL is not there: the 3D view shows lines only".into());
        }
        match open {
            Open::Scene(root) => window.open(ctx, &root),
            Open::Run { input, out, options } => {
                window.options = *options;
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
    fn panels(&mut self, ui: &mut Ui, out: &mut Vec<Command>) {
        let run = self.run.as_ref().map(|r| RunState {
            progress: &r.progress,
            paused: r.pipeline.is_paused(),
            running: r.pipeline.is_running(),
            folders: (&r.input, &r.out),
        });
        let (model, panels, photos, log) = (&self.model, &mut self.panels, &mut self.photos, &self.log);
        let scenes = self.shell.worklist.as_ref();
        let mut frame = PanelFrame { model, panels, photos, run, log, scenes, out };
        self.layout.tree.ui(&mut frame, ui);
    }

    /// Finds out which splats a ray may meet, once they change no more.
    fn index_splats(&mut self, ctx: &Context) {
        let Some(cloud) = self.model.cloud.clone().filter(|_| !self.model.at_work && !self.indexing) else { return };
        if self.model.is_indexed() {
            return;
        }
        self.indexing = true;
        let (answer, ctx) = (self.answers.0.clone(), ctx.clone());
        std::thread::spawn(move || {
            let _ = answer.send(Answer::Indexed(Arc::new(PickIndex::new(cloud))));
            ctx.request_repaint();
        });
    }

    fn is_settled(&self) -> bool {
        let idle = self.shell.tasks.is_empty()
            && !self.is_applying()
            && !self.loading
            && self.flight.is_none()
            && !self.photos.is_busy();
        let run_over = self.run.as_ref().is_none_or(|r| r.progress.over && !r.pipeline.is_running());
        let shown = match self.layout.demo {
            true => self.panels.viewport.is_settled(&self.model),
            false => self.panels.is_settled(&self.model),
        };
        idle && run_over && shown
    }
}

impl Window {
    /// Takes in what other threads have sent.
    fn poll(&mut self, ctx: &Context) {
        self.poll_loader();
        if std::mem::take(&mut self.fits_old) {
            self.find_fits(ctx);
        }
        self.poll_run(ctx);
        self.poll_answers(ctx);
        self.poll_shell(ctx);
        for text in self.photos.poll(ctx) {
            self.tell(Level::Warning, text);
        }
        if let Some(error) = self.panels.viewport.take_error() {
            self.tell(Level::Error, error);
        }
        self.advance_flight(ctx);
        self.index_splats(ctx);
        self.model.review_masks();
        if self.title != self.model.name {
            self.title.clone_from(&self.model.name);
            ctx.send_viewport_cmd(ViewportCommand::Title(format!("{} - Holoscope", self.title)));
        }
    }

    /// One frame; `took` is what the last one took, seconds.
    fn frame(&mut self, ui: &mut Ui, took: Option<f32>) {
        let ctx = ui.ctx().clone();
        let used = self.turning.used();
        let mut commands = Vec::new();
        let dialog = self.has_dialog();
        let modal = dialog || Popup::is_any_open(&ctx);
        if self.model.edit.is_some() && !modal {
            commands.extend(super::edit::pressed(&ctx).into_iter().map(Command::Edit));
        }
        commands.extend(shortcuts::pressed(&ctx, self.mode(), modal).into_iter().map(Command::Do));
        let dropped = ctx.input(|i| i.raw.dropped_files.clone());
        commands.extend(dropped.into_iter().map(|f| Command::Open(f.path().to_path_buf())));
        self.contents(ui, &mut commands);
        self.dialogs.ui(&ctx, &mut commands);
        let exporting = self.shell.running(EXPORT);
        self.shell.overlays.ui(&ctx, exporting, &mut commands);
        if dialog && !self.has_dialog() {
            // Its field would have the keys for another frame.
            ctx.memory_mut(egui::Memory::stop_text_input);
        }
        self.toasts.show(&ctx);
        if !commands.is_empty() {
            ctx.request_repaint();
        }
        let (viewport, orbit) = (&self.panels.viewport, self.model.view.orbit);
        let settled = !self.loading && viewport.is_settled(&self.model);
        let turned = self.turning.frame(&ctx, orbit, viewport.shown(), settled, took);
        commands.extend(turned.map(Command::Look));
        for command in self.joined(commands) {
            self.handle(&ctx, command);
        }
        self.settle_edit(&ctx);
        if let Some(rect) = ctx.input(|i| i.viewport().inner_rect) {
            // Points of the window system: ours are larger where everything is.
            self.layout.size = [rect.width(), rect.height()].map(|s| s * ctx.zoom_factor());
        }
        self.save_later(&ctx);
        self.take_picture(&ctx);
        if self.screenshot.is_pending() {
            let settled = self.is_settled();
            if settled {
                std::mem::take(&mut self.screenshot.first).iter().for_each(|wish| self.prepare(&ctx, wish));
            }
            let settled = settled && self.is_settled();
            self.screenshot.frame(&ctx, settled);
        }
        self.turning.used_since(used);
    }

    fn has_dialog(&self) -> bool {
        self.dialogs.is_open() || self.shell.overlays.is_modal()
    }

    /// What keys are about now.
    fn mode(&self) -> Mode {
        let tool = self.model.measure.is_some() || self.model.edit.is_some();
        if tool { Mode::Tool } else { Mode::Deciding }
    }

    /// Bars and panels, or what the layout shows in their place.
    fn contents(&mut self, ui: &mut Ui, out: &mut Vec<Command>) {
        let has_scene = self.run.is_some() || self.model.root.is_some();
        if self.layout.demo && has_scene {
            self.demo(ui, out);
            return;
        }
        self.top_bar(ui, out);
        self.status_bar(ui, out);
        egui::CentralPanel::no_frame().show(ui, |ui| {
            if has_scene || self.shell.worklist.is_some() {
                self.panels(ui, out);
            } else {
                self.dialogs.welcome(ui, &self.shell.recent, out);
            }
        });
    }

    /// Takes the picture that was asked for, once no dialog is in it.
    fn take_picture(&mut self, ctx: &Context) {
        let Some(picture) = &mut self.shell.picture else { return };
        let news = self.shell.news.0.clone();
        let tell = move |saved| drop(news.send(shell::News::Pictured(saved)));
        if picture.frame(ctx, self.panels.viewport.rect(), tell) {
            self.shell.picture = None;
        }
    }
}

impl eframe::App for Window {
    fn raw_input_hook(&mut self, ctx: &Context, input: &mut egui::RawInput) {
        keystrokes::deliver(ctx, self.mode(), &mut input.events);
    }

    fn logic(&mut self, ctx: &Context, _: &mut eframe::Frame) {
        self.poll(ctx);
    }

    fn ui(&mut self, ui: &mut Ui, frame: &mut eframe::Frame) {
        self.frame(ui, frame.info().cpu_usage);
    }

    fn on_exit(&mut self, _: Option<&eframe::glow::Context>) {
        super::gl::release();
        self.save_view();
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
