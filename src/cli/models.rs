//! `holoscope models`: what can fill each role, and what of it is on this machine.

use super::Print;
use anyhow::Result;
use holoscope::geometry::identify;
use holoscope::models::{FoundModel, ModelError, Source, catalogue, models_folder, onnx_files, runtime};
use holoscope::perception::detector;
use serde_json::{Value, json};
use std::path::Path;

/// A file of the models folder, and what it was recognised as.
struct File {
    model: FoundModel,
    family: Result<Option<&'static str>, String>,
}

/// Prints the roles, or an array with one object a role and one for the runtime.
pub(super) fn models(print: Print) -> Result<()> {
    let roles = catalogue()?;
    let folder = models_folder();
    let files: Vec<File> = folder.iter().flat_map(|f| onnx_files(f)).map(recognised).collect();
    let library = runtime().map(|r| r.path.clone()).map_err(|e| e.to_string());
    if print.json {
        let mut rows: Vec<Value> = roles
            .iter()
            .map(|role| {
                let sources = role.sources.iter().map(|s| described(s, &files)).collect::<Vec<_>>();
                json!({ "role": role.role, "stage": role.stage, "does": role.does, "sources": sources })
            })
            .collect();
        let path = library.as_ref().ok();
        rows.push(json!({
            "role": "runtime", "name": "ONNX Runtime", "path": path, "problem": library.as_ref().err(),
            "models_folder": folder, "files": files.iter().map(listed).collect::<Vec<_>>(),
        }));
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    let mut text = String::new();
    for role in &roles {
        text += &format!("{} (stage {}): {}\n", role.role, role.stage, role.does);
        for source in &role.sources {
            let default = if source.default { ", the default" } else { "" };
            text += &format!("  {}: {}{default}\n", source.name, state(source, &files));
            let about = [("use", &source.option), ("licence", &source.licence), ("get", &source.get)];
            let about = about.iter().filter_map(|(what, value)| value.as_ref().map(|v| format!("{what} {v}")));
            let about: Vec<String> = about.collect();
            if !about.is_empty() {
                text += &format!("      {}\n", about.join("; "));
            }
        }
    }
    text += &match &library {
        Ok(path) => format!("ONNX Runtime: {}\n", path.display()),
        Err(problem) => format!("ONNX Runtime: {problem}\nModels are run by RTen, which is in the program.\n"),
    };
    if let Some(folder) = &folder {
        let none = if files.is_empty() { ": no ONNX files in it; put models there" } else { "" };
        text += &format!("Models folder: {}{none}\n", folder.display());
    }
    for file in &files {
        let size = file.model.bytes as f64 / 1e6;
        let what = match &file.family {
            Ok(family) => family.unwrap_or("not a model that this version can use").to_owned(),
            Err(problem) => problem.clone(),
        };
        text += &format!("  {} ({size:.1} MB): {what}\n", file.model.path.display());
    }
    super::write_out(format_args!("{text}"))
}

fn recognised(model: FoundModel) -> File {
    File { family: family(&model.path).map_err(|e| e.to_string()), model }
}

/// What a file is good for, in the words of the catalogue.
fn family(path: &Path) -> Result<Option<&'static str>, ModelError> {
    match identify(path)? {
        Some(family) => Ok(Some(family)),
        None => detector::identify(path),
    }
}

/// The files that a source can use.
fn fitting<'f>(source: &Source, files: &'f [File]) -> Vec<&'f File> {
    let fits =
        |f: &&File| source.family.is_some() && matches!(&f.family, Ok(family) if *family == source.family.as_deref());
    files.iter().filter(fits).collect()
}

fn state(source: &Source, files: &[File]) -> &'static str {
    match source.way.as_str() {
        _ if !source.in_this_version => "not in this version",
        "embedded" => "built in",
        "files" => "from files",
        _ if source.family.is_none() => "by its address",
        _ if fitting(source, files).is_empty() => "not there",
        _ => "there",
    }
}

fn described(source: &Source, files: &[File]) -> Value {
    let found: Vec<_> = fitting(source, files).into_iter().map(|f| &f.model.path).collect();
    json!({
        "name": source.name, "way": source.way, "default": source.default, "state": state(source, files),
        "option": source.option, "family": source.family, "files": source.files, "licence": source.licence,
        "get": source.get, "found": found,
    })
}

fn listed(file: &File) -> Value {
    let (family, problem) = match &file.family {
        Ok(family) => (*family, None),
        Err(problem) => (None, Some(problem)),
    };
    json!({ "path": file.model.path, "bytes": file.model.bytes, "family": family, "problem": problem })
}
