use super::*;
use crate::perception::testing::{Shot, boxes, room, views};
use crate::scene::{InstanceState, Mask2d, OrientedBox, Quiet, Rle};

/// Exact masks of the boxes, under the names that `name` gives them in each view.
fn masks(shots: &[Shot], name: impl Fn(usize, u8) -> Option<&'static str>) -> Vec<FrameMasks> {
    let frame = |(i, s): (usize, &Shot)| {
        let (width, height) = s.image.dimensions();
        let mask = |id: u8| {
            let bits: Vec<bool> = s.ids.iter().map(|k| *k == id).collect();
            name(i, id).filter(|_| bits.iter().any(|b| *b)).map(|label| Mask2d {
                instance_id: 0,
                label: label.into(),
                score: 0.9,
                segmentation: Rle::encode(width, height, &bits),
            })
        };
        FrameMasks { image: s.name.clone(), width, height, masks: [4, 5, 6].into_iter().filter_map(mask).collect() }
    };
    shots.iter().enumerate().map(frame).collect()
}

fn built(shots: &[Shot], masks: &[FrameMasks]) -> Built {
    built_with(shots, masks, None)
}

fn built_with(shots: &[Shot], masks: &[FrameMasks], opinion: Option<&Opinion>) -> Built {
    let v = views(shots);
    let cloud = Cloud::fuse(&v, 1.0, &Quiet).unwrap();
    let object_options = ObjectOptions::default();
    let input = Input {
        cloud: &cloud,
        views: &v,
        masks,
        by_shape: false,
        objects: &[],
        object_options: &object_options,
        opinion,
        metre: 1.0,
        metric: true,
    };
    build(&input, &Quiet).unwrap()
}

#[test]
fn boxes_seen_from_all_around_get_their_boxes() {
    let shots = room(0.005);
    // One thing has two names that take turns; the patch is missed in every third view.
    let m = masks(&shots, |i, id| match id {
        5 => Some(if i % 2 == 0 { "crate" } else { "chest" }),
        6 => Some("cabinet"),
        _ => (i % 3 != 0).then_some("rug"),
    });
    let b = built(&shots, &m);
    let kept: Vec<&Instance> = b.instances.iter().filter(|i| i.state != InstanceState::Dropped).collect();
    assert_eq!(kept.len(), 3, "{:?}", b.instances.iter().map(|i| (&i.label, i.score)).collect::<Vec<_>>());
    for (want, labels) in boxes().iter().zip([["crate", "chest"], ["cabinet", "cabinet"]]) {
        let best = kept.iter().max_by(|a, c| a.obb.iou(want).total_cmp(&c.obb.iou(want))).unwrap();
        assert!(best.obb.iou(want) > 0.8, "{:?} {:?}", best.obb, want);
        assert!(labels.contains(&best.label.as_str()));
        assert!(best.caption.contains("standing on the floor"), "{}", best.caption);
        assert!(best.views.len() >= 10 && best.views.iter().all(|v| (0.0..=1.0).contains(&v.visible_fraction)));
        assert!(shots.iter().any(|s| s.stem == best.best_view));
    }
    let rug = kept.iter().find(|i| i.label == "rug").unwrap();
    assert!(rug.caption.starts_with("a red rug about 0.8"), "{}", rug.caption);
    assert!(rug.obb.size.z < 0.03 && (rug.obb.size.x * rug.obb.size.y - 0.5).abs() < 0.1, "{:?}", rug.obb);
    // Views whose mask was missing get one where the thing shows.
    let given = m[3].masks.iter().filter(|m| m.label == "rug").count();
    assert_eq!(given, 0);
    let drawn = b.masks[3].masks.iter().find(|m| m.instance_id == rug.id).expect("a mask from 3D");
    let truth: Vec<bool> = shots[3].ids.iter().map(|k| *k == 4).collect();
    let bits = drawn.segmentation.decode();
    let (mut both, mut any) = (0, 0);
    for (a, c) in bits.iter().zip(&truth) {
        both += usize::from(*a && *c);
        any += usize::from(*a || *c);
    }
    assert!(both * 10 > any * 7, "{both} of {any}");
    let again = built(&shots, &m);
    assert!(again.instances == b.instances && again.masks == b.masks, "same input, same output");
}

#[test]
fn one_mask_over_two_things_does_not_glue_them_and_a_false_one_is_dropped() {
    let shots = room(0.005);
    let mut m = masks(&shots, |_, id| (id > 4).then_some("crate"));
    // In one view a single mask covers both; in another a mask lies on the wall.
    let over = |s: &Shot, of: &dyn Fn(u8) -> bool| {
        let bits: Vec<bool> = s.ids.iter().map(|k| of(*k)).collect();
        Rle::encode(s.image.width(), s.image.height(), &bits)
    };
    let whole = Mask2d { segmentation: over(&shots[4], &|k| k > 4), ..m[4].masks[0].clone() };
    m[4].masks = vec![whole];
    let width = shots[7].image.width() as usize;
    let bits: Vec<bool> =
        shots[7].ids.iter().enumerate().map(|(i, k)| (*k == 2 || *k == 3) && i % width > width / 2).collect();
    let wrong = Rle::encode(width as u32, shots[7].image.height(), &bits);
    assert!(wrong.area() > 200);
    m[7].masks.push(Mask2d { instance_id: 0, label: "crate".into(), score: 0.95, segmentation: wrong });
    let b = built(&shots, &m);
    let kept: Vec<&Instance> = b.instances.iter().filter(|i| i.state != InstanceState::Dropped).collect();
    assert_eq!(kept.len(), 2, "{:?}", b.instances.iter().map(|i| (&i.label, i.score)).collect::<Vec<_>>());
    for want in boxes() {
        assert!(kept.iter().any(|k| k.obb.iou(&want) > 0.75));
    }
    assert!(b.instances.windows(2).all(|w| w[0].score >= w[1].score && w[0].id < w[1].id));
}

#[test]
fn nothing_in_nothing_out() {
    let b = built(&[], &[]);
    assert!(b.instances.is_empty() && b.masks.is_empty());
    let shots = room(0.0);
    let b = built(&shots, &masks(&shots, |_, _| None));
    assert!(b.instances.is_empty() && b.masks.len() == shots.len());
}

#[test]
fn captions_come_from_the_model_where_it_gives_one() {
    use crate::perception::vlm::testing::{Server, content, say};
    use crate::perception::vlm::{Settings, Vlm};
    use crate::scene::Job;
    use std::sync::Mutex;

    struct Told(Mutex<Vec<String>>);
    impl Job for Told {
        fn tick(&self, _: usize, _: usize) -> Result<(), Cancelled> {
            Ok(())
        }
        fn warn(&self, message: String) {
            self.0.lock().unwrap().push(message);
        }
    }

    let shots = room(0.005);
    let masks = masks(&shots, |_, id| [None, Some("crate"), Some("cabinet")][usize::from(id) - 4]);
    let measured = built(&shots, &masks);
    let server = Server::start(|seen, _| match seen.body.contains("probably a crate") {
        true => content("\n\"A blue box on the floor.\"\nMore."),
        false => say("413 Large", r#"{"error":"too large"}"#),
    });
    let cache = tempfile::tempdir().unwrap();
    let run = || {
        let mut built = built(&shots, &masks);
        let told = Told(Mutex::default());
        let settings = Settings { back_off: std::time::Duration::from_millis(1), ..Settings::default() };
        let vlm = Vlm::connect_with(&server.url, None, settings, &|_| None, &told).unwrap();
        describe(&vlm.remembering_in(cache.path()), &views(&shots), &mut built, &told).unwrap();
        (built.instances, told.0.into_inner().unwrap())
    };
    let (instances, told) = run();
    assert_eq!(instances.len(), 2);
    for (instance, before) in instances.iter().zip(&measured.instances) {
        if instance.label == "crate" {
            assert_eq!(instance.caption, "A blue box on the floor.");
            assert_eq!(instance.evidence["caption"]["measured"], before.caption.as_str());
        } else {
            assert_eq!(instance, before);
        }
    }
    assert!(told.len() == 1 && told[0].starts_with("1 of 2 captions") && told[0].contains("too large"), "{told:?}");
    let asked = server.questions();
    assert_eq!(run().0, instances);
    assert_eq!(server.questions() - asked, 1, "only what was refused is asked again");
}

/// The tiny CLIP of the tests says red, green or blue: the rug is red, box 5 blue, box 6 green.
#[test]
fn a_model_of_pictures_and_texts_names_what_has_no_name_and_corrects_what_is_clearly_wrong() {
    use crate::models::testing::{CPU, ready, test_model};
    if !ready() {
        return;
    }
    let shots = room(0.005);
    let masks = masks(&shots, |_, id| [Some("object"), Some("green"), Some("green")][usize::from(id) - 4]);
    let before = built(&shots, &masks);
    let model = crate::perception::label_scores::load(&test_model("label_scores/clip"), CPU).unwrap();
    let words = ["red", "green", "blue"].map(String::from);
    let opinion = Opinion { model: &model, words: &words, options: OpinionOptions::default() };
    let after = built_with(&shots, &masks, Some(&opinion));
    // Boxes, scores and order are those that they were: a name changes a name.
    assert_eq!(after.instances.len(), before.instances.len());
    assert!(after.instances.iter().zip(&before.instances).all(|(a, b)| a.obb == b.obb && a.score == b.score));
    let near = |b: &OrientedBox| after.instances.iter().find(|i| i.obb.iou(b) > 0.5).unwrap();
    let blue = near(&boxes()[0]);
    assert_eq!((blue.label.as_str(), &blue.evidence["label"]["source"]), ("blue", &"label scores".into()));
    assert_eq!(blue.evidence["label"]["instead_of"], "green");
    assert_eq!(blue.evidence["label"]["label_scores"]["photos"], 5);
    assert!(blue.caption.contains("blue blue about"), "the caption has the new name: {}", blue.caption);
    let green = near(&boxes()[1]);
    assert_eq!((green.label.as_str(), &green.evidence["label"]["source"]), ("green", &"vote of the masks".into()));
    assert_eq!(green.evidence["label"]["label_scores"]["label"], "green");
    let rug = after.instances.iter().find(|i| i.obb.size.z < 0.1).unwrap();
    assert_eq!((rug.label.as_str(), &rug.evidence["label"]["instead_of"]), ("red", &"object".into()));
    assert!(after.masks.iter().flat_map(|f| &f.masks).all(|m| m.label != "object"));
    // Where the user cancels it stops, before the next thing is looked at.
    struct Cancels;
    impl Job for Cancels {
        fn tick(&self, _: usize, total: usize) -> Result<(), Cancelled> {
            if total == 3 { Err(Cancelled) } else { Ok(()) }
        }
        fn warn(&self, _: String) {}
    }
    let v = views(&shots);
    let cloud = Cloud::fuse(&v, 1.0, &Quiet).unwrap();
    let input = Input {
        cloud: &cloud,
        views: &v,
        masks: &masks,
        by_shape: false,
        objects: &[],
        object_options: &ObjectOptions::default(),
        opinion: Some(&opinion),
        metre: 1.0,
        metric: true,
    };
    assert!(matches!(build(&input, &Cancels), Err(BuildError::Cancelled(_))));
}
