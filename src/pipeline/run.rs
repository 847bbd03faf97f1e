//! One run: stages in order, each kept while its inputs and options are unchanged.

use super::resources::{Timing, peak_memory_mib, reset_peak_memory};
use super::stages;
use super::worker::{StageJob, Worker};
use super::{Message, RunOptions, Stage};
use crate::perception::detector::DetectError;
use crate::perception::objects::MaskError;
use crate::perception::vlm::{Settings, Vlm, VlmError};
use crate::scene::folder::{FolderError, SceneFolder, SceneMeta, StageRecord, VERSION, write_atomic};
use crate::scene::{Cancelled, Job as _, Similarity};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Raised when a stage's result would change for the same inputs and options, so that old results are made anew.
const ALGORITHMS: u32 = 3;

/// What ends a run. Each message is one sentence that names the file or option.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// By the user.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The scene folder cannot be read or written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The input cannot be used.
    #[error(transparent)]
    Input(crate::input::InputError),
    /// No poses.
    #[error("{}: {reason}", .input.display())]
    Sfm {
        /// The photos.
        input: PathBuf,
        /// Why.
        reason: crate::geometry::sfm::SfmError,
    },
    /// The splats cannot be read or written.
    #[error(transparent)]
    Splat(#[from] crate::splat::SplatFileError),
    /// The masks' file cannot be used.
    #[error(transparent)]
    Masks(crate::perception::files::MaskFileError),
    /// A model cannot be used.
    #[error(transparent)]
    Model(#[from] crate::models::ModelError),
    /// The VLM cannot be asked.
    #[error(transparent)]
    Vlm(VlmError),
    /// An option asks for what is not there.
    #[error("{0}")]
    Option(String),
    /// Another run is at work on the folder.
    #[error("{} is being written by another run: wait for it, or choose another folder", .0.display())]
    Busy(PathBuf),
    /// The folder holds another scene.
    #[error("{} holds a scene made of {}: choose another folder", .folder.display(), .source_path.display())]
    OtherSource {
        /// The scene folder.
        folder: PathBuf,
        /// What it was made of.
        source_path: PathBuf,
    },
    /// No threads could be started.
    #[error("--threads: {0}")]
    Threads(String),
}

impl From<DetectError> for RunError {
    fn from(e: DetectError) -> Self {
        match e {
            DetectError::Cancelled(e) => Self::Cancelled(e),
            DetectError::Model(e) => Self::Model(e),
        }
    }
}

impl From<MaskError> for RunError {
    fn from(e: MaskError) -> Self {
        match e {
            MaskError::Cancelled(e) => Self::Cancelled(e),
            MaskError::Model(e) => Self::Model(e),
        }
    }
}

/// A run in progress.
pub(super) struct Run<'a> {
    pub(super) worker: &'a Worker,
    pub(super) input: PathBuf,
    pub(super) options: &'a RunOptions,
    pub(super) folder: SceneFolder,
    pub(super) meta: SceneMeta,
    timings: Vec<Timing>,
    current: &'a Mutex<Stage>,
    /// Hash of everything that the last stage depended on.
    key: String,
    /// What the stage at hand computes on.
    device: String,
    /// Whether a stage was made anew, so that no later one can be kept.
    fresh: bool,
    begun: Option<Stage>,
    /// The server of `--vlm`.
    pub(super) vlm: Option<Vlm>,
    /// Held while the run writes.
    _lock: Option<File>,
}

/// What a stage's body works with.
pub(super) struct Bench<'a> {
    pub(super) worker: &'a Worker,
    pub(super) job: &'a StageJob<'a>,
    pub(super) folder: &'a SceneFolder,
    pub(super) options: &'a RunOptions,
    /// The server of `--vlm`.
    pub(super) vlm: Option<&'a Vlm>,
    pub(super) meta: &'a mut SceneMeta,
    /// Hash of everything that the stage's result depends on.
    pub(super) key: &'a str,
    /// What it computes on, for `scene.json`.
    pub(super) device: &'a mut String,
}

impl From<VlmError> for RunError {
    fn from(e: VlmError) -> Self {
        match e {
            VlmError::Cancelled(e) => Self::Cancelled(e),
            e => Self::Vlm(e),
        }
    }
}

impl From<crate::instances::BuildError> for RunError {
    fn from(e: crate::instances::BuildError) -> Self {
        match e {
            crate::instances::BuildError::Cancelled(e) => Self::Cancelled(e),
            crate::instances::BuildError::Model(e) => Self::Model(e),
        }
    }
}

impl From<crate::perception::files::MaskFileError> for RunError {
    fn from(e: crate::perception::files::MaskFileError) -> Self {
        match e {
            crate::perception::files::MaskFileError::Cancelled(e) => Self::Cancelled(e),
            e => Self::Masks(e),
        }
    }
}

impl From<crate::perception::segmenter::SegmenterError> for RunError {
    fn from(e: crate::perception::segmenter::SegmenterError) -> Self {
        match e {
            crate::perception::segmenter::SegmenterError::Cancelled(e) => Self::Cancelled(e),
            crate::perception::segmenter::SegmenterError::Model(e) => Self::Model(e),
        }
    }
}

impl From<crate::input::InputError> for RunError {
    fn from(e: crate::input::InputError) -> Self {
        match e {
            crate::input::InputError::Cancelled(e) => Self::Cancelled(e),
            e => Self::Input(e),
        }
    }
}

impl<'a> Run<'a> {
    pub(super) fn new(
        worker: &'a Worker,
        input: &Path,
        out: &Path,
        options: &'a RunOptions,
        current: &'a Mutex<Stage>,
    ) -> Result<Self, RunError> {
        check_options(options)?;
        let folder = SceneFolder::create(out)?;
        let lock = lock(&folder)?;
        let source = std::fs::canonicalize(input).unwrap_or_else(|_| input.to_owned());
        let mut meta = match SceneFolder::is_scene(out) {
            true => folder.read_meta()?,
            false => empty_meta(input, &source),
        };
        if meta.source != source && meta.stages.iter().any(|s| s.state == "done") {
            return Err(RunError::OtherSource { folder: out.to_owned(), source_path: meta.source });
        }
        meta.source = source;
        meta.program = env!("CARGO_PKG_VERSION").into();
        let timings = std::fs::read(out.join("timings.json"))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Ok(Self {
            worker,
            input: input.to_owned(),
            options,
            folder,
            meta,
            timings,
            current,
            key: format!("holoscope {ALGORITHMS} seed {}", options.seed),
            device: "cpu".into(),
            fresh: false,
            begun: None,
            vlm: None,
            _lock: lock,
        })
    }

    /// Runs all stages, or those up to `--until`.
    pub(super) fn all(mut self) -> Result<(), RunError> {
        // A wrong address is told now, not after the work of all the stages before.
        self.begin(Stage::Frames);
        self.vlm = self.connected()?;
        let capture = stages::frames(&mut self)?;
        if let Some(result) = crate::input::HoliResult::find(&self.input) {
            return stages::reviewed(&mut self, &capture, &result);
        }
        let goes_on = |stage| self.options.until.is_none_or(|until| stage <= until);
        if !goes_on(Stage::Poses) {
            return Ok(());
        }
        let (capture, sparse) = stages::poses(&mut self, &capture)?;
        if !goes_on(Stage::Depth) {
            return Ok(());
        }
        let geometry = stages::depth(&mut self, &capture, sparse)?;
        if !goes_on(Stage::Splats) {
            return Ok(());
        }
        let (gaussians, geometry) = stages::splats(&mut self, &capture, &geometry)?;
        if !goes_on(Stage::Mesh) {
            return Ok(());
        }
        let surface = stages::mesh(&mut self, &capture, &geometry, &gaussians)?;
        if !goes_on(Stage::Masks) {
            return Ok(());
        }
        let masks = stages::masks(&mut self, &capture, &geometry, &surface)?;
        if !goes_on(Stage::Instances) {
            return Ok(());
        }
        stages::instances(&mut self, &capture, &geometry, &surface, masks)
    }

    /// The server of `--vlm`, with the answers that it gave to earlier runs.
    fn connected(&self) -> Result<Option<Vlm>, RunError> {
        let Some(address) = &self.options.vlm else { return Ok(None) };
        let (model, job) = (self.options.vlm_model.as_deref(), self.worker.job(Stage::Frames));
        let vlm = Vlm::connect(address, model, Settings { seed: self.options.seed, ..Settings::default() }, &job)?;
        Ok(Some(vlm.remembering_in(&self.folder.root().join("cache/vlm"))))
    }

    /// Puts something into the live slots and says so.
    pub(super) fn publish(&self, store: impl FnOnce(&super::Live)) {
        store(&self.worker.live);
        self.worker.updated();
    }

    /// Tells that a stage begins, once.
    pub(super) fn begin(&mut self, stage: Stage) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = stage;
        if self.begun.replace(stage) != Some(stage) {
            self.worker.say(Message::StageStarted(stage));
        }
    }

    /// One stage. `depends` is everything that its result depends on beside the stage before; `load` reads the result
    /// of an earlier run and is tried when nothing has changed, `make` makes it.
    pub(super) fn stage<T>(
        &mut self,
        stage: Stage,
        depends: &serde_json::Value,
        load: impl FnOnce(&mut Bench) -> Result<T, RunError>,
        make: impl FnOnce(&mut Bench) -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        self.begin(stage);
        self.key = blake3::hash(format!("{}\n{}\n{depends}", self.key, stage.name()).as_bytes()).to_hex().to_string();
        let kept = self.meta.stages.iter().find(|s| s.name == stage.name() && s.state == "done" && s.key == self.key);
        let job = self.worker.job(stage);
        if let Some(seconds) = kept.filter(|_| !self.fresh).map(|s| s.seconds) {
            if let Ok(result) = load(&mut self.bench(&job)) {
                self.worker.say(Message::StageFinished { stage, seconds, reused: true });
                return Ok(result);
            }
            job.warn(format!("the result of stage {} cannot be read back: it is made anew", stage.name()));
        }
        self.fresh = true;
        // Whatever a later stage made belongs to other inputs now.
        let earlier = |name: &str| Stage::ALL.iter().any(|t| *t < stage && t.name() == name);
        self.meta.stages.retain(|s| earlier(&s.name));
        self.meta.warnings.retain(|w| w.split_once(": ").is_some_and(|(name, _)| earlier(name)));
        self.record(stage, depends, "running", 0.0, None)?;
        reset_peak_memory();
        let start = Instant::now();
        self.device = "cpu".into();
        let result = make(&mut self.bench(&job));
        let seconds = start.elapsed().as_secs_f64();
        self.meta.warnings.extend(job.warnings().iter().map(|w| format!("{}: {w}", stage.name())));
        match &result {
            Ok(_) => {
                self.time(stage, seconds)?;
                self.record(stage, depends, "done", seconds, None)?;
                self.worker.say(Message::StageFinished { stage, seconds, reused: false });
            }
            Err(e) => {
                let state = if matches!(e, RunError::Cancelled(_)) { "cancelled" } else { "failed" };
                // The stage's own error is the one to report; a second one from writing it down would hide it.
                let _ = self.record(stage, depends, state, seconds, Some(e.to_string()));
            }
        }
        result
    }

    fn bench<'b>(&'b mut self, job: &'b StageJob<'b>) -> Bench<'b> {
        Bench {
            worker: self.worker,
            job,
            folder: &self.folder,
            options: self.options,
            vlm: self.vlm.as_ref(),
            meta: &mut self.meta,
            key: &self.key,
            device: &mut self.device,
        }
    }

    fn record(
        &mut self,
        stage: Stage,
        depends: &serde_json::Value,
        state: &str,
        seconds: f64,
        error: Option<String>,
    ) -> Result<(), FolderError> {
        self.meta.stages.retain(|s| s.name != stage.name());
        self.meta.stages.push(StageRecord {
            name: stage.name().into(),
            state: state.into(),
            seconds: (seconds * 1000.0).round() / 1000.0,
            device: self.device.clone(),
            options: depends.clone(),
            error,
            key: self.key.clone(),
        });
        self.folder.write_meta(&self.meta)
    }

    fn time(&mut self, stage: Stage, seconds: f64) -> Result<(), FolderError> {
        self.timings.retain(|t| Stage::ALL.iter().any(|s| *s < stage && s.name() == t.stage));
        self.timings.push(Timing { stage: stage.name().into(), seconds, peak_memory_mib: peak_memory_mib() });
        let path = self.folder.root().join("timings.json");
        let bytes = serde_json::to_vec_pretty(&self.timings)
            .map_err(|e| FolderError::Malformed { path: path.clone(), reason: e.to_string() })?;
        write_atomic(&path, &bytes)
    }
}

impl Bench<'_> {
    /// Puts something into the live slots and says so.
    pub(super) fn publish(&self, store: impl FnOnce(&super::Live)) {
        store(&self.worker.live);
        self.worker.updated();
    }

    /// Writes a figure down in `scene.json`.
    pub(super) fn figure(&mut self, name: &str, value: serde_json::Value) {
        if let Some(figures) = self.meta.figures.as_object_mut() {
            figures.insert(name.into(), value);
        }
    }
}

/// Refuses options that this version cannot honour, before anything is touched.
fn check_options(options: &RunOptions) -> Result<(), RunError> {
    if options.device == super::Device::Gpu
        && let Err(e) = crate::splat::Gpu::software_allowed()
    {
        return Err(RunError::Option(format!("--device gpu: {e}")));
    }
    let paths = [
        ("--masks", options.masks.as_ref()),
        ("--segmenter", options.segmenter.as_ref()),
        ("--depth", options.depth.as_ref()),
        ("--features", options.features.as_ref()),
        ("--depth-model", options.depth_model.as_ref()),
        ("--detector", options.detector.file()),
        ("--label-scores", options.label_scores.as_ref()),
    ];
    for (name, path) in paths {
        if let Some(path) = path.filter(|p| !p.exists()) {
            return Err(RunError::Option(format!("{name}: {} does not exist", path.display())));
        }
    }
    if let Some(Err(e)) = options.masks.as_deref().map(crate::perception::files::find) {
        return Err(RunError::Option(format!("--masks: {e}")));
    }
    stages::check_models(options)?;
    Ok(())
}

fn empty_meta(input: &Path, source: &Path) -> SceneMeta {
    SceneMeta {
        version: VERSION,
        name: input.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
        source: source.to_owned(),
        units: "arbitrary".into(),
        scale_source: "none yet".into(),
        up: [0.0, 0.0, 1.0],
        floor_found: false,
        world_from_input: matrix(&Similarity::identity()),
        images: Vec::new(),
        held_out: Vec::new(),
        stages: Vec::new(),
        program: env!("CARGO_PKG_VERSION").into(),
        models: Vec::new(),
        warnings: Vec::new(),
        typed_scale: None,
        figures: serde_json::json!({}),
    }
}

pub(super) fn lock(folder: &SceneFolder) -> Result<Option<File>, RunError> {
    // Where folders cannot be locked nothing keeps a second run away, but one run works.
    let Ok(file) = File::open(folder.root()) else { return Ok(None) };
    match file.try_lock() {
        Err(std::fs::TryLockError::WouldBlock) => Err(RunError::Busy(folder.root().to_owned())),
        Ok(()) | Err(std::fs::TryLockError::Error(_)) => Ok(Some(file)),
    }
}

/// 4x4 row-major matrix of a similarity.
pub(super) fn matrix(s: &Similarity) -> [[f64; 4]; 4] {
    let r = s.rotation.to_rotation_matrix().into_inner() * s.scale;
    let row = |i: usize| [r[(i, 0)], r[(i, 1)], r[(i, 2)], s.translation[i]];
    [row(0), row(1), row(2), [0.0, 0.0, 0.0, 1.0]]
}
