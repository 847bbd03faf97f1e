// Pairs of a tile and a splat, splats in order of depth.

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> splats: array<Splat>;
// Indices of the splats, near to far.
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> touched: array<u32>;
// Number of tiles of each in that order; then, summed up, its first pair.
@group(0) @binding(4) var<storage, read_write> starts: array<u32>;
@group(0) @binding(5) var<storage, read_write> pair_tiles: array<u32>;
@group(0) @binding(6) var<storage, read_write> pair_splats: array<u32>;
// First pair and number of pairs of each splat.
@group(0) @binding(7) var<storage, read_write> spans: array<vec2<u32>>;

@compute @workgroup_size(64)
fn count(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let k = (group.y * groups.x + group.x) * 64u + local;
    if k < view.count {
        starts[k] = touched[order[k]];
    }
}

@compute @workgroup_size(64)
fn emit(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let k = (group.y * groups.x + group.x) * 64u + local;
    if k >= view.count {
        return;
    }
    let id = order[k];
    let s = splats[id];
    var at = starts[k];
    // What does not fit is left out; the host sees the number, and draws again with more room.
    let end = min(at + touched[id], view.room);
    spans[id] = vec2(at, max(end, at) - at);
    if at >= end {
        return;
    }
    let rows = tile_rows(s);
    for (var row = rows.x; row < rows.y; row++) {
        let columns = tile_columns(s, row);
        for (var c = columns.x; c < columns.y && at < end; c++) {
            pair_tiles[at] = row * view.tiles.x + c;
            pair_splats[at] = id;
            at++;
        }
    }
    // Where this kernel rounds otherwise than `project`, the rest goes to no tile.
    for (; at < end; at++) {
        pair_tiles[at] = view.tiles.x * view.tiles.y;
        pair_splats[at] = id;
    }
}
