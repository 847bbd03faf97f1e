//! Depth order and colours of splats, and their picture where the CPU draws it, on their own thread: always for the
//! latest view asked for.

use super::cloud::{Cloud, Packed, color, pack};
use super::soft::{self, Image};
use crate::app::look::{Look, Mode};
use crate::scene::Camera;
use arc_swap::ArcSwapOption;
use crossbeam_channel::{Receiver, Sender};
use rayon::prelude::*;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A view of a cloud.
#[derive(Clone)]
pub(in crate::app) struct View {
    /// Of what.
    pub cloud: Cloud,
    /// How it is shown.
    pub look: Look,
    /// Camera for a picture of the panel's size in points.
    pub camera: Camera,
    /// Nearer than this is not drawn, scene units.
    pub near: f32,
    /// Background, sRGB 0..1.
    pub background: [f32; 3],
    /// Pixels per point.
    pub scale: f32,
    /// The camera is moving: be quick.
    pub moving: bool,
}

impl View {
    /// Whether the order of the splats is the same.
    fn same_order(&self, other: &Self) -> bool {
        self.cloud.same(&other.cloud) && self.look == other.look && self.camera == other.camera
    }

    /// Whether the picture is the same, but for how quickly it must be there.
    pub(in crate::app) fn same(&self, other: &Self) -> bool {
        self.same_order(other)
            && self.near == other.near
            && self.background == other.background
            && self.scale == other.scale
    }
}

/// A cloud in the order for one camera.
pub(in crate::app) struct Sorted {
    pub(super) packed: Arc<Packed>,
    /// What of them is shown, as what.
    pub(super) look: Look,
    /// Indices, the farthest first.
    pub(super) order: Vec<u32>,
    /// What each says, in that order: see [`Look`].
    pub(super) colors: Vec<[u8; 4]>,
    /// Depths that the colours of [`Mode::Depth`] run between, scene units.
    pub(super) range: [f32; 2],
}

/// What the thread has made of a [`View`].
#[derive(Clone)]
pub(in crate::app) struct Ready {
    /// Of which.
    pub view: View,
    /// Its splats in order.
    pub(super) sorted: Arc<Sorted>,
    /// Its picture, where the CPU draws.
    pub(super) image: Option<Arc<Image>>,
    /// Seconds that it took.
    pub seconds: f32,
}

impl Ready {
    /// Depths that the colours of [`Mode::Depth`] run between, scene units.
    pub(in crate::app) fn range(&self) -> [f32; 2] {
        self.sorted.range
    }

    /// Whether the CPU has drawn it, and at full size.
    pub(in crate::app) fn drawn(&self) -> Option<bool> {
        self.image.as_ref().map(|i| i.scale >= 1.0)
    }
}

/// The thread. It ends when this is dropped.
pub(in crate::app) struct Sorter {
    jobs: Sender<(View, bool)>,
    latest: Arc<ArcSwapOption<Ready>>,
    /// Rings after each result.
    bell: Receiver<()>,
}

impl Sorter {
    /// Starts the thread; `wake` is called after each result.
    pub(in crate::app) fn new(wake: impl Fn() + Send + 'static) -> Self {
        let (jobs, asked) = crossbeam_channel::unbounded::<(View, bool)>();
        let latest: Arc<ArcSwapOption<Ready>> = Arc::new(ArcSwapOption::empty());
        let (ring, bell) = crossbeam_channel::bounded(1);
        let out = Arc::clone(&latest);
        std::thread::spawn(move || {
            let mut pace = soft::Pace::default();
            while let Ok(mut job) = asked.recv() {
                while let Ok(newer) = asked.try_recv() {
                    job = newer;
                }
                let (view, draw) = job;
                let ready = answer(view, draw, out.load_full().as_deref(), &mut pace);
                out.store(Some(Arc::new(ready)));
                let _ = ring.try_send(());
                wake();
            }
        });
        Self { jobs, latest, bell }
    }

    /// Asks for a view; with `draw` the CPU also draws it.
    pub(in crate::app) fn ask(&self, view: View, draw: bool) {
        let _ = self.bell.try_recv();
        // The thread lives as long as this sender.
        let _ = self.jobs.send((view, draw));
    }

    /// Waits for a result to come, but not for longer than this.
    pub(in crate::app) fn wait(&self, at_most: Duration) {
        let _ = self.bell.recv_timeout(at_most);
    }

    /// The latest result.
    pub(in crate::app) fn latest(&self) -> Option<Arc<Ready>> {
        self.latest.load_full()
    }
}

/// Makes what is not there yet.
fn answer(view: View, draw: bool, last: Option<&Ready>, pace: &mut soft::Pace) -> Ready {
    let start = Instant::now();
    let last_of = |same: fn(&View, &View) -> bool| last.filter(|l| same(&l.view, &view));
    let sorted = last_of(View::same_order).map_or_else(
        || {
            let packed = last.map(|l| &l.sorted.packed).filter(|p| p.cloud.same(&view.cloud));
            let packed = packed.map_or_else(|| Arc::new(pack(&view.cloud)), Arc::clone);
            Arc::new(sort(&packed, &view.camera, &view.cloud.look(&view.look)))
        },
        |l| Arc::clone(&l.sorted),
    );
    let known = last_of(View::same).and_then(|l| l.image.as_ref()).filter(|i| view.moving || i.scale >= 1.0);
    let image = draw.then(|| known.map_or_else(|| Arc::new(pace.draw(&sorted, &view)), Arc::clone));
    Ready { sorted, image, view, seconds: start.elapsed().as_secs_f32() }
}

fn sort(packed: &Arc<Packed>, camera: &Camera, look: &Look) -> Sorted {
    let sight = Sight::new(camera);
    let seen: Vec<(u32, f32)> = packed
        .means
        .par_iter()
        .zip(packed.texels.par_chunks(3))
        .enumerate()
        .filter_map(|(i, (mean, texels))| {
            let depth = sight.depth(mean, texels[1][0] + texels[1][3] + texels[2][1])?;
            look.shows(mean, texels[0][3]).then_some((i as u32, depth))
        })
        .collect();
    let range = range(&seen, packed, camera);
    let byte = |depth: f32| ((depth - range[0]) / (range[1] - range[0]) * 255.0).clamp(0.0, 255.0) as u8;
    let eye: [f32; 3] = camera.center().coords.cast::<f32>().into();
    // Before they are sorted, so that memory is read from one end to the other.
    let says: Vec<[u8; 4]> = seen
        .par_iter()
        .map(|(i, depth)| match look.mode {
            Mode::Depth => [byte(*depth), 0, 0, 255],
            mode => color(&packed.cloud, *i as usize, &eye, mode),
        })
        .collect();
    // Positive floats sort as their bits; the farthest shall come first.
    let key = |(k, s): (usize, &(u32, f32))| u64::from(!s.1.to_bits()) << 32 | k as u64;
    let mut keys: Vec<u64> = seen.par_iter().enumerate().map(key).collect();
    keys.par_sort_unstable();
    let at = |key: &u64| *key as u32 as usize;
    let order = keys.par_iter().map(|k| seen[at(k)].0).collect();
    let colors = keys.par_iter().map(|k| says[at(k)]).collect();
    Sorted { packed: Arc::clone(packed), look: *look, order, colors, range }
}

/// What a camera can see.
struct Sight {
    /// World-to-camera: rotation by rows, and translation.
    rows: [[f32; 3]; 3],
    shift: [f32; 3],
    /// Tangents of the widest rays to each side.
    tangent: [f32; 2],
}

impl Sight {
    fn new(camera: &Camera) -> Self {
        let w2c = camera.w2c();
        let m = w2c.rotation.to_rotation_matrix();
        let i = &camera.intrinsics;
        let widest = |c: f64, size: u32, f: f64| (c.max(f64::from(size) - c) / f) as f32;
        Self {
            rows: std::array::from_fn(|r| std::array::from_fn(|c| m[(r, c)] as f32)),
            shift: w2c.translation.vector.cast::<f32>().into(),
            tangent: [widest(i.cx, i.width, i.fx), widest(i.cy, i.height, i.fy)],
        }
    }

    /// Depth of a splat that may be seen, from its mean and the trace of its covariance.
    fn depth(&self, mean: &[f32; 3], trace: f32) -> Option<f32> {
        let p: [f32; 3] =
            std::array::from_fn(|r| (0..3).map(|c| self.rows[r][c] * mean[c]).sum::<f32>() + self.shift[r]);
        // At 3.4 standard deviations even the most opaque has faded, and a dot is never wider than a fiftieth here.
        let reach = 3.4 * trace.sqrt() + 0.02 * p[2];
        let aside = |k: usize| p[k].abs() - self.tangent[k] * p[2] > reach * (1.0 + self.tangent[k]);
        (p[2] > 0.0 && !aside(0) && !aside(1)).then_some(p[2])
    }
}

/// Depths of what is in the picture, without the nearest and the farthest fiftieth.
fn range(seen: &[(u32, f32)], packed: &Packed, camera: &Camera) -> [f32; 2] {
    let k = &camera.intrinsics;
    let inside = |s: &&(u32, f32)| {
        let at = camera.project(&nalgebra::Point3::from(packed.means[s.0 as usize]).cast());
        at.is_some_and(|(u, v, _)| (0.0..f64::from(k.width)).contains(&u) && (0.0..f64::from(k.height)).contains(&v))
    };
    let some = seen.iter().step_by((seen.len() / 4000).max(1));
    let mut depths: Vec<f32> = some.filter(inside).map(|s| s.1).collect();
    depths.sort_by(f32::total_cmp);
    let n = depths.len();
    let (Some(near), Some(far)) = (depths.get(n / 50), depths.get(n.saturating_sub(1 + n / 50))) else {
        return [0.0, 1.0];
    };
    [*near, far.max(near * 1.001)]
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::cloud::tests::cloud;
    use super::*;
    use crate::app::look::Crop;
    use crate::scene::Intrinsics;
    use nalgebra::{Isometry3, Vector3};

    /// A view's splats in order.
    pub(in crate::app::gl) fn sorted(view: &View) -> Sorted {
        sort(&Arc::new(pack(&view.cloud)), &view.camera, &view.look)
    }

    fn camera(c2w: Isometry3<f64>) -> Camera {
        Camera { intrinsics: Intrinsics { width: 40, height: 30, fx: 20.0, fy: 20.0, cx: 20.0, cy: 15.0 }, c2w }
    }

    #[test]
    fn the_farthest_comes_first_and_what_is_behind_not_at_all() {
        let packed = Arc::new(pack(&Cloud::Splats(cloud())));
        let look = Look::default();
        let sorted = sort(&packed, &camera(Isometry3::identity()), &look);
        assert_eq!(sorted.order, [1, 3, 0]);
        assert_eq!(sorted.colors[0], [128, 255, 0, 255]);
        let turned = Isometry3::rotation(Vector3::y() * std::f64::consts::PI);
        assert_eq!(sort(&packed, &camera(turned), &look).order, [2]);
    }

    #[test]
    fn what_reaches_into_the_picture_is_drawn_though_its_centre_is_outside() {
        let sight = Sight::new(&camera(Isometry3::identity()));
        // The edge of the picture is at tangent 1 to the right and 0.75 down.
        assert_eq!(sight.depth(&[2.5, 0.0, 2.0], 0.09), Some(2.0), "0.35 from the plane of the edge, 0.3 wide");
        assert_eq!(sight.depth(&[3.0, 0.0, 2.0], 0.0), None);
        assert_eq!(sight.depth(&[0.0, -2.5, 2.0], 0.0), None);
        assert_eq!(sight.depth(&[0.0, 0.0, -0.1], 9.0), None);
        assert_eq!(sight.depth(&[f32::NAN, 0.0, 1.0], 0.1), None);
    }

    #[test]
    fn hidden_splats_are_not_drawn_and_depth_runs_over_the_others() {
        let packed = Arc::new(pack(&Cloud::Splats(cloud())));
        let crop = Crop { min: [-0.5, -1.0, 0.0], max: [0.5, 1.0, 5.0] };
        let look = Look { mode: Mode::Depth, crop: Some(crop), least_opacity: 0.5 };
        let sorted = sort(&packed, &camera(Isometry3::identity()), &look);
        assert_eq!(sorted.order, [1, 0]);
        assert_eq!(sorted.range, [1.0, 3.0]);
        assert_eq!(sorted.colors.iter().map(|c| c[0]).collect::<Vec<_>>(), [255, 0]);
        let faint = Look { least_opacity: 0.51, ..Look::default() };
        assert!(sort(&packed, &camera(Isometry3::identity()), &faint).order.is_empty());
    }

    #[test]
    fn the_thread_answers_for_the_latest() {
        let (sender, woken) = crossbeam_channel::unbounded();
        let sorter = Sorter::new(move || {
            let _ = sender.send(());
        });
        let view = |c2w| View {
            cloud: Cloud::Splats(cloud()),
            look: Look::default(),
            camera: camera(c2w),
            near: 0.01,
            background: [0.0; 3],
            scale: 1.0,
            moving: true,
        };
        let last = view(Isometry3::translation(0.0, 0.0, -5.0));
        sorter.ask(view(Isometry3::identity()), true);
        sorter.ask(View { moving: false, ..last.clone() }, true);
        while sorter.latest().is_none_or(|r| !(r.view.camera == last.camera && r.drawn() == Some(true))) {
            woken.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        }
    }
}
