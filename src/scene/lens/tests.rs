use super::*;
use proptest::prelude::*;

/// COLMAP's name, parameters after the focal lengths and the centre, a ray, and where pycolmap 4.2.1 puts it
/// (`Camera.img_from_cam`, brought back to the normalised plane).
const PYCOLMAP: [(&str, &[f64], [f64; 2], [f64; 2]); 17] = [
    ("SIMPLE_RADIAL", &[-0.1], [0.3, -0.2], [0.2960999999999999, -0.19740000000000005]),
    ("SIMPLE_RADIAL", &[-0.1], [-0.7, 0.5], [-0.6482, 0.463]),
    ("RADIAL", &[-0.2, 0.05], [0.3, -0.2], [0.2924535, -0.194969]),
    ("RADIAL", &[-0.2, 0.05], [-0.7, 0.5], [-0.615566, 0.4396900000000001]),
    ("OPENCV", &[-0.25, 0.08, 0.001, -0.002], [0.3, -0.2], [0.28991560000000005, -0.19332040000000003]),
    ("OPENCV", &[-0.25, 0.08, 0.001, -0.002], [-0.7, 0.5], [-0.6053056, 0.43204400000000004]),
    ("FULL_OPENCV", &FULL, [0.3, -0.2], [0.29100892644264376, -0.1940492842950959]),
    ("FULL_OPENCV", &FULL, [-0.7, 0.5], [-0.61609278635236, 0.4397491331088286]),
    ("OPENCV_FISHEYE", &[-0.03, 0.01, -0.004, 0.0005], [0.3, -0.2], [0.2869334208854724, -0.1912889472569816]),
    ("OPENCV_FISHEYE", &[-0.03, 0.01, -0.004, 0.0005], [-0.7, 0.5], [-0.5705216537073143, 0.40751546693379603]),
    ("SIMPLE_RADIAL_FISHEYE", &[-0.05], [-0.7, 0.5], [-0.5634929279773886, 0.40249494855527757]),
    ("RADIAL_FISHEYE", &[-0.05, 0.01], [0.3, -0.2], [0.2862457890789331, -0.19083052605262216]),
    ("RADIAL_FISHEYE", &[-0.05, 0.01], [-0.7, 0.5], [-0.5649652783979316, 0.403546627427094]),
    ("FOV", &[0.9], [0.3, -0.2], [0.309884754308076, -0.20658983620538413]),
    ("FOV", &[0.9], [-0.7, 0.5], [-0.626942387399583, 0.44781599099970215]),
    ("THIN_PRISM_FISHEYE", &PRISM, [0.3, -0.2], [0.28649127265761576, -0.19099418177174382]),
    ("THIN_PRISM_FISHEYE", &PRISM, [-0.7, 0.5], [-0.5723357549412608, 0.4088112535294719]),
];
const FULL: [f64; 8] = [-0.2, 0.05, 0.001, -0.002, 0.01, 0.02, -0.01, 0.003];
const PRISM: [f64; 8] = [-0.03, 0.01, 0.001, -0.002, -0.004, 0.0005, 0.002, -0.001];

fn camera(model: &str, lens: &[f64]) -> (Intrinsics, Lens) {
    let one =
        colmap_model((0..18).find(|i| colmap_model(*i).unwrap().0 == model).unwrap()).unwrap().1 == 3 + lens.len();
    let focal: &[f64] = if one { &[300.0, 315.0, 245.0] } else { &[300.0, 305.0, 315.0, 245.0] };
    colmap_camera(model, 640, 480, &[focal, lens].concat()).unwrap()
}

#[test]
fn as_pycolmap_distorts() {
    for (model, params, [x, y], [u, v]) in PYCOLMAP {
        let (k, lens) = camera(model, params);
        assert_eq!((k.fx, k.cx, k.cy), (300.0, 315.0, 245.0), "{model}");
        let (a, b) = lens.distort(x, y);
        assert!((a - u).abs() < 1e-12 && (b - v).abs() < 1e-12, "{model}: {a} {b}, not {u} {v}");
        let (a, b) = lens.undistort(u, v).unwrap();
        assert!((a - x).abs() < 1e-9 && (b - y).abs() < 1e-9, "{model}: {a} {b}, not {x} {y}");
    }
    assert_eq!(camera("PINHOLE", &[]).1, Lens::Pinhole);
    assert_eq!(camera("SIMPLE_RADIAL", &[0.0]).1, Lens::Pinhole);
    assert_eq!(camera("SIMPLE_FISHEYE", &[]).1, camera("OPENCV_FISHEYE", &[0.0; 4]).1);
}

#[test]
fn what_is_no_camera_is_refused() {
    let refused = |model, params: &[f64]| colmap_camera(model, 640, 480, params).unwrap_err().to_string();
    assert!(refused("EUCM", &[300.0, 300.0, 320.0, 240.0, 0.5, 1.0]).contains("EUCM is not read"));
    assert!(refused("EQUIRECTANGULAR", &[640.0, 320.0]).contains("EQUIRECTANGULAR is not read"));
    assert!(refused("CUBE", &[]).contains("CUBE"));
    assert!(refused("OPENCV", &[300.0; 5]).contains("OPENCV has 8 parameters, not 5"));
    for bad in [f64::NAN, f64::INFINITY, -1e6] {
        assert!(refused("SIMPLE_RADIAL", &[300.0, 320.0, 240.0, bad]).contains("not the intrinsics"), "{bad}");
    }
    assert!(refused("FOV", &[300.0, 300.0, 320.0, 240.0, 4.0]).contains("not the intrinsics"));
    assert!(refused("SIMPLE_PINHOLE", &[0.0, 320.0, 240.0]).contains("not the intrinsics"));
}

#[test]
fn no_ray_beyond_the_lens() {
    // r (1 - 0.3 r^2) is greatest, 0.7027, at r = 1.0541.
    let lens = Lens::brown(&[-0.3], [0.0; 2]);
    assert!(lens.undistort(0.70, 0.0).is_some() && lens.undistort(0.71, 0.0).is_none());
    assert!((lens.reach() - 1.0541).abs() < 0.04, "{}", lens.reach());
    // An equidistant lens shows 90 degrees at pi / 2.
    let lens = Lens::fisheye(&[], [0.0; 2], [0.0; 2]);
    assert!(lens.undistort(1.57, 0.0).is_some() && lens.undistort(1.58, 0.0).is_none());
}

/// What a ray looks like: smooth, and different everywhere.
fn look(x: f64, y: f64) -> [f64; 3] {
    [128.0 + 90.0 * (2.0 * x).sin(), 128.0 + 90.0 * (2.0 * y).cos(), 128.0 + 60.0 * (x + 2.0 * y).sin()]
}

#[test]
fn undistorted_photos_are_those_of_a_pinhole() {
    for (model, params) in [
        ("OPENCV", &[-0.25, 0.08, 0.001, -0.002][..]),
        ("RADIAL", &[0.15, 0.02]),
        ("FOV", &[0.9]),
        ("THIN_PRISM_FISHEYE", &PRISM),
    ] {
        let (k, lens) = camera(model, params);
        let photo = RgbImage::from_fn(640, 480, |u, v| {
            let ray = lens.undistort((f64::from(u) + 0.5 - k.cx) / k.fx, (f64::from(v) + 0.5 - k.cy) / k.fy);
            Rgb(ray.map_or([0; 3], |(x, y)| look(x, y).map(|c| c.round() as u8)))
        });
        let (flat, to) = undistorted(&photo, &k, &lens).unwrap();
        assert_eq!(flat.dimensions(), (640, 480));
        assert!((to.fx / to.fy - k.fx / k.fy).abs() < 1e-9);
        let mut worst: f64 = 0.0;
        for (u, v, pixel) in flat.enumerate_pixels() {
            let ray = to.ray(f64::from(u) + 0.5, f64::from(v) + 0.5);
            let want = look(ray.x, ray.y);
            (0..3).for_each(|c| worst = worst.max((f64::from(pixel.0[c]) - want[c]).abs()));
        }
        // Also says that no pixel is blank.
        assert!(worst < 2.5, "{model}: {worst}");
        // The middle of each side of the photo bounds what can be seen: not much of it is given away.
        let left = lens.undistort(-k.cx / k.fx, 0.0).unwrap().0;
        assert!(-to.cx / to.fx < 0.7 * left, "{model}: {} of {left}", -to.cx / to.fx);
    }
}

#[test]
fn a_round_fisheye_is_kept_to_a_sensible_field_of_view() {
    // 180 degrees across 640 pixels.
    let k = Intrinsics { width: 640, height: 640, fx: 203.7, fy: 203.7, cx: 320.0, cy: 320.0 };
    let to = pinhole_of(&k, &Lens::fisheye(&[], [0.0; 2], [0.0; 2])).unwrap();
    assert!(((320.0 / to.fx).atan().to_degrees() - 60.0).abs() < 1.0, "{to:?}");
}

#[test]
fn depth_follows_the_photo() {
    let (k, lens) = camera("OPENCV", &[-0.25, 0.08, 0.001, -0.002]);
    let to = pinhole_of(&k, &lens).unwrap();
    // A slanted plane z = 2 + 0.5 x: depth is 2 / (1 - 0.5 rx) along the ray (rx, ry, 1).
    let plane = |x: f64| (2.0 / (1.0 - 0.5 * x)) as f32;
    // Half the resolution of the photo, as sensors have it.
    let sensor = k.resized(320, 240);
    let mut depth = DepthMap::unknown(320, 240);
    for (i, d) in depth.data.iter_mut().enumerate() {
        let (u, v) = ((i % 320) as f64 + 0.5, (i / 320) as f64 + 0.5);
        if let Some((x, _)) = lens.undistort((u - sensor.cx) / sensor.fx, (v - sensor.cy) / sensor.fy) {
            *d = plane(x);
        }
    }
    let out = depth_through(&depth, &sensor, &lens, &to);
    assert_eq!((out.width, out.height, out.coverage()), (640, 480, 1.0));
    for (i, d) in out.data.iter().enumerate() {
        let want = plane(to.ray((i % 640) as f64 + 0.5, 0.0).x);
        assert!((d / want - 1.0).abs() < 0.01, "{i}: {d} {want}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn undistort_undoes_distort(
        which in 0..3, k in prop::array::uniform4(-0.05..0.05f64), p in prop::array::uniform4(-0.003..0.003f64),
        omega in 0.0..1.5f64, r in 0.0..0.9f64, at in 0.0..6.3f64,
    ) {
        let lens = match which {
            0 => Lens::brown(&k, [p[0], p[1]]),
            1 => Lens::fisheye(&k, [p[0], p[1]], [p[2], p[3]]),
            _ => Lens::Fov { omega },
        };
        let (x, y) = (r * at.cos(), r * at.sin());
        let (u, v) = lens.distort(x, y);
        let (a, b) = lens.undistort(u, v).unwrap();
        prop_assert!((a - x).abs() < 1e-8 && (b - y).abs() < 1e-8, "{:?} {:?}", (x, y), (a, b));
    }

    /// Any numbers at all: no panic, no NaN.
    #[test]
    fn any_lens(k in prop::array::uniform8(prop::num::f64::ANY), x in -3.0..3.0f64, y in -3.0..3.0f64) {
        for lens in [Lens::brown(&k[..6], [k[6], k[7]]), Lens::fisheye(&k[..4], [k[4], k[5]], [k[6], k[7]]), Lens::Fov { omega: k[0] }] {
            if let Some((a, b)) = lens.undistort(x, y) {
                prop_assert!(a.is_finite() && b.is_finite());
            }
            let camera = Intrinsics::guess(64, 48);
            if lens.is_plausible() && let Some(to) = pinhole_of(&camera, &lens) {
                prop_assert!(to.is_plausible());
            }
        }
    }
}
