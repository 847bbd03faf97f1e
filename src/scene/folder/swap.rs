//! Several files replaced at once: a crash leaves all of the old ones, or all of the new ones after the next opening.

use super::{FolderError, io, json_bytes, malformed, read_json, write_atomic};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// Where the new files wait; left-overs of a crash before the marker was written are cleared by the next swap.
const WAITING: &str = ".holoscope-swap";
/// Lists the waiting files. From the moment it is there they count, and whoever opens the folder puts them in place.
const MARKER: &str = ".holoscope-swap.json";

/// New contents for files of a scene folder. Nothing is changed before [`Self::commit`]; whoever writes holds the lock
/// of the folder.
#[derive(Debug)]
pub struct Swap {
    root: PathBuf,
    files: Vec<PathBuf>,
}

impl Swap {
    /// Begins with no files, and clears what an interrupted one left.
    pub fn begin(root: &Path) -> Result<Self, FolderError> {
        roll_forward(root)?;
        clear(root)?;
        Ok(Self { root: root.to_owned(), files: Vec::new() })
    }

    /// New contents of the file at `path` within the folder.
    pub fn put(&mut self, path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
        check(&self.root, path)?;
        write_atomic(&self.root.join(WAITING).join(path), bytes)?;
        self.files.push(path.to_owned());
        Ok(())
    }

    /// Puts all files in place.
    pub fn commit(self) -> Result<(), FolderError> {
        let marker = self.root.join(MARKER);
        write_atomic(&marker, &json_bytes(&marker, &self.files)?)?;
        roll_forward(&self.root)
    }

    /// Writes the marker and stops there, as a crash would: for tests.
    #[cfg(test)]
    pub(crate) fn crash_after_marker(self) -> Result<(), FolderError> {
        let marker = self.root.join(MARKER);
        write_atomic(&marker, &json_bytes(&marker, &self.files)?)
    }
}

/// Puts the waiting files of a committed swap in place; nothing to do where there is no marker. May be done twice, also
/// by two programs at once: a file that waits no longer is in its place already.
pub(super) fn roll_forward(root: &Path) -> Result<(), FolderError> {
    let marker = root.join(MARKER);
    if !marker.is_file() {
        return Ok(());
    }
    let files: Vec<PathBuf> = read_json(&marker)?;
    let mut folders = BTreeSet::new();
    for file in &files {
        check(root, file)?;
        let (from, to) = (root.join(WAITING).join(file), root.join(file));
        let folder = to.parent().unwrap_or(root).to_owned();
        std::fs::create_dir_all(&folder).map_err(io("create", &folder))?;
        match std::fs::rename(&from, &to) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io("write", &to)(e)),
            _ => folders.insert(folder),
        };
    }
    // The new names must last before the marker goes. Some file systems cannot sync a folder: then there is nothing to do.
    #[cfg(unix)]
    for folder in folders {
        let _ = std::fs::File::open(folder).and_then(|f| f.sync_all());
    }
    match std::fs::remove_file(&marker) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io("write", &marker)(e)),
        _ => clear(root),
    }
}

fn clear(root: &Path) -> Result<(), FolderError> {
    let waiting = root.join(WAITING);
    match std::fs::remove_dir_all(&waiting) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io("write", &waiting)(e)),
        _ => Ok(()),
    }
}

/// Refuses a path that leads out of the folder.
fn check(root: &Path, path: &Path) -> Result<(), FolderError> {
    let inside = path.components().all(|c| matches!(c, Component::Normal(_)));
    if inside { Ok(()) } else { Err(malformed(&root.join(MARKER), format!("{} is not in the folder", path.display()))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(root: &Path, file: &str) -> String {
        std::fs::read_to_string(root.join(file)).unwrap()
    }

    fn filled() -> (tempfile::TempDir, Swap) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "old a").unwrap();
        let mut swap = Swap::begin(dir.path()).unwrap();
        swap.put(Path::new("a"), b"new a").unwrap();
        swap.put(Path::new("sub/b"), b"new b").unwrap();
        (dir, swap)
    }

    #[test]
    fn before_the_marker_all_is_old_and_after_it_all_is_new() {
        let (dir, swap) = filled();
        drop(swap);
        roll_forward(dir.path()).unwrap();
        assert_eq!(text(dir.path(), "a"), "old a");
        assert!(!dir.path().join("sub").exists());

        let (dir, swap) = filled();
        swap.crash_after_marker().unwrap();
        // The crash came when one of the files was in place.
        std::fs::rename(dir.path().join(WAITING).join("a"), dir.path().join("a")).unwrap();
        roll_forward(dir.path()).unwrap();
        roll_forward(dir.path()).unwrap();
        assert_eq!((text(dir.path(), "a"), text(dir.path(), "sub/b")), ("new a".into(), "new b".into()));
        assert!(!dir.path().join(WAITING).exists() && !dir.path().join(MARKER).exists());
    }

    #[test]
    fn nothing_is_written_outside_the_folder() {
        let (dir, mut swap) = filled();
        assert!(swap.put(Path::new("../c"), b"x").is_err());
        assert!(swap.put(Path::new("/tmp/c"), b"x").is_err());
        std::fs::write(dir.path().join(MARKER), r#"["../c"]"#).unwrap();
        assert!(roll_forward(dir.path()).unwrap_err().to_string().contains("not in the folder"));
    }
}
