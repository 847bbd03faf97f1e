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
    /// The family that a model file is recognised as, the same words as [`crate::geometry`] and [`crate::perception`] use.
    pub family: Option<String>,
    /// Files of the model, as they are published.
    pub files: Vec<String>,
    /// Their licence.
    pub licence: Option<String>,
    /// Where to get them.
    pub get: Option<String>,
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
                family: some("family"),
                files: table.list("files"),
                licence: some("licence"),
                get: some("get"),
            }),
            _ => {}
        }
    }
    Ok(roles)
}
