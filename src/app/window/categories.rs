//! Categories: shown, and renamed for all of their instances.

use super::Window;
use crate::app::log::Level;
use crate::app::panels::CategoriesDialog;
use crate::perception::vlm::Memory;
use crate::review::categories;

impl Window {
    /// Shows the categories of the scene.
    pub(super) fn show_categories(&mut self) {
        let memory = match self.model.root.as_deref().map(Memory::read) {
            Some(Ok(memory)) => memory,
            Some(Err(e)) => {
                self.tell(Level::Warning, e.to_string());
                Memory::default()
            }
            None => Memory::default(),
        };
        self.shell.overlays.categories = Some(CategoriesDialog::new(memory));
    }

    /// Relabels all instances of a category, as one step of undo, and has later runs use the new name. That is kept with
    /// what a model found; without a model, and in a second opinion, the decisions are all there is.
    pub(super) fn rename_category(&mut self, from: &str, to: &str) {
        let decisions = categories::rename(self.model.items(), from, to).decisions;
        if !self.record(decisions) || self.model.second {
            return;
        }
        let Some(root) = self.model.root.clone().filter(|root| Memory::path(root).is_file()) else { return };
        let written = Memory::read(&root).and_then(|mut memory| {
            memory.rename(from, to);
            memory.write(&root)
        });
        if let Err(e) = written {
            self.tell(Level::Warning, format!("later runs will not know the new name: {e}"));
        }
    }
}
