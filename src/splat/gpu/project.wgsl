// Gaussians to splats, one thread each.

@group(0) @binding(2) var<storage, read_write> splats: array<Splat>;
// Bits of the depth: those of positive floats sort as the floats do.
@group(0) @binding(3) var<storage, read_write> keys: array<u32>;
@group(0) @binding(4) var<storage, read_write> touched: array<u32>;

fn color_of(i: u32) -> vec3<f32> {
    let offset = mean_of(i) - view.center;
    let functions = basis(view.degree, offset / max(length(offset), 1e-20));
    var color = vec3(0.5);
    for (var k = 0u; k < coefficients(view.degree); k++) {
        color += functions[k] * sh_of(i, k);
    }
    return color;
}

// One whose opacity is 0 is not drawn.
fn splat_of(i: u32) -> Splat {
    var s: Splat;
    let g = geometry(i);
    if !g.fine {
        return s;
    }
    let opacity = opacity_of(i) * g.filter_factor;
    if !finite(opacity) || opacity <= MIN_ALPHA {
        return s;
    }
    s.center = view.focal * g.p.xy / g.p.z + view.principal;
    s.depth = g.p.z;
    s.conic = g.conic;
    s.reach = 2.0 * log(opacity / MIN_ALPHA);
    s.extent = sqrt(s.reach * g.image_cov.xz);
    let color = color_of(i);
    s.color = max(color, vec3(0.0));
    let q = mat2x2(g.conic.x, g.conic.y, g.conic.y, g.conic.z);
    s.slope = q * g.depth_cov;
    let k = shortest(log_scales_of(i));
    s.normal = facing(g, k) * g.axes[k];
    let inside = all(s.center + s.extent > vec2(0.0)) && all(s.center - s.extent < vec2<f32>(view.size));
    let fine = finite2(s.center) && finite2(s.extent) && finite2(s.slope) && finite3(color) && finite3(s.normal);
    s.opacity = select(0.0, opacity, inside && fine);
    return s;
}

@compute @workgroup_size(64)
fn project(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + local;
    if i >= view.count {
        return;
    }
    let s = splat_of(i);
    var tiles = 0u;
    if s.opacity > 0.0 {
        let rows = tile_rows(s);
        for (var row = rows.x; row < rows.y; row++) {
            let columns = tile_columns(s, row);
            tiles += columns.y - columns.x;
        }
    }
    splats[i] = s;
    keys[i] = select(CULLED, bitcast<u32>(s.depth), s.opacity > 0.0);
    touched[i] = tiles;
}
