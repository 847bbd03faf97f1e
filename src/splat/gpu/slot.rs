//! A view on the GPU: what was drawn, and what its derivative needs.

use super::super::backend::{BackendError, CameraGradient, Planes, Shot};
use super::device::{Device, floats};
use super::kernels::{Kernels, sums};
use super::layout::{self, TILE, Words};
use super::plan::{Plan, Planner, SortBuffers, passes, scan_sums, sort_counts};
use super::scene::Scene;
use wgpu::{Buffer, BufferUsages};

/// Words of a `Splat`.
const SPLAT: usize = 20;
/// Floats of a workgroup's part of the camera's gradient.
const PARTIALS: usize = 8;
/// Gaussians per workgroup of the kernels that have a thread for each, and pairs likewise.
const GROUP: usize = 64;
/// Bits of the depth of a Gaussian, in digits of four.
const DEPTH_PASSES: usize = 8;

/// What buffers are made for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    width: usize,
    height: usize,
    normals: bool,
    /// Gaussians.
    count: usize,
    /// Pairs of a tile and a Gaussian.
    room: usize,
}

impl Shape {
    pub(super) fn new(scene: &Scene, shot: &Shot, room: usize) -> Self {
        let k = &shot.camera.intrinsics;
        Self { width: k.width as usize, height: k.height as usize, normals: shot.normals, count: scene.count, room }
    }

    /// Whether there is nothing to compute.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0 || self.width == 0 || self.height == 0
    }

    fn area(&self) -> usize {
        self.width * self.height
    }

    fn planes(&self) -> usize {
        if self.normals { 9 } else { 6 }
    }

    fn grid(&self) -> [usize; 2] {
        [self.width.div_ceil(TILE), self.height.div_ceil(TILE)]
    }
}

/// The buffers for views of one shape, and the runs that draw them.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) shape: Shape,
    view: Words,
    splats: Buffer,
    spans: Buffer,
    sorted: Buffer,
    pair_splats: Buffer,
    ranges: Buffer,
    planes: Buffer,
    total: Buffer,
    staging: Buffer,
    draw: Plan,
    /// Without gradients by the normals, and with them.
    derive: [Option<Derive>; 2],
}

impl Slot {
    pub(super) fn new(device: &Device, kernels: &Kernels, scene: &Scene, shape: Shape) -> Result<Self, BackendError> {
        let Shape { count: n, room, .. } = shape;
        let [columns, rows] = shape.grid();
        let tiles = columns * rows;
        let pair = || device.storage("the list of pairs", room);
        let one = || device.storage("an index of the Gaussians", n);
        let splats = device.storage("the Gaussians in the image", n * SPLAT)?;
        let (spans, sorted, pair_splats) = (device.storage("the Gaussians' pairs", 2 * n)?, pair()?, pair()?);
        let ranges = device.storage("the tiles' pairs", 2 * tiles)?;
        let planes = device.storage("the image", shape.planes() * shape.area())?;
        let total = device.storage("the number of pairs", 1)?;
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let staging = device.buffer("the image's copy", shape.planes() * shape.area() + 1, usage)?;
        // What nothing needs after the drawing.
        let (depths, order, touched, starts) = ([one()?, one()?], [one()?, one()?], one()?, one()?);
        let (tile_of, values) = ([pair()?, pair()?], pair()?);
        let counts = device.storage("the sort's counts", sort_counts(n.max(room)))?;
        let chunks = scan_sums(sort_counts(n.max(room)).max(n));
        let prefix = device.storage("the sort's sums", chunks)?;
        let (length, spare) = (device.storage("the number of Gaussians", 1)?, device.storage("nothing", 1)?);
        device.queue.write_buffer(&length, 0, &(n as u32).to_le_bytes());

        let view = Words(vec![0; layout::VIEW]);
        let (mut plan, block) = Planner::new(kernels, &view);
        let each = n.div_ceil(GROUP);
        // Bindings 0 and 1 are the view and the parameters.
        let projected = [(1, &scene.parameters), (2, &splats), (3, &depths[0]), (4, &touched)];
        plan.line(&kernels.project, block, &projected, each);
        let [d0, d1] = &depths;
        let [o0, o1] = &order;
        let sort = SortBuffers {
            length: &length,
            keys: [d0, d1],
            places: [o0, o1],
            counts: &counts,
            sums: &prefix,
            spare: &spare,
        };
        plan.sort(n, DEPTH_PASSES, sort);
        let order = &order[DEPTH_PASSES % 2];
        plan.line(&kernels.count, block, &[(2, order), (3, &touched), (4, &starts)], each);
        plan.scan(n, &starts, &prefix, &total);
        let emitted = [(1, &splats), (2, order), (3, &touched), (4, &starts)];
        let pairs = [(5, &tile_of[0]), (6, &pair_splats), (7, &spans)];
        plan.line(&kernels.emit, block, &[&emitted[..], &pairs].concat(), each);
        // The last pass writes to `sorted`. A tile's number may also be that of none.
        let passes = passes(tiles);
        let places = if passes.is_multiple_of(2) { [&sorted, &values] } else { [&values, &sorted] };
        plan.sort(room, passes, SortBuffers { length: &total, keys: [&tile_of[0], &tile_of[1]], places, ..sort });
        let ranged = [(1, &total), (2, &tile_of[passes % 2]), (3, &ranges)];
        plan.line(&kernels.find_ranges, block, &ranged, room.div_ceil(GROUP));
        let drawn = [(1, &splats), (2, &sorted), (3, &pair_splats), (4, &ranges), (5, &planes)];
        plan.grid(&kernels.raster[usize::from(shape.normals)], block, &drawn, [columns, rows]);
        let draw = plan.finish(device)?;
        let derive = [None, None];
        Ok(Self { shape, view, splats, spans, sorted, pair_splats, ranges, planes, total, staging, draw, derive })
    }

    /// Draws; also says how many pairs there were. Where those are more than there is room for, the image is wrong.
    pub(super) fn draw(&mut self, device: &Device, view: Words) -> Result<(Planes, usize), BackendError> {
        self.view = view;
        self.draw.set_first_block(device, &self.view);
        let shape = self.shape;
        let words = shape.planes() * shape.area();
        let bytes = 4 * words as u64;
        let mut commands = device.encoder();
        commands.clear_buffer(&self.ranges, 0, None);
        self.draw.encode(&mut commands);
        commands.copy_buffer_to_buffer(&self.planes, 0, &self.staging, 0, bytes);
        commands.copy_buffer_to_buffer(&self.total, 0, &self.staging, bytes, 4);
        device.submit(commands)?;
        device.read(&self.staging, bytes + 4, |data| {
            let (image, total) = data.split_at(4 * words);
            let mut planes = image.chunks_exact(4 * shape.area()).map(|p| floats(p).collect::<Vec<f32>>());
            let mut next = || planes.next().unwrap_or_default();
            let planes = Planes {
                width: shape.width,
                height: shape.height,
                rgb: [next(), next(), next()],
                alpha: next(),
                depth: next(),
                median: next(),
                normal: [next(), next(), next()],
            };
            (planes, u32::from_le_bytes(total.as_chunks().0[0]) as usize)
        })
    }

    /// Adds the gradients of the Gaussians to those of the scene. Returns that by the camera, and how many Gaussians
    /// were seen for the first time since the last update.
    pub(super) fn derive(
        &mut self,
        device: &Device,
        kernels: &Kernels,
        scene: &Scene,
        by: &Planes,
    ) -> Result<(CameraGradient, u32), BackendError> {
        // A loss that has nothing to say of normals leaves their gradients out.
        let normals = self.shape.normals && by.normal.iter().all(|p| !p.is_empty());
        let index = usize::from(normals);
        let derive = match self.derive[index].take() {
            Some(d) => d,
            None => Derive::new(device, kernels, scene, self, normals)?,
        };
        let out = derive.run(device, self, by);
        self.derive[index] = Some(derive);
        out
    }
}

/// The buffers and runs of the derivative.
#[derive(Debug)]
struct Derive {
    normals: bool,
    by_planes: Buffer,
    pairs: Buffer,
    partials: Buffer,
    staging: Buffer,
    groups: usize,
    plan: Plan,
}

impl Derive {
    fn new(
        device: &Device,
        kernels: &Kernels,
        scene: &Scene,
        slot: &Slot,
        normals: bool,
    ) -> Result<Self, BackendError> {
        let shape = slot.shape;
        let (planes, groups) = (if normals { 8 } else { 5 }, shape.count.div_ceil(GROUP));
        let by_planes = device.storage("the image's gradients", planes * shape.area())?;
        let pairs = device.storage("the pairs' gradients", shape.room * sums(normals))?;
        let partials = device.storage("the camera's gradient", groups * PARTIALS)?;
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let staging = device.buffer("the camera's gradient's copy", groups * PARTIALS, usage)?;
        let (mut plan, block) = Planner::new(kernels, &slot.view);
        let drawn = [(1, &slot.splats), (2, &slot.sorted), (3, &slot.pair_splats), (4, &slot.ranges)];
        let derived = [(5, &slot.planes), (6, &by_planes), (7, &pairs)];
        let index = usize::from(normals);
        plan.grid(&kernels.spread[index], block, &[&drawn[..], &derived].concat(), shape.grid());
        let read = [(1, &scene.parameters), (2, &slot.splats), (3, &slot.spans), (4, &pairs)];
        let written = [(5, &scene.gradients), (6, &scene.seen), (7, &scene.tallies), (8, &partials)];
        plan.line(&kernels.gather[index], block, &[&read[..], &written].concat(), groups);
        let plan = plan.finish(device)?;
        Ok(Self { normals, by_planes, pairs, partials, staging, groups, plan })
    }

    fn run(&self, device: &Device, slot: &Slot, by: &Planes) -> Result<(CameraGradient, u32), BackendError> {
        self.plan.set_first_block(device, &slot.view);
        let area = slot.shape.area();
        let [r, g, b] = &by.rgb;
        let [nx, ny, nz] = &by.normal;
        let planes = [r, g, b, &by.alpha, &by.depth, nx, ny, nz];
        for (k, plane) in planes.into_iter().take(if self.normals { 8 } else { 5 }).enumerate() {
            let offset = (4 * k * area) as u64;
            if plane.len() == area {
                device.queue.write_buffer(&self.by_planes, offset, bytemuck::cast_slice(plane));
            } else {
                // A plane that has no gradient may be left out.
                device.queue.write_buffer(&self.by_planes, offset, &vec![0; 4 * area]);
            }
        }
        let bytes = 4 * (self.groups * PARTIALS) as u64;
        let mut commands = device.encoder();
        // A tile that is opaque leaves out the rest of its pairs.
        commands.clear_buffer(&self.pairs, 0, None);
        self.plan.encode(&mut commands);
        commands.copy_buffer_to_buffer(&self.partials, 0, &self.staging, 0, bytes);
        device.submit(commands)?;
        device.read(&self.staging, bytes, |data| {
            let mut sum = [0f64; PARTIALS];
            for (i, v) in floats(data).enumerate() {
                sum[i % PARTIALS] += f64::from(v);
            }
            let [x, y, z, rx, ry, rz, seen, _] = sum;
            let camera =
                CameraGradient { translation: [x, y, z].map(|v| v as f32), rotation: [rx, ry, rz].map(|v| v as f32) };
            (camera, seen as u32)
        })
    }
}
