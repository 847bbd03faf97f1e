//! Models: what can fill each role, what of it is on this machine, and how to get the rest. The same as `holoscope models`.

use super::fields::section;
use crate::app::command::Command;
use crate::app::log::error_color;
use crate::app::shell::Shell;
use crate::models::{ModelError, Role, Source};
use crate::pipeline::inventory::{Inventory, State, size_text};
use crossbeam_channel::Receiver;
use eframe::egui::{Color32, RichText, ScrollArea, Ui};

/// What it keeps between frames.
#[derive(Default)]
pub(in crate::app) struct ModelsPanel {
    found: Option<Result<Inventory, ModelError>>,
    /// The thread that looks at the machine, while it does.
    looking: Option<Receiver<Result<Inventory, ModelError>>>,
}

impl ModelsPanel {
    /// Whether nothing is still to come: for screenshots. An answer that waits while another tab hides this one has come.
    pub(super) fn is_settled(&self) -> bool {
        self.looking.as_ref().is_none_or(|l| !l.is_empty())
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, out: &mut Vec<Command>) {
        if let Some(found) = self.looking.as_ref().and_then(|l| l.try_recv().ok()) {
            (self.found, self.looking) = (Some(found), None);
        }
        if self.found.is_none() && self.looking.is_none() {
            self.look(ui);
        }
        ui.horizontal_wrapped(|ui| {
            let again = "Look at the models folder and for ONNX Runtime once more";
            if ui.button("Look again").on_hover_text(again).clicked() {
                self.look(ui);
            }
            if let Some(Ok(Inventory { folder: Some(folder), .. })) = &self.found {
                let hint = format!("{}: put ONNX files there", folder.display());
                if ui.button("Open the models folder").on_hover_text(hint).clicked() {
                    out.push(Command::Shell(Shell::Reveal(folder.clone())));
                }
            }
        });
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| match &self.found {
            None => {
                ui.weak("looking...");
            }
            Some(Err(e)) => {
                ui.colored_label(error_color(ui), e.to_string());
            }
            Some(Ok(inventory)) => {
                machine(ui, inventory);
                inventory.roles.iter().for_each(|r| role(ui, inventory, r));
            }
        });
    }

    /// Looks on a thread: a library that is loaded, and many files, take longer than a frame.
    fn look(&mut self, ui: &Ui) {
        let (answer, receiver) = crossbeam_channel::bounded(1);
        let ctx = ui.ctx().clone();
        self.looking = Some(receiver);
        std::thread::spawn(move || {
            let _ = answer.send(Inventory::take());
            ctx.request_repaint();
        });
    }
}

fn role(ui: &mut Ui, inventory: &Inventory, role: &Role) {
    ui.separator();
    section(ui, &role.role);
    ui.small(format!("{} (stage {})", role.does, role.stage));
    for source in &role.sources {
        ui.add_space(3.0);
        one(ui, inventory, source);
    }
}

/// A source: whether it is there, what it adds, and how to get it.
fn one(ui: &mut Ui, inventory: &Inventory, source: &Source) {
    let state = inventory.state(source);
    ui.horizontal_wrapped(|ui| {
        ui.strong(&source.name);
        let default = if source.default { ", the default" } else { "" };
        ui.label(RichText::new(format!("{}{default}", state.text())).color(color(ui, state)));
    });
    let size = source.bytes.map(|b| format!("about {}", size_text(b)));
    let about = [
        ("", &source.adds),
        ("Option: ", &source.option),
        ("Size: ", &size),
        ("Licence: ", &source.licence),
        ("From: ", &source.get),
    ];
    if about.iter().all(|(_, text)| text.is_none()) {
        return;
    }
    ui.indent(&source.name, |ui| {
        for (what, text) in about {
            if let Some(text) = text {
                ui.small(format!("{what}{text}"));
            }
        }
        if let Some(command) = inventory.command(source).filter(|_| state != State::There) {
            ui.horizontal_wrapped(|ui| {
                if ui.small_button("Copy").on_hover_text("Put the command on the clipboard").clicked() {
                    ui.ctx().copy_text(command.clone());
                }
                ui.label(RichText::new(command).small().monospace());
            });
        }
    });
}

fn color(ui: &Ui, state: State) -> Color32 {
    match state {
        State::BuiltIn | State::There => ui.visuals().strong_text_color(),
        State::Incomplete => ui.visuals().warn_fg_color,
        _ => ui.visuals().weak_text_color(),
    }
}

/// ONNX Runtime, and every file of the models folder with what it is.
fn machine(ui: &mut Ui, inventory: &Inventory) {
    section(ui, "This machine");
    ui.small(inventory.runtime_text());
    let Some(folder) = &inventory.folder else { return };
    let none = if inventory.files.is_empty() { ": no models in it" } else { "" };
    ui.small(format!("Models folder: {}{none}", folder.display()));
    for file in &inventory.files {
        let name = file.path.strip_prefix(folder).unwrap_or(&file.path).display();
        let text = RichText::new(format!("{name} ({}): {}", size_text(file.bytes), file.sentence)).small();
        ui.label(if file.usable { text } else { text.color(ui.visuals().warn_fg_color) });
    }
}
