//! The window's own affairs: settings, keys, panels, tasks, pictures and films, carried out after the frame.

use super::{Window, versus};
use crate::app::command::Command;
use crate::app::film::{self, Film, FilmError, Made};
use crate::app::keymap::{self, Keymap};
use crate::app::log::Level;
use crate::app::orbit::Orbit;
use crate::app::panels::{self, ExportDialog, FilmDialog, Finder, Overlays, Pane, PictureDialog, Recent};
use crate::app::picture::Picture;
use crate::app::settings::{self, Settings};
use crate::app::shell::{FilmWish, Place, Shell};
use crate::app::shortcuts::{self, Action};
use crate::app::task::{Task, Worker};
use crate::app::{export, overlay, system};
use crate::export::check::Problem;
use crate::export::{Format, Include};
use crate::review::Reviewed;
use crate::review::worklist::{Tally, Worklist};
use crossbeam_channel::{Receiver, Sender};
use eframe::egui::Context;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What threads of this file send.
pub(super) enum News {
    Folder(Place, Option<PathBuf>),
    Recent(Vec<Recent>),
    /// Of the list of this folder, the scene of this index.
    Work(PathBuf, usize, Result<Tally, String>),
    WorkDone(PathBuf),
    Checked((Format, Include), Result<Vec<Problem>, String>),
    Exported(Result<(String, PathBuf), String>),
    Filmed(Result<Made, FilmError>),
    Pictured(Result<PathBuf, String>),
    Versus(versus::Read),
    Failed(String),
}

/// What the window keeps for it.
pub(super) struct ShellState {
    pub settings: Settings,
    pub recent: Vec<Recent>,
    pub overlays: Overlays,
    pub worklist: Option<Worklist>,
    pub tasks: Vec<Task>,
    started: u64,
    pub news: (Sender<News>, Receiver<News>),
    browsing: bool,
    /// When the 3D camera was turned last, while it turns by itself.
    pub turning: Option<f64>,
    pub picture: Option<Picture>,
    pub memory: system::Memory,
}

impl ShellState {
    pub(super) fn new(config: Option<&Path>) -> Self {
        Self {
            settings: Settings::load(config),
            recent: Vec::new(),
            overlays: Overlays::default(),
            worklist: None,
            tasks: Vec::new(),
            started: 0,
            news: crossbeam_channel::unbounded(),
            browsing: false,
            turning: None,
            picture: None,
            memory: system::Memory::default(),
        }
    }

    /// How far the task of this name is, and its number.
    pub(super) fn running(&self, name: &str) -> Option<(usize, usize, u64)> {
        let task = self.tasks.iter().find(|t| t.name == name)?;
        let (done, total) = task.progress();
        Some((done, total, task.id))
    }
}

/// Names of tasks.
pub(super) const EXPORT: &str = "Export";
const FILM: &str = "Film";
pub(super) const SCENES: &str = "Reading scenes";

impl Window {
    /// After the window was made: settings, keys, what was open before.
    pub(super) fn begin_shell(&mut self, ctx: &Context) {
        // The keys for it are in our own table.
        ctx.options_mut(|o| o.zoom_with_keyboard = false);
        ctx.set_zoom_factor(self.shell.settings.scale);
        if !self.shell.settings.reviewer.is_empty() {
            self.reviewer.clone_from(&self.shell.settings.reviewer);
        }
        self.read_keys(false);
        self.look_for_recent(ctx);
    }

    /// What the actions of this file do.
    pub(super) fn shell_action(&mut self, ctx: &Context, action: Action) {
        let root = self.model.root.clone();
        match action {
            Action::Palette => self.shell.overlays.finder = Some(Finder::new(self.entries())),
            Action::ScaleUp => self.set_scale_of_ui(ctx, self.shell.settings.stepped(true)),
            Action::ScaleDown => self.set_scale_of_ui(ctx, self.shell.settings.stepped(false)),
            Action::ScaleReset => self.set_scale_of_ui(ctx, 1.0),
            Action::NextScene => self.next_scene(ctx),
            Action::DemoLayout => self.set_demo(!self.layout.demo),
            Action::SlowOrbit => self.turn_slowly(ctx),
            Action::Picture => self.shell.overlays.picture = Some(PictureDialog::new(root.as_deref())),
            Action::Film if self.model.cloud.is_some() => {
                let selected = self.model.selected().is_some();
                self.shell.overlays.film = Some(FilmDialog::new(root.as_deref(), selected));
            }
            Action::Film => self.tell(Level::Info, "there are no splats to film yet".into()),
            Action::Reviewer => self.shell.overlays.reviewer = Some(self.reviewer.clone()),
            Action::Export => match root {
                Some(root) if self.model.review.is_some() => {
                    self.shell.overlays.export = Some(ExportDialog::new(&root));
                }
                _ => self.tell(Level::Info, "there is no finished scene to export yet".into()),
            },
            _ => {}
        }
    }

    /// Carries out a wish about the window.
    pub(super) fn shell(&mut self, ctx: &Context, wish: Shell) {
        match wish {
            Shell::Scale(scale) => self.set_scale_of_ui(ctx, scale),
            Shell::Reviewer(name) => self.set_reviewer(name),
            Shell::OpenKeys => self.open_keys(ctx),
            Shell::ReadKeys => self.read_keys(true),
            Shell::ShowPane(pane, open) => panels::set_open(&mut self.layout.tree, pane, open),
            Shell::BringUp(pane) => {
                self.layout.demo = false;
                panels::set_open(&mut self.layout.tree, pane, true);
                panels::bring_up(&mut self.layout.tree, pane);
            }
            Shell::Demo(demo) => self.set_demo(demo),
            Shell::Browse(place) => self.browse_for(ctx, place),
            Shell::Check(format, include) => self.check_export(ctx, format, include),
            Shell::Stop(id) => self.shell.tasks.iter().filter(|t| t.id == id).for_each(Task::cancel),
            Shell::Reveal(path) => self.reveal(ctx, path),
            Shell::Picture { whole, folder } => self.shell.picture = Some(Picture::new(whole, folder)),
            Shell::Film(wish) => self.make_film(ctx, wish),
        }
    }

    fn set_scale_of_ui(&mut self, ctx: &Context, scale: f32) {
        self.shell.settings.scale = settings::bounded(scale);
        ctx.set_zoom_factor(self.shell.settings.scale);
        self.save_settings();
    }

    fn set_reviewer(&mut self, name: String) {
        self.shell.settings.reviewer.clone_from(&name);
        self.save_settings();
        self.tell(Level::Info, format!("decisions are {name}'s from now on"));
        if let Some(review) = &mut self.model.review {
            review.set_reviewer(&name);
        }
        self.reviewer = name;
    }

    pub(super) fn save_settings(&mut self) {
        let Some(config) = &self.config else { return };
        if let Err(e) = self.shell.settings.save(config) {
            self.log.add(Level::Warning, format!("the settings cannot be saved to {}: {e}", config.display()));
        }
    }

    fn read_keys(&mut self, say: bool) {
        let Some(path) = self.config.as_deref().map(|c| c.join(keymap::FILE)) else { return };
        let (keys, wrong) = Keymap::read(&path);
        keymap::put_in_force(keys);
        for text in wrong.iter().skip(1) {
            self.log.add(Level::Warning, text.clone());
        }
        match wrong.first() {
            Some(first) if wrong.len() > 1 => {
                self.tell(Level::Warning, format!("{first} ({} more in the log)", wrong.len() - 1));
            }
            Some(first) => self.tell(Level::Warning, first.clone()),
            None if say => self.tell(Level::Info, format!("the keys of {} hold", path.display())),
            None => {}
        }
    }

    fn open_keys(&mut self, ctx: &Context) {
        let Some(config) = self.config.clone() else {
            self.tell(Level::Warning, "there is no configuration folder for keys.json: no home folder is known".into());
            return;
        };
        let path = config.join(keymap::FILE);
        if !path.exists() {
            let text = Keymap::default().to_json();
            let write = || std::fs::create_dir_all(&config).and_then(|()| std::fs::write(&path, text));
            if let Err(e) = write() {
                self.tell(Level::Error, format!("{} cannot be written: {e}", path.display()));
                return;
            }
        }
        self.tell(
            Level::Info,
            format!("keys are in {}; \"Read keys again\" in the help takes changes in", path.display()),
        );
        self.reveal(ctx, path);
    }

    fn reveal(&mut self, ctx: &Context, path: PathBuf) {
        let (news, ctx) = (self.shell.news.0.clone(), ctx.clone());
        std::thread::spawn(move || {
            if let Err(text) = system::open(&path) {
                let _ = news.send(News::Failed(text));
                ctx.request_repaint();
            }
        });
    }

    /// Only the 3D view and captions, or all panels.
    pub(super) fn set_demo(&mut self, demo: bool) {
        if demo && !self.layout.demo {
            let keys = shortcuts::keys(Action::DemoLayout);
            self.tell(Level::Info, format!("{keys} or Esc brings the panels back"));
        }
        self.layout.demo = demo;
    }

    fn turn_slowly(&mut self, ctx: &Context) {
        if self.shell.turning.take().is_none() {
            self.shell.turning = Some(ctx.input(|i| i.time));
            ctx.request_repaint();
        }
    }

    fn browse_for(&mut self, ctx: &Context, place: Place) {
        if std::mem::replace(&mut self.shell.browsing, true) {
            return;
        }
        let (news, ctx) = (self.shell.news.0.clone(), ctx.clone());
        std::thread::spawn(move || {
            let chosen = rfd::FileDialog::new().set_title("Choose a folder").pick_folder();
            let _ = news.send(News::Folder(place, chosen));
            ctx.request_repaint();
        });
    }

    /// Starts work on a thread, shown in the status bar.
    pub(super) fn start(
        &mut self,
        ctx: &Context,
        name: &'static str,
        work: impl FnOnce(&Worker) -> News + Send + 'static,
    ) {
        let (wake, news) = (ctx.clone(), self.shell.news.0.clone());
        self.shell.started += 1;
        let (task, worker) = Task::new(self.shell.started, name, move || wake.request_repaint());
        self.shell.tasks.push(task);
        std::thread::spawn(move || {
            let done = work(&worker);
            let _ = news.send(done);
        });
    }

    fn check_export(&mut self, ctx: &Context, format: Format, include: Include) {
        let Some(root) = self.model.root.clone() else { return };
        let (news, ctx) = (self.shell.news.0.clone(), ctx.clone());
        std::thread::spawn(move || {
            let _ = news.send(News::Checked((format, include), export::check(&root, format, include)));
            ctx.request_repaint();
        });
    }

    pub(super) fn export(&mut self, ctx: &Context, format: Format, include: Include, out: PathBuf) {
        let Some(root) = self.model.root.clone() else { return };
        if self.shell.running(EXPORT).is_none() {
            self.start(ctx, EXPORT, move |worker| {
                News::Exported(export::export(&root, format, include, &out, worker).map(|text| (text, out)))
            });
        }
    }

    fn make_film(&mut self, ctx: &Context, wish: FilmWish) {
        let Some(cloud) = self.model.cloud.clone() else { return };
        if self.shell.running(FILM).is_some() {
            self.tell(Level::Info, "a film is being made: wait for it, or cancel it below".into());
            return;
        }
        let Some(from) = self.first_view(wish.selected) else { return };
        let shown = |id: &u32| !wish.selected || self.model.view.instance == Some(*id);
        let shown = |id: &u32| wish.boxes && shown(id) && self.model.is_shown(*id);
        // Boxes of walls and floor would lie over everything.
        let room = |r: &Reviewed| !wish.selected && overlay::is_background(&r.instance.label);
        let items = self.model.items().iter().filter(|(id, r)| shown(id) && !room(r));
        let boxes = items.map(|(id, r)| (r.instance.obb, overlay::color(*id))).collect();
        let film = Film { from, motion: wish.motion, size: wish.size, seconds: wish.seconds, boxes };
        let cloud = Arc::clone(&cloud);
        self.start(ctx, FILM, move |worker| News::Filmed(film::make(&cloud, &film, &wish.folder, worker)));
    }

    /// The first view of a film.
    fn first_view(&self, selected: bool) -> Option<Orbit> {
        match self.model.selected().filter(|_| selected) {
            Some(item) => Some(self.view_of(&item.instance)),
            None => self.model.view.orbit.or_else(|| self.model.overview()),
        }
    }

    /// Finds out on a thread which recent scenes are still there.
    pub(super) fn look_for_recent(&mut self, ctx: &Context) {
        let paths = self.shell.settings.recent.clone();
        let (news, ctx) = (self.shell.news.0.clone(), ctx.clone());
        std::thread::spawn(move || {
            let found = paths.into_iter().map(|p| (p.is_dir(), p)).map(|(there, p)| (p, there)).collect();
            let _ = news.send(News::Recent(found));
            ctx.request_repaint();
        });
    }

    /// A scene or a folder of scenes was opened.
    pub(super) fn remember(&mut self, ctx: &Context, path: &Path) {
        self.shell.settings.opened(path);
        self.save_settings();
        self.look_for_recent(ctx);
    }

    pub(super) fn poll_shell(&mut self, ctx: &Context) {
        while let Ok(news) = self.shell.news.1.try_recv() {
            self.take_news(ctx, news);
        }
        let warnings: Vec<String> = self.shell.tasks.iter().flat_map(Task::warnings).collect();
        for text in warnings {
            self.tell(Level::Warning, text);
        }
        self.shell.tasks.retain(|t| !t.is_over());
        self.advance_turning(ctx);
    }

    fn take_news(&mut self, ctx: &Context, news: News) {
        match news {
            News::Folder(place, chosen) => {
                self.shell.browsing = false;
                chosen.iter().for_each(|folder| self.shell.overlays.set_folder(place, folder));
            }
            News::Recent(found) => self.shell.recent = found,
            News::Work(folder, k, work) => self.take_work(ctx, &folder, k, work),
            News::WorkDone(folder) => self.open_any(ctx, &folder),
            News::Checked(of, problems) => {
                self.shell.overlays.export.iter_mut().for_each(|d| d.checked(of, problems.clone()));
            }
            News::Exported(went) => {
                match &went {
                    Ok((text, _)) => self.tell(Level::Info, text.clone()),
                    Err(text) => self.tell(Level::Error, text.clone()),
                }
                self.shell.overlays.export.iter_mut().for_each(|d| d.went(went.clone()));
            }
            News::Filmed(Ok(made)) => match made.video {
                Ok(film) => self.tell(Level::Info, format!("the film is {}", film.display())),
                Err(reason) => {
                    let text = format!("{} pictures are in {}; {reason}", made.pictures, made.folder.display());
                    self.tell(Level::Warning, text);
                }
            },
            News::Filmed(Err(FilmError::Cancelled(_))) => self.tell(Level::Info, "the film was cancelled".into()),
            News::Filmed(Err(e)) => self.tell(Level::Error, e.to_string()),
            News::Versus(read) => self.take_versus(read),
            News::Pictured(Ok(path)) => self.tell(Level::Info, format!("the picture is {}", path.display())),
            News::Pictured(Err(text)) => self.tell(Level::Error, text),
            News::Failed(text) => self.tell(Level::Warning, text),
        }
    }

    /// Everything that the command palette offers.
    fn entries(&self) -> Vec<panels::Entry> {
        let entry = |text: String, keys: String, command| panels::Entry { text, keys, command };
        let mut told = Vec::new();
        let mut entries = Vec::new();
        for row in shortcuts::TABLE.iter().filter(|r| r.0 != Action::Palette) {
            if !told.contains(&row.0) {
                told.push(row.0);
                entries.push(entry(shortcuts::what(row.0).into(), shortcuts::keys(row.0), Command::Do(row.0)));
            }
        }
        let bring_up =
            |p: Pane| entry(format!("Panel: {}", p.title()), String::new(), Command::Shell(Shell::BringUp(p)));
        entries.extend(Pane::ALL.into_iter().map(bring_up));
        entries.push(entry("Panels as they were at first".into(), String::new(), Command::ResetLayout));
        entries.push(entry("Open the file of keys".into(), String::new(), Command::Shell(Shell::OpenKeys)));
        entries.push(entry("Read the file of keys again".into(), String::new(), Command::Shell(Shell::ReadKeys)));
        let filters = self.model.filters.saved.iter();
        entries.extend(filters.map(|(n, f)| entry(format!("Filter: {n}"), String::new(), Command::Filter(f.clone()))));
        let there = self.shell.recent.iter().filter(|r| r.1);
        entries.extend(
            there.map(|(p, _)| entry(format!("Open {}", p.display()), String::new(), Command::Open(p.clone()))),
        );
        entries
    }
}
