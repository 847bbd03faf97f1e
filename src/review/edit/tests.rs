use super::*;
use crate::scene::{Camera, DepthMap, Intrinsics};
use nalgebra::{Isometry3, Translation3};
use proptest::prelude::*;
use std::f64::consts::PI;

fn any_box() -> impl Strategy<Value = OrientedBox> {
    let number = |r: std::ops::Range<f64>| r;
    let center = (number(-3.0..3.0), number(-3.0..3.0), number(-1.0..3.0));
    let size = (number(0.05..3.0), number(0.05..3.0), number(0.05..3.0));
    let turn = (number(-3.1..3.1), number(-1.5..1.5), number(-3.1..3.1));
    (center, size, turn).prop_map(|(c, s, t)| OrientedBox {
        center: Point3::new(c.0, c.1, c.2),
        size: Vector3::new(s.0, s.1, s.2),
        rotation: UnitQuaternion::from_euler_angles(t.2, t.1, t.0),
    })
}

/// Two boxes are the same solid when every corner of one is a corner of the other.
fn same_solid(a: &OrientedBox, b: &OrientedBox) -> bool {
    let (ca, cb) = (a.corners(), b.corners());
    ca.iter().all(|p| cb.iter().any(|q| (p - q).norm() < 1e-9))
}

proptest! {
    #[test]
    fn a_dragged_face_leaves_the_other_five_planes(b in any_box(), k in 0..6usize, by in -4.0..4.0f64) {
        let face = Face::ALL[k];
        let out = face_dragged(&b, face, by);
        prop_assert!(is_sane(&out));
        for other in Face::ALL.into_iter().filter(|f| *f != face) {
            let gap = (other.center(&out) - other.center(&b)).dot(&other.normal(&b));
            prop_assert!(gap.abs() < 1e-9);
        }
        let moved = (face.center(&out) - face.center(&b)).dot(&face.normal(&b));
        if b.size[face.axis] + by > 0.01 {
            prop_assert!((moved - by).abs() < 1e-9);
            let back = face_dragged(&out, face, -by);
            prop_assert!((back.center - b.center).norm() < 1e-9 && (back.size - b.size).norm() < 1e-9);
        }
    }

    #[test]
    fn naming_axes_anew_keeps_the_solid(b in any_box(), k in 0..3usize) {
        let once = relabelled(&b, k);
        prop_assert!(same_solid(&b, &once));
        prop_assert_eq!(once.size[(k + 1) % 3], b.size[(k + 2) % 3]);
        let four = (0..4).fold(b, |x, _| relabelled(&x, k));
        prop_assert!(four.rotation.angle_to(&b.rotation) < 1e-6);
    }

    #[test]
    fn upright_is_upright_and_near(b in any_box()) {
        let u = made_upright(&b);
        prop_assert!(is_upright(&u));
        let sorted = |v: Vector3<f64>| { let mut s = [v.x, v.y, v.z]; s.sort_by(f64::total_cmp); s };
        prop_assert_eq!(sorted(u.size), sorted(b.size));
        prop_assert_eq!(u.center, b.center);
        let again = made_upright(&u);
        prop_assert!((again.size - u.size).norm() < 1e-12 && again.rotation.angle_to(&u.rotation) < 1e-6);
    }

    #[test]
    fn what_leans_a_little_is_only_straightened(yaw in -3.1..3.1f64, lean in -0.2..0.2f64, about in 0.0..6.2f64) {
        let b = OrientedBox::upright(Point3::origin(), Vector3::new(1.0, 2.0, 3.0), yaw);
        let tilted = turned(&b, &Unit::new_normalize(Vector3::new(about.cos(), about.sin(), 0.0)), lean);
        let u = made_upright(&tilted);
        prop_assert_eq!(u.size, b.size);
        prop_assert!(u.rotation.angle_to(&b.rotation) < 0.05 * lean.abs().max(1e-6) + 1e-6);
    }

    #[test]
    fn the_floor_is_met(b in any_box(), ground in -1.0..1.0f64, upright in any::<bool>()) {
        let b = if upright { made_upright(&b) } else { b };
        for how in [Snap::KeepTop, Snap::KeepSize] {
            let out = snapped(&b, ground, how);
            prop_assert!((bottom(&out) - ground).abs() < 1e-9);
            if how == Snap::KeepSize || !upright {
                prop_assert!((out.size - b.size).norm() < 1e-12);
            } else if b.center.z + 0.5 * b.size.z > ground + 0.01 {
                let top = |x: &OrientedBox| x.center.z + 0.5 * x.size.z;
                prop_assert!((top(&out) - top(&b)).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn halves_fill_the_whole(b in any_box(), k in 0..3usize, share in 0.05..0.95f64) {
        let n = axis(&b, k);
        let offset = n.dot(&b.center.coords) + (share - 0.5) * b.size[k];
        let [below, above] = split(&b, &n, offset).unwrap();
        prop_assert!((below.volume() / b.volume() - share).abs() < 1e-9);
        prop_assert!((below.volume() + above.volume() - b.volume()).abs() < 1e-9 * b.volume().max(1.0));
        let whole = merged(&[below, above]).unwrap();
        prop_assert!(same_solid(&whole, &b));
        // A plane need not have a unit normal, and the other way round the halves change places.
        let [c, d] = split(&b, &(n * -3.0), offset * -3.0).unwrap();
        prop_assert!(same_solid(&c, &above) && same_solid(&d, &below));
    }

    #[test]
    fn parts_hold_what_is_on_their_side(b in any_box(), n in (-1.0..1.0f64, -1.0..1.0f64, -1.0..1.0f64), at in -0.3..0.3f64, q in (-0.5..0.5f64, -0.5..0.5f64, -0.5..0.5f64)) {
        let n = Vector3::new(n.0, n.1, n.2);
        prop_assume!(n.norm() > 0.1);
        let n = n.normalize();
        let offset = n.dot(&b.center.coords) + at * b.size.min();
        let Some(parts) = split(&b, &n, offset) else { return Ok(()) };
        let p = b.center + b.rotation * Vector3::new(q.0, q.1, q.2).component_mul(&b.size);
        let side = usize::from(n.dot(&p.coords) > offset);
        prop_assert!(parts[side].contains(&p, 1e-9));
        for c in cut(&b, &n, offset) {
            prop_assert!((n.dot(&c.coords) - offset).abs() < 1e-9 && b.contains(&c, 1e-9));
        }
    }

    #[test]
    fn angles_there_and_back(b in any_box()) {
        let back = with_angles(&b, yaw_pitch_roll(&b));
        prop_assert!(back.rotation.angle_to(&b.rotation) < 1e-6);
    }

    #[test]
    fn a_fit_finds_the_box_of_clean_points_exactly(yaw in -3.1..3.1f64, sx in 0.1..2.0f64, sy in 0.1..2.0f64, sz in 0.1..2.0f64) {
        let truth = OrientedBox::upright(Point3::new(1.0, -2.0, 0.7), Vector3::new(sx, sy, sz), yaw);
        let fit = fitted(&surface_points(&truth, 12), yaw + 0.3).unwrap();
        prop_assert!((fit.size - truth.size).norm() < 1e-6, "{:?} {:?}", fit.size, truth.size);
        prop_assert!((fit.center - truth.center).norm() < 1e-6);
        prop_assert!(same_solid_within(&fit, &truth, 1e-6));
    }
}

fn same_solid_within(a: &OrientedBox, b: &OrientedBox, e: f64) -> bool {
    a.corners().iter().all(|p| b.corners().iter().any(|q| (p - q).norm() < e))
}

/// A grid on all faces of a box.
fn surface_points(b: &OrientedBox, n: usize) -> Vec<Point3<f64>> {
    let mut out = Vec::new();
    for face in Face::ALL {
        for i in 0..=n {
            for j in 0..=n {
                let mut q = Vector3::zeros();
                q[face.axis] = 0.5 * face.sign();
                q[(face.axis + 1) % 3] = i as f64 / n as f64 - 0.5;
                q[(face.axis + 2) % 3] = j as f64 / n as f64 - 0.5;
                out.push(b.center + b.rotation * q.component_mul(&b.size));
            }
        }
    }
    out
}

#[test]
fn a_fit_is_not_led_astray_by_a_few() {
    let truth = OrientedBox::upright(Point3::new(1.0, 0.0, 0.5), Vector3::new(1.0, 0.4, 0.9), 0.5);
    let mut points = surface_points(&truth, 12);
    let n = points.len();
    for i in 0..n / 150 {
        let t = i as f64;
        points.push(Point3::new(4.0 + t.sin(), 3.0 * t.cos(), 2.5 + 0.1 * t));
    }
    let fit = fitted(&points, 0.5).unwrap();
    assert!(fit.iou(&truth) > 0.99, "{} {fit:?}", fit.iou(&truth));
    assert!(fitted(&points[..3], 0.0).is_none() && fitted(&[], 0.0).is_none());
    assert!(fitted(&[Point3::new(f64::NAN, 0.0, 0.0); 9], 0.0).is_none());
    let flat = fitted(&points[..50].iter().map(|p| Point3::new(p.x, p.y, 1.0)).collect::<Vec<_>>(), 0.0).unwrap();
    assert!(is_sane(&flat));
}

#[test]
fn quarter_turns_are_known_by_heart() {
    let b = OrientedBox::upright(Point3::new(1.0, 2.0, 3.0), Vector3::new(4.0, 2.0, 1.0), 0.0);
    let t = turned(&b, &Vector3::z_axis(), PI / 2.0);
    // Corner (+,+,+) = (3, 3, 3.5) goes to centre + (-1, 2, 0.5).
    assert!((t.corners()[7] - Point3::new(0.0, 4.0, 3.5)).norm() < 1e-12);
    let d = face_dragged(&b, Face { axis: 0, positive: false }, 1.0);
    assert_eq!((d.center.x, d.size.x), (0.5, 5.0));
    let s = scaled(&b, &Vector3::new(0.5, 1.0, -2.0));
    assert_eq!((s.size, s.center), (Vector3::new(2.0, 2.0, 2.0), b.center));
    let n = nudge_direction(&t, &Vector3::new(0.9, 0.3, -5.0));
    assert!((n - Vector3::x()).norm() < 1e-9, "{n}");
    let drawn = drawn(&Point3::new(3.0, 1.0, 0.0), &Point3::new(1.0, 2.0, 0.0), 0.0, 0.0, 0.8);
    assert_eq!((drawn.center, drawn.size), (Point3::new(2.0, 1.5, 0.4), Vector3::new(2.0, 1.0, 0.8)));
}

#[test]
fn a_merge_takes_the_axes_of_the_larger() {
    let large = OrientedBox::upright(Point3::origin(), Vector3::repeat(2.0), 0.3);
    let small = OrientedBox::upright(large.center + axis(&large, 0) * 2.0, Vector3::repeat(0.5), 0.3);
    let both = merged(&[small, large]).unwrap();
    assert!((both.size - Vector3::new(3.25, 2.0, 2.0)).norm() < 1e-9, "{}", both.size);
    assert!(merged(&[]).is_none());
}

#[test]
fn points_come_from_masks_that_agree() {
    // A wall at depth 2 with a thing half a metre before it; the second photo marks the wall too, wrongly.
    let intrinsics = Intrinsics { fx: 40.0, fy: 40.0, ..Intrinsics::guess(40, 30) };
    let camera = |x: f64| Camera {
        intrinsics,
        c2w: Isometry3::from_parts(Translation3::new(x, 0.0, 0.0), UnitQuaternion::identity()),
    };
    let shot = |x: f64, wide: i64| {
        let c = camera(x);
        let mut depth = DepthMap::unknown(40, 30);
        let mut mask = vec![false; 1200];
        for i in 0..1200usize {
            let ray = c.intrinsics.ray((i % 40) as f64 + 0.5, (i / 40) as f64 + 0.5);
            let thing = (ray.x * 1.5 + x).abs() < 0.2 && (ray.y * 1.5).abs() < 0.2;
            depth.data[i] = if thing { 1.5 } else { 2.0 };
            let grown = (ray.x * 1.5 + x).abs() < 0.2 + 0.1 * wide as f64 && (ray.y * 1.5).abs() < 0.2;
            mask[i] = grown;
        }
        Shot { camera: c, depth, mask }
    };
    let shots = [shot(0.0, 0), shot(0.1, 3), shot(-0.1, 0)];
    let points = own_points(&shots, 0.02);
    assert!(points.len() > 50);
    assert!(points.iter().all(|p| (p.z - 1.5).abs() < 0.02 && p.x.abs() < 0.25), "the wall is not taken in");
    assert!(own_points(&[], 0.02).is_empty());
}

#[test]
fn most_boxes_say_how_a_room_is_turned() {
    let at = |yaw: f64, long: f64| OrientedBox::upright(Point3::origin(), Vector3::new(long, 0.5, 1.0), yaw);
    let boxes = [at(0.2, 3.0), at(0.2 + PI / 2.0, 2.0), at(0.2 - PI, 2.0)];
    assert!((usual_yaw(boxes.iter()) - 0.2).abs() < 1e-9);
    assert_eq!(usual_yaw([].iter()), 0.0);
}

#[test]
fn a_box_found_anew_keeps_the_names_of_its_axes() {
    let b = OrientedBox::upright(Point3::new(1.0, 2.0, 0.5), Vector3::new(2.0, 1.0, 1.0), 0.1);
    for quarters in -3..=3 {
        let yaw = 0.1 + f64::from(quarters) * PI / 2.0 + 0.3;
        let named = named_like(&b, yaw);
        assert!(same_solid(&b, &named));
        let off = (yaw_pitch_roll(&named)[0] - yaw).rem_euclid(PI);
        assert!(off.min(PI - off) < PI / 4.0 + 1e-9, "{quarters}: {off}");
    }
}

#[test]
fn a_mask_is_carried_to_the_photos_that_see_the_thing() {
    use crate::perception::cut::Cutter;
    use crate::perception::testing::{room, views};
    use crate::scene::Rle;
    let shots = room(0.001);
    let all = views(&shots);
    let mask = |k: usize, id: u8| {
        let bits: Vec<bool> = shots[k].ids.iter().map(|i| *i == id).collect();
        Rle::encode(200, 150, &bits)
    };
    for id in [5u8, 6] {
        let first = (0..shots.len()).max_by_key(|k| mask(*k, id).area()).unwrap();
        let thing = Thing::of(&shots[first].camera, shots[first].depth.clone(), &mask(first, id)).unwrap();
        assert!(thing.share_seen(&shots[first].camera, &shots[first].depth) > 0.99);
        let mut carried = 0;
        for k in (0..shots.len()).filter(|k| *k != first) {
            let Some(found) = thing.carried(&Cutter, &all[k]).unwrap() else { continue };
            let (found, want) = (found.decode(), mask(k, id).decode());
            let count = |f: fn(bool, bool) -> bool| found.iter().zip(&want).filter(|(a, b)| f(**a, **b)).count() as f64;
            let iou = count(|a, b| a && b) / count(|a, b| a || b);
            assert!(iou > 0.6, "{id} in photo {k}: {iou:.2}");
            carried += 1;
        }
        assert!(carried >= 4, "{id}: {carried}");
        // A photo that has something before all of it sees nothing of it.
        let mut hidden = shots[first].depth.clone();
        hidden.data.iter_mut().for_each(|d| *d *= 0.5);
        assert_eq!(thing.share_seen(&shots[first].camera, &hidden), 0.0);
        let view = crate::perception::View { depth: &hidden, ..all[first] };
        assert_eq!(thing.carried(&Cutter, &view).unwrap(), None);
    }
    assert!(Thing::of(&shots[0].camera, DepthMap::unknown(200, 150), &mask(0, 5)).is_none());
}
