use super::*;
use crate::perception::testing::{Shot, boxes, room as shots, views};
use crate::scene::{OrientedBox, Quiet};
use nalgebra::{Point3, Vector3};

/// A room without walls, floor at 0.
fn bare() -> Room {
    Room::of(&[], 0.0, 1.0)
}

fn detection(label: &str, score: f64, bounds: [f64; 4]) -> Detection {
    Detection { label: label.into(), score, bounds }
}

/// Bounds of an id in a shot, where enough of it shows.
fn rectangle(shot: &Shot, id: u8) -> Option<[f64; 4]> {
    let w = shot.image.width() as usize;
    let at: Vec<usize> = (0..shot.ids.len()).filter(|k| shot.ids[*k] == id).collect();
    let span = |f: &dyn Fn(usize) -> usize| {
        let (lo, hi) = at.iter().map(|k| f(*k)).fold((usize::MAX, 0), |(l, h), v| (l.min(v), h.max(v)));
        [lo as f64, hi as f64 + 1.0]
    };
    let ([x0, x1], [y0, y1]) = (span(&|k| k % w), span(&|k| k / w));
    (at.len() > 150).then_some([x0, y0, x1, y1])
}

/// What a perfect detector sees of the two boxes of the room.
fn perfect(shots: &[Shot]) -> Vec<Vec<Detection>> {
    let of = |s: &Shot| {
        let both = [(5u8, "suitcase", 0.7), (6, "chair", 0.6)];
        both.iter().filter_map(|(id, name, score)| Some(detection(name, *score, rectangle(s, *id)?))).collect()
    };
    shots.iter().map(of).collect()
}

fn found(shots: &[Shot], detections: &[Vec<Detection>]) -> Vec<Object> {
    find(&views(shots), detections, &bare(), &ObjectOptions::default(), &Quiet).unwrap()
}

#[test]
fn rectangles_of_many_photos_become_the_true_boxes() {
    let shots = shots(0.002);
    let objects = found(&shots, &perfect(&shots));
    let names: Vec<&str> = objects.iter().map(|o| o.label.as_str()).collect();
    assert_eq!(objects.len(), 2, "{names:?}");
    for (name, truth) in [("suitcase", boxes()[0]), ("chair", boxes()[1])] {
        let object = objects.iter().find(|o| o.label == name).unwrap();
        let iou = object.upright.obb().iou(&truth);
        println!("{name}: IoU {iou:.2}, {} photos, score {:.2}", object.sightings.len(), object.score);
        assert!(iou > 0.5, "{name}: {iou:.2}");
        assert!(object.score > 0.3 && object.sightings.len() >= 6);
    }
}

#[test]
fn the_order_of_detections_does_not_matter_and_nothing_is_random() {
    let shots = shots(0.002);
    let mut detections = perfect(&shots);
    let first = found(&shots, &detections);
    detections.iter_mut().for_each(|d| d.reverse());
    let second = found(&shots, &detections);
    let key = |o: &Object| (o.label.clone(), o.upright, o.score);
    assert_eq!(first.iter().map(key).collect::<Vec<_>>(), second.iter().map(key).collect::<Vec<_>>());
}

#[test]
fn boxes_that_do_not_agree_are_nothing() {
    let shots = shots(0.0);
    let mut rng = fastrand::Rng::with_seed(3);
    // One box a photo, each somewhere else, of things that the photos do not show there.
    let detections: Vec<Vec<Detection>> = shots
        .iter()
        .map(|_| {
            let (x, y) = (20.0 + 120.0 * rng.f64(), 20.0 + 70.0 * rng.f64());
            vec![detection("chair", 0.8, [x, y, x + 30.0, y + 40.0])]
        })
        .collect();
    let objects = found(&shots, &detections);
    assert!(objects.iter().all(|o| o.score < 0.2), "{objects:?}");
    // What two photos agree on is chance.
    let mut two = perfect(&shots);
    two.iter_mut().skip(2).for_each(Vec::clear);
    assert!(found(&shots, &two).is_empty());
}

#[test]
fn what_has_no_word_is_found_too_and_what_is_unsure_is_passed_over() {
    let shots = shots(0.0);
    let mut odd = perfect(&shots);
    odd.iter_mut().flatten().for_each(|d| d.label = "Theremins".into());
    let objects = found(&shots, &odd);
    assert!(objects.len() == 2 && objects.iter().all(|o| o.label == "theremin"), "{objects:?}");
    let mut unsure = perfect(&shots);
    unsure.iter_mut().flatten().for_each(|d| d.score = 0.1);
    assert!(found(&shots, &unsure).is_empty());
    assert!(found(&shots, &vec![Vec::new(); shots.len()]).is_empty());
}

#[test]
fn a_projection_holds_all_corners() {
    let shots = shots(0.0);
    let b = Upright { foot: [2.3, 2.7, 0.0], size: [0.7, 0.6, 0.5], yaw: 0.0 };
    assert!((b.obb().center - boxes()[0].center).norm() < 1e-12);
    for s in &shots {
        let Some(p) = shown::project(&b, &s.camera) else { continue };
        for c in b.corners() {
            let (u, v, z) = s.camera.project(&c).unwrap();
            // The camera is inverted and applied in another order: the last bits may differ.
            let within = |x: f64, lo: f64, hi: f64| x >= lo - 1e-9 && x <= hi + 1e-9;
            assert!(within(u, p.bounds[0], p.bounds[2]) && within(v, p.bounds[1], p.bounds[3]));
            assert!(within(z, p.near, p.far));
        }
    }
}

#[test]
fn upright_boxes_are_oriented_boxes_and_back() {
    let b = Upright { foot: [1.0, -2.0, 0.3], size: [0.8, 0.4, 1.1], yaw: 0.7 };
    let back = Upright::of(&b.obb());
    assert!((0..3).all(|k| (back.foot[k] - b.foot[k]).abs() < 1e-12 && (back.size[k] - b.size[k]).abs() < 1e-12));
    assert!((back.yaw - b.yaw).abs() < 1e-12);
    let both = b.with(&Upright { foot: [1.0, -2.0, 1.0], ..b });
    let truth = OrientedBox::upright(Point3::new(1.0, -2.0, 0.3 + 0.9), Vector3::new(0.8, 0.4, 1.8), 0.7);
    assert!((both.obb().iou(&truth) - 1.0).abs() < 1e-9);
}

/// An object without sightings, as the rules see it.
fn object(label: &str, foot: [f64; 3], size: [f64; 3]) -> Object {
    let upright = Upright { foot, size, yaw: 0.0 };
    let (votes, sightings) = (vec![(label.to_owned(), 1.0)], Vec::new());
    Object {
        label: label.into(),
        score: 0.4,
        upright,
        votes,
        sightings,
        visible_in: 5,
        filled: 0.8,
        seen_in_parts: false,
    }
}

#[test]
fn books_become_rows_and_rows_a_shelf() {
    let book = |x: f64, z: f64| object("book", [x, 2.0, z], [0.05, 0.2, 0.25]);
    let mut objects: Vec<Object> = (0..5).map(|i| book(0.06 * f64::from(i), 0.4)).collect();
    objects.extend((0..4).map(|i| book(0.07 * f64::from(i), 0.75)));
    objects.push(book(3.0, 0.7));
    let joined = rows::joined(objects, &[], &bare(), &ObjectOptions::default());
    let of = |name: &str| joined.iter().filter(|o| o.label == name).collect::<Vec<_>>();
    assert_eq!((of("book").len(), of("bookshelf").len()), (3, 1), "{joined:?}");
    let row = of("book").into_iter().find(|o| (o.upright.size[0] - 0.29).abs() < 1e-9).expect("a row of five");
    assert!((row.upright.foot[0] - 0.12).abs() < 1e-9 && (row.upright.size[2] - 0.25).abs() < 1e-9);
    let shelf = of("bookshelf")[0].upright;
    assert!(shelf.foot[2] == 0.0 && (shelf.top() - 1.03).abs() < 1e-9, "{shelf:?}");
}

#[test]
fn pieces_of_one_table_are_joined() {
    let piece = |x: f64, top: f64| object("table", [x, 0.0, 0.0], [1.0, 0.9, top]);
    let joined = rows::joined(
        vec![piece(0.0, 0.75), piece(0.8, 0.77), piece(1.6, 0.74), piece(1.5, 0.4), piece(4.0, 0.75)],
        &[],
        &bare(),
        &ObjectOptions::default(),
    );
    let mut widths: Vec<f64> = joined.iter().map(|o| o.upright.sides()[0]).collect();
    widths.sort_by(f64::total_cmp);
    assert_eq!(widths.len(), 3, "{joined:?}");
    assert!((widths[2] - 2.6).abs() < 1e-9 && (widths[0] - 1.0).abs() < 1e-9, "{widths:?}");
}

#[test]
fn a_plant_includes_its_pot() {
    let plant = object("plant", [1.0, 1.0, 0.3], [0.6, 0.6, 0.9]);
    let pot = object("vase", [1.05, 1.0, 0.0], [0.25, 0.25, 0.32]);
    let far = object("vase", [3.0, 1.0, 0.0], [0.25, 0.25, 0.32]);
    let joined = rows::joined(vec![plant, pot, far], &[], &bare(), &ObjectOptions::default());
    assert_eq!(joined.len(), 2);
    let plant = joined.iter().find(|o| o.label == "plant").unwrap().upright;
    assert!(plant.foot[2] == 0.0 && (plant.top() - 1.2).abs() < 1e-9, "{plant:?}");
}

#[test]
fn geometry_overrules_names() {
    let options = ObjectOptions::default();
    let name = |o: Object| rules::named(vec![o], &[], &bare(), &options)[0].label.clone();
    assert_eq!(name(object("fridge", [0.0, 0.0, 0.0], [0.6, 0.65, 1.8])), "fridge");
    assert_eq!(name(object("fridge", [0.0, 0.0, 0.0], [1.4, 0.6, 0.9])), "cabinet");
    assert_eq!(name(object("microwave", [0.0, 0.0, 1.4], [0.5, 0.35, 0.3])), "microwave");
    assert_eq!(name(object("microwave", [0.0, 0.0, 1.4], [1.2, 0.4, 0.7])), "cabinet");
    assert_eq!(name(object("bed", [0.0, 0.0, 0.0], [2.0, 1.2, 0.03])), "rug");
    let mut front = object("microwave", [0.0, 0.0, 1.4], [0.5, 0.35, 0.3]);
    front.votes = vec![("microwave".into(), 1.0), ("tv".into(), 0.8)];
    assert_eq!(name(front), "cabinet");
}
