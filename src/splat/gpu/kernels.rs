//! The compute kernels.

use super::device::Device;
use wgpu::ComputePipeline;

/// Every kernel; those in pairs are without and with normals.
#[derive(Debug)]
pub(super) struct Kernels {
    pub(super) project: ComputePipeline,
    pub(super) count_digits: ComputePipeline,
    pub(super) scatter: ComputePipeline,
    pub(super) sum_chunks: ComputePipeline,
    pub(super) scan_sums: ComputePipeline,
    pub(super) scan_chunks: ComputePipeline,
    pub(super) count: ComputePipeline,
    pub(super) emit: ComputePipeline,
    pub(super) find_ranges: ComputePipeline,
    pub(super) raster: [ComputePipeline; 2],
    pub(super) spread: [ComputePipeline; 2],
    pub(super) gather: [ComputePipeline; 2],
    pub(super) prepare: ComputePipeline,
    pub(super) move_parameters: ComputePipeline,
}

/// Sums over pixels for one pair: without normals, and with them.
pub(super) fn sums(normals: bool) -> usize {
    if normals { 15 } else { 12 }
}

impl Kernels {
    pub(super) fn new(device: &Device) -> Self {
        const COMMON: &str = include_str!("common.wgsl");
        const GEOMETRY: &str = include_str!("geometry.wgsl");
        const HARMONICS: &str = include_str!("harmonics.wgsl");
        const TILES: &str = include_str!("tiles.wgsl");
        const PAIRS: &str = include_str!("pairs.wgsl");
        const QUADS: &str = include_str!("quads.wgsl");
        const SEEN: &str = include_str!("seen.wgsl");
        const SCAN: &str = include_str!("scan.wgsl");
        const RADIX: &str = include_str!("radix.wgsl");
        const ADAM: &str = include_str!("adam.wgsl");
        let kernel = |entry: &str, sources: &[&str]| pipeline(device, entry, &sources.concat());
        let with = |normals: bool| format!("const NORMALS: bool = {normals};\nconst SUMS: u32 = {}u;\n", sums(normals));
        // Threads to a tile, and quads to each. Emulated on the CPU, what costs is reading shared memory: few threads
        // with many pixels each read it less (measured: benches/splat_gpu.rs).
        let dealt =
            |threads: usize| format!("const THREADS: u32 = {threads}u;\nconst QUADS: u32 = {}u;\n", 64 / threads);
        let (drawn, spread) = if device.is_software() { (dealt(16), dealt(8)) } else { (dealt(32), dealt(32)) };
        let both = |make: &dyn Fn(&str) -> ComputePipeline| [false, true].map(|n| make(&with(n)));
        Self {
            project: kernel("project", &[COMMON, GEOMETRY, HARMONICS, TILES, include_str!("project.wgsl")]),
            count_digits: kernel("count_digits", &[RADIX]),
            scatter: kernel("scatter", &[RADIX]),
            sum_chunks: kernel("sum_chunks", &[SCAN]),
            scan_sums: kernel("scan_sums", &[SCAN]),
            scan_chunks: kernel("scan_chunks", &[SCAN]),
            count: kernel("count", &[COMMON, TILES, PAIRS]),
            emit: kernel("emit", &[COMMON, TILES, PAIRS]),
            find_ranges: kernel("find_ranges", &[COMMON, include_str!("ranges.wgsl")]),
            raster: both(&|n| kernel("raster", &[n, &drawn, COMMON, QUADS, include_str!("raster.wgsl")])),
            spread: both(&|n| kernel("spread_tile", &[n, &spread, COMMON, QUADS, include_str!("spread.wgsl")])),
            gather: both(&|n| kernel("gather", &[n, COMMON, GEOMETRY, HARMONICS, SEEN, include_str!("gradient.wgsl")])),
            prepare: kernel("prepare", &[COMMON, SEEN, ADAM]),
            move_parameters: kernel("move_parameters", &[COMMON, SEEN, ADAM]),
        }
    }
}

fn pipeline(device: &Device, entry: &str, source: &str) -> ComputePipeline {
    let module = device.device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(entry),
        source: wgpu::ShaderSource::Wgsl(source.into()),
    });
    device.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(entry),
        layout: None,
        module: &module,
        entry_point: Some(entry),
        // Every kernel writes its shared memory before it reads it.
        compilation_options: wgpu::PipelineCompilationOptions {
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        },
        cache: None,
    })
}
