// What the kernels share. The same numbers as on the CPU (../cpu/project.rs, ../cpu/tile.rs).

const TILE: u32 = 16u;
// Added to the image covariance: a Gaussian is never thinner than about a pixel.
const LOW_PASS: f32 = 0.3;
const MIN_ALPHA: f32 = 1.0 / 255.0;
const MAX_ALPHA: f32 = 0.99;
const MIN_TRANSMITTANCE: f32 = 1e-4;
// Least share of its opacity that the 2D filter of Mip-Splatting leaves a Gaussian, squared.
const MIN_FILTER: f32 = 2.5e-5;
// Parameters before the SH coefficients: centre 3, log scales 3, quaternion 4, opacity 1.
const FIXED: u32 = 11u;
// Sort key of a Gaussian that is not drawn: behind all depths.
const CULLED: u32 = 0xffffffffu;

struct View {
    // World to camera.
    rotation: mat3x3<f32>,
    center: vec3<f32>,
    near: f32,
    focal: vec2<f32>,
    principal: vec2<f32>,
    // Least and greatest tangent, for the Jacobian only.
    tangent_min: vec2<f32>,
    tangent_max: vec2<f32>,
    // Pixels.
    size: vec2<u32>,
    tiles: vec2<u32>,
    // Gaussians, and floats in the row of one.
    count: u32,
    stride: u32,
    // Highest SH degree drawn.
    degree: u32,
    antialiased: u32,
    // Pairs of a tile and a Gaussian that there is room for.
    room: u32,
}

// A Gaussian in the image.
struct Splat {
    // Pixels.
    center: vec2<f32>,
    depth: f32,
    // 0 where it is not drawn.
    opacity: f32,
    // q = x dx dx + 2 y dx dy + z dy dy.
    conic: vec3<f32>,
    // q where its opacity falls to 1/255.
    reach: f32,
    color: vec3<f32>,
    spare: f32,
    // Change of depth per pixel.
    slope: vec2<f32>,
    // Half width and height of the ellipse q = reach.
    extent: vec2<f32>,
    // Camera frame, towards the camera.
    normal: vec3<f32>,
    spare_too: f32,
}

// By the bits: compilers may take comparisons with NaN for granted.
fn finite(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7f800000u) != 0x7f800000u;
}

fn finite2(v: vec2<f32>) -> bool {
    return finite(v.x) && finite(v.y);
}

fn finite3(v: vec3<f32>) -> bool {
    return finite(v.x) && finite(v.y) && finite(v.z);
}

fn finite4(v: vec4<f32>) -> bool {
    return finite2(v.xy) && finite2(v.zw);
}
