//! A room of two planes, turned against the axes, with what matching gets wrong in it.

use super::candidates::planes;
use super::cover::{Cover, Place};
use super::directions::directions;
use super::labels::INFERRED;
use super::{Sample, flatten, samples, typical_depth};
use crate::geometry::dense::Prepared;
use crate::geometry::dense::field::{Field, Plane};
use crate::geometry::dense::filter::Map;
use crate::geometry::dense::level::reduced;
use crate::geometry::dense::segment::{Segments, segments};
use crate::scene::{Camera, Intrinsics};
use image::{Rgb, RgbImage};
use nalgebra::{Isometry3, Point3, Translation3, UnitQuaternion, Vector3};
use std::borrow::Cow;

const SIZE: (u32, u32) = (320, 240);
const VIEWS: usize = 6;
/// The floor is 1.2 below the cameras, the wall 4 before them.
const FLOOR: f64 = 1.2;
const WALL: f64 = 4.0;

/// From the room, x right, y down, z towards the wall, to the world of the cameras.
fn room() -> UnitQuaternion<f64> {
    UnitQuaternion::from_euler_angles(0.4, 0.7, -0.3)
}

/// Camera `i`, in the frame of the room.
fn in_room(i: usize) -> Isometry3<f64> {
    let at = Translation3::new(0.11 * i as f64 - 0.3, 0.05 * (i % 3) as f64, 0.07 * (i % 2) as f64);
    Isometry3::from_parts(at, UnitQuaternion::from_euler_angles(-0.25, 0.03 * i as f64 - 0.08, 0.0))
}

fn camera(i: usize) -> Camera {
    let intrinsics = Intrinsics { width: SIZE.0, height: SIZE.1, fx: 280.0, fy: 280.0, cx: 160.0, cy: 120.0 };
    Camera { intrinsics, c2w: Isometry3::from_parts(Translation3::identity(), room()) * in_room(i) }
}

/// Depth, and point in the frame of the room, of a pixel of camera `i`; whether it is of the wall.
fn truth(i: usize, x: usize, y: usize) -> (f64, Point3<f64>, bool) {
    let (c2w, ray) = (in_room(i), camera(i).intrinsics.ray(x as f64 + 0.5, y as f64 + 0.5));
    let (o, d) = (c2w.translation.vector, c2w.rotation * ray);
    let wall = (WALL - o.z) / d.z;
    let floor = if d.y > 1e-9 { (FLOOR - o.y) / d.y } else { f64::INFINITY };
    let z = wall.min(floor);
    (z, Point3::from(o + d * z), wall <= floor)
}

/// The plain middle of the wall, where nothing is measured.
fn is_plain(p: &Point3<f64>) -> bool {
    p.x.abs() < 0.6 && p.y > -0.6 && p.y < 0.4
}

/// A glossy part of the floor; half of the views see a mirror image below it.
fn is_glossy(p: &Point3<f64>) -> bool {
    p.x.abs() < 0.4 && p.z > 2.6 && p.z < 3.4
}

/// A plain dark thing before the wall in the photo of view 0, of which the outline alone is measured, at this depth.
const THING: [usize; 4] = [30, 20, 80, 90];
const THING_DEPTH: f64 = 2.0;

fn thing(i: usize, x: usize, y: usize) -> Option<bool> {
    let [x0, y0, x1, y1] = THING;
    let inside = i == 0 && (x0..x1).contains(&x) && (y0..y1).contains(&y);
    inside.then(|| x < x0 + 8 || x >= x1 - 8 || y < y0 + 8 || y >= y1 - 8)
}

/// What matching gives of view `i`.
fn matched(i: usize) -> (Prepared<'static>, Field, Map) {
    let (w, h) = (SIZE.0 as usize, SIZE.1 as usize);
    let mut rng = fastrand::Rng::with_seed(i as u64);
    let mut field = Field::empty(w, h);
    let mut map = Map { width: w, height: h, inverse: vec![0.0; w * h], confidence: vec![0.0; w * h] };
    let mut photo = RgbImage::new(SIZE.0, SIZE.1);
    let camera = camera(i);
    for y in 0..h {
        for x in 0..w {
            let (z, p, is_wall) = truth(i, x, y);
            let color = match (thing(i, x, y), is_wall) {
                (Some(_), _) => [30, 25, 25],
                (None, true) => [210, 205, 190],
                (None, false) => [120, 80, 50],
            };
            photo.put_pixel(x as u32, y as u32, Rgb(color));
            let seen = match thing(i, x, y) {
                Some(outline) => outline.then_some(THING_DEPTH),
                None if is_wall && is_plain(&p) => None,
                None if !is_wall && is_glossy(&p) && i.is_multiple_of(2) => Some(1.4 * z),
                None => Some(z * (1.0 + 0.004 * (rng.f64() - 0.5))),
            };
            let Some(seen) = seen else { continue };
            let at = y * w + x;
            // The slope of the inverse depth: that of the plane through its neighbours.
            let slope = |dx: usize, dy: usize| (1.0 / truth(i, x + dx, y + dy).0 - 1.0 / z) as f32;
            field.planes[at] = Plane { w: (1.0 / seen) as f32, du: slope(1, 0), dv: slope(0, 1) };
            (map.inverse[at], map.confidence[at]) = ((1.0 / seen) as f32, 0.9);
        }
    }
    let prepared = Prepared {
        photo: Cow::Owned(photo),
        camera,
        neighbours: Vec::new(),
        points: Vec::new(),
        range: Some((0.05, 2.0)),
    };
    (prepared, field, map)
}

struct Room {
    prepared: Vec<Prepared<'static>>,
    fields: Vec<Field>,
    maps: Vec<Map>,
}

fn matched_room() -> Room {
    let mut out = Room { prepared: Vec::new(), fields: Vec::new(), maps: Vec::new() };
    for (p, f, m) in (0..VIEWS).map(matched) {
        out.prepared.push(p);
        out.fields.push(f);
        out.maps.push(m);
    }
    out
}

impl Room {
    fn samples(&self) -> Vec<Sample> {
        (0..VIEWS).flat_map(|i| samples(&self.prepared[i], &self.fields[i], &self.maps[i])).collect()
    }
}

#[test]
fn directions_and_planes_are_those_of_the_room() {
    let all = matched_room().samples();
    let unit = typical_depth(&all);
    let axes = directions(&all, unit);
    for k in 0..3 {
        let want = (room() * Vector3::ith(k, 1.0)).cast::<f32>();
        let cos = axes.iter().map(|a| a.dot(&want).abs()).fold(0.0, f32::max);
        assert!(cos.acos().to_degrees() < 0.3, "axis {k} is off by {} degrees", cos.acos().to_degrees());
    }
    let found = planes(&all, &axes, unit);
    for (normal, offset) in [(-Vector3::y(), -FLOOR), (-Vector3::z(), -WALL)] {
        let normal = (room() * normal).cast::<f32>();
        let near = |p: &&super::candidates::Plane| p.normal.dot(&normal) > 0.999;
        let off = found.iter().filter(near).map(|p| (p.offset - offset as f32).abs()).fold(f32::MAX, f32::min);
        assert!(off < 0.02, "offset {offset} is off by {off}");
    }
}

#[test]
fn normals_that_lean_one_way_do_not_turn_the_room() {
    let mut all = matched_room().samples();
    let lean = UnitQuaternion::from_axis_angle(&(room() * Vector3::y_axis()), 0.05).cast::<f32>();
    all.iter_mut().for_each(|s| s.normal = lean * s.normal);
    let axes = directions(&all, typical_depth(&all));
    let want = (room() * Vector3::z()).cast::<f32>();
    let cos = axes.iter().map(|a| a.dot(&want).abs()).fold(0.0, f32::max);
    assert!(cos.acos().to_degrees() < 0.4, "{} degrees", cos.acos().to_degrees());
}

#[test]
fn what_is_plain_or_glossy_is_put_onto_its_plane_and_what_stands_before_it_is_not() {
    let mut room = matched_room();
    let before = room.maps.clone();
    let regions: Vec<Segments> = room.prepared.iter().map(|p| segments(&reduced(&p.photo, 1))).collect();
    flatten(&room.prepared, &room.fields, &regions, &mut room.maps, &|| Ok(())).unwrap();
    let (mut plain, mut glossy, mut thing_pixels) = ((0, 0), (0, 0), (0, 0));
    for (i, map) in room.maps.iter().enumerate() {
        for at in 0..map.inverse.len() {
            let (x, y) = (at % map.width, at / map.width);
            let (z, p, is_wall) = truth(i, x, y);
            let right = (1.0 / f64::from(map.inverse[at]) - z).abs() < 0.02 * z;
            let count = |sum: &mut (usize, usize), yes: bool| *sum = (sum.0 + usize::from(yes), sum.1 + 1);
            match thing(i, x, y) {
                Some(_) => count(&mut thing_pixels, map.inverse[at] == before[i].inverse[at]),
                None if is_wall && is_plain(&p) => {
                    count(&mut plain, right && map.confidence[at] == INFERRED);
                }
                None if !is_wall && is_glossy(&p) && i.is_multiple_of(2) => count(&mut glossy, right),
                None => {}
            }
        }
    }
    let share = |(yes, of): (usize, usize)| yes as f64 / of as f64;
    assert!(plain.1 > 1000 && glossy.1 > 1000, "{plain:?} {glossy:?}");
    assert!(share(plain) > 0.97, "plain wall {}", share(plain));
    assert!(share(glossy) > 0.9, "glossy floor {}", share(glossy));
    assert!(share(thing_pixels) > 0.9, "thing {}", share(thing_pixels));
}

#[test]
fn a_plane_is_open_where_photos_look_past_it() {
    let matched = matched_room();
    let all = matched.samples();
    let unit = typical_depth(&all);
    let axes = directions(&all, unit);
    let wall = (room() * -Vector3::z()).cast::<f32>();
    // Half a metre before the wall there is nothing, and no plane is covered there.
    let cover = |offset: f64| {
        let axis = axes.iter().flat_map(|a| [*a, -*a]).find(|a| a.dot(&wall) > 0.99).unwrap();
        let others: Vec<Vector3<f32>> = axes.iter().filter(|a| a.dot(&wall).abs() < 0.5).copied().collect();
        let plane = super::candidates::Plane { normal: axis, offset: offset as f32, axes: [others[0], others[1]] };
        Cover::of(plane, &all, &matched.prepared, &matched.maps, unit)
    };
    assert!(cover(-(WALL - 0.5)).is_none());
    let covered = cover(-WALL).unwrap();
    assert!(covered.is_bound);
    let low = (0..240).find(|y| truth(0, 300, *y).2 && truth(0, 300, *y).1.y > 0.5).unwrap();
    let (z, ray) = (truth(0, 300, low).0, super::cover::ray(&matched.prepared[0], 300, low));
    assert_eq!(covered.place(&matched.prepared[0], &ray, z as f32), Some(Place::Covered));
}

#[test]
fn too_few_samples_change_nothing() {
    let (prepared, field, mut map) = matched(0);
    map.inverse.iter_mut().skip(100).for_each(|w| *w = 0.0);
    let (before, regions) = (map.clone(), segments(&reduced(&prepared.photo, 1)));
    let mut maps = [map];
    flatten(&[prepared], &[field], &[regions], &mut maps, &|| Ok(())).unwrap();
    assert_eq!(maps[0].inverse, before.inverse);
}
