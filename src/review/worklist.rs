//! The scenes of a folder, and how much of each is reviewed: read without their splats.

use super::Review;
use crate::input::natural;
use crate::scene::folder::SceneFolder;
use crate::scene::{Cancelled, Job};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// How much of a scene is reviewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Instances.
    pub all: usize,
    /// Those that nobody has decided about.
    pub unreviewed: usize,
}

impl Tally {
    /// Counts reviewed instances.
    pub fn of(review: &Review) -> Self {
        Self { all: review.items().len(), unreviewed: review.counts().unreviewed }
    }

    /// Instances that somebody has decided about.
    pub fn done(&self) -> usize {
        self.all - self.unreviewed
    }
}

/// A scene of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct SceneWork {
    /// Its folder.
    pub root: PathBuf,
    /// Name of the folder.
    pub name: String,
    /// What there is to do; a sentence where it cannot be read; nothing before it was read.
    pub work: Option<Result<Tally, String>>,
}

/// The scenes of a folder, in natural order of their names.
#[derive(Clone, Debug, PartialEq)]
pub struct Worklist {
    /// The folder.
    pub folder: PathBuf,
    /// Its scenes.
    pub scenes: Vec<SceneWork>,
}

impl Worklist {
    /// The scene folders that lie directly in a folder; `None` where there are none, where the folder is a scene itself,
    /// or where it holds photos too, which are to be made a scene.
    pub fn find(folder: &Path) -> Option<Self> {
        if SceneFolder::is_scene(folder) {
            return None;
        }
        let mut scenes = Vec::new();
        for entry in std::fs::read_dir(folder).ok()?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                if SceneFolder::is_scene(&path) {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    scenes.push(SceneWork { root: path, name, work: None });
                }
            } else if is_photo(&path) {
                return None;
            }
        }
        scenes.sort_by(|a, b| natural(&a.name, &b.name));
        (!scenes.is_empty()).then(|| Self { folder: folder.to_path_buf(), scenes })
    }

    /// Reads what there is to do in all scenes. `tell` hears of each as it is read, by its index.
    pub fn read(&self, job: &dyn Job, tell: &dyn Fn(usize, Result<Tally, String>)) -> Result<(), Cancelled> {
        for (k, scene) in self.scenes.iter().enumerate() {
            job.tick(k, self.scenes.len())?;
            tell(k, tally(&scene.root));
        }
        Ok(())
    }

    /// The first scene behind `after`, going on at the top, that has unreviewed instances; `after` itself is left out.
    pub fn next(&self, after: Option<&Path>) -> Option<&SceneWork> {
        let here = after.and_then(|root| self.position(root));
        let start = here.map_or(0, |k| k + 1);
        let (before, behind) = self.scenes.split_at(start);
        let has_work = |s: &&SceneWork| matches!(&s.work, Some(Ok(t)) if t.unreviewed > 0);
        let others = behind.iter().chain(before.iter().take(here.unwrap_or(start)));
        others.into_iter().find(has_work)
    }

    /// Index of a scene.
    pub fn position(&self, root: &Path) -> Option<usize> {
        self.scenes.iter().position(|s| s.root == root)
    }

    /// Over all scenes that could be read.
    pub fn total(&self) -> Tally {
        self.scenes.iter().fold(Tally::default(), |sum, s| match &s.work {
            Some(Ok(t)) => Tally { all: sum.all + t.all, unreviewed: sum.unreviewed + t.unreviewed },
            _ => sum,
        })
    }
}

/// What there is to do in a scene; a sentence that names the file where it cannot be said.
pub fn tally(root: &Path) -> Result<Tally, String> {
    let folder = SceneFolder::open(root).map_err(|e| e.to_string())?;
    if !root.join("instances.json").is_file() {
        return Err(format!("{} has no instances yet: its run is not finished", root.display()));
    }
    let instances = folder.read_instances().map_err(|e| e.to_string())?.instances;
    Review::read(root, instances).map(|r| Tally::of(&r)).map_err(|e| e.to_string())
}

fn is_photo(path: &Path) -> bool {
    let end = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
    ["jpg", "jpeg", "png"].contains(&end.as_str()) && path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::Decision;
    use crate::review::tests::instance;
    use crate::scene::{Instances, Quiet};
    use std::sync::Mutex;

    /// A scene of `n` instances of which the first `done` are accepted.
    fn scene(folder: &Path, name: &str, n: u32, done: u32) {
        let root = folder.join(name);
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(root.join("scene.json"), r#"{"version": 1}"#).unwrap();
        let instances: Vec<_> = (1..=n).map(instance).collect();
        let all = Instances { version: 1, instances: instances.clone() };
        SceneFolder::open(&root).unwrap().write_instances(&all).unwrap();
        let mut review = Review::open(&root, instances, "ada").unwrap();
        for id in 1..=done {
            review.decide(id, Decision::Accept).unwrap();
        }
    }

    fn read(list: &Worklist) -> Worklist {
        let found = Mutex::new(list.clone());
        list.read(&Quiet, &|k, work| found.lock().unwrap().scenes[k].work = Some(work)).unwrap();
        found.into_inner().unwrap()
    }

    #[test]
    fn finds_counts_and_goes_on() {
        let home = tempfile::tempdir().unwrap();
        scene(home.path(), "room_10", 4, 1);
        scene(home.path(), "room_2", 3, 3);
        scene(home.path(), "room_1", 2, 0);
        scene(home.path(), "torn", 1, 0);
        std::fs::write(home.path().join("torn/instances.json"), "{").unwrap();
        std::fs::create_dir(home.path().join("notes")).unwrap();
        let list = read(&Worklist::find(home.path()).unwrap());
        let names: Vec<&str> = list.scenes.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["room_1", "room_2", "room_10", "torn"]);
        let tally = |k: usize| list.scenes[k].work.clone().unwrap();
        assert_eq!(tally(0), Ok(Tally { all: 2, unreviewed: 2 }));
        assert_eq!(tally(2), Ok(Tally { all: 4, unreviewed: 3 }));
        assert!(tally(3).unwrap_err().contains("torn/instances.json"));
        assert_eq!((list.total(), list.total().done()), (Tally { all: 9, unreviewed: 5 }, 4));
        let next =
            |after: Option<usize>| list.next(after.map(|k| list.scenes[k].root.as_path())).map(|s| s.name.as_str());
        assert_eq!(next(None), Some("room_1"));
        assert_eq!(next(Some(0)), Some("room_10"), "room_2 is done");
        assert_eq!(next(Some(2)), Some("room_1"), "round and round");
        let one = Worklist { scenes: list.scenes[..2].to_vec(), ..list.clone() };
        assert_eq!(one.next(Some(&one.scenes[0].root)), None, "the scene itself is no next one");
    }

    #[test]
    fn scenes_and_photos_are_no_worklists() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(Worklist::find(home.path()), None);
        assert_eq!(Worklist::find(&home.path().join("gone")), None);
        scene(home.path(), "a", 1, 0);
        assert!(Worklist::find(home.path()).is_some());
        assert_eq!(Worklist::find(&home.path().join("a")), None);
        std::fs::write(home.path().join("0001.JPG"), "").unwrap();
        assert_eq!(Worklist::find(home.path()), None);
    }
}
