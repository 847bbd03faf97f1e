// Blends the list of each tile front to back: one workgroup a tile, four pixels of a row at a time.

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> splats: array<Splat>;
// Pairs, sorted by tile and depth.
@group(0) @binding(2) var<storage, read> sorted: array<u32>;
@group(0) @binding(3) var<storage, read> pair_splats: array<u32>;
@group(0) @binding(4) var<storage, read> ranges: array<vec2<u32>>;
// Planes of the image: red, green, blue, opacity, depth, median depth, normal x, y, z.
@group(0) @binding(5) var<storage, read_write> planes: array<f32>;

// Splats that a workgroup holds at a time.
const BATCH: u32 = 64u;

var<workgroup> staged: array<Splat, BATCH>;
// One more than the start of the last batch that some pixel still waited for.
var<workgroup> wanted: atomic<u32>;

// Four pixels.
struct Quad {
    transmittance: vec4<f32>,
    // 0 where the pixel takes no more.
    live: vec4<f32>,
    red: vec4<f32>,
    green: vec4<f32>,
    blue: vec4<f32>,
    depth: vec4<f32>,
    median: vec4<f32>,
    normal_x: vec4<f32>,
    normal_y: vec4<f32>,
    normal_z: vec4<f32>,
}

// `dx`, `dy`: from the centre of the splat to those of the pixels.
fn blend(before: Quad, s: Splat, dx: vec4<f32>, dy: f32) -> Quad {
    var quad = before;
    let t = quad.transmittance;
    let q = (s.conic.x * dx + 2.0 * s.conic.y * dy) * dx + s.conic.z * dy * dy;
    let raw = s.opacity * exp(-0.5 * clamp(q, vec4(0.0), vec4(s.reach)));
    var alpha = select(vec4(0.0), min(raw, vec4(MAX_ALPHA)), q < vec4(s.reach)) * quad.live;
    var next = t - t * alpha;
    let stop = next < vec4(MIN_TRANSMITTANCE);
    alpha = select(alpha, vec4(0.0), stop);
    next = select(next, t, stop);
    quad.live = select(quad.live, vec4(0.0), stop);
    let w = alpha * t;
    quad.red += w * s.color.r;
    quad.green += w * s.color.g;
    quad.blue += w * s.color.b;
    let z = dx * s.slope.x + (s.slope.y * dy + s.depth);
    quad.depth += w * z;
    // The median is set once, where the transmittance falls through one half.
    let through = select(vec4(0.0), z, next < vec4(0.5));
    quad.median = select(through, quad.median, t < vec4(0.5));
    if NORMALS {
        quad.normal_x += w * s.normal.x;
        quad.normal_y += w * s.normal.y;
        quad.normal_z += w * s.normal.z;
    }
    quad.transmittance = next;
    return quad;
}

fn store(plane: u32, pixel: vec2<u32>, v: vec4<f32>) {
    if pixel.y >= view.size.y {
        return;
    }
    let at = (plane * view.size.y + pixel.y) * view.size.x + pixel.x;
    for (var k = 0u; k < 4u && pixel.x + k < view.size.x; k++) {
        planes[at + k] = v[k];
    }
}

@compute @workgroup_size(THREADS)
fn raster(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let range = ranges[group.y * view.tiles.x + group.x];
    var quads: array<Quad, QUADS>;
    for (var k = 0u; k < QUADS; k++) {
        quads[k].transmittance = vec4(1.0);
        quads[k].live = vec4(1.0);
    }
    let corner = vec2(group.xy * TILE);
    var live = true;
    for (var first = range.x; first < range.y; first += BATCH) {
        workgroupBarrier();
        if live {
            atomicStore(&wanted, first + 1u);
        }
        for (var k = local; k < BATCH && first + k < range.y; k += THREADS) {
            staged[k] = splats[pair_splats[sorted[first + k]]];
        }
        workgroupBarrier();
        if atomicLoad(&wanted) != first + 1u {
            break;
        }
        for (var j = 0u; j < min(BATCH, range.y - first) && live; j++) {
            let s = staged[j];
            var any_live = vec4(0.0);
            for (var k = 0u; k < QUADS; k++) {
                let pixel = quad_at(local, k) + corner;
                let dx = f32(pixel.x) + CENTRES - s.center.x;
                quads[k] = blend(quads[k], s, dx, f32(pixel.y) + 0.5 - s.center.y);
                any_live += quads[k].live;
            }
            live = any(any_live > vec4(0.0));
        }
    }
    for (var k = 0u; k < QUADS; k++) {
        let pixel = quad_at(local, k) + corner;
        let quad = quads[k];
        store(0u, pixel, quad.red);
        store(1u, pixel, quad.green);
        store(2u, pixel, quad.blue);
        store(3u, pixel, 1.0 - quad.transmittance);
        store(4u, pixel, quad.depth);
        store(5u, pixel, quad.median);
        if NORMALS {
            store(6u, pixel, quad.normal_x);
            store(7u, pixel, quad.normal_y);
            store(8u, pixel, quad.normal_z);
        }
    }
}
