// A Gaussian in the camera frame and its image covariance (EWA: Zwicker et al. 2001; Kerbl et al. 2023, eq. 5).
//
// The camera-frame covariance V goes through the affine map J whose rows are the image axes and depth, so
// J V J^T = [[a b e] [b c f] [e f .]] holds the image covariance and the covariance of depth with it.

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;

struct Geometry {
    fine: bool,
    p: vec3<f32>,
    tangent: vec2<f32>,
    // Whether the tangent was not clamped.
    free: vec2<bool>,
    // Of the Gaussian, in the camera frame, as columns.
    axes: mat3x3<f32>,
    scales: vec3<f32>,
    cov: mat3x3<f32>,
    jacobian: mat3x3<f32>,
    // a, b, c with the low-pass.
    image_cov: vec3<f32>,
    // e, f.
    depth_cov: vec2<f32>,
    conic: vec3<f32>,
    // What the 2D filter leaves of the opacity: its square before it is clamped, and itself.
    filter_squared: f32,
    filter_factor: f32,
}

fn mean_of(i: u32) -> vec3<f32> {
    let at = i * view.stride;
    return vec3(parameters[at], parameters[at + 1u], parameters[at + 2u]);
}

fn log_scales_of(i: u32) -> vec3<f32> {
    let at = i * view.stride + 3u;
    return vec3(parameters[at], parameters[at + 1u], parameters[at + 2u]);
}

// w x y z.
fn quat_of(i: u32) -> vec4<f32> {
    let at = i * view.stride + 6u;
    return vec4(parameters[at], parameters[at + 1u], parameters[at + 2u], parameters[at + 3u]);
}

fn opacity_of(i: u32) -> f32 {
    return 1.0 / (1.0 + exp(-parameters[i * view.stride + 10u]));
}

fn sh_of(i: u32, k: u32) -> vec3<f32> {
    let at = i * view.stride + FIXED + 3u * k;
    return vec3(parameters[at], parameters[at + 1u], parameters[at + 2u]);
}

// Rotation matrix of a unit quaternion w x y z.
fn rotation_of(q: vec4<f32>) -> mat3x3<f32> {
    let w = q.x;
    let x = q.y;
    let y = q.z;
    let z = q.w;
    return mat3x3(
        1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y),
        2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x),
        2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y),
    );
}

fn geometry(i: u32) -> Geometry {
    var g: Geometry;
    let q = quat_of(i);
    let log_scales = log_scales_of(i);
    g.p = view.rotation * (mean_of(i) - view.center);
    g.fine = finite3(g.p) && g.p.z > view.near && finite4(q);
    if !g.fine {
        return g;
    }
    g.axes = view.rotation * rotation_of(q / length(q));
    g.scales = exp(log_scales);
    let half = mat3x3(g.axes[0] * g.scales.x, g.axes[1] * g.scales.y, g.axes[2] * g.scales.z);
    g.cov = half * transpose(half);
    let raw = g.p.xy / g.p.z;
    g.tangent = clamp(raw, view.tangent_min, view.tangent_max);
    g.free = raw == g.tangent;
    let per_depth = view.focal / g.p.z;
    let shear = -per_depth * g.tangent;
    g.jacobian = mat3x3(per_depth.x, 0.0, 0.0, 0.0, per_depth.y, 0.0, shear.x, shear.y, 1.0);
    let m = g.jacobian * g.cov * transpose(g.jacobian);
    let a = m[0][0] + LOW_PASS;
    let b = m[1][0];
    let c = m[1][1] + LOW_PASS;
    let det = a * c - b * b;
    g.image_cov = vec3(a, b, c);
    g.depth_cov = vec2(m[2][0], m[2][1]);
    g.conic = vec3(c, -b, a) / det;
    g.filter_squared = (m[0][0] * m[1][1] - b * b) / det;
    g.filter_factor = select(1.0, sqrt(max(g.filter_squared, MIN_FILTER)), view.antialiased != 0u);
    g.fine = finite(det) && det > 0.0 && finite3(g.conic) && g.conic.x > 0.0 && g.conic.z > 0.0;
    return g;
}

// Index of the shortest axis, the first of equals.
fn shortest(log_scales: vec3<f32>) -> u32 {
    var k = select(0u, 1u, log_scales.y < log_scales.x);
    if log_scales.z < log_scales[k] {
        k = 2u;
    }
    return k;
}

// Turns the shortest axis towards the camera.
fn facing(g: Geometry, k: u32) -> f32 {
    return select(1.0, -1.0, dot(g.axes[k], g.p) > 0.0);
}
