use super::*;
use crate::scene::{InstanceState, InstanceView};
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

/// Accepted, rejected, unreviewed.
fn counts(r: &Review) -> [usize; 3] {
    let Counts { accepted, rejected, unsure, unreviewed } = r.counts();
    assert_eq!(unsure, 0);
    [accepted, rejected, unreviewed]
}

fn recaption(text: &str) -> Decision {
    Decision::Recaption { text: text.into() }
}

#[test]
fn decisions_last_and_keep_each_other() {
    let scene = tempfile::tempdir().unwrap();
    let mut r = open(&scene);
    assert_eq!((counts(&r), r.can_undo_redo(), r.notices().len()), ([0, 0, 3], (false, false), 0));
    r.decide(1, Decision::Accept).unwrap();
    r.decide(1, recaption("a \"red\" chair\n")).unwrap();
    r.decide(1, Decision::Relabel { text: "chair".into() }).unwrap();
    r.decide(2, Decision::REJECT).unwrap();
    assert!(matches!(r.decide(9, Decision::Accept), Err(ReviewError::NoSuchInstance(9))));
    let before = r.items().clone();
    drop(r);

    let r = Review::read(scene.path(), instances(3)).unwrap();
    assert_eq!(r.items(), &before);
    assert_eq!(counts(&r), [1, 1, 1]);
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
    assert_eq!(lines[1]["changes"][0]["after"]["caption"], "caption 2");
}

#[test]
fn a_second_window_looks_only_until_the_first_closes() {
    let scene = tempfile::tempdir().unwrap();
    let mut first = open(&scene);
    first.decide(1, Decision::Accept).unwrap();
    let mut second = open(&scene);
    assert!(second.is_read_only() && second.notices()[0].contains("another window"));
    assert_eq!(counts(&second), [1, 0, 2]);
    assert!(matches!(second.decide(2, Decision::Accept), Err(ReviewError::ReadOnly { .. })));
    assert!(matches!(second.undo(), Err(ReviewError::ReadOnly { .. })));
    assert_eq!(counts(&second), [1, 0, 2]);
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

    assert_eq!(counts(&Review::read(scene.path(), instances(3)).unwrap()), [1, 0, 2]);
    assert_eq!(log_text(&scene), torn);
    let mut r = open(&scene);
    assert!(r.notices()[0].contains("was cut off"), "{:?}", r.notices());
    assert_eq!((counts(&r), log_text(&scene)), ([1, 0, 2], whole));
    r.decide(3, Decision::REJECT).unwrap();
    drop(r);
    let r = open(&scene);
    assert_eq!((counts(&r), r.notices().len()), ([1, 1, 1], 0));
}

#[test]
fn a_lost_last_line_feed_costs_nothing() {
    let scene = tempfile::tempdir().unwrap();
    open(&scene).decide(1, Decision::Accept).unwrap();
    let text = log_text(&scene);
    std::fs::write(scene.path().join("review.jsonl"), text.trim_end()).unwrap();
    let mut r = open(&scene);
    assert_eq!((counts(&r), log_text(&scene)), ([1, 0, 2], text));
    r.decide(2, Decision::Accept).unwrap();
    drop(r);
    assert_eq!(counts(&open(&scene)), [2, 0, 1]);
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
    assert_eq!(counts(&r), [2, 0, 1]);
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
    assert_eq!(counts(&r), [1, 0, 2]);
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
    r.decide(2, Decision::REJECT).unwrap();
    r.decide(3, Decision::Accept).unwrap();
    drop(r);
    // Another run: 2 is gone, and 3 is the id of another thing.
    let elsewhere = Instance { obb: instance(9).obb, ..instance(3) };
    let mut r = Review::open(scene.path(), vec![instance(1), elsewhere], "ana").unwrap();
    assert!(r.notices()[0].starts_with("2 decisions"), "{:?}", r.notices());
    assert_eq!(counts(&r), [1, 0, 1]);
    assert_eq!(r.undo().unwrap(), Some(vec![1]));
    assert_eq!((r.undo().unwrap(), r.can_undo_redo()), (None, (false, true)));
    assert_eq!(r.redo().unwrap(), Some(vec![1]));
    drop(r);
    let r = open(&scene);
    assert_eq!((counts(&r), r.notices().len()), ([2, 1, 0], 0));
}

#[test]
fn a_new_decision_drops_the_redo_tail() {
    let scene = tempfile::tempdir().unwrap();
    let mut r = open(&scene);
    r.decide(1, Decision::Accept).unwrap();
    r.decide(2, Decision::Accept).unwrap();
    r.undo().unwrap();
    r.decide(3, Decision::REJECT).unwrap();
    assert_eq!((r.redo().unwrap(), counts(&r)), (None, [1, 1, 1]));
    assert_eq!((r.undo().unwrap(), r.undo().unwrap(), r.undo().unwrap()), (Some(vec![3]), Some(vec![1]), None));
}

/// Two things become one, and come apart again.
#[test]
fn merge_and_split_are_one_step_each_and_keep_the_masks() {
    let scene = tempfile::tempdir().unwrap();
    let view =
        |image: &str, visible: f64| InstanceView { image: image.into(), mask_score: 0.5, visible_fraction: visible };
    let with = |id: u32, views: Vec<InstanceView>| Instance { views, ..instance(id) };
    let found = || vec![with(1, vec![view("a", 0.9), view("c", 0.2)]), with(2, vec![view("b", 0.3), view("c", 0.8)])];
    let mut r = Review::open(scene.path(), found(), "ana").unwrap();
    let before = r.items().clone();
    let both = OrientedBox::upright(Point3::new(3.0, 0.0, 0.0), Vector3::new(3.0, 1.0, 1.0), 0.1);
    let merge = vec![(1, Decision::TakeIn { ids: vec![2] }), (1, Decision::Rebox { to: both }), (2, Decision::Delete)];
    r.decide_all(merge).unwrap();
    let one = &r.items()[&1];
    assert_eq!((r.items().len(), one.instance.obb), (1, both));
    assert_eq!(one.instance.views, [view("a", 0.9), view("b", 0.3), view("c", 0.8)]);
    let of: Vec<u32> = one.masks.iter().map(|m| m.of).collect();
    assert_eq!(of, [1, 2]);

    let side = HalfSpace { normal: Vector3::x(), offset: 3.0 };
    let id = r.free_id();
    let part = Box::new(Instance { views: Vec::new(), ..instance(2) });
    let split = vec![
        (1, Decision::Keep { side }),
        (id, Decision::Add { instance: part, masks: Vec::new() }),
        (id, Decision::TakeIn { ids: vec![1] }),
        (id, Decision::Keep { side: side.opposite() }),
    ];
    r.decide_all(split).unwrap();
    assert_eq!((id, r.items()[&id].instance.views.len()), (3, 3));
    let sides = |i: u32| r.items()[&i].masks.iter().map(|m| (m.of, m.sides.clone())).collect::<Vec<_>>();
    assert_eq!(sides(1), [(1, vec![side]), (2, vec![side])]);
    let other = vec![side.opposite()];
    assert_eq!(sides(3), [(3, other.clone()), (1, other.clone()), (2, other)]);
    let after = r.items().clone();
    drop(r);

    let mut r = Review::open(scene.path(), found(), "ana").unwrap();
    assert_eq!((r.items(), r.notices().len(), r.history(1).len()), (&after, 0, 2));
    assert_eq!(r.undo().unwrap(), Some(vec![1, 3]));
    assert_eq!(r.undo().unwrap(), Some(vec![1, 2]));
    assert_eq!(r.items(), &before);
    assert_eq!(r.undo().unwrap(), None);
    r.redo().unwrap();
    r.redo().unwrap();
    assert_eq!(r.items(), &after);
}

#[test]
fn a_batch_is_decided_whole_or_not_at_all() {
    let scene = tempfile::tempdir().unwrap();
    let mut r = open(&scene);
    let before = (r.items().clone(), log_text(&scene));
    let flat = OrientedBox { size: Vector3::new(1.0, f64::NAN, 1.0), ..instance(2).obb };
    for (last, id) in [(Decision::Accept, 9), (Decision::Rebox { to: flat }, 2), (Decision::Delete, 7)] {
        assert!(r.decide_all(vec![(1, Decision::Accept), (id, last)]).is_err());
        assert_eq!((r.items(), log_text(&scene)), (&before.0, before.1.clone()));
    }
    let taken = Decision::Add { instance: Box::new(instance(2)), masks: Vec::new() };
    assert!(matches!(r.decide(2, taken), Err(ReviewError::Taken(2))));
    r.decide_all(Vec::new()).unwrap();
    assert_eq!((log_text(&scene), r.can_undo_redo()), (before.1, (false, false)));
}

#[test]
fn a_log_of_the_first_version_still_counts() {
    let scene = tempfile::tempdir().unwrap();
    let old = r#"{"seq":1,"time":"2026-01-31T09:30:00.125Z","reviewer":"ana","program":"holoscope 0.1.0","id":2,"action":"decide","decision":"reject","before":{"verdict":"unreviewed"},"after":{"verdict":"rejected"}"#;
    let undo = r#"{"seq":2,"time":"2026-01-31T09:30:01Z","reviewer":"ana","program":"holoscope 0.1.0","id":2,"action":"undo","of":1,"before":{"verdict":"rejected"},"after":{"verdict":"unreviewed"}"#;
    let line = |body: &str| {
        let sum = &blake3::hash(format!("{body}}}").as_bytes()).to_hex()[..16];
        format!("{body},\"sum\":\"{sum}\"}}\n")
    };
    std::fs::write(scene.path().join("review.jsonl"), line(old)).unwrap();
    assert_eq!(counts(&open(&scene)), [0, 1, 2]);
    std::fs::write(scene.path().join("review.jsonl"), line(old) + &line(undo)).unwrap();
    let mut r = open(&scene);
    assert_eq!((counts(&r), r.notices().len()), ([0, 0, 3], 0));
    assert_eq!((r.redo().unwrap(), counts(&r)), (Some(vec![2]), [0, 1, 2]));
}

/// The pipeline ran again: other ids, boxes a little elsewhere, one thing gone, and the id of an addition is in use.
#[test]
fn decisions_go_over_to_the_instances_of_another_run_by_overlap() {
    let scene = tempfile::tempdir().unwrap();
    let mut r = open(&scene);
    r.decide(1, Decision::Accept).unwrap();
    r.decide(2, Decision::Reject { reason: Some(Reason::Part) }).unwrap();
    r.decide(3, Decision::Relabel { text: "vase".into() }).unwrap();
    let lamp = Instance { label: "lamp".into(), ..instance(20) };
    r.decide(r.free_id(), Decision::Add { instance: Box::new(lamp), masks: Vec::new() }).unwrap();
    r.decide(4, Decision::Accept).unwrap();
    drop(r);

    let at = |id: u32, like: u32, off: f64| {
        let mut i = Instance { id, ..instance(like) };
        i.obb.center.x += off;
        i
    };
    // 1 is 2 now, 2 is 4, and 3 is gone.
    let found = || vec![at(1, 30, 0.0), at(2, 1, 0.2), at(4, 2, 0.0)];
    for _ in 0..2 {
        let mut r = Review::open(scene.path(), found(), "ana").unwrap();
        assert!(r.notices()[0].starts_with("4 decisions were taken over"), "{:?}", r.notices());
        assert!(r.notices()[1].starts_with("1 decision is about"), "{:?}", r.notices());
        let verdicts: Vec<_> = r.items().iter().map(|(id, i)| (*id, i.verdict)).collect();
        use Verdict::*;
        assert_eq!(verdicts, [(1, Unreviewed), (2, Accepted), (4, Rejected), (1_000_004, Accepted)]);
        assert_eq!(r.items()[&4].reason, Some(Reason::Part));
        assert_eq!(r.items()[&1_000_004].instance.label, "lamp");
        let lost: Vec<_> = r.lost().iter().map(|l| (l.id, l.label.as_str(), l.decision.in_words())).collect();
        assert_eq!(lost, [(3, "thing 3", "label is now vase".to_owned())]);
        // What is decided now, about the things of now, stays with them.
        r.decide(1_000_004, Decision::Unsure).unwrap();
        r.undo().unwrap();
    }
    // The old results again: nothing is lost.
    let r = open(&scene);
    assert_eq!((counts(&r), r.lost().len(), r.items()[&3].instance.label.as_str()), ([2, 1, 1], 0, "vase"));
}

#[test]
fn a_second_opinion_knows_nothing_of_the_first() {
    let scene = tempfile::tempdir().unwrap();
    let mut first = open(&scene);
    first.decide(1, Decision::Accept).unwrap();
    let mut second = Review::open_second(scene.path(), instances(3), "bob/../x").unwrap();
    assert_eq!(counts(&second), [0, 0, 3]);
    second.decide(1, Decision::REJECT).unwrap();
    let path = scene.path().join("review-bob----x.jsonl");
    assert_eq!(second.path(), path);
    assert_eq!(counts(&Review::read_log(&path, instances(3)).unwrap()), [0, 1, 2]);
    assert_eq!(counts(&Review::read(scene.path(), instances(3)).unwrap()), [1, 0, 2]);
}

#[derive(Clone, Debug)]
enum Op {
    Decide(Vec<(u32, Decision)>),
    Undo,
    Redo,
    Reopen,
}

fn any_decision() -> impl Strategy<Value = Decision> {
    prop_oneof![
        Just(Decision::Accept),
        Just(Decision::REJECT),
        Just(Decision::Reject { reason: Some(Reason::Several) }),
        Just(Decision::Unsure),
        Just(Decision::Delete),
        "[a-c\n\"é]{0,3}".prop_map(|text| Decision::Recaption { text }),
        "[a-c]{1,2}".prop_map(|text| Decision::Relabel { text }),
        "[a-c]{0,2}".prop_map(|text| Decision::Note { text }),
        (-2.0..2.0f64)
            .prop_map(|x| Decision::Rebox { to: OrientedBox { center: [x, 0.1, 0.2].into(), ..instance(1).obb } }),
        (-2.0..2.0f64).prop_map(|offset| Decision::Keep { side: HalfSpace { normal: Vector3::z(), offset } }),
        prop::collection::vec(1..7u32, 1..3).prop_map(|ids| Decision::TakeIn { ids }),
        (1..7u32).prop_map(|i| Decision::Add { instance: Box::new(instance(i)), masks: Vec::new() }),
    ]
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => prop::collection::vec((1..9u32, any_decision()), 1..4).prop_map(Op::Decide),
        3 => Just(Op::Undo),
        2 => Just(Op::Redo),
        1 => Just(Op::Reopen),
    ]
}

type State = BTreeMap<u32, Reviewed>;

/// The textbook undo list: states, and where in them we are.
struct Model {
    states: Vec<(Vec<u32>, State)>,
    at: usize,
    /// The largest id that ever was.
    last: u32,
}

impl Model {
    /// Whether that can be decided.
    fn decide(&mut self, decisions: &[(u32, Decision)]) -> bool {
        let before = &self.states[self.at].1;
        let mut state = before.clone();
        for (id, decision) in decisions {
            let can = match decision {
                Decision::Add { .. } => *id > self.last && !state.contains_key(id),
                _ => state.contains_key(id),
            };
            if !can {
                return false;
            }
            match applied(*id, state.remove(id), decision, &|other| before.get(&other).cloned()) {
                Some(item) => state.insert(*id, item),
                None => None,
            };
        }
        let mut ids: Vec<u32> = decisions.iter().map(|d| d.0).collect();
        ids.sort_unstable();
        ids.dedup();
        self.last = ids.iter().copied().max().unwrap_or(0).max(self.last);
        self.states.truncate(self.at + 1);
        self.states.push((ids, state));
        self.at += 1;
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_sequence_agrees_with_a_list_of_states(ops in prop::collection::vec(any_op(), 1..25)) {
        let scene = tempfile::tempdir().unwrap();
        let mut r = open(&scene);
        let mut model = Model { states: vec![(Vec::new(), r.items().clone())], at: 0, last: 3 };
        for op in ops {
            match op {
                Op::Decide(decisions) => {
                    let can = model.decide(&decisions);
                    prop_assert_eq!(r.decide_all(decisions).is_ok(), can);
                    if can {
                        let after = r.items().clone();
                        let ids = Some(model.states[model.at].0.clone());
                        prop_assert_eq!((r.undo().unwrap(), r.redo().unwrap()), (ids.clone(), ids));
                        prop_assert_eq!(r.items(), &after);
                    }
                }
                Op::Undo => {
                    let undone = (model.at > 0).then(|| { model.at -= 1; model.states[model.at + 1].0.clone() });
                    prop_assert_eq!(r.undo().unwrap(), undone);
                }
                Op::Redo => {
                    let more = model.at + 1 < model.states.len();
                    let redone = more.then(|| { model.at += 1; model.states[model.at].0.clone() });
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
