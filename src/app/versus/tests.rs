use super::*;
use crate::review::Reason;
use crate::scene::InstanceState;
use nalgebra::Vector3;

fn instance(id: u32) -> Instance {
    Instance {
        id,
        label: "chair".into(),
        caption: format!("chair {id}"),
        score: 0.5,
        state: InstanceState::Kept,
        obb: OrientedBox::upright(Point3::new(2.0 * f64::from(id), 0.0, 0.0), Vector3::repeat(1.0), 0.2),
        views: Vec::new(),
        best_view: String::new(),
        evidence: serde_json::Value::Null,
    }
}

fn review(scene: &Path, second: bool, decisions: Vec<(u32, Decision)>) -> Review {
    let open = if second { Review::open_second } else { Review::open };
    let mut review = open(scene, (1..6).map(instance).collect(), "bob").unwrap();
    review.decide_all(decisions).unwrap();
    review
}

#[test]
fn taking_theirs_ends_the_conflict() {
    let scene = tempfile::tempdir().unwrap();
    let mut mine = review(
        scene.path(),
        false,
        vec![
            (1, Decision::Accept),
            (2, Decision::Accept),
            (3, Decision::REJECT),
            (4, Decision::Accept),
            (5, Decision::Accept),
        ],
    );
    let moved = OrientedBox { center: Point3::new(8.3, 0.0, 0.0), ..instance(4).obb };
    let theirs = review(
        scene.path(),
        true,
        vec![
            (1, Decision::Accept),
            (2, Decision::Reject { reason: Some(Reason::Part) }),
            (3, Decision::Relabel { text: "stool".into() }),
            (3, Decision::Accept),
            (4, Decision::Rebox { to: moved }),
            (4, Decision::Recaption { text: "a chair at the wall".into() }),
            (4, Decision::Accept),
            (5, Decision::Delete),
        ],
    );
    let other = Other::Reviewer(theirs.items().clone());
    let mut versus = Versus::new(Against::Reviewer, PathBuf::new(), other, mine.items());
    let ids = |v: &Versus| v.findings.rows.iter().map(|r| r.cells[0].text.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&versus), ["2", "3", "4", "5"]);
    // The deleted one is not taken over by a click: what to do with it is for the reviewer to say.
    for take in versus.findings.rows.iter().filter_map(|r| r.take.clone()).collect::<Vec<_>>() {
        mine.decide_all(take).unwrap();
    }
    versus.refresh(mine.items());
    assert_eq!(ids(&versus), ["5"]);
    assert_eq!(mine.items()[&2].reason, Some(Reason::Part));
    assert_eq!(mine.items()[&4].instance, theirs.items()[&4].instance);
    assert_eq!(versus.findings.tones[&1], Tone::Right);
}

#[test]
fn what_was_found_against_what_was_decided() {
    let scene = tempfile::tempdir().unwrap();
    let mine = review(
        scene.path(),
        false,
        vec![
            (1, Decision::Relabel { text: "stool".into() }),
            (2, Decision::Delete),
            (6, Decision::Add { instance: Box::new(instance(6)), masks: Vec::new() }),
        ],
    );
    let found: BTreeMap<u32, Instance> = (1..6).map(|id| (id, instance(id))).collect();
    let versus = Versus::new(Against::Found, PathBuf::new(), Other::Found(found), mine.items());
    let rows: Vec<Vec<&str>> =
        versus.findings.rows.iter().map(|r| r.cells.iter().map(|c| c.text.as_str()).collect()).collect();
    assert_eq!(
        rows,
        [["1", "stool", "chair \u{2192} stool"], ["6", "chair", "only here"], ["", "chair", "only there"]]
    );
    assert_eq!(versus.findings.ghosts.len(), 1);
    assert_eq!(versus.findings.ghosts[0].obb, instance(2).obb);
}

#[test]
fn colours_of_tones_are_apart() {
    // Those that are seen together.
    for together in
        [&[Tone::Right, Tone::Wrong, Tone::Missed][..], &[Tone::Right, Tone::Changed, Tone::New, Tone::Gone]]
    {
        for (i, a) in together.iter().enumerate() {
            for b in &together[..i] {
                let apart: u32 = (0..3).map(|k| u32::from(a.color()[k].abs_diff(b.color()[k]))).sum();
                assert!(apart > 90, "{a:?} {b:?}");
            }
        }
    }
}
