//! Three views of a box along its own axes: what lies where on the panel, which part is under the pointer, what a drag
//! of it means, and the picture of the points behind it. No perspective.

use super::near::Near;
use crate::review::edit::{self, Face};
use crate::scene::OrientedBox;
use nalgebra::{Point3, Unit, Vector3};

/// From where one looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// From above, against the third axis.
    Top,
    /// Along the second axis.
    Front,
    /// Against the first axis.
    Right,
}

impl Side {
    /// All.
    pub(super) const ALL: [Self; 3] = [Self::Top, Self::Front, Self::Right];

    /// As the view is headed.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Top => "Top",
            Self::Front => "Front",
            Self::Right => "Side",
        }
    }

    /// The axes of the box that go right and up on the panel, that which goes to the eye, and its sign.
    pub(super) fn axes(self) -> (usize, usize, usize, f64) {
        match self {
            Self::Top => (0, 1, 2, 1.0),
            Self::Front => (0, 2, 1, -1.0),
            Self::Right => (1, 2, 0, 1.0),
        }
    }
}

/// One view on a panel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct View {
    /// From where.
    pub side: Side,
    /// Axes of the view and its middle, world.
    pub frame: OrientedBox,
    /// Panel points per scene unit.
    pub scale: f64,
    /// Middle of the view on the panel.
    pub middle: [f64; 2],
}

/// How near the pointer must be to an edge or knob, panel points.
const NEAR: f64 = 9.0;
/// How far above the box the knob that turns it is, panel points.
const KNOB: f64 = 24.0;

impl View {
    /// Panel point of a world point.
    pub(super) fn panel(&self, p: &Point3<f64>) -> [f64; 2] {
        let (right, up, ..) = self.side.axes();
        let q = self.frame.to_local(p);
        [self.middle[0] + q[right] * self.scale, self.middle[1] - q[up] * self.scale]
    }

    /// Scene units right and up of the middle of a panel point.
    pub(super) fn units(&self, p: [f64; 2]) -> [f64; 2] {
        [(p[0] - self.middle[0]) / self.scale, (self.middle[1] - p[1]) / self.scale]
    }

    /// World vector of units right and up.
    pub(super) fn world(&self, d: [f64; 2]) -> Vector3<f64> {
        let (right, up, ..) = self.side.axes();
        edit::axis(&self.frame, right) * d[0] + edit::axis(&self.frame, up) * d[1]
    }

    /// Direction to the eye, world.
    pub(super) fn to_eye(self) -> Vector3<f64> {
        let (.., eye, sign) = self.side.axes();
        edit::axis(&self.frame, eye) * sign
    }

    /// The knob that turns a box.
    pub(super) fn knob(&self, b: &OrientedBox) -> [f64; 2] {
        let (_, up, ..) = self.side.axes();
        let top = Face { axis: up, positive: true };
        let [x, y] = self.panel(&top.center(b));
        let out = self.panel(&(top.center(b) + top.normal(b)));
        let length = (out[0] - x).hypot(out[1] - y).max(1e-9);
        [x + (out[0] - x) / length * KNOB, y + (out[1] - y) / length * KNOB]
    }
}

/// A part of a box in a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A face, seen as an edge.
    Edge(Face),
    /// Two faces, where they meet.
    Corner(Face, Face),
    /// All of it.
    Inside,
    /// The knob that turns it.
    Knob,
}

/// The part of a box under the pointer; `turns` says whether the knob is there.
pub(super) fn under(view: &View, b: &OrientedBox, p: [f64; 2], turns: bool) -> Option<Part> {
    let knob = view.knob(b);
    if turns && (knob[0] - p[0]).hypot(knob[1] - p[1]) < NEAR {
        return Some(Part::Knob);
    }
    let (right, up, ..) = view.side.axes();
    // In the box's own axes: it may have been turned since the view was laid out.
    let d = view.world(view.units(p)) + (view.frame.center - b.center);
    let distance = |axis: usize, positive: bool| {
        let face = Face { axis, positive };
        (d.dot(&face.normal(b)) - b.size[axis] * 0.5) * view.scale
    };
    let nearest = |axis: usize| {
        let (low, high) = (distance(axis, false), distance(axis, true));
        if high >= low { (high, Face { axis, positive: true }) } else { (low, Face { axis, positive: false }) }
    };
    let ((x, across), (y, along)) = (nearest(right), nearest(up));
    match (x.abs() < NEAR, y.abs() < NEAR) {
        (true, true) => Some(Part::Corner(across, along)),
        (true, false) if y < 0.0 => Some(Part::Edge(across)),
        (false, true) if x < 0.0 => Some(Part::Edge(along)),
        (false, false) if x < 0.0 && y < 0.0 => Some(Part::Inside),
        _ => None,
    }
}

/// A drag as it began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grip {
    /// What was taken hold of.
    pub part: Part,
    /// The view then: it stays while the box is dragged.
    pub view: View,
    from: OrientedBox,
    start: [f64; 2],
}

impl Grip {
    /// Takes hold of a part at panel point `p`.
    pub(super) fn take(view: &View, b: &OrientedBox, part: Part, p: [f64; 2]) -> Self {
        Self { part, view: *view, from: *b, start: view.units(p) }
    }

    /// The box with the pointer at `p`.
    pub(super) fn drag(&self, p: [f64; 2]) -> OrientedBox {
        let now = self.view.units(p);
        let by = self.view.world([now[0] - self.start[0], now[1] - self.start[1]]);
        let pulled = |b: &OrientedBox, face: Face| edit::face_dragged(b, face, by.dot(&face.normal(&self.from)));
        let out = match self.part {
            Part::Edge(face) => pulled(&self.from, face),
            Part::Corner(a, b) => pulled(&pulled(&self.from, a), b),
            Part::Inside => edit::moved(&self.from, &by),
            Part::Knob => {
                let middle = self.view.units(self.view.panel(&self.from.center));
                let angle = |q: [f64; 2]| (q[1] - middle[1]).atan2(q[0] - middle[0]);
                let eye = Unit::new_normalize(self.view.to_eye());
                edit::turned(&self.from, &eye, angle(now) - angle(self.start))
            }
        };
        if edit::is_sane(&out) { out } else { self.from }
    }
}

/// Edge of the square that a point is drawn as, scene units.
const DOT: f64 = 0.012;

/// Points of the scene seen in a view, as RGBA of `size` panel points; what is in the box is bright. What lies before the
/// box is left out: it would hide it.
pub(super) fn picture(view: &View, near: &Near, b: &OrientedBox, size: [usize; 2]) -> Vec<u8> {
    let [w, h] = size;
    let mut out = vec![0u8; w * h * 4];
    let mut height = vec![f32::NEG_INFINITY; w * h];
    let (.., eye, sign) = view.side.axes();
    let half = b.size * 0.5;
    let margin = 0.04 * b.size.max();
    let dot = ((DOT * view.scale) as usize).clamp(2, 5);
    // The view's own middle is the middle of the picture.
    let flat = View { middle: [w as f64 * 0.5, h as f64 * 0.5], ..*view };
    for (p, color) in near.points.iter().zip(&near.colors) {
        let p = p.cast::<f64>();
        let local = b.to_local(&p);
        let toward = local[eye] * sign;
        if toward > half[eye] + margin || toward < -half[eye] - 4.0 * margin {
            continue;
        }
        let [x, y] = flat.panel(&p);
        if !(x >= 0.0 && y >= 0.0 && x < (w - dot.min(w)) as f64 && y < (h - dot.min(h)) as f64) {
            continue;
        }
        let inside = (local.abs() - half).max() <= 0.0;
        let shade = |c: u8| if inside { c } else { (u16::from(c) * 11 / 20) as u8 };
        for (dx, dy) in (0..dot).flat_map(|dy| (0..dot).map(move |dx| (dx, dy))) {
            let at = (y as usize + dy) * w + x as usize + dx;
            if toward as f32 > height[at] {
                height[at] = toward as f32;
                out[at * 4..at * 4 + 4].copy_from_slice(&[shade(color[0]), shade(color[1]), shade(color[2]), 255]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaning() -> OrientedBox {
        let upright = OrientedBox::upright(Point3::new(1.0, 2.0, 0.5), Vector3::new(1.2, 0.8, 0.5), 0.7);
        edit::turned(&upright, &Vector3::x_axis(), 0.3)
    }

    fn view(side: Side, b: &OrientedBox) -> View {
        View { side, frame: *b, scale: 150.0, middle: [200.0, 100.0] }
    }

    proptest! {
        #[test]
        fn a_part_follows_the_pointer(s in 0..3usize, x in -0.3..0.3f64, y in -0.3..0.3f64) {
            let b = leaning();
            let v = view(Side::ALL[s], &b);
            let (right, up, ..) = v.side.axes();
            for face in Face::ALL.into_iter().filter(|f| f.axis == right || f.axis == up) {
                let at = v.panel(&face.center(&b));
                prop_assert_eq!(under(&v, &b, at, true), Some(Part::Edge(face)));
                let to = [at[0] + x * 150.0, at[1] + y * 150.0];
                let out = Grip::take(&v, &b, Part::Edge(face), at).drag(to);
                // The face is on the line through the pointer.
                let hit = v.panel(&face.center(&out));
                let k = usize::from(face.axis == up);
                prop_assert!((hit[k] - to[k]).abs() < 1e-6);
            }
            let inside = v.panel(&b.center);
            prop_assert_eq!(under(&v, &b, inside, true), Some(Part::Inside));
            let out = Grip::take(&v, &b, Part::Inside, inside).drag([inside[0] + x * 150.0, inside[1] + y * 150.0]);
            prop_assert!((out.center - b.center - v.world([x, -y])).norm() < 1e-9);
        }

        #[test]
        fn the_knob_turns_with_the_pointer(s in 0..3usize, angle in -3.0..3.0f64) {
            let b = leaning();
            let v = view(Side::ALL[s], &b);
            let knob = v.knob(&b);
            prop_assert_eq!(under(&v, &b, knob, true), Some(Part::Knob));
            let middle = v.panel(&b.center);
            let (sin, cos) = angle.sin_cos();
            let (dx, dy) = (knob[0] - middle[0], knob[1] - middle[1]);
            // Panel coordinates go down: counter-clockwise as seen is the other way in numbers.
            let to = [middle[0] + dx * cos + dy * sin, middle[1] - dx * sin + dy * cos];
            let out = Grip::take(&v, &b, Part::Knob, knob).drag(to);
            let now = v.knob(&out);
            prop_assert!((now[0] - to[0]).hypot(now[1] - to[1]) < 1e-6);
            prop_assert_eq!(out.size, b.size);
        }
    }

    #[test]
    fn corners_drag_two_faces() {
        let b = OrientedBox::upright(Point3::origin(), Vector3::new(1.0, 0.6, 0.4), 0.0);
        let v = view(Side::Top, &b);
        let at = v.panel(&Point3::new(0.5, 0.3, 0.0));
        let part = under(&v, &b, at, false).unwrap();
        let out = Grip::take(&v, &b, part, at).drag(v.panel(&Point3::new(0.7, 0.2, 0.0)));
        assert!((out.size - Vector3::new(1.2, 0.5, 0.4)).norm() < 1e-9);
        assert!((out.center - Point3::new(0.1, -0.05, 0.0)).norm() < 1e-9);
        assert_eq!(under(&v, &b, [0.0, 0.0], true), None);
    }

    #[test]
    fn what_is_before_the_box_does_not_hide_it() {
        let b = OrientedBox::upright(Point3::origin(), Vector3::repeat(1.0), 0.0);
        let near = Near {
            points: vec![Point3::new(0.0, 0.0, 0.3), Point3::new(0.0, 0.0, 2.0), Point3::new(0.0, 0.0, 0.1)],
            colors: vec![[200, 0, 0], [0, 200, 0], [0, 0, 200]],
            ..Near::default()
        };
        let v = View { scale: 20.0, middle: [0.0, 0.0], ..view(Side::Top, &b) };
        let image = picture(&v, &near, &b, [40, 40]);
        let at = (20 * 40 + 20) * 4;
        assert_eq!(image[at..at + 4], [200, 0, 0, 255]);
        assert_eq!(image[..4], [0; 4]);
    }
}
