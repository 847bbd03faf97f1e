//! The panels, and how they are laid out at first.

mod box_fields;
mod box_select;
mod box_views;
mod bulk;
mod categories;
mod compare;
mod completion;
mod dialogs;
mod edit_bar;
mod edit_photo;
mod export;
mod facets;
mod fields;
mod finder;
mod ghosts;
mod handles;
mod health;
mod history;
mod hover;
mod inspector;
mod legend;
mod list;
mod measure;
mod models;
mod overlays;
mod photo;
mod pictures;
mod run;
mod scene_boxes;
mod scenes;
mod tags;
mod training;
mod trim;
mod versus;
mod viewport;
mod viewport_bar;
mod views;
mod welcome;
mod words;

use super::command::Command;
use super::load::Progress;
use super::log::Log;
use super::model::Model;
use super::photos::Photos;
use super::view_state::Layout;
use crate::review::worklist::Worklist;
use eframe::egui::{self, Id, ThemePreference, Ui, WidgetText};
use egui_tiles::{Behavior, SimplificationOptions, TileId, Tiles, Tree, UiResponse};
use serde::{Deserialize, Serialize};
use std::path::Path;

pub(super) use categories::CategoriesDialog;
pub(super) use dialogs::Dialogs;
pub(super) use export::ExportDialog;
pub(super) use finder::{Entry, Finder};
pub(super) use inspector::Field;
pub(super) use overlays::Overlays;
pub(super) use pictures::{FilmDialog, PictureDialog};
pub(super) use welcome::{Recent, entry as recent_entry};

/// A panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Pane {
    /// The 3D view.
    Viewport,
    /// The photo.
    Photo,
    /// The list of instances.
    List,
    /// One instance.
    Inspector,
    /// How well the cameras are known.
    Health,
    /// How training goes.
    Training,
    /// The scene beside something else.
    Versus,
    /// The stages.
    Run,
    /// What happened.
    Log,
    /// What the instances are like: counts and histograms that filter.
    Facets,
    /// The photos that show the selected instance best.
    Views,
    /// The scenes of a folder.
    Scenes,
    /// The box, from three sides and in numbers.
    Box,
    /// What models there are.
    Models,
}

impl Pane {
    /// All of them.
    pub(super) const ALL: [Self; 14] = [
        Self::Viewport,
        Self::Photo,
        Self::List,
        Self::Inspector,
        Self::Health,
        Self::Training,
        Self::Versus,
        Self::Run,
        Self::Log,
        Self::Facets,
        Self::Views,
        Self::Scenes,
        Self::Box,
        Self::Models,
    ];

    /// Its name.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Viewport => "3D",
            Self::Photo => "Photo",
            Self::List => "Instances",
            Self::Inspector => "Instance",
            Self::Health => "Scene health",
            Self::Training => "Training",
            Self::Versus => "Compare",
            Self::Run => "Stages",
            Self::Log => "Log",
            Self::Box => "Box",
            Self::Facets => "Filter",
            Self::Views => "Best views",
            Self::Scenes => "Scenes",
            Self::Models => "Models",
        }
    }
}

/// How the window looks at first.
pub(super) fn default_layout() -> Layout {
    let mut tiles = Tiles::default();
    let [viewport, photo, list, inspector, health, training, versus, run, log, facets, views, scenes, obb, models] =
        Pane::ALL.map(|p| tiles.insert_pane(p));
    let below = tiles.insert_tab_tile(vec![facets, run, log, scenes]);
    let about = tiles.insert_tab_tile(vec![inspector, obb, health, training, versus]);
    let left = linear(&mut tiles, egui_tiles::LinearDir::Vertical, &[(list, 0.6), (below, 0.4)]);
    let above = tiles.insert_tab_tile(vec![photo, models]);
    let right = linear(&mut tiles, egui_tiles::LinearDir::Vertical, &[(above, 0.54), (about, 0.46)]);
    let middle = linear(&mut tiles, egui_tiles::LinearDir::Vertical, &[(viewport, 0.8), (views, 0.2)]);
    let root = linear(&mut tiles, egui_tiles::LinearDir::Horizontal, &[(left, 0.22), (middle, 0.46), (right, 0.32)]);
    let tree = Tree::new(Id::unique("panels"), root, tiles);
    Layout { tree, theme: ThemePreference::Dark, size: [1440.0, 900.0], demo: false }
}

fn linear(tiles: &mut Tiles<Pane>, dir: egui_tiles::LinearDir, parts: &[(TileId, f32)]) -> TileId {
    let mut linear = egui_tiles::Linear::new(dir, parts.iter().map(|p| p.0).collect());
    for (tile, share) in parts {
        linear.shares.set_share(*tile, *share);
    }
    tiles.insert_container(linear)
}

/// Whether a saved layout has every panel: one of another version may not.
pub(super) fn is_complete(tree: &Tree<Pane>) -> bool {
    tree.root().is_some() && Pane::ALL.iter().all(|p| tree.tiles.find_pane(p).is_some())
}

/// Brings a panel to the front of its tabs.
pub(super) fn bring_up(tree: &mut Tree<Pane>, pane: Pane) {
    tree.make_active(|_, tile| matches!(tile, egui_tiles::Tile::Pane(p) if *p == pane));
}

/// Opens or closes a panel; it keeps its place.
pub(super) fn set_open(tree: &mut Tree<Pane>, pane: Pane, open: bool) {
    if let Some(tile) = tree.tiles.find_pane(&pane) {
        tree.set_visible(tile, open);
    }
}

/// Whether a panel is open.
pub(super) fn is_open(tree: &Tree<Pane>, pane: Pane) -> bool {
    tree.tiles.find_pane(&pane).is_some_and(|tile| tree.is_visible(tile))
}

/// What the panels keep between frames, each for itself.
pub(super) struct Panels {
    pub viewport: viewport::ViewportPanel,
    photo: photo::PhotoPanel,
    pub list: list::ListPanel,
    facets: facets::FacetsPanel,
    views: views::ViewsPanel,
    inspector: inspector::InspectorPanel,
    health: health::HealthPanel,
    obb: box_views::BoxPanel,
    training: training::TrainingPanel,
    versus: versus::VersusPanel,
    models: models::ModelsPanel,
}

impl Panels {
    /// `with_gl`: whether splats can be drawn.
    pub(in crate::app) fn new(ctx: &egui::Context, with_gl: bool) -> Self {
        Self {
            viewport: viewport::ViewportPanel::new(ctx, with_gl),
            photo: photo::PhotoPanel::new(ctx),
            list: list::ListPanel::default(),
            facets: facets::FacetsPanel::default(),
            views: views::ViewsPanel::new(ctx),
            inspector: inspector::InspectorPanel::default(),
            health: health::HealthPanel::default(),
            obb: box_views::BoxPanel::default(),
            training: training::TrainingPanel::default(),
            versus: versus::VersusPanel::default(),
            models: models::ModelsPanel::default(),
        }
    }

    /// Puts the cursor into a field of the inspector.
    pub(in crate::app) fn edit(&mut self, ctx: &egui::Context, field: Field) {
        inspector::focus(ctx, field);
    }

    /// Puts the cursor into the filter.
    pub(in crate::app) fn edit_filter(&mut self, ctx: &egui::Context) {
        list::focus_filter(ctx);
    }

    /// What the user chose to compare with.
    pub(in crate::app) fn chosen_versus(&mut self, path: String) {
        self.versus.chosen(path);
    }

    /// Whether everything that the panels show is there: for screenshots.
    pub(in crate::app) fn is_settled(&self, model: &Model) -> bool {
        self.viewport.is_settled(model) && self.photo.is_settled(model) && self.models.is_settled()
    }
}

/// One frame of the panels.
pub(super) struct PanelFrame<'a> {
    pub model: &'a Model,
    pub panels: &'a mut Panels,
    pub photos: &'a mut Photos,
    pub run: Option<RunState<'a>>,
    pub log: &'a Log,
    pub scenes: Option<&'a Worklist>,
    pub out: &'a mut Vec<Command>,
}

/// A run as it is shown.
#[derive(Clone)]
pub(super) struct RunState<'a> {
    pub progress: &'a Progress,
    pub paused: bool,
    pub running: bool,
    /// Photos and scene folder: to go on after it has stopped.
    pub folders: (&'a Path, &'a Path),
}

impl Behavior<Pane> for PanelFrame<'_> {
    fn pane_ui(&mut self, ui: &mut Ui, _: TileId, pane: &mut Pane) -> UiResponse {
        let fill = ui.visuals().panel_fill;
        ui.painter().rect_filled(ui.max_rect(), 0.0, fill);
        if *pane == Pane::Viewport {
            self.panels.viewport.ui(ui, self.model, self.out);
            return UiResponse::None;
        }
        egui::Frame::new().inner_margin(6).show(ui, |ui| match pane {
            Pane::Photo => self.panels.photo.ui(ui, self.model, self.photos, self.out),
            Pane::List => self.panels.list.ui(ui, self.model, self.out),
            Pane::Facets => self.panels.facets.ui(ui, self.model, self.out),
            Pane::Views => self.panels.views.ui(ui, self.model, self.out),
            Pane::Inspector => self.panels.inspector.ui(ui, self.model, self.out),
            Pane::Health => self.panels.health.ui(ui, self.model, self.out),
            Pane::Training => self.panels.training.ui(ui, self.model, self.out),
            Pane::Versus => self.panels.versus.ui(ui, self.model, self.out),
            Pane::Run => run::ui(ui, self.model, self.run.as_ref(), self.out),
            Pane::Box => self.panels.obb.ui(ui, self.model, self.out),
            Pane::Models => self.panels.models.ui(ui, self.out),
            Pane::Log | Pane::Viewport => self.log.ui(ui),
            Pane::Scenes => scenes::ui(ui, self.model, self.scenes, self.out),
        });
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> WidgetText {
        pane.title().into()
    }

    fn is_tab_closable(&self, _: &Tiles<Pane>, _: TileId) -> bool {
        true
    }

    /// A closed panel keeps its place, to be opened again from the menu.
    fn on_tab_close(&mut self, tiles: &mut Tiles<Pane>, tile: TileId) -> bool {
        tiles.set_visible(tile, false);
        false
    }

    fn simplification_options(&self) -> SimplificationOptions {
        // Every panel keeps its tab: that is what it is moved by.
        SimplificationOptions { all_panes_must_have_tabs: true, ..Default::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_layout_has_every_panel() {
        let layout = default_layout();
        assert!(is_complete(&layout.tree));
        let mut tree = layout.tree;
        let list = tree.tiles.find_pane(&Pane::List).unwrap();
        tree.tiles.remove(list);
        assert!(!is_complete(&tree));
    }
}
