//! The backend on a GPU, through wgpu's compute kernels: Vulkan, Metal or DirectX 12, with what all of them offer.
//!
//! Per view: Gaussians become splats; these are sorted by depth (radix sort, stable); in that order each is paired with
//! the tiles that it touches; pairs are sorted by tile; one workgroup draws a tile. Backwards each tile writes its sums
//! for each of its pairs to a place of its own, which are then added up per Gaussian: nothing is added to from two
//! places at once, so the same device gives the same bytes each time.

mod device;
mod kernels;
mod layout;
mod plan;
mod scene;
mod slot;
#[cfg(test)]
mod tests;

use super::backend::{Backend, BackendError, CameraGradient, Gradient, Parameters, Planes, SLOTS, Shot, Update};
use crate::scene::Gaussians;
use device::Device;
use kernels::Kernels;
use scene::Scene;
use slot::{Shape, Slot};
use std::sync::Arc;

/// Pairs of a tile and a Gaussian that there is room for at first.
const FIRST_ROOM: usize = 1 << 16;

/// Computes on a GPU. Once something went wrong there, every call says so.
#[derive(Debug)]
pub struct Gpu {
    device: Device,
    kernels: Kernels,
    scene: Scene,
    slots: [Option<Slot>; SLOTS],
    /// Whether a view that was drawn waits in the slot for its gradients.
    drawn: [bool; SLOTS],
    /// Pairs of a tile and a Gaussian that there is room for.
    room: usize,
    /// Gaussians seen since the last update.
    seen: u32,
    move_all: Option<plan::Plan>,
}

impl Gpu {
    /// Opens the best GPU that is really there.
    pub fn new() -> Result<Self, BackendError> {
        Self::open(false)
    }

    /// The same, or, where there is none, a driver that computes on the CPU; [`Backend::name`] tells which.
    pub fn software_allowed() -> Result<Self, BackendError> {
        Self::open(true)
    }

    /// Whether it is a driver that computes on the CPU.
    pub fn is_software(&self) -> bool {
        self.device.is_software()
    }

    fn open(software: bool) -> Result<Self, BackendError> {
        let device = Device::open(software)?;
        let kernels = Kernels::new(&device);
        device.check()?;
        let scene = Scene::new(&device, &Parameters::new(Gaussians::default()))?;
        Ok(Self {
            device,
            kernels,
            scene,
            slots: [None, None],
            drawn: [false; SLOTS],
            room: FIRST_ROOM,
            seen: 0,
            move_all: None,
        })
    }
}

impl Backend for Gpu {
    fn name(&self) -> String {
        self.device.name()
    }

    fn load(&mut self, parameters: Parameters) -> Result<(), BackendError> {
        // First make room.
        (self.slots, self.drawn, self.move_all, self.seen) = ([None, None], [false; SLOTS], None, 0);
        self.scene = Scene::new(&self.device, &parameters)?;
        Ok(())
    }

    fn read(&mut self) -> Result<Parameters, BackendError> {
        self.scene.read(&self.device)
    }

    fn gaussians(&mut self) -> Result<Gaussians, BackendError> {
        self.scene.gaussians(&self.device)
    }

    fn can_be_lost(&self) -> bool {
        true
    }

    fn forward(&mut self, slot: usize, shot: &Shot) -> Result<Arc<Planes>, BackendError> {
        self.drawn[slot] = false;
        loop {
            let shape = Shape::new(&self.scene, shot, self.room);
            if shape.is_empty() {
                let k = &shot.camera.intrinsics;
                let empty = Planes::zeros(k.width as usize, k.height as usize, shot.normals);
                return self.device.check().map(|()| Arc::new(empty));
            }
            let mut view = match self.slots[slot].take().filter(|s| s.shape == shape) {
                Some(same_shape) => same_shape,
                None => Slot::new(&self.device, &self.kernels, &self.scene, shape)?,
            };
            let (planes, pairs) = view.draw(&self.device, layout::view(&self.scene, shot, self.room))?;
            self.slots[slot] = Some(view);
            if pairs <= self.room {
                self.drawn[slot] = true;
                return Ok(Arc::new(planes));
            }
            // Some more than needed: the next view may have more.
            self.room = pairs + pairs / 4;
        }
    }

    fn backward(&mut self, slot: usize, by_planes: &Planes) -> Result<CameraGradient, BackendError> {
        let drawn = std::mem::take(&mut self.drawn[slot]);
        let Some(s) = self.slots[slot].as_mut().filter(|_| drawn) else {
            return self.device.check().map(|()| CameraGradient::default());
        };
        let (camera, seen) = s.derive(&self.device, &self.kernels, &self.scene, by_planes)?;
        self.seen += seen;
        Ok(camera)
    }

    fn gradients(&mut self) -> Result<Vec<(u32, Gradient)>, BackendError> {
        self.scene.gradients(&self.device)
    }

    fn update(&mut self, update: &Update) -> Result<(), BackendError> {
        let words = layout::update(&self.scene, update, std::mem::take(&mut self.seen));
        if self.scene.count == 0 {
            return self.device.check();
        }
        let plan = match self.move_all.take() {
            Some(plan) => plan,
            None => self.scene.plan_update(&self.device, &self.kernels, &words)?,
        };
        plan.set_first_block(&self.device, &words);
        let mut commands = self.device.encoder();
        plan.encode(&mut commands);
        commands.clear_buffer(&self.scene.gradients, 0, None);
        commands.clear_buffer(&self.scene.seen, 0, None);
        self.move_all = Some(plan);
        self.device.submit(commands)
    }
}
