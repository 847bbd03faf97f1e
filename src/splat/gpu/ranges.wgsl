// Where each tile's list starts and ends among the sorted pairs.

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var<storage, read> length: array<u32>;
@group(0) @binding(2) var<storage, read> tiles: array<u32>;
@group(0) @binding(3) var<storage, read_write> ranges: array<vec2<u32>>;

@compute @workgroup_size(64)
fn find_ranges(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let k = (group.y * groups.x + group.x) * 64u + local;
    let n = min(length[0], view.room);
    if k >= n {
        return;
    }
    let tile = tiles[k];
    if tile >= view.tiles.x * view.tiles.y {
        return;
    }
    if k == 0u || tiles[max(k, 1u) - 1u] != tile {
        ranges[tile].x = k;
    }
    if k + 1u == n || tiles[k + 1u] != tile {
        ranges[tile].y = k + 1u;
    }
}
