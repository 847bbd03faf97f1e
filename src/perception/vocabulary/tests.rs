use super::*;
use std::collections::BTreeMap;

#[test]
fn every_name_is_tidy_and_belongs_to_one_word() {
    let mut owner = BTreeMap::new();
    for word in words() {
        for name in std::iter::once(&word.name).chain(word.synonyms) {
            assert_eq!(canonical(name), Some(word.name), "{name}");
            if let Some(other) = owner.insert(*name, word.name) {
                panic!("{name} is said of {other} and of {}", word.name);
            }
        }
        assert!(word.kind_of.is_empty() || canonical(word.kind_of) == Some(word.kind_of), "{}", word.name);
    }
    assert!((140..=180).contains(&words().len()), "{}", words().len());
}

#[test]
fn sizes_are_ranges_of_real_things() {
    for word in words() {
        let Sizes { longest, shortest, height } = word.sizes;
        for span in [longest, shortest, height] {
            assert!(0.0 < span.least && span.least < span.typical && span.typical < span.most, "{}", word.name);
            assert!(span.most <= 5.0, "{}", word.name);
        }
        assert!(longest.typical >= shortest.typical && longest.most >= shortest.most, "{}", word.name);
    }
    let sizes = |label: &str| word(label).unwrap().sizes;
    // A refrigerator is taller than wide, a framed picture no thicker than its frame.
    assert!(sizes("fridge").height.typical > 2.0 * sizes("fridge").longest.typical);
    assert!(sizes("framed picture").shortest.most <= 0.1);
    assert_eq!(word("sofa").unwrap().support, Support::Floor);
    assert_eq!(word("cup").unwrap().support, Support::Surface);
    assert_eq!(word("door").unwrap().support, Support::Wall);
}

#[test]
fn detectors_words_become_one_word() {
    for (label, name) in [
        ("couch", "sofa"),
        ("tv", "screen"),
        ("monitor", "screen"),
        ("potted plant", "plant"),
        ("pottedplant", "plant"),
        ("dining table", "table"),
        ("diningtable", "table"),
        ("refrigerator", "fridge"),
        ("cell phone", "phone"),
        ("hair drier", "hair dryer"),
        ("wine glass", "glass"),
        ("teddy bear", "toy"),
        // LVIS and Objects365.
        ("television_set", "screen"),
        ("mouse_(computer_equipment)", "mouse"),
        ("monitor_(computer_equipment) computer_monitor", "screen"),
        ("trash_can", "trash can"),
        ("Cabinet/shelf", "cabinet"),
        ("Monitor/TV", "screen"),
        ("Picture/Frame", "picture"),
        ("Potted Plant", "plant"),
        ("Trash bin Can", "trash can"),
        ("Storage box", "box"),
        // ScanNet, and what people write.
        ("file cabinets", "filing cabinet"),
        ("bookshelves", "bookshelf"),
        ("Curtains", "curtain"),
        ("kitchen knives", "knife"),
        ("dishes", "plate"),
        ("a wooden dining chair", "chair"),
        ("the red office chairs", "office chair"),
        ("stack of books", "book"),
        ("two stacks of books", "book"),
        ("bowl of fruit", "bowl"),
        ("pair of shoes", "shoe"),
        ("table with chairs", "table"),
        ("water-bottle", "bottle"),
        ("rubbish bin", "trash can"),
        ("wash basin", "sink"),
        ("glasses", "glass"),
        ("scissors", "scissors"),
    ] {
        assert_eq!(canonical(label), Some(name), "{label}");
    }
}

#[test]
fn what_does_not_stand_in_rooms_has_no_word() {
    let elsewhere = "person,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,\
                     bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,frisbee,skis,snowboard,kite,surfboard,\
                     hot dog,pizza,wall,floor,ceiling,door handle,";
    for label in elsewhere.split(',') {
        assert_eq!(canonical(label), None, "{label}");
    }
}

#[test]
fn sameness_and_kinship() {
    assert!(same("Sofas", "couch") && same("tv", "computer monitor") && same("widget", "the Widgets"));
    assert!(!same("chair", "table") && !same("chair", "widget") && !same("office chair", "chair"));
    assert!(related("office chair", "chair") && related("table", "desk") && related("sofa", "couch"));
    assert!(!related("desk", "nightstand") && !related("chair", "sofa"));
}

/// Names and aliases of the captures are understood: each box's own label and its aliases meet in one word at least.
#[test]
fn names_of_the_captures_are_known() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let mut seen = 0;
    for room in ["room_a", "room_c", "room_d", "lounge"] {
        let Ok(text) = std::fs::read_to_string(data.join(room).join("boxes.json")) else { continue };
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        let list = read.as_array().or_else(|| read["boxes"].as_array()).or_else(|| read["instances"].as_array());
        for thing in list.unwrap() {
            let label = thing["label"].as_str().unwrap();
            if crate::perception::is_structural(label) {
                continue;
            }
            let aliases: Vec<&str> = thing["aliases"].as_array().unwrap().iter().filter_map(|a| a.as_str()).collect();
            let name = canonical(label).unwrap_or_else(|| panic!("{room}: {label} has no word"));
            let accepted = aliases.iter().chain([&label]).any(|a| *a == name || related(a, name));
            assert!(accepted, "{room}: {label} is called {name}, which is none of {aliases:?}");
            seen += 1;
        }
    }
    assert!(seen > 0 || !data.is_dir());
}
