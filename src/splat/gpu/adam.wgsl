// A step of Adam (Kingma and Ba 2015) for the Gaussians that were seen.

struct Update {
    count: u32,
    stride: u32,
    // Floats of a row that move: those of higher SH degrees do not.
    moving: u32,
    // Weight of the shortest scale of each Gaussian seen.
    flat: f32,
    position: f32,
    scale: f32,
    rotation: f32,
    opacity: f32,
    color: f32,
    color_rest: f32,
}

@group(0) @binding(0) var<uniform> step_: Update;
@group(0) @binding(1) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradients: array<f32>;
@group(0) @binding(3) var<storage, read_write> seen: array<Seen>;
@group(0) @binding(4) var<storage, read_write> tallies: array<Tally>;
@group(0) @binding(5) var<storage, read_write> first: array<f32>;
@group(0) @binding(6) var<storage, read_write> second: array<f32>;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-15;

// By squaring: `pow` is too coarse where the result is close to 1.
fn power(base: f32, exponent: u32) -> f32 {
    var result = 1.0;
    var square = base;
    for (var n = exponent; n > 0u; n >>= 1u) {
        if (n & 1u) == 1u {
            result *= square;
        }
        square *= square;
    }
    return result;
}

// Per Gaussian: counts the step, and adds the gradient of the flatness term.
@compute @workgroup_size(64)
fn prepare(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + local;
    if i >= step_.count || seen[i].times == 0u {
        return;
    }
    tallies[i].moves += 1u;
    let n = min(tallies[i].moves, 100000u);
    seen[i].first = 1.0 / (1.0 - power(BETA1, n));
    seen[i].second = 1.0 / (1.0 - power(BETA2, n));
    let scales = i * step_.stride + 3u;
    var least = scales;
    for (var k = 1u; k < 3u; k++) {
        if parameters[scales + k] < parameters[least] {
            least = scales + k;
        }
    }
    gradients[least] += step_.flat * exp(parameters[least]);
}

fn rate(column: u32) -> f32 {
    if column < 3u {
        return step_.position;
    } else if column < 6u {
        return step_.scale;
    } else if column < 10u {
        return step_.rotation;
    } else if column < FIXED {
        return step_.opacity;
    } else if column < FIXED + 3u {
        return step_.color;
    }
    return step_.color_rest;
}

// Per parameter.
@compute @workgroup_size(64)
fn move_parameters(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let e = (group.y * groups.x + group.x) * 64u + local;
    let i = e / step_.stride;
    let column = e % step_.stride;
    if i >= step_.count || column >= step_.moving || seen[i].times == 0u {
        return;
    }
    let g = gradients[e];
    let m = BETA1 * first[e] + (1.0 - BETA1) * g;
    let v = BETA2 * second[e] + (1.0 - BETA2) * g * g;
    first[e] = m;
    second[e] = v;
    parameters[e] -= rate(column) * m * seen[i].first / (sqrt(v * seen[i].second) + EPSILON);
}
