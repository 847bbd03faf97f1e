//! Runs of kernels, bound to their buffers once and replayed.

use super::super::backend::BackendError;
use super::device::Device;
use super::kernels::Kernels;
use super::layout::{self, Words};
use wgpu::{Buffer, BufferUsages, ComputePipeline};

/// Most workgroups along one side of a grid.
const SIDE: usize = 65_535;
/// No device wants uniform blocks to begin at multiples of more than this.
const ALIGNMENT: usize = 256;
/// Keys per workgroup of a sort, and values per workgroup of a prefix sum.
const CHUNK: usize = 1024;

/// A uniform block of a plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    offset: u64,
    size: u64,
}

/// What of a run is known before its uniform buffer is there.
struct Todo<'a> {
    kernel: &'a ComputePipeline,
    block: Block,
    buffers: Vec<(u32, &'a Buffer)>,
    groups: [u32; 2],
}

/// Collects runs.
pub(super) struct Planner<'a> {
    kernels: &'a Kernels,
    blocks: Vec<u8>,
    todo: Vec<Todo<'a>>,
}

/// What a sort works in.
#[derive(Clone, Copy)]
pub(super) struct SortBuffers<'a> {
    /// Number of keys.
    pub(super) length: &'a Buffer,
    /// The keys, and where they go in turns.
    pub(super) keys: [&'a Buffer; 2],
    /// Of each key, where it was at first; in the second after an odd number of passes.
    pub(super) places: [&'a Buffer; 2],
    pub(super) counts: &'a Buffer,
    pub(super) sums: &'a Buffer,
    pub(super) spare: &'a Buffer,
}

/// Passes of a sort of keys up to `most`.
pub(super) fn passes(most: usize) -> usize {
    ((usize::BITS - most.leading_zeros()) as usize).div_ceil(4).max(1)
}

/// Words that the counts of a sort of at most `room` keys take.
pub(super) fn sort_counts(room: usize) -> usize {
    16 * room.div_ceil(CHUNK)
}

/// Words that the prefix sums of `length` values take.
pub(super) fn scan_sums(length: usize) -> usize {
    length.div_ceil(CHUNK)
}

impl<'a> Planner<'a> {
    /// Begins a plan whose first uniform block is `first`.
    pub(super) fn new(kernels: &'a Kernels, first: &Words) -> (Self, Block) {
        let mut planner = Self { kernels, blocks: Vec::new(), todo: Vec::new() };
        let block = planner.block(first);
        (planner, block)
    }

    fn block(&mut self, words: &Words) -> Block {
        let block = Block { offset: self.blocks.len() as u64, size: words.0.len() as u64 };
        self.blocks.extend_from_slice(&words.0);
        self.blocks.resize(self.blocks.len().next_multiple_of(ALIGNMENT), 0);
        block
    }

    /// Adds a run on `groups` workgroups in a line. The uniform block is binding 0.
    pub(super) fn line(
        &mut self,
        kernel: &'a ComputePipeline,
        block: Block,
        buffers: &[(u32, &'a Buffer)],
        groups: usize,
    ) {
        let (x, y) = if groups <= SIDE { (groups, 1) } else { (SIDE, groups.div_ceil(SIDE)) };
        self.grid(kernel, block, buffers, [x, y]);
    }

    /// Adds a run on a grid of workgroups.
    pub(super) fn grid(
        &mut self,
        kernel: &'a ComputePipeline,
        block: Block,
        buffers: &[(u32, &'a Buffer)],
        groups: [usize; 2],
    ) {
        self.todo.push(Todo { kernel, block, buffers: buffers.to_vec(), groups: groups.map(|n| n as u32) });
    }

    /// Prefix sums of `length` values in place, and their total.
    pub(super) fn scan(&mut self, length: usize, values: &'a Buffer, sums: &'a Buffer, total: &'a Buffer) {
        let block = self.block(&layout::scan(length));
        let chunks = length.div_ceil(CHUNK);
        if chunks > 1 {
            self.line(&self.kernels.sum_chunks, block, &[(1, values), (2, sums)], chunks);
            self.line(&self.kernels.scan_sums, block, &[(2, sums)], 1);
        }
        self.line(&self.kernels.scan_chunks, block, &[(1, values), (2, sums), (3, total)], chunks);
    }

    /// A stable sort of at most `room` keys by their low digits of four bits, ascending.
    pub(super) fn sort(&mut self, room: usize, passes: usize, b: SortBuffers<'a>) {
        let chunks = room.div_ceil(CHUNK);
        for pass in 0..passes {
            let block = self.block(&layout::pass(4 * pass, room, pass == 0));
            let (from, to) = (pass % 2, (pass + 1) % 2);
            let counted = [(1, b.length), (2, b.counts), (3, b.keys[from])];
            self.line(&self.kernels.count_digits, block, &counted, chunks);
            self.scan(16 * chunks, b.counts, b.sums, b.spare);
            // The first pass reads no places, but something must be bound.
            let places = if pass == 0 { b.keys[from] } else { b.places[from] };
            let mut moved = counted.to_vec();
            moved.extend([(4, places), (5, b.keys[to]), (6, b.places[to])]);
            self.line(&self.kernels.scatter, block, &moved, chunks);
        }
    }

    /// Binds everything.
    pub(super) fn finish(self, device: &Device) -> Result<Plan, BackendError> {
        let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        let uniforms = device.buffer("uniform blocks", self.blocks.len() / 4, usage)?;
        device.queue.write_buffer(&uniforms, 0, &self.blocks);
        let run = |todo: &Todo| {
            let block = wgpu::BufferBinding {
                buffer: &uniforms,
                offset: todo.block.offset,
                size: std::num::NonZeroU64::new(todo.block.size),
            };
            let first = wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(block) };
            let rest = todo
                .buffers
                .iter()
                .map(|(binding, b)| wgpu::BindGroupEntry { binding: *binding, resource: b.as_entire_binding() });
            let bindings = device.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &todo.kernel.get_bind_group_layout(0),
                entries: &std::iter::once(first).chain(rest).collect::<Vec<_>>(),
            });
            Run { pipeline: todo.kernel.clone(), bindings, groups: todo.groups }
        };
        let runs = self.todo.iter().map(run).collect();
        device.check()?;
        Ok(Plan { uniforms, runs })
    }
}

/// A run of a kernel.
#[derive(Debug)]
struct Run {
    pipeline: ComputePipeline,
    bindings: wgpu::BindGroup,
    groups: [u32; 2],
}

/// Runs of kernels, one after the other.
#[derive(Debug)]
pub(super) struct Plan {
    uniforms: Buffer,
    runs: Vec<Run>,
}

impl Plan {
    /// Replaces the first uniform block.
    pub(super) fn set_first_block(&self, device: &Device, words: &Words) {
        device.queue.write_buffer(&self.uniforms, 0, &words.0);
    }

    /// Adds all runs to the commands.
    pub(super) fn encode(&self, commands: &mut wgpu::CommandEncoder) {
        let mut pass = commands.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for run in &self.runs {
            pass.set_pipeline(&run.pipeline);
            pass.set_bind_group(0, &run.bindings, &[]);
            pass.dispatch_workgroups(run.groups[0], run.groups[1], 1);
        }
    }
}
