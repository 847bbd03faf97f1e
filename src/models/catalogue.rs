//! `models/catalogue.toml`: what can fill each role of the pipeline, built in, from files, or as a model.

use super::{ModelError, Settings};
use std::path::Path;

/// The catalogue's text, as in the source tree.
pub const CATALOGUE: &str = include_str!("../../models/catalogue.toml");

/// A role of the pipeline.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Role {
    /// Its name.
    pub role: String,
    /// The stage that it belongs to.
    pub stage: String,
    /// What it does.
    pub does: String,
    /// What can fill it.
    pub sources: Vec<Source>,
}

/// What can fill a role.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// `embedded`, `files` or `loaded`.
    pub way: String,
    /// Whether it is used where nothing else is asked for.
    pub default: bool,
    /// Whether this version can use it.
    pub in_this_version: bool,
    /// The option that asks for it.
    pub option: Option<String>,
    /// What it adds to what is there without it.
    pub adds: Option<String>,
    /// The family that a model file is recognised as, see [`crate::pipeline::inventory`].
    pub family: Option<String>,
    /// Files of the model, as they are published.
    pub files: Vec<String>,
    /// Their licence.
    pub licence: Option<String>,
    /// Where to get them.
    pub get: Option<String>,
    /// The command that gets them; `MODELS` in it stands for the models folder.
    pub command: Option<String>,
    /// Size of all files together in bytes, where it is known.
    pub bytes: Option<u64>,
}

/// Reads the catalogue.
pub fn catalogue() -> Result<Vec<Role>, ModelError> {
    let mut roles: Vec<Role> = Vec::new();
    for table in Settings::parse(CATALOGUE, Path::new("models/catalogue.toml"))? {
        let text = |key: &str| table.text(key).unwrap_or_default().to_owned();
        let some = |key: &str| table.text(key).map(str::to_owned);
        match (table.table.as_str(), roles.last_mut()) {
            ("role", _) => {
                roles.push(Role { role: text("name"), stage: text("stage"), does: text("does"), sources: Vec::new() })
            }
            ("role.source", Some(role)) => role.sources.push(Source {
                name: text("name"),
                way: text("way"),
                default: table.is("default"),
                in_this_version: table.is("in_this_version"),
                option: some("option"),
                adds: some("adds"),
                family: some("family"),
                files: table.list("files"),
                licence: some("licence"),
                get: some("get"),
                command: some("command"),
                bytes: table.number("bytes").map(|b| b as u64),
            }),
            _ => {}
        }
    }
    Ok(roles)
}
