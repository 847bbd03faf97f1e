//! A photo against what the splats show from its camera, on its own thread: always for the latest that was asked for.

use super::palette;
use super::photos::{Photo, Pixels};
use crate::scene::{Camera, Gaussians};
use crate::splat;
use arc_swap::ArcSwapOption;
use crossbeam_channel::Sender;
use eframe::egui::ColorImage;
use image::{RgbImage, imageops::FilterType};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Instant;

/// Longest side of a comparison, pixels.
const LONGEST: u32 = 1600;
/// Error that has the last colour of the heat map: mean absolute difference of display values 0..1.
pub(super) const WORST: f32 = 0.25;

/// What the photo's panel shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Compare {
    /// The photo.
    #[default]
    Off,
    /// The photo left of a line, the render right of it.
    Render,
    /// The photo left of a line, how far off the render is right of it.
    Error,
}

impl Compare {
    /// In the order in which the key goes through them.
    pub(super) const ALL: [Self; 3] = [Self::Off, Self::Render, Self::Error];

    /// The one after it; after the last the first.
    pub(super) fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }
}

/// What is compared.
#[derive(Clone)]
pub(super) struct Subject {
    /// The photo.
    pub photo: Photo,
    /// Its camera, of the size of the photo.
    pub camera: Camera,
    /// The splats.
    pub cloud: Arc<Gaussians>,
    /// At half the size: while a run needs the processor.
    pub halved: bool,
}

impl Subject {
    /// Whether the answer is the same.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.same_but_cloud(other) && Arc::ptr_eq(&self.cloud, &other.cloud)
    }

    /// Whether the answer is the same for the same splats.
    pub(super) fn same_but_cloud(&self, other: &Self) -> bool {
        self.photo.stem == other.photo.stem && self.camera == other.camera && self.halved == other.halved
    }
}

/// An answer.
pub(super) struct Compared {
    /// To what.
    pub of: Subject,
    /// The pictures, or why there are none.
    pub result: Result<Pictures, String>,
    /// Seconds that it took.
    pub seconds: f32,
}

/// The render, and how far it is off.
pub(super) struct Pictures {
    /// What the splats show.
    pub render: ColorImage,
    /// Mean absolute difference of the colours, black for none, by [`palette::inferno`] up to [`WORST`].
    pub heat: ColorImage,
    /// Peak signal-to-noise ratio, dB.
    pub psnr_db: f32,
}

/// The thread. It ends when this is dropped.
pub(super) struct Comparer {
    jobs: Sender<Subject>,
    latest: Arc<ArcSwapOption<Compared>>,
}

impl Comparer {
    /// Starts the thread; `wake` is called after each answer.
    pub(super) fn new(wake: impl Fn() + Send + 'static) -> Self {
        let (jobs, asked) = crossbeam_channel::unbounded::<Subject>();
        let latest: Arc<ArcSwapOption<Compared>> = Arc::new(ArcSwapOption::empty());
        let out = Arc::clone(&latest);
        std::thread::spawn(move || {
            let mut photo = None;
            while let Ok(mut of) = asked.recv() {
                while let Ok(newer) = asked.try_recv() {
                    of = newer;
                }
                let start = Instant::now();
                let result = compare(&of, &mut photo);
                out.store(Some(Arc::new(Compared { of, result, seconds: start.elapsed().as_secs_f32() })));
                wake();
            }
        });
        Self { jobs, latest }
    }

    /// Asks for a comparison.
    pub(super) fn ask(&self, subject: Subject) {
        // The thread lives as long as this sender.
        let _ = self.jobs.send(subject);
    }

    /// The latest answer.
    pub(super) fn latest(&self) -> Option<Arc<Compared>> {
        self.latest.load_full()
    }
}

/// The photo that was read last, and at what size.
type Known = Option<((String, [u32; 2]), Vec<[f32; 3]>)>;

fn compare(of: &Subject, known: &mut Known) -> Result<Pictures, String> {
    let size = size(of);
    let key = (of.photo.stem.clone(), size);
    if known.as_ref().is_none_or(|k| k.0 != key) {
        *known = Some((key, display_values(&of.photo.pixels, size)?));
    }
    let photo = known.as_ref().map_or(&[][..], |k| &k.1);
    let render = splat::render(&of.cloud, &of.camera.resized(size[0], size[1])).rgb;
    let sized = [size[0] as usize, size[1] as usize];
    let heat: Vec<u8> =
        render.par_iter().zip(photo).flat_map_iter(|(a, b)| palette::inferno(error(a, b) / WORST)).collect();
    let byte = |x: &f32| (x * 255.0).round().clamp(0.0, 255.0) as u8;
    let bytes: Vec<u8> = render.iter().flatten().map(byte).collect();
    Ok(Pictures {
        psnr_db: splat::psnr(&render, photo),
        render: ColorImage::from_rgb(sized, &bytes),
        heat: ColorImage::from_rgb(sized, &heat),
    })
}

/// Mean absolute difference of two colours.
fn error(a: &[f32; 3], b: &[f32; 3]) -> f32 {
    (0..3).map(|c| (a[c] - b[c]).abs()).sum::<f32>() / 3.0
}

/// Width and height that a comparison is made at.
fn size(of: &Subject) -> [u32; 2] {
    let own = [of.camera.intrinsics.width, of.camera.intrinsics.height];
    let half = if of.halved { 0.5 } else { 1.0 };
    let scale = half * (f64::from(LONGEST) / f64::from(own[0].max(own[1]).max(1))).min(1.0);
    own.map(|x| ((f64::from(x) * scale).round() as u32).max(1))
}

/// A photo at some size, display values 0..1.
fn display_values(pixels: &Pixels, [w, h]: [u32; 2]) -> Result<Vec<[f32; 3]>, String> {
    let image: Arc<RgbImage> = match pixels {
        Pixels::Memory(image) => Arc::clone(image),
        Pixels::File(path) => {
            Arc::new(image::open(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?.into_rgb8())
        }
    };
    let image = match image.dimensions() == (w, h) {
        true => image,
        false => Arc::new(image::imageops::resize(image.as_ref(), w, h, FilterType::Triangle)),
    };
    Ok(image.pixels().map(|p| p.0.map(|x| f32::from(x) / 255.0)).collect())
}

/// What a PSNR means to the eye.
pub(super) fn in_words(psnr_db: f32) -> &'static str {
    match psnr_db {
        p if p >= 32.0 => "hardly a difference",
        p if p >= 26.0 => "small differences",
        p if p >= 20.0 => "clear differences",
        _ => "far off",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Intrinsics, SH_C0};
    use nalgebra::Isometry3;

    /// A grey photo of 40 x 20, and one wide opaque splat of a lighter grey before it.
    fn subject(halved: bool) -> Subject {
        let intrinsics = Intrinsics { width: 40, height: 20, fx: 40.0, fy: 40.0, cx: 20.0, cy: 10.0 };
        let image = RgbImage::from_pixel(40, 20, image::Rgb([102; 3]));
        Subject {
            photo: Photo { stem: "a".into(), pixels: Pixels::Memory(Arc::new(image)) },
            camera: Camera { intrinsics, c2w: Isometry3::identity() },
            cloud: Arc::new(Gaussians {
                means: vec![[0.0, 0.0, 2.0]; 4],
                log_scales: vec![[4.0, 4.0, -4.0]; 4],
                quats: vec![[1.0, 0.0, 0.0, 0.0]; 4],
                opacity_logits: vec![12.0; 4],
                sh_degree: 0,
                sh: vec![[0.1 / SH_C0, 0.0, 0.0]; 4],
                antialiased: false,
            }),
            halved,
        }
    }

    #[test]
    fn the_error_is_the_mean_difference_and_the_psnr_its_square() {
        for halved in [false, true] {
            let pictures = compare(&subject(halved), &mut None).unwrap();
            let [w, h] = if halved { [20, 10] } else { [40, 20] };
            assert_eq!((pictures.render.size, pictures.heat.size), ([w, h], [w, h]));
            // The render is 0.6 0.5 0.5, the photo 0.4.
            let middle = pictures.render.pixels[h / 2 * w + w / 2];
            // No splat hides more than 99 %.
            for (a, b) in [(middle.r(), 153u8), (middle.g(), 128), (middle.b(), 128)] {
                assert!(a.abs_diff(b) <= 3, "{middle:?}");
            }
            let [r, g, b] = palette::inferno((0.2 + 0.1 + 0.1) / 3.0 / WORST);
            let heat = pictures.heat.pixels[h / 2 * w + w / 2];
            for (a, b) in [(heat.r(), r), (heat.g(), g), (heat.b(), b)] {
                assert!(a.abs_diff(b) <= 8, "{heat:?}");
            }
            let mse: f32 = (0.04 + 0.01 + 0.01) / 3.0;
            assert!((pictures.psnr_db + 10.0 * mse.log10()).abs() < 0.5, "{}", pictures.psnr_db);
        }
    }

    #[test]
    fn the_thread_answers_for_the_latest_and_names_what_it_cannot_read() {
        let (sender, woken) = crossbeam_channel::unbounded();
        let comparer = Comparer::new(move || {
            let _ = sender.send(());
        });
        let lost = Photo { stem: "b".into(), pixels: Pixels::File("/nowhere/b.jpg".into()) };
        let last = Subject { photo: lost, ..subject(false) };
        comparer.ask(subject(true));
        comparer.ask(last.clone());
        while comparer.latest().is_none_or(|c| !c.of.same(&last)) {
            woken.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        }
        let latest = comparer.latest().unwrap();
        assert!(matches!(&latest.result, Err(e) if e.contains("/nowhere/b.jpg")));
    }

    #[test]
    fn large_photos_are_compared_smaller() {
        let mut s = subject(false);
        s.camera = s.camera.resized(6400, 3200);
        assert_eq!(size(&s), [1600, 800]);
        s.halved = true;
        assert_eq!(size(&s), [800, 400]);
    }
}
