// One pass of a stable radix sort of keys and values by four bits: counts of the digits per block of 1024, whose
// prefix sums (scan.wgsl, digit by digit) are where each block's keys go.

struct Pass {
    shift: u32,
    // At most so many keys.
    room: u32,
    blocks: u32,
    // 1 where the values are the places of the keys, and are not read.
    first: u32,
}

@group(0) @binding(0) var<uniform> pass_: Pass;
// Number of keys.
@group(0) @binding(1) var<storage, read> length: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;
@group(0) @binding(3) var<storage, read> keys: array<u32>;
@group(0) @binding(4) var<storage, read> values: array<u32>;
@group(0) @binding(5) var<storage, read_write> sorted_keys: array<u32>;
@group(0) @binding(6) var<storage, read_write> sorted_values: array<u32>;

const THREADS: u32 = 64u;
const EACH: u32 = 16u;
const BLOCK: u32 = 1024u;
const DIGITS: u32 = 16u;

// Keys of a digit that a thread holds; then where the next of them goes.
var<workgroup> places: array<u32, 1024>;
var<workgroup> parts: array<u32, THREADS>;

fn digit(key: u32) -> u32 {
    return (key >> pass_.shift) & (DIGITS - 1u);
}

// Counts this thread's consecutive keys into its column of `places`.
fn count_own(first: u32, n: u32, local: u32) {
    for (var d = 0u; d < DIGITS; d++) {
        places[d * THREADS + local] = 0u;
    }
    for (var i = first; i < min(first + EACH, n); i++) {
        places[digit(keys[i]) * THREADS + local] += 1u;
    }
    workgroupBarrier();
}

@compute @workgroup_size(THREADS)
fn count_digits(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let block = group.y * groups.x + group.x;
    count_own(block * BLOCK + local * EACH, min(length[0], pass_.room), local);
    if local < DIGITS && block < pass_.blocks {
        var sum = 0u;
        for (var t = 0u; t < THREADS; t++) {
            sum += places[local * THREADS + t];
        }
        counts[local * pass_.blocks + block] = sum;
    }
}

@compute @workgroup_size(THREADS)
fn scatter(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let block = group.y * groups.x + group.x;
    let n = min(length[0], pass_.room);
    let first = block * BLOCK + local * EACH;
    count_own(first, n, local);
    // Prefix sums of `places`, digit by digit: four threads to a digit, sixteen columns each.
    var sum = 0u;
    for (var k = 0u; k < EACH; k++) {
        sum += places[local * EACH + k];
    }
    parts[local] = sum;
    workgroupBarrier();
    let d = local / 4u;
    var place = 0u;
    if block < pass_.blocks {
        place = counts[d * pass_.blocks + block];
    }
    for (var t = d * 4u; t < local; t++) {
        place += parts[t];
    }
    for (var k = 0u; k < EACH; k++) {
        let here = places[local * EACH + k];
        places[local * EACH + k] = place;
        place += here;
    }
    workgroupBarrier();
    for (var i = first; i < min(first + EACH, n); i++) {
        let key = keys[i];
        let slot = digit(key) * THREADS + local;
        let to = places[slot];
        places[slot] = to + 1u;
        sorted_keys[to] = key;
        if pass_.first == 1u {
            sorted_values[to] = i;
        } else {
            sorted_values[to] = values[i];
        }
    }
}
