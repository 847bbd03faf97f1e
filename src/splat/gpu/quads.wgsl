// How the pixels of a tile are dealt out: THREADS threads, QUADS times four pixels of a row to each.

// Horizontal offsets of the centres of four pixels.
const CENTRES: vec4<f32> = vec4(0.5, 1.5, 2.5, 3.5);

// First pixel, in its tile, of the k-th quad of a thread.
fn quad_at(thread: u32, k: u32) -> vec2<u32> {
    let n = thread + k * THREADS;
    return vec2((n % 4u) * 4u, n / 4u);
}
