//! Draws sorted splats into a picture of its own, and copies that to the screen. The picture is drawn anew only when
//! something in it changed; while the camera moves it may be smaller than the panel.

use super::convert;
use super::sorter::{PER_ROW, Packed, Sorted};
use crate::scene::Camera;
use eframe::egui::PaintCallbackInfo;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use three_d::{
    Blend, BlendEquationType, BlendMultiplierType, ClearState, Context, CoreError, Cull, DepthTest, ElementBuffer,
    InstanceBuffer, Interpolation, Program, RenderStates, RenderTarget, ScissorBox, Texture2D, Vec2, VertexBuffer,
    Viewport, Wrapping, WriteMask, vec2, vec4,
};

/// Premultiplied colours over what is there.
const OVER: Blend = Blend::Enabled {
    source_rgb_multiplier: BlendMultiplierType::One,
    source_alpha_multiplier: BlendMultiplierType::One,
    destination_rgb_multiplier: BlendMultiplierType::OneMinusSrcAlpha,
    destination_alpha_multiplier: BlendMultiplierType::OneMinusSrcAlpha,
    rgb_equation: BlendEquationType::Add,
    alpha_equation: BlendEquationType::Add,
};

/// What to draw.
#[derive(Clone)]
pub(in crate::app) struct Picture {
    /// Splats in the order for this camera, or a little behind it.
    pub sorted: Arc<Sorted>,
    /// Camera for a picture of the panel's size in points.
    pub camera: Camera,
    /// Nearer than this is not drawn.
    pub near: f32,
    /// Background, sRGB 0..1.
    pub background: [f32; 3],
    /// The camera is moving: be quick.
    pub moving: bool,
}

/// Between the panel and the drawing, which egui calls later.
#[derive(Default)]
pub(in crate::app) struct Screen {
    wanted: Mutex<Option<Picture>>,
    /// What went wrong, once.
    failed: Mutex<Option<String>>,
    /// Seconds that a picture at full size takes, as f32 bits: measured.
    cost: AtomicU32,
    /// Pictures drawn.
    drawn: AtomicU64,
    /// Whether the last one was at full size.
    sharp: AtomicU32,
}

impl Screen {
    /// Says what the next [`paint`] shall show.
    pub(in crate::app) fn show(&self, picture: Picture) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(picture);
    }

    /// Takes the error, if there was one.
    pub(in crate::app) fn take_error(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Pictures drawn so far, and whether the last one was at full size.
    pub(in crate::app) fn state(&self) -> (u64, bool) {
        (self.drawn.load(Ordering::Acquire), self.sharp.load(Ordering::Acquire) == 1)
    }

    /// Size of the picture while the camera moves, as a share of the panel's: what can be drawn in a twentieth second.
    fn moving_scale(&self) -> f32 {
        let cost = f32::from_bits(self.cost.load(Ordering::Acquire));
        1.0 / (cost / 0.05).sqrt().ceil().clamp(1.0, 6.0)
    }

    /// Learns what a picture cost: the full ones say it, a small one only when it was still too slow.
    fn learn(&self, seconds: f32, scale: f32) {
        let known = f32::from_bits(self.cost.load(Ordering::Acquire));
        let cost = match scale {
            1.0 => seconds,
            _ if seconds > 0.1 => known * 1.5,
            _ => known,
        };
        self.cost.store(cost.to_bits(), Ordering::Release);
    }
}

thread_local! {
    /// GL things live on the thread of the window.
    static RENDERER: RefCell<Option<Result<Renderer, ()>>> = const { RefCell::new(None) };
}

/// Called by egui with the GL context at hand: draws if needed, then copies to the screen.
pub(in crate::app) fn paint(screen: &Screen, info: &PaintCallbackInfo, gl: &Arc<eframe::glow::Context>) {
    let Some(picture) = screen.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone() else {
        return;
    };
    RENDERER.with_borrow_mut(|slot| {
        let renderer = slot.get_or_insert_with(|| {
            Renderer::new(gl).map_err(|e| {
                let text = format!("the graphics driver cannot draw splats: {e}");
                *screen.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
            })
        });
        if let Ok(renderer) = renderer {
            renderer.paint(screen, &picture, info);
        }
    });
}

/// Gives everything back while the GL context is still there.
pub(in crate::app) fn release() {
    RENDERER.with_borrow_mut(|slot| *slot = None);
}

struct Renderer {
    context: Context,
    splat: Program,
    copy: Program,
    quad: VertexBuffer<Vec2>,
    /// Two triangles of the quad: four corners are computed for a splat, not six.
    corners: ElementBuffer<u8>,
    triangle: VertexBuffer<Vec2>,
    data: Option<(Arc<Packed>, Texture2D)>,
    sorted: Option<Arc<Sorted>>,
    order: InstanceBuffer<u32>,
    colors: InstanceBuffer<[u8; 4]>,
    target: Option<Texture2D>,
    last: Option<(Picture, [u32; 2])>,
}

impl Renderer {
    fn new(gl: &Arc<eframe::glow::Context>) -> Result<Self, CoreError> {
        let context = Context::from_gl_context(Arc::clone(gl))?;
        let program = |vertex: &str, fragment: &str| Program::from_source(&context, vertex, fragment);
        let shader = |name: &str| match name {
            "splat" => program(
                include_str!("../../../assets/shaders/splat.vert"),
                include_str!("../../../assets/shaders/splat.frag"),
            ),
            _ => program(
                include_str!("../../../assets/shaders/copy.vert"),
                include_str!("../../../assets/shaders/copy.frag"),
            ),
        };
        let corners = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)];
        let buffer = |points: &[(f32, f32)]| {
            let points: Vec<Vec2> = points.iter().map(|p| vec2(p.0, p.1)).collect();
            VertexBuffer::new_with_data(&context, &points)
        };
        Ok(Self {
            splat: shader("splat")?,
            copy: shader("copy")?,
            quad: buffer(&corners),
            corners: ElementBuffer::new_with_data(&context, &[0, 1, 2, 0, 2, 3]),
            triangle: buffer(&[(-1.0, -1.0), (3.0, -1.0), (-1.0, 3.0)]),
            data: None,
            sorted: None,
            order: InstanceBuffer::new(&context),
            colors: InstanceBuffer::new(&context),
            target: None,
            last: None,
            context,
        })
    }

    fn paint(&mut self, screen: &Screen, picture: &Picture, info: &PaintCallbackInfo) {
        let (panel, clip) = (info.viewport_in_pixels(), info.clip_rect_in_pixels());
        let scale = if picture.moving { screen.moving_scale() } else { 1.0 };
        let pixels = |x: i32| ((x as f32 * scale).round() as u32).max(1);
        let size = [pixels(panel.width_px), pixels(panel.height_px)];
        if self.last.as_ref().is_none_or(|(p, s)| !same(p, picture) || *s != size) {
            let start = Instant::now();
            self.upload(&picture.sorted);
            self.draw(picture, size, info.pixels_per_point * scale);
            screen.learn(start.elapsed().as_secs_f32(), scale);
            screen.drawn.fetch_add(1, Ordering::AcqRel);
            screen.sharp.store(u32::from(scale >= 1.0), Ordering::Release);
            self.last = Some((picture.clone(), size));
        }
        let Some(target) = &self.target else { return };
        let [w, h] = info.screen_size_px;
        let scissor = ScissorBox {
            x: clip.left_px,
            y: clip.from_bottom_px,
            width: clip.width_px as u32,
            height: clip.height_px as u32,
        };
        let viewport = Viewport {
            x: panel.left_px,
            y: panel.from_bottom_px,
            width: panel.width_px as u32,
            height: panel.height_px as u32,
        };
        let onto = RenderTarget::screen(&self.context, w, h);
        let _ = onto.write_partially::<CoreError>(scissor, || {
            self.copy.use_texture("picture", target);
            self.copy.use_vertex_attribute("corner", &self.triangle);
            self.copy.draw_arrays(states(Blend::Disabled), viewport, 3);
            Ok(())
        });
    }

    /// Brings what changed to the GPU.
    fn upload(&mut self, sorted: &Arc<Sorted>) {
        if self.sorted.as_ref().is_some_and(|s| Arc::ptr_eq(s, sorted)) {
            return;
        }
        if self.data.as_ref().is_none_or(|(p, _)| !Arc::ptr_eq(p, &sorted.packed)) {
            let rows = sorted.packed.texels.len() / (PER_ROW * 3);
            let texture = texture::<[f32; 4]>(&self.context, PER_ROW as u32 * 3, rows as u32, Interpolation::Nearest);
            texture.fill(&sorted.packed.texels);
            self.data = Some((Arc::clone(&sorted.packed), texture));
        }
        self.order.fill(&sorted.order);
        self.colors.fill(&sorted.colors);
        self.sorted = Some(Arc::clone(sorted));
    }

    fn draw(&mut self, picture: &Picture, [w, h]: [u32; 2], scale: f32) {
        if self.target.as_ref().is_none_or(|t| t.width() != w || t.height() != h) {
            self.target = Some(texture::<[u8; 4]>(&self.context, w, h, Interpolation::Linear));
        }
        let (Some(target), Some((_, data))) = (&self.target, &self.data) else { return };
        let target = target.as_color_target(None);
        let [r, g, b] = picture.background;
        target.clear(ClearState::color(r, g, b, 1.0));
        let i = &picture.camera.intrinsics;
        let _ = target.write::<CoreError>(|| {
            if picture.sorted.order.is_empty() {
                return Ok(());
            }
            let p = &self.splat;
            p.use_texture("splats", data);
            p.use_uniform("view", convert::matrix(&picture.camera.w2c()));
            let lens = [i.fx, i.fy, i.cx, i.cy].map(|x| x as f32 * scale);
            p.use_uniform("lens", vec4(lens[0], lens[1], lens[2], lens[3]));
            p.use_uniform("size", vec2(w as f32, h as f32));
            p.use_uniform("near", picture.near);
            p.use_uniform("blur", picture.sorted.cloud().blur());
            p.use_vertex_attribute("corner", &self.quad);
            p.use_instance_attribute("index", &self.order);
            p.use_instance_attribute("color", &self.colors);
            let (whole, count) = (Viewport::new_at_origo(w, h), picture.sorted.order.len() as u32);
            p.draw_elements_instanced(states(OVER), whole, &self.corners, count);
            Ok(())
        });
        // Reading a pixel waits for the GPU: only so does the clock see what the picture costs.
        let _: Vec<[u8; 4]> = target.read_partially(ScissorBox { x: 0, y: 0, width: 1, height: 1 });
    }
}

/// Colours only: nothing here has depth, and egui leaves whatever it likes in the window's depth buffer.
fn states(blend: Blend) -> RenderStates {
    RenderStates { write_mask: WriteMask::COLOR, depth_test: DepthTest::Always, blend, cull: Cull::None }
}

fn same(a: &Picture, b: &Picture) -> bool {
    Arc::ptr_eq(&a.sorted, &b.sorted) && a.camera == b.camera && a.near == b.near && a.background == b.background
}

fn texture<T: three_d::TextureDataType>(context: &Context, w: u32, h: u32, filter: Interpolation) -> Texture2D {
    Texture2D::new_empty::<T>(context, w, h, filter, filter, None, Wrapping::ClampToEdge, Wrapping::ClampToEdge)
}
