//! Commands and their options.

/// As that of std, but a reader that has gone (`| head`) is no fault, and a full disk is an error of the caller.
macro_rules! print {
    ($($text:tt)*) => { $crate::cli::write_out(format_args!($($text)*))? };
}

/// As [`print!`], with the end of a line.
macro_rules! println {
    ($($text:tt)*) => { print!("{}\n", format_args!($($text)*)) };
}

/// As that of std, but nobody has to listen: a run goes on when its stderr is closed.
macro_rules! eprintln {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

mod demo;
mod models;
mod progress;
mod report;
mod run;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use holoscope::app::{self, Open};
use holoscope::export::{Format, Include};
use holoscope::pipeline::RunOptions;
use holoscope::review::worklist::Worklist;
use holoscope::scene::folder::SceneFolder;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

/// Photos of a place in, a labelled and reviewed 3D scene out.
///
/// Without a command it opens the review window on a scene folder, on a folder that holds scenes, or on photos, which it then processes in the
/// background.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// A scene folder to review, a folder of scene folders, or photos or a video to make a scene of
    #[arg(value_name = "SCENE|INPUT")]
    path: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything on the bundled photos, then open the window
    Demo {
        /// The scene folder to make
        #[arg(long, value_name = "DIR", default_value = "holoscope-demo")]
        out: PathBuf,
        #[command(flatten)]
        print: Print,
    },
    /// Make a scene of photos or a video, without a window; run it again to resume
    Run {
        /// A folder of photos, a video (mp4, mov, mkv, webm, avi), a folder with poses.json and rgb/, a COLMAP project,
        /// transforms.json, ScanNet, DL3DV, TUM RGB-D, or a Holi-Spatial result
        input: PathBuf,
        /// The scene folder to make
        #[arg(long, value_name = "SCENE")]
        out: PathBuf,
        #[command(flatten)]
        options: RunOptions,
        #[command(flatten)]
        print: Print,
    },
    /// Render the splats of a scene from the cameras of a poses.json
    Render {
        /// The scene folder
        scene: PathBuf,
        /// Cameras, in the layout of poses.json; when they name photos of the scene they are aligned to it
        #[arg(long, value_name = "FILE")]
        cameras: PathBuf,
        /// Folder for the PNG files, one per camera
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// What to render
        #[arg(long, value_enum, default_value = "rgb")]
        what: What,
        #[command(flatten)]
        print: Print,
    },
    /// Measure a scene against ground truth
    Eval {
        /// The scene folder
        scene: PathBuf,
        /// Ground truth: any of poses.json, depth/, instance/, boxes.json
        #[arg(long, value_name = "DIR")]
        gt: PathBuf,
        #[command(flatten)]
        print: Print,
    },
    /// Write what was accepted in the format of another program
    Export {
        /// The scene folder
        scene: PathBuf,
        /// What to write
        #[arg(long, value_enum)]
        format: Format,
        /// Folder to write to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Which instances
        #[arg(long, value_enum, default_value = "accepted")]
        include: Include,
        #[command(flatten)]
        print: Print,
    },
    /// List the models that each part can use, and which are there
    Models {
        #[command(flatten)]
        print: Print,
    },
}

/// What `render` renders.
#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// Colour
    Rgb,
    /// Depth along the optical axis, 16-bit thousandths of a scene unit
    Depth,
    /// World normals, 0..255 for -1..1
    Normal,
    /// Instance ids, 16-bit
    Instance,
}

/// How a command talks.
#[derive(Args, Clone, Copy)]
struct Print {
    /// Say nothing while at work
    #[arg(long)]
    quiet: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Writes a part of the result to stdout.
fn write_out(text: std::fmt::Arguments) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => bail!("cannot write the result to stdout: {e}"),
        _ => Ok(()),
    }
}

impl Cli {
    /// Does what the command line asks for.
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            None => open(self.path),
            Some(Command::Demo { out, print }) => demo::demo(&out, print),
            Some(Command::Run { input, out, options, print }) => run::run(&input, &out, &options, print),
            Some(Command::Render { scene, cameras, out, what, print }) => {
                report::render(&scene, &cameras, &out, what, print)
            }
            Some(Command::Eval { scene, gt, print }) => report::eval(&scene, &gt, print),
            Some(Command::Export { scene, format, out, include, print }) => {
                report::export(&scene, format, &out, include, print)
            }
            Some(Command::Models { print }) => models::models(print),
        }
    }
}

/// Opens the window on a scene, on photos, or on nothing.
fn open(path: Option<PathBuf>) -> Result<()> {
    let what = match path {
        None => Open::Nothing,
        Some(path) if !path.exists() => bail!("{} does not exist", path.display()),
        Some(path) if SceneFolder::is_scene(&path) || Worklist::find(&path).is_some() => Open::Scene(path),
        Some(input) => {
            let full = std::fs::canonicalize(&input).with_context(|| format!("cannot read {}", input.display()))?;
            let name = full.file_name().map_or_else(|| "photos".into(), |n| n.to_string_lossy().into_owned());
            let out = PathBuf::from(format!("{name}-scene"));
            eprintln!("The scene is written to {}", out.display());
            Open::Run { input, out, options: Box::new(RunOptions::default()) }
        }
    };
    Ok(app::run(what)?)
}
