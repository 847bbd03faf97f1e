//! What can fill each role of the pipeline, and what of it is on this machine: for `holoscope models` and for the window.

use crate::geometry::{depth_model, sfm::learned};
use crate::models::{
    ModelError, Role, Signature, Source, catalogue, foreign_files, hints, models_folder, onnx_files, runtime,
};
use crate::perception::{detector, label_scores, segmenter};
use std::path::{Path, PathBuf};

/// What a file is good for here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// The family, in the words of `models/catalogue.toml`.
    pub family: &'static str,
    /// Which part it is of a model of several files.
    pub part: Option<&'static str>,
}

/// What an ONNX file is good for, by its inputs and outputs; `None` where no part of this program can use it.
pub fn identify(model: &Path) -> Result<Option<Use>, ModelError> {
    let (signature, hints) = (Signature::read(model)?, hints(model)?);
    let whole = |family| Some(Use { family, part: None });
    if let Some(family) = learned::recognise(&signature) {
        return Ok(match family {
            learned::Family::XFeat => whole("xfeat"),
            learned::Family::Extractor => whole("extractor"),
            learned::Family::Matcher => Some(Use { family: "extractor", part: Some("matcher") }),
            learned::Family::Pairwise => whole("pairwise"),
        });
    }
    if let Some((family, role)) = segmenter::recognise(&signature) {
        return Ok(Some(Use { family: family.word(), part: Some(role.name()) }));
    }
    if let Some((family, part)) = label_scores::recognise(&signature) {
        let part = (part != label_scores::Part::Both).then_some(part.name());
        return Ok(Some(Use { family, part }));
    }
    if let Some((family, _)) = depth_model::recognise(&signature, &hints) {
        return Ok(match family {
            depth_model::Family::AnyView => whole("any-view"),
            depth_model::Family::Single3 => whole("single-3"),
            depth_model::Family::Single2 => whole("single-2"),
            depth_model::Family::Moge => whole("moge"),
            depth_model::Family::Vggt => whole("vggt"),
        });
    }
    Ok(detector::identify(model)?.and_then(whole))
}

/// A file of the models folder.
#[derive(Clone, Debug)]
pub struct ModelFile {
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes, without weights that lie beside it.
    pub bytes: u64,
    /// What it is good for, or what is wrong with it.
    pub found: Result<Option<Use>, String>,
    /// What it is, or what is wrong with it, in one sentence.
    pub sentence: String,
    /// Whether it can be used as it lies there, with the files beside it.
    pub usable: bool,
}

/// Whether a source is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In the program.
    BuiltIn,
    /// From files of another program, named by an option.
    FromFiles,
    /// A server, named by its address.
    ByAddress,
    /// A file of it is in the models folder.
    There,
    /// A part of it is in the models folder.
    Incomplete,
    /// No file of it is in the models folder.
    NotThere,
    /// This version cannot use it.
    NotInThisVersion,
}

impl State {
    /// The state in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::BuiltIn => "built in",
            Self::FromFiles => "from files",
            Self::ByAddress => "by its address",
            Self::There => "there",
            Self::Incomplete => "a part of it is there",
            Self::NotThere => "not there",
            Self::NotInThisVersion => "not in this version",
        }
    }
}

/// All of it, as it is now.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The roles, and what can fill each.
    pub roles: Vec<Role>,
    /// ONNX Runtime's library, or why there is none.
    pub runtime: Result<PathBuf, String>,
    /// Where models are kept.
    pub folder: Option<PathBuf>,
    /// Files of models in it, by path.
    pub files: Vec<ModelFile>,
}

impl Inventory {
    /// Looks at the machine: reads the beginning of every model's file, loads none.
    pub fn take() -> Result<Self, ModelError> {
        let folder = models_folder();
        let roles = catalogue()?;
        let mut files: Vec<ModelFile> = folder
            .iter()
            .flat_map(|f| onnx_files(f))
            .map(|f| described(&roles, f.path, f.bytes))
            .chain(folder.iter().flat_map(|f| foreign_files(f)).map(|f| foreign(f.path, f.bytes)))
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { roles, runtime: runtime().map(|r| r.path.clone()).map_err(|e| e.to_string()), folder, files })
    }

    /// What runs models here, in one sentence.
    pub fn runtime_text(&self) -> String {
        match &self.runtime {
            Ok(path) => format!("Models are run by ONNX Runtime, {}", path.display()),
            Err(problem) => format!("Models are run by RTen, which is in the program, as far as it can: {problem}"),
        }
    }

    /// The files that are of a source.
    pub fn of(&self, source: &Source) -> Vec<&ModelFile> {
        let fits = |f: &&ModelFile| {
            source.family.is_some()
                && f.found.as_ref().is_ok_and(|found| found.map(|u| u.family) == source.family.as_deref())
        };
        self.files.iter().filter(fits).collect()
    }

    /// Whether a source is there.
    pub fn state(&self, source: &Source) -> State {
        match source.way.as_str() {
            _ if !source.in_this_version => State::NotInThisVersion,
            "embedded" => State::BuiltIn,
            "files" => State::FromFiles,
            _ if source.family.is_none() => State::ByAddress,
            _ => match self.of(source).as_slice() {
                [] => State::NotThere,
                files if files.iter().any(|f| f.usable) => State::There,
                _ => State::Incomplete,
            },
        }
    }

    /// The command that gets a source, into the models folder of this machine.
    pub fn command(&self, source: &Source) -> Option<String> {
        let folder = self.folder.as_ref().map_or_else(|| "models".into(), |f| f.display().to_string());
        let folder = if folder.contains(' ') { format!("'{folder}'") } else { folder };
        source.command.as_ref().map(|c| c.replace("MODELS", &folder))
    }
}

/// A file as it is: what it is of, for which option, and what it lacks.
fn described(roles: &[Role], path: PathBuf, bytes: u64) -> ModelFile {
    let found = identify(&path).map_err(reason);
    let (sentence, usable) = match &found {
        Err(problem) => (problem.clone(), false),
        Ok(None) => {
            let ports = Signature::read(&path).map_or_else(|e| e.to_string(), |s| format!("it {s}"));
            (format!("it is a model of no role of this program: {ports}"), false)
        }
        Ok(Some(what)) => {
            let sources = roles.iter().flat_map(|r| r.sources.iter().map(move |s| (r, s)));
            let of = sources.into_iter().find(|(_, s)| s.family.as_deref() == Some(what.family));
            let name = of.map_or(what.family, |(_, s)| s.name.as_str());
            let name = what.part.map_or_else(|| name.to_owned(), |part| format!("the {part} of {name}"));
            let role = of.map_or_else(String::new, |(r, _)| format!(", for the role {}", r.role));
            match lacking(&path, *what) {
                None => (format!("{name}{role}"), true),
                Some(reason) => (format!("{name}{role}, but {reason}"), false),
            }
        }
    };
    ModelFile { path, bytes, found, sentence, usable }
}

/// Why a file cannot be used, without its path, which is told beside.
fn reason(error: ModelError) -> String {
    match error {
        ModelError::File { reason, .. } => reason,
        error => error.to_string(),
    }
}

/// What a file that is known lacks to be used.
fn lacking(path: &Path, what: Use) -> Option<String> {
    match what.part {
        Some("matcher") => {
            let folder = path.parent().unwrap_or(path);
            learned::find(folder).err().map(reason)
        }
        _ if label_scores::FAMILIES.contains(&what.family) => label_scores::files(path).err().map(reason),
        Some(_) => segmenter::check(path).err().map(reason),
        None => None,
    }
}

/// A file of weights that is no ONNX file.
fn foreign(path: PathBuf, bytes: u64) -> ModelFile {
    let ending = path.extension().map_or_else(String::new, |e| e.to_string_lossy().to_lowercase());
    let sentence = match ending.as_str() {
        "zip" | "gz" | "tar" | "7z" => "it is an archive: unpack it".to_owned(),
        "part" | "crdownload" | "download" | "incomplete" => "its download has not ended".to_owned(),
        _ => format!("it is a model of another kind (.{ending}): only ONNX files can be run"),
    };
    ModelFile { found: Err(sentence.clone()), path, bytes, sentence, usable: false }
}

/// A size in words, "41 MB".
pub fn size_text(bytes: u64) -> String {
    match bytes as f64 {
        b if b >= 1e9 => format!("{:.1} GB", b / 1e9),
        b if b >= 1e7 => format!("{:.0} MB", b / 1e6),
        b => format!("{:.1} MB", b / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::testing::test_model;
    use std::collections::BTreeSet;

    #[test]
    fn every_family_of_the_catalogue_is_recognised_and_the_other_way_round() {
        let files = onnx_files(&test_model(""));
        let files = files.into_iter().map(|f| f.path);
        let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/nanodet.onnx");
        let found: BTreeSet<&str> =
            files.chain([bundled]).filter_map(|f| identify(&f).unwrap()).map(|what| what.family).collect();
        let roles = catalogue().unwrap();
        let listed: BTreeSet<&str> =
            roles.iter().flat_map(|r| &r.sources).filter_map(|s| s.family.as_deref()).collect();
        assert_eq!(found, listed);
        assert_eq!(identify(&test_model("classifier.onnx")).unwrap(), None);
    }

    #[test]
    fn every_file_gets_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let copy = |from: &str, to: &str| {
            let to = dir.path().join(to);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(test_model(from), to).unwrap();
        };
        copy("xfeat.onnx", "xfeat.onnx");
        copy("classifier.onnx", "classifier.onnx");
        copy("segmenters/sam2/sam2_tiny.encoder.onnx", "half/encoder.onnx");
        copy("segmenters/efficient/efficient_sam_vitt_encoder.onnx", "whole/encoder.onnx");
        copy("segmenters/efficient/efficient_sam_vitt_decoder.onnx", "whole/decoder.onnx");
        copy("split/disk_lightglue.onnx", "alone/lightglue.onnx");
        let whole = std::fs::read(test_model("xfeat.onnx")).unwrap();
        std::fs::write(dir.path().join("cut.onnx"), &whole[..whole.len() / 2]).unwrap();
        std::fs::write(dir.path().join("page.onnx"), "<html>404</html>").unwrap();
        std::fs::write(dir.path().join("weights.safetensors"), "x").unwrap();
        std::fs::write(dir.path().join("readme.md"), "x").unwrap();
        let roles = catalogue().unwrap();
        let files = onnx_files(dir.path()).into_iter().map(|f| described(&roles, f.path, f.bytes));
        let files: Vec<ModelFile> =
            files.chain(foreign_files(dir.path()).into_iter().map(|f| foreign(f.path, f.bytes))).collect();
        assert_eq!(files.len(), 9);
        let inventory = Inventory { roles, runtime: Err("none".into()), folder: Some("/a b".into()), files };
        for (name, usable, words) in [
            ("xfeat.onnx", true, "XFeat, for the role features"),
            ("classifier.onnx", false, "a model of no role of this program: it takes image[1,3,224,224]"),
            ("half/encoder.onnx", false, "the image encoder of SAM 2"),
            ("half/encoder.onnx", false, "but the mask decoder of SAM 2 (samexporter) is not there"),
            ("whole/encoder.onnx", true, "the image encoder of EfficientSAM, for the role segmenter"),
            ("whole/decoder.onnx", true, "the mask decoder of EfficientSAM"),
            ("alone/lightglue.onnx", false, "but it is a matcher and needs an extractor"),
            ("cut.onnx", false, "the file is cut off"),
            ("page.onnx", false, "ONNX file"),
            ("weights.safetensors", false, "only ONNX files can be run"),
        ] {
            let file = inventory.files.iter().find(|f| f.path.ends_with(name)).unwrap();
            assert!(file.sentence.contains(words) && file.usable == usable, "{name}: {file:?}");
        }
        let state = |family: &str| {
            let all = || inventory.roles.iter().flat_map(|r| &r.sources);
            inventory.state(all().find(|s| s.family.as_deref() == Some(family)).unwrap())
        };
        let states = ["xfeat", "sam2", "efficient-sam", "moge", "extractor"].map(state);
        assert_eq!(states, [State::There, State::Incomplete, State::There, State::NotThere, State::Incomplete]);
        let efficient = inventory.roles.iter().flat_map(|r| &r.sources).find(|s| s.name == "EfficientSAM").unwrap();
        assert!(inventory.command(efficient).unwrap().contains("'/a b'"));
    }
}
