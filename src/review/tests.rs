use super::*;
use crate::scene::InstanceState;
use nalgebra::{Point3, Vector3};
use proptest::prelude::*;

/// A box of side 1 at x = 2 id, so that no two overlap.
pub(super) fn instance(id: u32) -> Instance {
    Instance {
        id,
        label: format!("thing {id}"),
        caption: format!("caption {id}"),
        score: 0.5,
        state: InstanceState::Kept,
        obb: OrientedBox::upright(Point3::new(2.0 * f64::from(id), 0.0, 0.0), Vector3::repeat(1.0), 0.1),
        views: Vec::new(),
        best_view: String::new(),
        evidence: serde_json::Value::Null,
    }
}

fn instances(n: u32) -> Vec<Instance> {
    (1..=n).map(instance).collect()
}

fn open(scene: &tempfile::TempDir) -> Review {
    Review::open(scene.path(), instances(3), "ana").unwrap()
}

fn log_text(scene: &tempfile::TempDir) -> String {
    std::fs::read_to_string(scene.path().join("review.jsonl")).unwrap()
}

fn recaption(text: &str) -> Decision {
    Decision::Recaption { text: text.into() }
}

#[test]
fn decisions_last_and_keep_each_other() {
    let scene = tempfile::tempdir().unwrap();
    let mut r = open(&scene);
    assert_eq!((r.counts(), r.can_undo_redo(), r.notices().len()), ([0, 0, 3], (false, false), 0));
    r.decide(1, Decision::Accept).unwrap();
    r.decide(1, recaption("a \"red\" chair\n")).unwrap();
    r.decide(1, Decision::Relabel { text: "chair".into() }).unwrap();
    r.decide(2, Decision::Reject).unwrap();
    assert!(matches!(r.decide(9, Decision::Accept), Err(ReviewError::NoSuchInstance(9))));
    let before = r.items().clone();
    drop(r);

    let r = Review::read(scene.path(), instances(3)).unwrap();
    assert_eq!(r.items(), &before);
    assert_eq!(r.counts(), [1, 1, 1]);
    let one = &r.items()[&1];
    assert_eq!((one.verdict, one.instance.caption.as_str()), (Verdict::Accepted, "a \"red\" chair\n"));
    assert_eq!((one.instance.label.as_str(), r.items()[&2].verdict), ("chair", Verdict::Rejected));
    assert!(r.is_read_only());
}

#[test]
fn a_line_says_who_when_what_before_and_after() {
    let scene = tempfile::tempdir().unwrap();
    let mut r = open(&scene);
    r.decide(2, recaption("new")).unwrap();
    r.undo().unwrap();
    let text = log_text(&scene);
    let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    let first = &lines[0];
    assert_eq!((&first["seq"], &first["id"], &first["reviewer"]), (&1.into(), &2.into(), &"ana".into()));
    assert_eq!((&first["action"], &first["decision"]), (&"decide".into(), &"recaption".into()));
    assert_eq!((&first["before"]["caption"], &first["after"]["caption"]), (&"caption 2".into(), &"new".into()));
    assert_eq!(first["program"], concat!("holoscope ", env!("CARGO_PKG_VERSION")));
    let time: jiff::Timestamp = first["time"].as_str().unwrap().parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(time).as_secs() < 60);
    assert!(first["time"].as_str().unwrap().ends_with('Z'));
    assert_eq!((&lines[1]["action"], &lines[1]["of"]), (&"undo".into(), &1.into()));
    assert_eq!(lines[1]["after"]["caption"], "caption 2");
}

#[test]
fn a_second_window_looks_only_until_the_first_closes() {
    let scene = tempfile::tempdir().unwrap();
    let mut first = open(&scene);
    first.decide(1, Decision::Accept).unwrap();
    let mut second = open(&scene);
    assert!(second.is_read_only() && second.notices()[0].contains("another window"));
    assert_eq!(second.counts(), [1, 0, 2]);
    assert!(matches!(second.decide(2, Decision::Accept), Err(ReviewError::ReadOnly { .. })));
    assert!(matches!(second.undo(), Err(ReviewError::ReadOnly { .. })));
    assert_eq!(second.counts(), [1, 0, 2]);
    drop((first, second));
    assert!(!open(&scene).is_read_only());
}

#[test]
fn a_torn_line_is_cut_off_by_the_writer_and_skipped_by_readers() {
    let scene = tempfile::tempdir().unwrap();
    let mut r = open(&scene);
    r.decide(1, Decision::Accept).unwrap();
    let whole = log_text(&scene);
    r.decide(2, Decision::Accept).unwrap();
    drop(r);
    let torn = &log_text(&scene)[..whole.len() + 30];
    std::fs::write(scene.path().join("review.jsonl"), torn).unwrap();

    assert_eq!(Review::read(scene.path(), instances(3)).unwrap().counts(), [1, 0, 2]);
    assert_eq!(log_text(&scene), torn);
    let mut r = open(&scene);
    assert!(r.notices()[0].contains("was cut off"), "{:?}", r.notices());
    assert_eq!((r.counts(), log_text(&scene)), ([1, 0, 2], whole));
    r.decide(3, Decision::Reject).unwrap();
    drop(r);
    let r = open(&scene);
    assert_eq!((r.counts(), r.notices().len()), ([1, 1, 1], 0));
}

#[test]
fn a_lost_last_line_feed_costs_nothing() {
    let scene = tempfile::tempdir().unwrap();
    open(&scene).decide(1, Decision::Accept).unwrap();
    let text = log_text(&scene);
    std::fs::write(scene.path().join("review.jsonl"), text.trim_end()).unwrap();
    let mut r = open(&scene);
    assert_eq!((r.counts(), log_text(&scene)), ([1, 0, 2], text));
    r.decide(2, Decision::Accept).unwrap();
    drop(r);
    assert_eq!(open(&scene).counts(), [2, 0, 1]);
}

#[test]
fn damage_in_the_middle_is_named_and_nothing_is_lost() {
    let scene = tempfile::tempdir().unwrap();
    let mut r = open(&scene);
    for id in 1..=3 {
        r.decide(id, Decision::Accept).unwrap();
    }
    drop(r);
    let bad = log_text(&scene).replacen("\"id\":2", "\"id\":3", 1);
    std::fs::write(scene.path().join("review.jsonl"), &bad).unwrap();
    let mut r = open(&scene);
    assert!(r.is_read_only() && r.notices()[0].contains("line 2"), "{:?}", r.notices());
    assert_eq!(r.counts(), [2, 0, 1]);
    assert!(matches!(r.decide(2, Decision::Accept), Err(ReviewError::Malformed { line: 2, .. })));
    assert_eq!(Review::read(scene.path(), instances(3)).unwrap().notices().len(), 1);
    assert_eq!(log_text(&scene), bad);
}

#[test]
fn a_log_that_cannot_be_written_is_said_and_nothing_is_decided() {
    let scene = tempfile::tempdir().unwrap();
    let mut r = open(&scene);
    r.decide(1, Decision::Accept).unwrap();
    std::fs::remove_file(scene.path().join("review.jsonl")).unwrap();
    assert!(matches!(r.decide(2, Decision::Accept), Err(ReviewError::Io { .. })));
    assert_eq!(r.counts(), [1, 0, 2]);
    drop(r);
    std::fs::remove_file(scene.path().join("review.lock")).unwrap();
    std::fs::create_dir(scene.path().join("review.lock")).unwrap();
    let mut r = open(&scene);
    assert!(r.is_read_only() && r.notices()[0].contains("review.jsonl"), "{:?}", r.notices());
    assert!(matches!(r.decide(2, Decision::Accept), Err(ReviewError::Io { .. })));
}

#[test]
fn decisions_about_instances_that_are_gone_are_kept_not_applied() {
    let scene = tempfile::tempdir().unwrap();
    let mut r = open(&scene);
    r.decide(1, Decision::Accept).unwrap();
    r.decide(2, Decision::Reject).unwrap();
    r.decide(3, Decision::Accept).unwrap();
    drop(r);
    // Another run: 2 is gone, and 3 is the id of another thing.
    let elsewhere = Instance { obb: instance(9).obb, ..instance(3) };
    let mut r = Review::open(scene.path(), vec![instance(1), elsewhere], "ana").unwrap();
    assert!(r.notices()[0].starts_with("2 decisions"), "{:?}", r.notices());
    assert_eq!(r.counts(), [1, 0, 1]);
    assert_eq!(r.undo().unwrap(), Some(1));
    assert_eq!((r.undo().unwrap(), r.can_undo_redo()), (None, (false, true)));
    assert_eq!(r.redo().unwrap(), Some(1));
    drop(r);
    let r = open(&scene);
    assert_eq!((r.counts(), r.notices().len()), ([2, 1, 0], 0));
}

#[test]
fn a_new_decision_drops_the_redo_tail() {
    let scene = tempfile::tempdir().unwrap();
    let mut r = open(&scene);
    r.decide(1, Decision::Accept).unwrap();
    r.decide(2, Decision::Accept).unwrap();
    r.undo().unwrap();
    r.decide(3, Decision::Reject).unwrap();
    assert_eq!((r.redo().unwrap(), r.counts()), (None, [1, 1, 1]));
    assert_eq!((r.undo().unwrap(), r.undo().unwrap(), r.undo().unwrap()), (Some(3), Some(1), None));
}

#[derive(Clone, Debug)]
enum Op {
    Decide(u32, Decision),
    Undo,
    Redo,
    Reopen,
}

fn any_op() -> impl Strategy<Value = Op> {
    let decision = prop_oneof![
        Just(Decision::Accept),
        Just(Decision::Reject),
        "[a-c\n\"é]{0,3}".prop_map(|text| Decision::Recaption { text }),
        "[a-c]{1,2}".prop_map(|text| Decision::Relabel { text }),
    ];
    prop_oneof![
        4 => (1..4u32, decision).prop_map(|(id, d)| Op::Decide(id, d)),
        3 => Just(Op::Undo),
        2 => Just(Op::Redo),
        1 => Just(Op::Reopen),
    ]
}

/// The textbook undo list: states, and where in them we are.
struct Model {
    states: Vec<(Option<u32>, BTreeMap<u32, Reviewed>)>,
    at: usize,
}

impl Model {
    fn decide(&mut self, id: u32, decision: &Decision) {
        let mut state = self.states[self.at].1.clone();
        state.get_mut(&id).unwrap().apply(decision);
        self.states.truncate(self.at + 1);
        self.states.push((Some(id), state));
        self.at += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_sequence_agrees_with_a_list_of_states(ops in prop::collection::vec(any_op(), 1..25)) {
        let scene = tempfile::tempdir().unwrap();
        let mut r = open(&scene);
        let mut model = Model { states: vec![(None, r.items().clone())], at: 0 };
        for op in ops {
            match op {
                Op::Decide(id, d) => {
                    r.decide(id, d.clone()).unwrap();
                    model.decide(id, &d);
                    let after = r.items().clone();
                    prop_assert_eq!((r.undo().unwrap(), r.redo().unwrap()), (Some(id), Some(id)));
                    prop_assert_eq!(r.items(), &after);
                }
                Op::Undo => {
                    let undone = if model.at > 0 { model.at -= 1; model.states[model.at + 1].0 } else { None };
                    prop_assert_eq!(r.undo().unwrap(), undone);
                }
                Op::Redo => {
                    let redone = if model.at + 1 < model.states.len() { model.at += 1; model.states[model.at].0 } else { None };
                    prop_assert_eq!(r.redo().unwrap(), redone);
                }
                Op::Reopen => {
                    drop(r);
                    r = open(&scene);
                    prop_assert!(r.notices().is_empty() && !r.is_read_only());
                }
            }
            prop_assert_eq!(r.items(), &model.states[model.at].1);
            prop_assert_eq!(r.can_undo_redo(), (model.at > 0, model.at + 1 < model.states.len()));
        }
    }
}
