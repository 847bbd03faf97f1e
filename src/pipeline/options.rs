//! What a run can be told.

use super::Stage;
use crate::perception::detector::DetectorChoice;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What to compute on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// The best there is.
    Auto,
    /// A GPU, or an error.
    Gpu,
    /// The CPU.
    Cpu,
}

/// Where camera poses come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum PosesMode {
    /// Given poses where the input has them, else structure from motion.
    Auto,
    /// Given poses, or an error.
    Given,
}

/// Options of `holoscope run`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct RunOptions {
    /// What to compute on
    #[arg(long, value_enum, default_value = "auto")]
    pub device: Device,
    /// Seed of every random choice
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Threads; 0 = all cores
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=256))]
    pub threads: u32,
    /// Where camera poses come from
    #[arg(long, value_enum, default_value = "auto")]
    pub poses: PosesMode,
    /// Steps of splat training; default: by the number of photos
    #[arg(long)]
    pub steps: Option<usize>,
    /// Leave every K-th frame out of training, to measure PSNR
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(2..))]
    pub holdout: Option<u32>,
    /// Masks of another program: a mask_index.json, COCO instances, a folder of PNGs of instance ids, or of LABEL/STEM.png
    #[arg(long, value_name = "FILE|DIR")]
    pub masks: Option<PathBuf>,
    /// A segmenter: an ONNX file, or a folder with its files; SAM 3 with text makes all masks, others answer points and boxes
    #[arg(long, value_name = "FILE|DIR")]
    #[serde(default)]
    pub segmenter: Option<PathBuf>,
    /// Depth of another program: a folder of .npy, .exr or 16-bit .png, named as the photos
    #[arg(long, value_name = "DIR")]
    pub depth: Option<PathBuf>,
    /// Learned features: an ONNX file, or a folder with an extractor and a matcher
    #[arg(long, value_name = "FILE|DIR")]
    #[serde(default)]
    pub features: Option<PathBuf>,
    /// A depth model whose depth fills what stereo could not measure: an ONNX file, or a folder that has one
    #[arg(long, value_name = "FILE|DIR")]
    #[serde(default)]
    pub depth_model: Option<PathBuf>,
    /// What names things in the photos: an ONNX file of a detector, or none; default: the one in the program
    #[arg(long, value_name = "FILE|none", default_value = "bundled", hide_default_value = true)]
    #[serde(default)]
    pub detector: DetectorChoice,
    /// A second opinion on names, CLIP or SigLIP 2: an ONNX file, or a folder with its files and tokenizer.json
    #[arg(long, value_name = "FILE|DIR")]
    #[serde(default)]
    pub label_scores: Option<PathBuf>,
    /// An OpenAI-compatible server with a vision-language model, for example http://localhost:8000/v1
    #[arg(long, value_name = "URL")]
    pub vlm: Option<String>,
    /// The model that is asked; default: the first that the server lists
    #[arg(long, value_name = "NAME", requires = "vlm")]
    #[serde(default)]
    pub vlm_model: Option<String>,
    /// Use at most N photos, evenly spread
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub max_frames: Option<u32>,
    /// Stop after this stage
    #[arg(long, value_enum, value_name = "STAGE")]
    pub until: Option<Stage>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            device: Device::Auto,
            seed: 0,
            threads: 0,
            poses: PosesMode::Auto,
            steps: None,
            holdout: None,
            masks: None,
            segmenter: None,
            depth: None,
            features: None,
            depth_model: None,
            detector: DetectorChoice::default(),
            label_scores: None,
            vlm: None,
            vlm_model: None,
            max_frames: None,
            until: None,
        }
    }
}
