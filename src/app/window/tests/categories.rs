//! The dialog that renames and merges categories.

use super::*;
use crate::perception::vlm::Memory;

impl Desk {
    fn labels(&self) -> Vec<String> {
        self.window().model.items().values().map(|r| r.instance.label.clone()).collect()
    }

    /// Gives the category another name through the dialog.
    fn rename(&mut self, from: &str, to: &str) {
        self.click(&format!("Rename {from}"));
        self.type_text(to);
        self.click("Keep");
    }
}

#[test]
fn a_category_is_renamed_once_for_all_and_taken_back_in_one_step() {
    let mut desk = Desk::new(LARGE);
    let root = desk.home.path().join("room_a");
    desk.press(CTRL_SHIFT, Key::L);
    desk.rename("desk", "armchair");
    assert_eq!(desk.labels(), ["armchair", "bookshelf", "cupboard", "armchair"]);
    assert!(!Memory::path(&root).exists(), "without a model there is nothing to remember");
    desk.rename("armchair", "seat");
    assert_eq!(desk.labels(), ["seat", "bookshelf", "cupboard", "seat"]);
    desk.press(CTRL, Key::Z);
    assert_eq!(desk.labels(), ["armchair", "bookshelf", "cupboard", "armchair"]);
    desk.press(NONE, Key::Escape);
    assert!(desk.harness.query_by_label("Rename armchair").is_none());

    let mut memory = Memory::default();
    memory.add_frame(&["cupboard".to_owned(), "vase".to_owned()]);
    let found = memory.found()[0].name.clone();
    memory.write(&root).unwrap();
    desk.press(CTRL_SHIFT, Key::L);
    desk.rename(&found, "locker");
    desk.rename("vase", "jar");
    let memory = Memory::read(&root).unwrap();
    assert_eq!((memory.current(&found), memory.current("vase")), ("locker", "jar"));
    desk.harness.get_by_label("jar");
}
