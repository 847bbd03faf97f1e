// Gradients of the Gaussians from the sums of their pairs, one thread each, and by the camera.

@group(0) @binding(2) var<storage, read> splats: array<Splat>;
@group(0) @binding(3) var<storage, read> spans: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> pairs: array<f32>;
// Rows as those of the parameters; added to.
@group(0) @binding(5) var<storage, read_write> gradients: array<f32>;
@group(0) @binding(6) var<storage, read_write> seen: array<Seen>;
@group(0) @binding(7) var<storage, read_write> tallies: array<Tally>;
// Per workgroup: the gradient by the camera's shift and turn, and how many Gaussians were seen for the first time since
// the last step of Adam.
@group(0) @binding(8) var<storage, read_write> partials: array<f32>;

const THREADS: u32 = 64u;
const PARTIALS: u32 = 8u;

var<workgroup> parts: array<array<f32, PARTIALS>, THREADS>;

// As in spread.wgsl.
struct Sums {
    q: vec3<f32>,
    q2: vec3<f32>,
    color: vec3<f32>,
    depth: vec3<f32>,
    normal: vec3<f32>,
}

fn triple(at: u32) -> vec3<f32> {
    return vec3(pairs[at], pairs[at + 1u], pairs[at + 2u]);
}

fn sums_of(i: u32) -> Sums {
    var s = Sums();
    let span = spans[i];
    for (var k = span.x; k < span.x + span.y; k++) {
        let at = k * SUMS;
        s.q += triple(at);
        s.q2 += triple(at + 3u);
        s.color += triple(at + 6u);
        s.depth += triple(at + 9u);
        if NORMALS {
            s.normal += triple(at + 12u);
        }
    }
    return s;
}

struct Gradient {
    mean: vec3<f32>,
    log_scale: vec3<f32>,
    quat: vec4<f32>,
    logit: f32,
    screen: f32,
    color: vec3<f32>,
    // By the camera.
    shift: vec3<f32>,
    turn: vec3<f32>,
}

// Gradients by the camera-frame covariance and by the Jacobian.
struct ThroughImage {
    cov: mat3x3<f32>,
    jacobian: mat3x3<f32>,
}

fn through_image_covariance(g: Geometry, sums: Sums, by_filter: f32) -> ThroughImage {
    let q = mat2x2(g.conic.x, g.conic.y, g.conic.y, g.conic.z);
    let s = sums.depth.yz;
    let ef = g.depth_cov;
    // slope = Q (e, f)
    let by_ef = q * s;
    let off = sums.q2.y + 0.5 * (s.x * ef.y + s.y * ef.x);
    let by_conic = mat2x2(sums.q2.x + s.x * ef.x, off, off, sums.q2.z + s.y * ef.y);
    // Q = inverse of the image covariance: d = -Q G Q, G with half of the off-diagonal on either side.
    var h = q * by_conic * q * -1.0;
    // Square of the filter = (a' c' - b b) / (a c - b b), a' and c' without the low-pass.
    let a = g.image_cov.x;
    let b = g.image_cov.y;
    let c = g.image_cov.z;
    let scale = by_filter / (a * c - b * b);
    h[0][0] += scale * (c - LOW_PASS - g.filter_squared * c);
    h[1][1] += scale * (a - LOW_PASS - g.filter_squared * a);
    let cross_term = scale * (g.filter_squared - 1.0) * b;
    h[0][1] += cross_term;
    h[1][0] += cross_term;
    let n = mat3x3(h[0][0], h[0][1], by_ef.x * 0.5, h[1][0], h[1][1], by_ef.y * 0.5, by_ef.x * 0.5, by_ef.y * 0.5, 0.0);
    return ThroughImage(transpose(g.jacobian) * n * g.jacobian, 2.0 * (n * g.jacobian * g.cov));
}

// Gradient that reaches the camera-frame centre through the Jacobian.
fn through_jacobian(g: Geometry, by: mat3x3<f32>) -> vec3<f32> {
    var by_p = vec3(0.0);
    let z = g.p.z;
    for (var k = 0u; k < 2u; k++) {
        let f = view.focal[k];
        let t = g.tangent[k];
        by_p.z += (by[2][k] * f * t - by[k][k] * f) / (z * z);
        if g.free[k] {
            let by_tangent = -by[2][k] * f / z;
            by_p[k] += by_tangent / z;
            by_p.z -= by_tangent * t / z;
        }
    }
    return by_p;
}

// Gradient by the quaternion as stored, through its normalisation, from that by the rotation matrix.
fn through_rotation(q: vec4<f32>, by: mat3x3<f32>) -> vec4<f32> {
    let n = length(q);
    let unit = q / n;
    let w = unit.x;
    let v = unit.yzw;
    let twist = vec3(by[1][2] - by[2][1], by[2][0] - by[0][2], by[0][1] - by[1][0]);
    let both = by + transpose(by);
    let trace = vec3(by[0][0], by[1][1], by[2][2]);
    let by_w = 2.0 * dot(v, twist);
    let by_v = 2.0 * (both * v - 2.0 * trace * v + w * twist) - 4.0 * v * (trace.yzx + trace.zxy);
    let by_unit = vec4(by_w, by_v);
    return (by_unit - dot(by_unit, unit) * unit) / n;
}

fn gradient_of(i: u32, s: Splat, sums: Sums) -> Gradient {
    var out: Gradient;
    let g = geometry(i);
    if !g.fine {
        return out;
    }
    // alpha = opacity exp(-q / 2), so d/d opacity = -2 (d/dq) / opacity, and d opacity / d logit = o (1 - o).
    out.logit = -2.0 * sums.q.x * (1.0 - opacity_of(i));
    let filtered = view.antialiased != 0u && g.filter_squared > MIN_FILTER;
    // Opacity = o sqrt(filter squared).
    let by_filter = select(0.0, -sums.q.x / g.filter_squared, filtered);
    let q = mat2x2(g.conic.x, g.conic.y, g.conic.y, g.conic.z);
    let by_center = -2.0 * (q * sums.q.yz) - s.slope * sums.depth.x;
    out.screen = length(by_center);
    let through_image = through_image_covariance(g, sums, by_filter);
    let by_image_point = by_center * view.focal / g.p.z;
    var by_p = vec3(by_image_point, sums.depth.x - dot(by_image_point, g.p.xy) / g.p.z);
    by_p += through_jacobian(g, through_image.jacobian);
    // V = B B^T, B = axes * diag(scales)
    var by_axes: mat3x3<f32>;
    for (var k = 0u; k < 3u; k++) {
        let by_half = through_image.cov * g.axes[k] * (2.0 * g.scales[k]);
        out.log_scale[k] = dot(by_half, g.axes[k]) * g.scales[k];
        by_axes[k] = by_half * g.scales[k];
    }
    if NORMALS {
        let k = shortest(log_scales_of(i));
        by_axes[k] += facing(g, k) * sums.normal;
    }
    let to_world = transpose(view.rotation);
    out.quat = through_rotation(quat_of(i), to_world * by_axes);
    out.color = select(vec3(0.0), sums.color, s.color > vec3(0.0));
    let through_direction = through_color(i, out.color);
    out.mean = to_world * by_p + through_direction;
    out.shift = -(by_p + view.rotation * through_direction);
    out.turn = -cross(g.p, by_p);
    for (var k = 0u; k < 3u; k++) {
        out.turn -= cross(g.axes[k], by_axes[k]);
    }
    return out;
}

// Gradient by the centre through the direction in which the colour is seen.
fn through_color(i: u32, by_color: vec3<f32>) -> vec3<f32> {
    let offset = mean_of(i) - view.center;
    let distance = max(length(offset), 1e-20);
    let d = offset / distance;
    var by: array<f32, 16>;
    for (var k = 0u; k < coefficients(view.degree); k++) {
        by[k] = dot(by_color, sh_of(i, k));
    }
    let by_d = basis_gradient(view.degree, d, by);
    return (by_d - d * dot(d, by_d)) / distance;
}

fn add(at: u32, v: vec3<f32>) {
    gradients[at] += v.x;
    gradients[at + 1u] += v.y;
    gradients[at + 2u] += v.z;
}

fn add_gradient(i: u32, g: Gradient) {
    let at = i * view.stride;
    add(at, g.mean);
    add(at + 3u, g.log_scale);
    add(at + 6u, g.quat.xyz);
    gradients[at + 9u] += g.quat.w;
    gradients[at + 10u] += g.logit;
    let offset = mean_of(i) - view.center;
    let functions = basis(view.degree, offset / max(length(offset), 1e-20));
    for (var k = 0u; k < coefficients(view.degree); k++) {
        add(at + FIXED + 3u * k, g.color * functions[k]);
    }
}

@compute @workgroup_size(THREADS)
fn gather(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let block = group.y * groups.x + group.x;
    let i = block * THREADS + local;
    parts[local] = array<f32, PARTIALS>();
    if i < view.count && splats[i].opacity > 0.0 {
        var g = gradient_of(i, splats[i], sums_of(i));
        let fine = finite3(g.mean) && finite3(g.log_scale) && finite4(g.quat) && finite(g.logit) && finite3(g.color);
        if !(fine && finite(g.screen) && finite3(g.shift) && finite3(g.turn)) {
            g = Gradient();
        }
        add_gradient(i, g);
        let new_one = select(0.0, 1.0, seen[i].times == 0u);
        seen[i].times += 1u;
        seen[i].screen += g.screen;
        tallies[i].motion += g.screen * (f32(view.size.x) * 0.5);
        tallies[i].views += 1u;
        parts[local] = array(g.shift.x, g.shift.y, g.shift.z, g.turn.x, g.turn.y, g.turn.z, new_one, 0.0);
    }
    workgroupBarrier();
    if local < PARTIALS && block * THREADS < view.count {
        var sum = 0.0;
        for (var t = 0u; t < THREADS; t++) {
            sum += parts[t][local];
        }
        partials[block * PARTIALS + local] = sum;
    }
}
