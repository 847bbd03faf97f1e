// The tiles whose pixel centres the ellipse of a splat may hold: for each row of tiles the exact horizontal extent of
// the ellipse within that band.

// Pixels: rounding never loses one.
const SLACK: f32 = 0.01;

fn first_pixel(v: f32) -> f32 {
    return max(ceil(v - 0.5 - SLACK), 0.0);
}

fn last_pixel(v: f32, n: u32) -> f32 {
    return min(floor(v - 0.5 + SLACK), f32(n) - 1.0);
}

// First row of tiles and the one past the last.
fn tile_rows(s: Splat) -> vec2<u32> {
    let top = first_pixel(s.center.y - s.extent.y);
    let bottom = last_pixel(s.center.y + s.extent.y, view.size.y);
    if bottom < top {
        return vec2(0u);
    }
    return vec2(u32(top) / TILE, u32(bottom) / TILE + 1u);
}

// x offset at which the ellipse ends on the line `dy` below its centre.
fn edge(s: Splat, dy: f32, side: f32) -> f32 {
    let b = s.conic.y * dy;
    let root = sqrt(max(b * b - s.conic.x * (s.conic.z * dy * dy - s.reach), 0.0));
    return (side * root - b) / s.conic.x;
}

// First tile in a row of them and the one past the last; equal where there is none.
fn tile_columns(s: Splat, row: u32) -> vec2<u32> {
    let y = f32(row * TILE) + 0.5 - s.center.y;
    let lo = max(y, -s.extent.y);
    let hi = max(min(y + f32(TILE - 1u), s.extent.y), lo);
    // dy of the rightmost point of the ellipse.
    let tilt = -s.conic.y / s.conic.z * s.extent.x;
    let left = first_pixel(s.center.x + edge(s, clamp(-tilt, lo, hi), -1.0));
    let right = last_pixel(s.center.x + edge(s, clamp(tilt, lo, hi), 1.0), view.size.x);
    if right < left {
        return vec2(0u);
    }
    return vec2(u32(left) / TILE, u32(right) / TILE + 1u);
}
