//! The bar at the bottom: what is running, what is selected, what it runs on; and the demo layout.

use super::Window;
use crate::app::command::Command;
use crate::app::load::StageProgress;
use crate::app::shell::Shell;
use crate::pipeline::Stage;
use crate::scene::folder::SceneMeta;
use eframe::egui::{self, Align, Context, Layout, ProgressBar, RichText, Ui};

/// Radians a second that the 3D camera turns by itself.
const SPEED: f64 = 0.2;

impl Window {
    pub(super) fn status_bar(&mut self, ui: &mut Ui, out: &mut Vec<Command>) {
        let now = ui.input(|i| i.time);
        self.shell.memory.look(now);
        egui::Panel::bottom("status").show(ui, |ui| {
            ui.horizontal(|ui| {
                self.tasks(ui, out);
                self.pointed_at(ui);
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| self.machine(ui));
            });
        });
    }

    fn tasks(&self, ui: &mut Ui, out: &mut Vec<Command>) {
        let mut line = |ui: &mut Ui, name: &str, (done, total): (usize, usize), stop: Command| {
            let share = if total > 0 { done as f32 / total as f32 } else { 0.0 };
            ui.small(name);
            let count = RichText::new(format!("{done}/{total}")).small();
            ui.add(ProgressBar::new(share).desired_width(90.0).desired_height(13.0).text(count));
            let cancel = egui::Button::new(RichText::new("Cancel").small()).small();
            if ui.add(cancel).on_hover_text(format!("Stop: {name}")).clicked() {
                out.push(stop);
            }
            ui.separator();
        };
        if let Some(run) = self.run.as_ref().filter(|r| r.pipeline.is_running()) {
            let stages = Stage::ALL.iter().zip(&run.progress.stages);
            for (stage, progress) in stages {
                if let StageProgress::Running(done, total) = progress {
                    line(ui, stage.name(), (*done, *total), Command::Cancel);
                }
            }
        }
        for task in &self.shell.tasks {
            line(ui, task.name, task.progress(), Command::Shell(Shell::Stop(task.id)));
        }
        if self.is_applying() {
            ui.small("changing the scale");
            ui.separator();
        }
        if self.loading {
            ui.small("loading");
            ui.separator();
        }
    }

    fn pointed_at(&self, ui: &mut Ui) {
        let hovered = self.model.hovered.filter(|id| self.model.view.instance != Some(*id));
        if let Some(item) = hovered.and_then(|id| self.model.items().get(&id)) {
            ui.small(format!("under the pointer: #{} {}", item.instance.id, item.instance.label));
            ui.separator();
        }
        if let Some(item) = self.model.selected() {
            ui.small(format!("#{} {}", item.instance.id, item.instance.label)).on_hover_text("The selected instance");
        }
    }

    /// From the right: memory, device, models.
    fn machine(&self, ui: &mut Ui) {
        if let Some(mib) = self.shell.memory.mib {
            ui.small(format!("{mib:.0} MiB")).on_hover_text("Memory of this program");
            ui.separator();
        }
        let drawn = if self.panels.viewport.is_soft() { "drawn by the CPU" } else { "drawn by OpenGL" };
        ui.small(drawn).on_hover_text("What draws the 3D view: the CPU where OpenGL is software or missing");
        if let Some(meta) = &self.model.meta {
            if let Some(device) = trained_on(meta) {
                ui.separator();
                ui.small(format!("made on {device}")).on_hover_text("What the splats of this scene were trained on");
            }
            ui.separator();
            let models = if meta.models.is_empty() { "no models".into() } else { meta.models.join(", ") };
            ui.add(egui::Label::new(RichText::new(&models).small()).truncate())
                .on_hover_text(format!("Models used for this scene, by role: {models}"));
        }
        ui.separator();
        ui.small(&self.reviewer).on_hover_text("Who reviews: Edit > Reviewer...");
    }

    /// The 3D view, and what the selected instance is, large.
    pub(super) fn demo(&mut self, ui: &mut Ui, out: &mut Vec<Command>) {
        egui::Panel::bottom("caption").show(ui, |ui| {
            ui.vertical_centered(|ui| {
                ui.add_space(8.0);
                match self.model.selected() {
                    Some(item) => {
                        ui.label(RichText::new(&item.instance.label).size(30.0).strong());
                        ui.label(RichText::new(&item.instance.caption).size(19.0));
                    }
                    None => {
                        ui.label(RichText::new(&self.model.name).size(30.0).strong());
                        ui.label(RichText::new("Click something in the picture").size(19.0).weak());
                    }
                }
                ui.add_space(8.0);
            });
        });
        self.panels.viewport.without_bars(true);
        egui::CentralPanel::no_frame().show(ui, |ui| self.panels.viewport.ui(ui, &self.model, out));
        self.panels.viewport.without_bars(false);
    }

    /// One step of the 3D camera while it turns by itself.
    pub(super) fn advance_turning(&mut self, ctx: &Context) {
        let Some(last) = self.shell.turning else { return };
        let now = ctx.input(|i| i.time);
        if let (Some(mut orbit), None) = (self.model.view.orbit, &self.flight) {
            orbit.yaw = crate::app::orbit::wrap(orbit.yaw + (now - last).clamp(0.0, 0.2) * SPEED);
            self.model.view.orbit = Some(orbit);
            self.model.view.on_camera = None;
            self.camera_moved = true;
        }
        self.shell.turning = Some(now);
        ctx.request_repaint_after_secs(0.03);
    }
}

fn trained_on(meta: &SceneMeta) -> Option<&str> {
    let stage = meta.stages.iter().find(|s| s.name == Stage::Splats.name())?;
    (!stage.device.is_empty()).then_some(stage.device.as_str())
}
