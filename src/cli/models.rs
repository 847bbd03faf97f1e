//! `holoscope models`: what can fill each role, and what of it is on this machine.

use super::Print;
use anyhow::Result;
use holoscope::models::Source;
use holoscope::pipeline::inventory::{Inventory, ModelFile, size_text};
use serde_json::{Value, json};

/// Prints the roles, or an array with one object a role and one for the runtime.
pub(super) fn models(print: Print) -> Result<()> {
    let inventory = Inventory::take()?;
    if print.json {
        println!("{}", serde_json::to_string_pretty(&rows(&inventory))?);
        return Ok(());
    }
    let mut text = String::new();
    for role in &inventory.roles {
        text += &format!("{} (stage {}): {}\n", role.role, role.stage, role.does);
        for source in &role.sources {
            let default = if source.default { ", the default" } else { "" };
            text += &format!("  {}: {}{default}\n", source.name, inventory.state(source).text());
            let size = source.bytes.map(|b| format!("about {}", size_text(b)));
            let command = inventory.command(source);
            let about = [
                ("use", &source.option),
                ("adds", &source.adds),
                ("size", &size),
                ("licence", &source.licence),
                ("get", &source.get),
                ("command", &command),
            ];
            for (what, value) in about {
                text += &value.as_ref().map_or_else(String::new, |v| format!("      {what}: {v}\n"));
            }
        }
    }
    text += &format!("{}\n", inventory.runtime_text());
    if let Some(folder) = &inventory.folder {
        let none = if inventory.files.is_empty() { ": no models in it; put ONNX files there" } else { "" };
        text += &format!("Models folder: {}{none}\n", folder.display());
    }
    for file in &inventory.files {
        text += &format!("  {} ({}): {}\n", file.path.display(), size_text(file.bytes), file.sentence);
    }
    super::write_out(format_args!("{text}"))
}

fn rows(inventory: &Inventory) -> Vec<Value> {
    let role = |r: &holoscope::models::Role| {
        let sources = r.sources.iter().map(|s| described(inventory, s)).collect::<Vec<_>>();
        json!({ "role": r.role, "stage": r.stage, "does": r.does, "sources": sources })
    };
    let mut rows: Vec<Value> = inventory.roles.iter().map(role).collect();
    rows.push(json!({
        "role": "runtime", "name": "ONNX Runtime", "path": inventory.runtime.as_ref().ok(),
        "problem": inventory.runtime.as_ref().err(), "models_folder": inventory.folder,
        "files": inventory.files.iter().map(listed).collect::<Vec<_>>(),
    }));
    rows
}

fn described(inventory: &Inventory, source: &Source) -> Value {
    let found: Vec<_> = inventory.of(source).into_iter().map(|f| &f.path).collect();
    json!({
        "name": source.name, "way": source.way, "default": source.default, "state": inventory.state(source).text(),
        "option": source.option, "adds": source.adds, "family": source.family, "files": source.files,
        "bytes": source.bytes, "licence": source.licence, "get": source.get, "command": inventory.command(source),
        "found": found,
    })
}

fn listed(file: &ModelFile) -> Value {
    let what = file.found.as_ref().ok().copied().flatten();
    json!({
        "path": file.path, "bytes": file.bytes, "family": what.map(|w| w.family), "part": what.and_then(|w| w.part),
        "usable": file.usable, "problem": file.found.as_ref().err(), "sentence": file.sentence,
    })
}
