// Exclusive prefix sums in place, 1024 at a time: sums of the chunks, their prefix sums, then each chunk.

struct Scan {
    length: u32,
    chunks: u32,
}

@group(0) @binding(0) var<uniform> scan: Scan;
@group(0) @binding(1) var<storage, read_write> values: array<u32>;
@group(0) @binding(2) var<storage, read_write> sums: array<u32>;
@group(0) @binding(3) var<storage, read_write> total: array<u32>;

const THREADS: u32 = 64u;
const EACH: u32 = 16u;
const CHUNK: u32 = 1024u;

var<workgroup> parts: array<u32, THREADS>;

// Sum of the threads' values before this one's; the total is left in `parts[THREADS - 1]` until the next barrier.
fn before(local: u32, value: u32) -> u32 {
    parts[local] = value;
    workgroupBarrier();
    for (var step = 1u; step < THREADS; step *= 2u) {
        var sum = parts[local];
        if local >= step {
            sum += parts[local - step];
        }
        workgroupBarrier();
        parts[local] = sum;
        workgroupBarrier();
    }
    return parts[local] - value;
}

fn value_at(i: u32) -> u32 {
    if i < scan.length {
        return values[i];
    }
    return 0u;
}

fn own_sum(first: u32) -> u32 {
    var sum = 0u;
    for (var k = 0u; k < EACH; k++) {
        sum += value_at(first + k);
    }
    return sum;
}

@compute @workgroup_size(THREADS)
fn sum_chunks(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let chunk = group.y * groups.x + group.x;
    let sum = own_sum(chunk * CHUNK + local * EACH);
    let earlier = before(local, sum);
    if local == THREADS - 1u && chunk < scan.chunks {
        sums[chunk] = earlier + sum;
    }
}

@compute @workgroup_size(THREADS)
fn scan_sums(@builtin(local_invocation_index) local: u32) {
    var carry = 0u;
    for (var first = 0u; first < scan.chunks; first += THREADS) {
        let i = first + local;
        var sum = 0u;
        if i < scan.chunks {
            sum = sums[i];
        }
        let earlier = before(local, sum);
        if i < scan.chunks {
            sums[i] = carry + earlier;
        }
        carry += parts[THREADS - 1u];
        workgroupBarrier();
    }
}

@compute @workgroup_size(THREADS)
fn scan_chunks(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let chunk = group.y * groups.x + group.x;
    let first = chunk * CHUNK + local * EACH;
    var sum = before(local, own_sum(first));
    // A single chunk is scanned without its sum.
    if scan.chunks > 1u && chunk < scan.chunks {
        sum += sums[chunk];
    }
    for (var k = 0u; k < EACH; k++) {
        if first + k < scan.length {
            let value = values[first + k];
            values[first + k] = sum;
            sum += value;
            if first + k + 1u == scan.length {
                total[0] = sum;
            }
        }
    }
}
