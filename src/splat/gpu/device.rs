//! A GPU through wgpu: which one, its buffers, and what went wrong on it.

use super::super::backend::BackendError;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use wgpu::{BufferUsages, DeviceType};

/// An opened GPU. The first thing that goes wrong on it is kept, and returned by every call from then on.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    info: wgpu::AdapterInfo,
    failure: Arc<Mutex<Option<BackendError>>>,
}

/// Earlier is better; `None` for what computes on the CPU.
fn rank(kind: DeviceType) -> Option<u8> {
    match kind {
        DeviceType::DiscreteGpu => Some(0),
        DeviceType::IntegratedGpu => Some(1),
        DeviceType::VirtualGpu => Some(2),
        DeviceType::Other => Some(3),
        DeviceType::Cpu => None,
    }
}

impl Device {
    /// Opens the best GPU, with all that it offers; one that is only emulated on the CPU if `software` allows it.
    pub(super) fn open(software: bool) -> Result<Self, BackendError> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
        let found = adapters.len();
        let usable = |a: &wgpu::Adapter| rank(a.get_info().device_type).or(software.then_some(u8::MAX));
        let best = adapters.into_iter().filter(|a| usable(a).is_some()).min_by_key(usable);
        let Some(adapter) = best else {
            let why = if found == 0 {
                "no driver for Vulkan, Metal or DirectX 12 was found"
            } else {
                "the only driver found computes on the CPU"
            };
            return Err(BackendError::Missing(why.into()));
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("splats"),
            required_limits: adapter.limits(),
            memory_hints: wgpu::MemoryHints::Performance,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|e| BackendError::Missing(e.to_string()))?;
        let failure = Arc::new(Mutex::new(None));
        let on_error = failure.clone();
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
            let error = match &e {
                wgpu::Error::OutOfMemory { .. } => BackendError::Memory("a buffer could not be made".into()),
                wgpu::Error::Validation { .. } | wgpu::Error::Internal { .. } => BackendError::Lost(cause(&e)),
            };
            keep_first(&on_error, error);
        }));
        let on_loss = failure.clone();
        device.set_device_lost_callback(move |reason, message| {
            keep_first(&on_loss, BackendError::Lost(format!("{reason:?}: {message}")));
        });
        Ok(Self { device, queue, info: adapter.get_info(), failure })
    }

    /// Name of the adapter and of the interface to it.
    pub(super) fn name(&self) -> String {
        let backend = match self.info.backend {
            wgpu::Backend::Dx12 => "DirectX 12".into(),
            other => format!("{other:?}"),
        };
        format!("{} ({backend})", self.info.name)
    }

    /// Whether it is emulated on the CPU.
    pub(super) fn is_software(&self) -> bool {
        self.info.device_type == DeviceType::Cpu
    }

    /// What went wrong so far.
    pub(super) fn check(&self) -> Result<(), BackendError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }

    /// A buffer of `words` times four bytes for kernels, of zeros.
    pub(super) fn storage(&self, label: &str, words: usize) -> Result<wgpu::Buffer, BackendError> {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        self.buffer(label, words, usage)
    }

    /// A buffer of `words` times four bytes.
    pub(super) fn buffer(&self, label: &str, words: usize, usage: BufferUsages) -> Result<wgpu::Buffer, BackendError> {
        let size = (words.max(4) as u64).saturating_mul(4);
        let limits = self.device.limits();
        let most = match usage.contains(BufferUsages::STORAGE) {
            true => limits.max_buffer_size.min(limits.max_storage_buffer_binding_size),
            false => limits.max_buffer_size,
        };
        if size > most {
            let (size, most) = (size >> 20, most >> 20);
            return Err(BackendError::Memory(format!("{label} takes {size} MiB, one buffer holds at most {most} MiB")));
        }
        let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
        let buffer = self.device.create_buffer(&descriptor);
        self.check()?;
        Ok(buffer)
    }

    pub(super) fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("splats") })
    }

    /// Starts the commands.
    pub(super) fn submit(&self, commands: wgpu::CommandEncoder) -> Result<(), BackendError> {
        self.queue.submit([commands.finish()]);
        self.check()
    }

    /// Waits until all is done, and hands the bytes of a mappable buffer to `read`.
    pub(super) fn read<T>(
        &self,
        buffer: &wgpu::Buffer,
        bytes: u64,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, BackendError> {
        self.check()?;
        let (sender, receiver) = mpsc::channel();
        // The receiver outlives the wait below.
        buffer.map_async(wgpu::MapMode::Read, 0..bytes, move |r| drop(sender.send(r)));
        let waited = self.device.poll(wgpu::PollType::wait_indefinitely());
        self.check()?;
        let lost =
            |what: &dyn std::fmt::Display| BackendError::Lost(format!("what it computed cannot be read: {what}"));
        waited.map_err(|e| lost(&e))?;
        receiver.try_recv().map_err(|e| lost(&e))?.map_err(|e| lost(&e))?;
        let out = read(&buffer.get_mapped_range(0..bytes).map_err(|e| lost(&format!("{e:?}")))?);
        buffer.unmap();
        Ok(out)
    }

    /// The first `words` of a buffer of the GPU.
    pub(super) fn download(&self, from: &wgpu::Buffer, words: usize) -> Result<Vec<u8>, BackendError> {
        if words == 0 {
            return self.check().map(|()| Vec::new());
        }
        let staging = self.buffer("staging", words, BufferUsages::MAP_READ | BufferUsages::COPY_DST)?;
        let bytes = 4 * words as u64;
        let mut commands = self.encoder();
        commands.copy_buffer_to_buffer(from, 0, &staging, 0, bytes);
        self.submit(commands)?;
        self.read(&staging, bytes, <[u8]>::to_vec)
    }
}

/// The innermost cause, which wgpu's message ends with.
fn cause(e: &wgpu::Error) -> String {
    let message = e.to_string();
    message.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("unknown error").into()
}

fn keep_first(failure: &Mutex<Option<BackendError>>, error: BackendError) {
    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
}

/// The floats in bytes from the GPU.
pub(super) fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))
}
