//! Labels to choose from while one is being typed.

use super::Reviewed;
use std::collections::BTreeMap;

/// Labels of common things indoors: for scenes whose own labels do not help.
const COMMON: &[&str] = &[
    "air conditioner",
    "armchair",
    "backpack",
    "bag",
    "basket",
    "bathtub",
    "bed",
    "bench",
    "bicycle",
    "bin",
    "blanket",
    "blinds",
    "board",
    "book",
    "bookshelf",
    "bottle",
    "bowl",
    "box",
    "bucket",
    "cabinet",
    "candle",
    "carpet",
    "ceiling",
    "chair",
    "clock",
    "closet",
    "clothes",
    "coat rack",
    "coffee machine",
    "coffee table",
    "column",
    "counter",
    "cup",
    "cupboard",
    "curtain",
    "cushion",
    "desk",
    "desk lamp",
    "dining table",
    "dishwasher",
    "door",
    "drawer",
    "dresser",
    "fan",
    "faucet",
    "fireplace",
    "floor",
    "floor lamp",
    "fridge",
    "guitar",
    "hanger",
    "headphones",
    "heater",
    "jacket",
    "kettle",
    "keyboard",
    "ladder",
    "lamp",
    "laptop",
    "light switch",
    "magazine",
    "mattress",
    "microwave",
    "mirror",
    "monitor",
    "mouse",
    "mug",
    "nightstand",
    "office chair",
    "ottoman",
    "oven",
    "painting",
    "paper",
    "person",
    "phone",
    "piano",
    "picture",
    "pillow",
    "plant",
    "plate",
    "poster",
    "power socket",
    "printer",
    "projector",
    "radiator",
    "remote control",
    "rug",
    "shelf",
    "shoes",
    "shower",
    "side table",
    "sink",
    "sofa",
    "speaker",
    "stairs",
    "stool",
    "stove",
    "suitcase",
    "table",
    "teddy bear",
    "telephone",
    "television",
    "tissue box",
    "toilet",
    "towel",
    "toy",
    "tray",
    "umbrella",
    "vacuum cleaner",
    "vase",
    "wall",
    "wardrobe",
    "washing machine",
    "whiteboard",
    "window",
    "window sill",
];

/// At most `most` labels that go on from what is `typed`, the likeliest first: those with it at their start before
/// those with it at the start of a later word. Of these, first what the masks of the instance were called, then labels of
/// the scene by how often they are used, then names that masks of other instances had, then common things indoors.
pub fn suggestions(items: &BTreeMap<u32, Reviewed>, id: u32, typed: &str, most: usize) -> Vec<String> {
    let typed = typed.trim().to_lowercase();
    let mut ranked: Vec<String> = Vec::new();
    let mut add = |label: &str| {
        if !label.is_empty() && !ranked.iter().any(|r| r.eq_ignore_ascii_case(label)) {
            ranked.push(label.to_owned());
        }
    };
    items.get(&id).map(votes).unwrap_or_default().iter().for_each(|v| add(v.0));
    let mut used: BTreeMap<&str, usize> = BTreeMap::new();
    let mut voted: BTreeMap<&str, usize> = BTreeMap::new();
    for item in items.values() {
        *used.entry(&item.instance.label).or_default() += 1;
        votes(item).into_iter().for_each(|(name, n)| *voted.entry(name).or_default() += n);
    }
    for counts in [used, voted] {
        let mut by_count: Vec<(&str, usize)> = counts.into_iter().collect();
        by_count.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        by_count.iter().for_each(|c| add(c.0));
    }
    COMMON.iter().for_each(|c| add(c));
    let place = |label: &String| {
        let label = label.to_lowercase();
        let later = || label.split_whitespace().any(|w| w.starts_with(&typed));
        if label.starts_with(&typed) { Some(0) } else { later().then_some(1) }
    };
    let mut found: Vec<(u8, String)> = ranked.into_iter().filter_map(|l| Some((place(&l)?, l))).collect();
    found.retain(|f| f.1.to_lowercase() != typed);
    found.sort_by_key(|f| f.0);
    found.into_iter().take(most).map(|f| f.1).collect()
}

/// What the masks of an instance were called, the most frequent first.
fn votes(item: &Reviewed) -> Vec<(&str, usize)> {
    let votes = item.instance.evidence.get("label").and_then(|l| l.get("votes")).and_then(|v| v.as_object());
    let mut votes: Vec<(&str, usize)> =
        votes.into_iter().flatten().map(|(k, v)| (k.as_str(), v.as_u64().unwrap_or(0) as usize)).collect();
    votes.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    votes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::tests::instance;
    use crate::scene::Instance;

    #[test]
    fn what_is_likely_comes_first() {
        let item = |id, label: &str, votes: serde_json::Value| {
            let evidence = serde_json::json!({"label": {"votes": votes}});
            (id, Reviewed::new(Instance { label: label.into(), evidence, ..instance(id) }))
        };
        let items = BTreeMap::from([
            item(1, "couch", serde_json::json!({"settee": 2, "couch": 9})),
            item(2, "sofa", serde_json::json!({"sofa": 3})),
            item(3, "sofa", serde_json::json!({"side board": 1})),
        ]);
        assert_eq!(suggestions(&items, 1, "", 4), ["couch", "settee", "sofa", "side board"]);
        assert_eq!(suggestions(&items, 1, "S", 4), ["settee", "sofa", "side board", "shelf"]);
        assert_eq!(suggestions(&items, 1, "tab", 9), ["table", "coffee table", "dining table", "side table"]);
        assert_eq!(suggestions(&items, 1, "table", 1), ["coffee table"], "what is typed already is no suggestion");
        assert!(suggestions(&items, 1, "xyzzy", 9).is_empty());
    }

    #[test]
    fn the_built_in_list_is_in_order_and_has_no_doubles() {
        assert!(COMMON.windows(2).all(|w| w[0] < w[1]));
    }
}
