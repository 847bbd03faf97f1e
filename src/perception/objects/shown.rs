//! What a photo shows of a box: its projection, and what stands before it.

use super::{ObjectOptions, Upright};
use crate::perception::View;
use crate::scene::Camera;

/// Depth below which a corner counts as this far in front of the camera: large boxes reach past it. Scene units.
const NEAREST: f64 = 0.1;
/// Samples along each side of a projection.
const SAMPLES: usize = 12;
/// Share of a row or column of samples that must be free for it to show the thing: less is a gap in what hides it.
const ROW: f64 = 0.25;

/// Bounds of a box's projection in pixels of the photo, not cut at its border, and the least and the largest depth of its corners.
#[derive(Clone, Copy, Debug)]
pub(super) struct Projection {
    pub(super) bounds: [f64; 4],
    pub(super) near: f64,
    pub(super) far: f64,
}

/// `None` where the whole box is behind the camera.
pub(super) fn project(b: &Upright, camera: &Camera) -> Option<Projection> {
    let k = camera.intrinsics;
    let w2c = camera.w2c();
    let mut out = Projection {
        bounds: [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY],
        near: f64::INFINITY,
        far: 0.0,
    };
    for corner in b.corners() {
        let q = w2c * corner;
        out.near = out.near.min(q.z.max(NEAREST));
        out.far = out.far.max(q.z);
        let z = q.z.max(NEAREST);
        let (u, v) = (k.fx * q.x / z + k.cx, k.fy * q.y / z + k.cy);
        let [x0, y0, x1, y1] = out.bounds;
        out.bounds = [x0.min(u), y0.min(v), x1.max(u), y1.max(v)];
    }
    (out.far > NEAREST).then_some(out)
}

/// A rectangle cut at the borders of a photo.
pub(super) fn cut(r: &[f64; 4], camera: &Camera) -> [f64; 4] {
    let (w, h) = (f64::from(camera.intrinsics.width), f64::from(camera.intrinsics.height));
    [r[0].clamp(0.0, w), r[1].clamp(0.0, h), r[2].clamp(0.0, w), r[3].clamp(0.0, h)]
}

pub(super) fn area(r: &[f64; 4]) -> f64 {
    (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0)
}

/// Depth at a pixel of the photo, 0 where it is not known.
pub(super) fn depth_at(view: &View, u: f64, v: f64) -> f64 {
    let (w, h) = view.image.dimensions();
    let x = u * f64::from(view.depth.width) / f64::from(w);
    let y = v * f64::from(view.depth.height) / f64::from(h);
    f64::from(view.depth.at(x.floor() as i64, y.floor() as i64))
}

/// What a photo shows of a box.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// The projection, cut at the borders.
    pub(super) bounds: [f64; 4],
    /// Bounds of what nothing nearer hides.
    pub(super) free: [f64; 4],
    /// The photo sees past the place of the box: nothing is there.
    pub(super) seen_through: bool,
    /// Share of the whole projection that is in the picture and that nothing nearer hides, 0..1.
    pub(super) share: f64,
}

/// What a photo must show of a box; `None` where it may not show it: out of the picture, too far, or hidden.
pub(super) fn shown(b: &Upright, view: &View, room_metre: f64, o: &ObjectOptions) -> Option<Shown> {
    let p = project(b, &view.camera)?;
    let bounds = cut(&p.bounds, &view.camera);
    let (whole, inside) = (area(&p.bounds), area(&bounds));
    let far = view.camera.w2c() * b.center();
    if inside < o.in_picture * whole || inside <= 0.0 || far.z < 2.0 * NEAREST || far.z > o.farthest * room_metre {
        return None;
    }
    let noise = o.depth_noise[0] * room_metre + o.depth_noise[1] * p.near;
    let (mut known, mut hidden, mut beyond) = (0usize, 0usize, 0usize);
    let mut rows = [[0usize; SAMPLES]; 2];
    for j in 0..SAMPLES {
        for i in 0..SAMPLES {
            let at = |k: usize, lo: f64, hi: f64| lo + (hi - lo) * (k as f64 + 0.5) / SAMPLES as f64;
            let z = depth_at(view, at(i, bounds[0], bounds[2]), at(j, bounds[1], bounds[3]));
            let is_hidden = z > 0.0 && z < p.near - noise;
            known += usize::from(z > 0.0);
            hidden += usize::from(is_hidden);
            beyond += usize::from(z > p.far + 1.5 * noise);
            if !is_hidden {
                rows[0][i] += 1;
                rows[1][j] += 1;
            }
        }
    }
    if known > 0 && hidden as f64 > o.hidden * known as f64 {
        return None;
    }
    // A thing with gaps, such as a chair, is seen through in most places but not nearly all.
    const THROUGH: f64 = 0.85;
    let seen_through = known > 0 && beyond as f64 > THROUGH * known as f64;
    let shows = 1.0 - hidden as f64 / known.max(1) as f64;
    Some(Shown { bounds, free: free(&bounds, &rows), seen_through, share: shows * inside / whole })
}

/// Bounds of the rows and columns of samples that show enough.
fn free(bounds: &[f64; 4], rows: &[[usize; SAMPLES]; 2]) -> [f64; 4] {
    let ends = |row: &[usize; SAMPLES], lo: f64, hi: f64| {
        let shows = |n: &usize| *n as f64 >= ROW * SAMPLES as f64;
        let first = row.iter().position(shows).unwrap_or(0);
        let last = row.iter().rposition(shows).map_or(SAMPLES, |l| l + 1);
        let at = |k: usize| lo + (hi - lo) * k as f64 / SAMPLES as f64;
        (at(first), at(last))
    };
    let (x0, x1) = ends(&rows[0], bounds[0], bounds[2]);
    let (y0, y1) = ends(&rows[1], bounds[1], bounds[3]);
    [x0, y0, x1, y1]
}

/// For each edge of a rectangle (left, top, right, bottom) whether what lies just beyond it stands before the thing, at depth `depth` and
/// with its foot at height `foot`: the edge is then that of what hides it. What is no higher than the foot hides nothing.
pub(super) fn hidden_edges(
    view: &View,
    r: &[f64; 4],
    depth: f64,
    foot: f64,
    metre: f64,
    o: &ObjectOptions,
) -> [bool; 4] {
    /// Least height above the foot of what can hide a thing, metres.
    const ABOVE: f64 = 0.06;
    let (w, h) = (r[2] - r[0], r[3] - r[1]);
    let strips = [
        [r[0] - 0.12 * w, r[1] + 0.2 * h, r[0] - 0.03 * w, r[3] - 0.2 * h],
        [r[0] + 0.2 * w, r[1] - 0.12 * h, r[2] - 0.2 * w, r[1] - 0.03 * h],
        [r[2] + 0.03 * w, r[1] + 0.2 * h, r[2] + 0.12 * w, r[3] - 0.2 * h],
        [r[0] + 0.2 * w, r[3] + 0.03 * h, r[2] - 0.2 * w, r[3] + 0.12 * h],
    ];
    let least = depth - 0.2 * o.depth_noise[0] * metre - o.depth_noise[1] * depth;
    strips.map(|s| {
        const ALONG: usize = 5;
        let (mut known, mut before) = (0usize, 0usize);
        for k in 0..ALONG * ALONG {
            let at = |k: usize, lo: f64, hi: f64| lo + (hi - lo) * (k as f64 + 0.5) / ALONG as f64;
            let (u, v) = (at(k % ALONG, s[0], s[2]), at(k / ALONG, s[1], s[3]));
            let z = depth_at(view, u, v);
            if z > 0.0 {
                known += 1;
                let hides = z < least && view.camera.unproject(u, v, z).z > foot + ABOVE * metre;
                before += usize::from(hides);
            }
        }
        known >= ALONG && 2 * before > known
    })
}

/// Share of the known depth in some rectangles (view, bounds) whose points lie in the box, grown a little, and above its foot.
pub(super) fn filled(views: &[View], b: &Upright, rectangles: impl Iterator<Item = (usize, [f64; 4])>) -> f64 {
    const ALONG: usize = 16;
    // Boxes of detections are off by a few per cent, depth by a few centimetres.
    const SHARE: f64 = 0.15;
    let margin = 0.03 + 0.02 * b.sides()[0];
    let above = b.foot[2] + (0.25 * b.size[2]).min(0.04);
    let (mut sum, mut n) = (0.0, 0usize);
    for (view, r) in rectangles {
        let view = &views[view];
        let (mut known, mut inside) = (0usize, 0usize);
        for k in 0..ALONG * ALONG {
            let at = |k: usize, lo: f64, hi: f64| lo + (hi - lo) * (k as f64 + 0.5) / ALONG as f64;
            let (u, v) = (at(k % ALONG, r[0], r[2]), at(k / ALONG, r[1], r[3]));
            let z = depth_at(view, u, v);
            if z > 0.0 {
                let p = view.camera.unproject(u, v, z);
                known += 1;
                inside += usize::from(b.holds(&p, SHARE, margin) && p.z > above);
            }
        }
        if known > 0 {
            sum += inside as f64 / known as f64;
            n += 1;
        }
    }
    sum / n.max(1) as f64
}
