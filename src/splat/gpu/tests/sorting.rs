//! The kernels of the radix sort and the prefix sums, run by themselves.

use super::super::plan::{Planner, SortBuffers, passes, scan_sums, sort_counts};
use super::*;

fn upload(gpu: &Gpu, words: &[u32], room: usize) -> wgpu::Buffer {
    let buffer = gpu.device.storage("test", words.len().max(room)).unwrap();
    gpu.device.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(words));
    buffer
}

fn run(gpu: &Gpu, plan: Planner) {
    let plan = plan.finish(&gpu.device).unwrap();
    let mut commands = gpu.device.encoder();
    plan.encode(&mut commands);
    gpu.device.submit(commands).unwrap();
}

fn words(gpu: &Gpu, buffer: &wgpu::Buffer, n: usize) -> Vec<u32> {
    gpu.device.download(buffer, n).unwrap().as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect()
}

/// Sorted keys, and where each was.
fn sorted(gpu: &Gpu, keys: &[u32], room: usize, passes: usize) -> (Vec<u32>, Vec<u32>) {
    let n = keys.len();
    let keys = [upload(gpu, keys, room), upload(gpu, &[], room)];
    let places = [upload(gpu, &[], room), upload(gpu, &[], room)];
    let length = upload(gpu, &[n as u32], 1);
    let counts = upload(gpu, &[], sort_counts(room));
    let sums = upload(gpu, &[], scan_sums(sort_counts(room)));
    let spare = upload(gpu, &[], 1);
    let (mut plan, _) = Planner::new(&gpu.kernels, &super::super::layout::scan(0));
    let buffers = SortBuffers {
        length: &length,
        keys: [&keys[0], &keys[1]],
        places: [&places[0], &places[1]],
        counts: &counts,
        sums: &sums,
        spare: &spare,
    };
    plan.sort(room, passes, buffers);
    run(gpu, plan);
    (words(gpu, &keys[passes % 2], n), words(gpu, &places[passes % 2], n))
}

#[test]
fn sorts_as_the_standard_library_does() {
    let shared = shared_gpu();
    let Some(gpu) = shared.as_ref() else { return };
    let mut rng = fastrand::Rng::with_seed(9);
    for n in [1, 2, 63, 64, 1023, 1024, 1025, 5000, 70_001] {
        // All bits; few keys, many of them equal; one key.
        for most in [u32::MAX, 300, 0] {
            let keys: Vec<u32> = (0..n).map(|_| rng.u32(0..=most)).collect();
            let mut expected: Vec<(u32, u32)> = keys.iter().copied().zip(0..).collect();
            expected.sort();
            // Room for more than there is, as for pairs.
            let (found, places) = sorted(gpu, &keys, n + n / 3, passes(most as usize));
            let found: Vec<(u32, u32)> = found.into_iter().zip(places).collect();
            assert!(found == expected, "{n} keys up to {most}");
        }
    }
}

#[test]
fn digits_that_a_key_has() {
    assert_eq!([0, 1, 15, 16, 255, 256, 8160].map(passes), [1, 1, 1, 2, 2, 3, 4]);
    assert_eq!(passes(u32::MAX as usize), 8);
}

#[test]
fn prefix_sums_of_any_length() {
    let shared = shared_gpu();
    let Some(gpu) = shared.as_ref() else { return };
    let mut rng = fastrand::Rng::with_seed(10);
    for n in [1, 16, 1000, 1024, 1025, 65_536, 200_000] {
        let values: Vec<u32> = (0..n).map(|_| rng.u32(0..100)).collect();
        let buffer = upload(gpu, &values, n);
        let (sums, total) = (upload(gpu, &[], scan_sums(n)), upload(gpu, &[], 1));
        let (mut plan, _) = Planner::new(&gpu.kernels, &super::super::layout::scan(0));
        plan.scan(n, &buffer, &sums, &total);
        run(gpu, plan);
        let mut sum = 0;
        let expected: Vec<u32> = values.iter().map(|v| (sum, sum += v).0).collect();
        assert!(words(gpu, &buffer, n) == expected, "{n}");
        assert_eq!(words(gpu, &total, 1), [sum], "{n}");
    }
}
