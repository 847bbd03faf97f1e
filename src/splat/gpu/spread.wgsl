// The derivative of raster.wgsl: sums over the pixels of each tile for each of its pairs.
//
// From C = sum of w v, w = a T, T' = T (1 - a): the gradient by the opacity a of a Gaussian is T v - rest / (1 - a), v
// that by its weight, `rest` the sum of w v of those behind it.

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> splats: array<Splat>;
@group(0) @binding(2) var<storage, read> sorted: array<u32>;
@group(0) @binding(3) var<storage, read> pair_splats: array<u32>;
@group(0) @binding(4) var<storage, read> ranges: array<vec2<u32>>;
// As raster.wgsl left them.
@group(0) @binding(5) var<storage, read> planes: array<f32>;
// Gradient by the planes: red, green, blue, opacity, depth, normal x, y, z.
@group(0) @binding(6) var<storage, read> by_planes: array<f32>;
// Rows of SUMS floats, in the order in which the pairs were emitted.
@group(0) @binding(7) var<storage, read_write> pairs: array<f32>;

const BATCH: u32 = 64u;
// Splats whose sums wait in `parts` for being added up over the threads.
const WAITING: u32 = 128u / THREADS;

var<workgroup> staged: array<Splat, BATCH>;
var<workgroup> staged_pairs: array<u32, BATCH>;
var<workgroup> parts: array<f32, 128u * SUMS>;
var<workgroup> wanted: atomic<u32>;

// Four pixels.
struct Quad {
    transmittance: vec4<f32>,
    live: vec4<f32>,
    rest: vec4<f32>,
    by_red: vec4<f32>,
    by_green: vec4<f32>,
    by_blue: vec4<f32>,
    by_alpha: vec4<f32>,
    by_depth: vec4<f32>,
    by_normal_x: vec4<f32>,
    by_normal_y: vec4<f32>,
    by_normal_z: vec4<f32>,
}

// Sums over pixels for one splat. With e the gradient by q, and w the blending weight times that by depth:
struct Sums {
    // e, e dx, e dy
    q: vec3<f32>,
    // e dx dx, e dx dy, e dy dy
    q2: vec3<f32>,
    color: vec3<f32>,
    // w, w dx, w dy
    depth: vec3<f32>,
    normal: vec3<f32>,
}

struct Step {
    quad: Quad,
    sums: Sums,
}

fn spread(before: Step, s: Splat, dx: vec4<f32>, dy: f32) -> Step {
    var quad = before.quad;
    var sums = before.sums;
    let t = quad.transmittance;
    let q = (s.conic.x * dx + 2.0 * s.conic.y * dy) * dx + s.conic.z * dy * dy;
    let raw = s.opacity * exp(-0.5 * clamp(q, vec4(0.0), vec4(s.reach)));
    var alpha = select(vec4(0.0), min(raw, vec4(MAX_ALPHA)), q < vec4(s.reach)) * quad.live;
    var next = t - t * alpha;
    let stop = next < vec4(MIN_TRANSMITTANCE);
    alpha = select(alpha, vec4(0.0), stop);
    next = select(next, t, stop);
    quad.live = select(quad.live, vec4(0.0), stop);
    quad.transmittance = next;
    let w = alpha * t;
    let z = dx * s.slope.x + (s.slope.y * dy + s.depth);
    var v = quad.by_alpha + quad.by_depth * z;
    v += quad.by_red * s.color.r + quad.by_green * s.color.g + quad.by_blue * s.color.b;
    sums.color += vec3(dot(w, quad.by_red), dot(w, quad.by_green), dot(w, quad.by_blue));
    if NORMALS {
        v += quad.by_normal_x * s.normal.x + quad.by_normal_y * s.normal.y + quad.by_normal_z * s.normal.z;
        sums.normal += vec3(dot(w, quad.by_normal_x), dot(w, quad.by_normal_y), dot(w, quad.by_normal_z));
    }
    quad.rest -= w * v;
    let by_alpha = t * v - quad.rest / (1.0 - alpha);
    // A clipped opacity does not move with q.
    let e = -0.5 * by_alpha * select(vec4(0.0), alpha, raw < vec4(MAX_ALPHA));
    let ex = e * dx;
    let e_sum = dot(e, vec4(1.0));
    let ex_sum = dot(ex, vec4(1.0));
    sums.q += vec3(e_sum, ex_sum, e_sum * dy);
    sums.q2 += vec3(dot(ex, dx), ex_sum * dy, e_sum * dy * dy);
    let d = w * quad.by_depth;
    let d_sum = dot(d, vec4(1.0));
    sums.depth += vec3(d_sum, dot(d, dx), d_sum * dy);
    return Step(quad, sums);
}

fn of_plane(values: u32, plane: u32, pixel: vec2<u32>) -> vec4<f32> {
    var v = vec4(0.0);
    if pixel.y < view.size.y {
        let at = (plane * view.size.y + pixel.y) * view.size.x + pixel.x;
        for (var k = 0u; k < 4u && pixel.x + k < view.size.x; k++) {
            if values == 0u {
                v[k] = planes[at + k];
            } else {
                v[k] = by_planes[at + k];
            }
        }
    }
    return v;
}

fn load(pixel: vec2<u32>) -> Quad {
    var quad: Quad;
    quad.transmittance = vec4(1.0);
    quad.live = vec4(1.0);
    quad.by_red = of_plane(1u, 0u, pixel);
    quad.by_green = of_plane(1u, 1u, pixel);
    quad.by_blue = of_plane(1u, 2u, pixel);
    quad.by_alpha = of_plane(1u, 3u, pixel);
    quad.by_depth = of_plane(1u, 4u, pixel);
    quad.rest = quad.by_red * of_plane(0u, 0u, pixel) + quad.by_green * of_plane(0u, 1u, pixel)
        + quad.by_blue * of_plane(0u, 2u, pixel) + quad.by_alpha * of_plane(0u, 3u, pixel)
        + quad.by_depth * of_plane(0u, 4u, pixel);
    if NORMALS {
        quad.by_normal_x = of_plane(1u, 5u, pixel);
        quad.by_normal_y = of_plane(1u, 6u, pixel);
        quad.by_normal_z = of_plane(1u, 7u, pixel);
        quad.rest += quad.by_normal_x * of_plane(0u, 6u, pixel) + quad.by_normal_y * of_plane(0u, 7u, pixel)
            + quad.by_normal_z * of_plane(0u, 8u, pixel);
    }
    return quad;
}

fn set_part(slot: u32, thread: u32, sum: u32, v: f32) {
    parts[(slot * SUMS + sum) * THREADS + thread] = v;
}

fn set_parts(slot: u32, thread: u32, s: Sums) {
    set_part(slot, thread, 0u, s.q.x);
    set_part(slot, thread, 1u, s.q.y);
    set_part(slot, thread, 2u, s.q.z);
    set_part(slot, thread, 3u, s.q2.x);
    set_part(slot, thread, 4u, s.q2.y);
    set_part(slot, thread, 5u, s.q2.z);
    set_part(slot, thread, 6u, s.color.r);
    set_part(slot, thread, 7u, s.color.g);
    set_part(slot, thread, 8u, s.color.b);
    set_part(slot, thread, 9u, s.depth.x);
    set_part(slot, thread, 10u, s.depth.y);
    set_part(slot, thread, 11u, s.depth.z);
    if NORMALS {
        set_part(slot, thread, 12u, s.normal.x);
        set_part(slot, thread, 13u, s.normal.y);
        set_part(slot, thread, 14u, s.normal.z);
    }
}

// Adds up `parts` over the threads for the splats from `first` on.
fn add_up(first: u32, end: u32, local: u32) {
    for (var k = local; k < (end - first) * SUMS; k += THREADS) {
        var sum = 0.0;
        for (var t = 0u; t < THREADS; t++) {
            // Each thread begins elsewhere, so that no two read the same bank of memory.
            sum += parts[k * THREADS + (t + k) % THREADS];
        }
        pairs[staged_pairs[first + k / SUMS] * SUMS + k % SUMS] = sum;
    }
}

@compute @workgroup_size(THREADS)
fn spread_tile(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let range = ranges[group.y * view.tiles.x + group.x];
    let corner = vec2(group.xy * TILE);
    var quads: array<Quad, QUADS>;
    for (var k = 0u; k < QUADS; k++) {
        quads[k] = load(quad_at(local, k) + corner);
    }
    var live = true;
    for (var first = range.x; first < range.y; first += BATCH) {
        workgroupBarrier();
        if live {
            atomicStore(&wanted, first + 1u);
        }
        for (var k = local; k < BATCH && first + k < range.y; k += THREADS) {
            let pair = sorted[first + k];
            staged_pairs[k] = pair;
            staged[k] = splats[pair_splats[pair]];
        }
        workgroupBarrier();
        if atomicLoad(&wanted) != first + 1u {
            break;
        }
        let count = min(BATCH, range.y - first);
        for (var start = 0u; start < count; start += WAITING) {
            let end = min(start + WAITING, count);
            for (var j = start; j < end; j++) {
                let s = staged[j];
                var step: Step;
                var sums = Sums();
                var any_live = vec4(0.0);
                for (var k = 0u; k < QUADS; k++) {
                    let pixel = quad_at(local, k) + corner;
                    let dx = f32(pixel.x) + CENTRES - s.center.x;
                    step = spread(Step(quads[k], sums), s, dx, f32(pixel.y) + 0.5 - s.center.y);
                    quads[k] = step.quad;
                    sums = step.sums;
                    any_live += step.quad.live;
                }
                live = any(any_live > vec4(0.0));
                set_parts(j - start, local, sums);
            }
            workgroupBarrier();
            add_up(start, end, local);
            workgroupBarrier();
        }
    }
}
