//! Names of classes: from the model's own notes, from a file beside it, or by their number.

use super::Known;
use super::decode::Decoded;
use super::recognise::Layout;
use crate::models::{ModelError, Signature};
use std::path::{Path, PathBuf};

/// The 80 classes of COCO's boxes, in order.
pub(super) const COCO_80: &str = "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,\
    stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,\
    suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,\
    wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,\
    potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,\
    book,clock,vase,scissors,teddy bear,hair drier,toothbrush";

/// COCO's identifiers from 1 to 90 that no class has.
const UNUSED: [usize; 10] = [12, 26, 29, 30, 45, 66, 68, 69, 71, 83];

/// The 80 classes of COCO.
pub(super) fn coco_80() -> Vec<String> {
    COCO_80.split(',').map(str::to_owned).collect()
}

/// COCO's classes by their identifiers 1 to 90; 0, for the background, and the unused are empty.
pub(super) fn coco_91() -> Vec<String> {
    let mut names = COCO_80.split(',');
    let name = |id: usize| if id == 0 || UNUSED.contains(&id) { None } else { names.next() };
    (0..91).map(name).map(|n| n.unwrap_or_default().to_owned()).collect()
}

/// The file with one name a line beside a model: `STEM.labels.txt`, else `labels.txt`.
pub(super) fn file_beside(model: &Path) -> Option<PathBuf> {
    [model.with_extension("labels.txt"), model.with_file_name("labels.txt")].into_iter().find(|p| p.is_file())
}

/// The names of a detector's classes: those that it brings, else those of COCO where it has as many. A model whose outputs do
/// not tell how many it has, but numbers of classes, has COCO's 80, or, where it counts from 1, COCO's identifiers.
pub(super) fn names(known: &Known, decoded: &Decoded) -> Option<Vec<String>> {
    let from_1 = || coco_91().into_iter().skip(1).collect();
    match (&known.labels, decoded.classes) {
        (Some(labels), _) => Some(labels.clone()),
        (None, None) if counts_from_1(known.kind.layout) => Some(from_1()),
        (None, None | Some(80)) => Some(coco_80()),
        (None, Some(90)) => Some(from_1()),
        (None, Some(91)) => Some(coco_91()),
        (None, Some(_)) => None,
    }
}

/// Whether the first class has the number 1, 0 being the background.
fn counts_from_1(layout: Layout) -> bool {
    matches!(layout, Layout::Tensorflow | Layout::Listed { first: 1 })
}

/// The names that a model or a file beside it gives, the background left out where it is counted; `None` where neither does. A
/// file goes before the model's notes.
pub(super) fn given(model: &Path, signature: &Signature, layout: Layout) -> Result<Option<Vec<String>>, ModelError> {
    let mut names = written(model, signature)?;
    if let Some(names) = names.as_mut().filter(|_| counts_from_1(layout)) {
        let background = |n: &String| ["background", "__background__", "???"].contains(&n.to_lowercase().as_str());
        if names.first().is_some_and(background) {
            names.remove(0);
        }
    }
    Ok(names)
}

fn written(model: &Path, signature: &Signature) -> Result<Option<Vec<String>>, ModelError> {
    if let Some(file) = file_beside(model) {
        let text = std::fs::read_to_string(&file).map_err(|e| ModelError::file(&file, e))?;
        let names: Vec<String> = text.lines().map(|l| l.trim().to_owned()).collect();
        let last = names.iter().rposition(|n| !n.is_empty()).map_or(0, |k| k + 1);
        return match &names[..last] {
            [] => Err(ModelError::file(&file, "it is empty: one name of a class a line was expected")),
            some => Ok(Some(some.to_vec())),
        };
    }
    Ok(["names", "labels", "classes"].iter().find_map(|key| signature.note(key)).map(listed).filter(|n| !n.is_empty()))
}

/// Names in a note: `{0: 'person', 1: "bicycle"}` as Ultralytics writes it, a list in brackets, or words with commas.
fn listed(text: &str) -> Vec<String> {
    let text = text.trim();
    if !text.starts_with(['{', '[']) {
        return text.split([',', '\n']).map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).collect();
    }
    let mut names = Vec::new();
    let (mut chars, mut between) = (text.chars(), String::new());
    while let Some(c) = chars.next() {
        if c != '\'' && c != '"' {
            between.push(c);
            continue;
        }
        let mut name = String::new();
        while let Some(inner) = chars.next() {
            match inner {
                '\\' => name.extend(chars.next()),
                end if end == c => break,
                other => name.push(other),
            }
        }
        names.push((std::mem::take(&mut between), name));
    }
    let pairs = names.len() > 1 && names.iter().step_by(2).all(|(_, key)| key.parse::<usize>().is_ok());
    if text.starts_with('{') && pairs && names.len() % 2 == 0 {
        // JSON has its keys in quotes too.
        return numbered(names.chunks_exact(2).map(|pair| (pair[0].1.clone(), pair[1].1.clone())));
    }
    let keyed = |(between, name): (String, String)| (between.chars().filter(char::is_ascii_digit).collect(), name);
    match text.starts_with('{') {
        true => numbered(names.into_iter().map(keyed)),
        false => names.into_iter().map(|(_, name)| name).collect(),
    }
}

/// Names in the order of their numbers; numbers that are left out have no name.
fn numbered(pairs: impl Iterator<Item = (String, String)>) -> Vec<String> {
    /// Classes of the largest vocabularies are some 20,000.
    const MOST: usize = 100_000;
    let mut out = Vec::new();
    for (key, name) in pairs {
        let Some(at) = key.parse::<usize>().ok().filter(|k| *k < MOST) else { continue };
        if out.len() <= at {
            out.resize(at + 1, String::new());
        }
        out[at] = name;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coco_by_number_and_by_identifier() {
        let (eighty, by_id) = (coco_80(), coco_91());
        assert_eq!((eighty.len(), by_id.len()), (80, 91));
        // From the annotations of COCO 2017: 13 stop sign, 27 backpack, 62 chair, 63 couch, 72 tv, 84 book, 90 toothbrush.
        for (id, name) in [(1, "person"), (13, "stop sign"), (27, "backpack"), (62, "chair"), (63, "couch"), (72, "tv")]
        {
            assert_eq!(by_id[id], name);
        }
        assert_eq!((by_id[84].as_str(), by_id[90].as_str(), by_id[12].as_str()), ("book", "toothbrush", ""));
        assert_eq!((eighty[56].as_str(), eighty[79].as_str()), ("chair", "toothbrush"));
    }

    #[test]
    fn names_in_notes() {
        let names = |text: &str| listed(text).join("|");
        assert_eq!(names("{0: 'person', 1: \"driver's seat\", 2: 'it\\'s'}"), "person|driver's seat|it's");
        assert_eq!(names("{\"0\": \"a\", \"2\": \"b\"}"), "a||b");
        assert_eq!(names("['chair', 'table']"), "chair|table");
        assert_eq!(names("person,traffic light, car"), "person|traffic light|car");
        assert_eq!(names("{}"), "");
    }

    #[test]
    fn a_file_beside_the_model_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("mine.onnx");
        let signature = Signature { metadata: vec![("names".into(), "{0: 'a'}".into())], ..Signature::default() };
        assert_eq!(given(&model, &signature, Layout::OneTensor).unwrap().unwrap(), ["a"]);
        std::fs::write(dir.path().join("labels.txt"), "sofa\n\nchair\n\n").unwrap();
        assert_eq!(given(&model, &signature, Layout::OneTensor).unwrap().unwrap(), ["sofa", "", "chair"]);
        std::fs::write(dir.path().join("mine.labels.txt"), "\n").unwrap();
        assert!(given(&model, &signature, Layout::OneTensor).unwrap_err().to_string().contains("mine.labels.txt"));
    }
}
