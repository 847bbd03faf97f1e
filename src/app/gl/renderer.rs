//! Draws sorted splats into a picture of its own, or takes the one that the CPU has drawn, and copies it to the screen.
//! The picture is drawn anew only when something in it changed; while the camera moves it may be smaller than the panel.

use super::cloud::{PER_ROW, Packed};
use super::convert;
use super::sorter::{Ready, Sorted, View};
use crate::app::look::Mode;
use crate::app::palette;
use eframe::egui::PaintCallbackInfo;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use three_d::{
    Blend, BlendEquationType, BlendMultiplierType, ClearState, Context, CoreError, Cull, DepthTest, ElementBuffer,
    InstanceBuffer, Interpolation, Mat4, Program, RenderStates, RenderTarget, ScissorBox, Texture2D, Vec2,
    VertexBuffer, Viewport, Wrapping, WriteMask, vec2, vec3, vec4,
};

/// Splats that the driver is tried with, and seconds that no GPU takes for them.
const PROBE: u32 = 8192;
const SLOW: f32 = 0.006;

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
    /// Splats in the order for the view's camera, or a little behind it; or the picture that the CPU has drawn of them.
    pub ready: Arc<Ready>,
    /// What is wanted.
    pub view: View,
}

/// Between the panel and the drawing, which egui calls later.
pub(in crate::app) struct Screen {
    wake: Box<dyn Fn() + Send + Sync>,
    wanted: Mutex<Option<Picture>>,
    /// What went wrong, once.
    failed: Mutex<Option<String>>,
    /// Seconds that a picture at full size takes, as f32 bits: measured.
    cost: AtomicU32,
    /// Whether the last one was at full size.
    sharp: AtomicBool,
    /// Pictures shown.
    shown: AtomicU64,
    /// OpenGL is software here: the CPU draws faster by itself.
    soft: AtomicBool,
}

impl Screen {
    /// `wake` is called when there must be another frame.
    pub(in crate::app) fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            wake: Box::new(wake),
            wanted: Mutex::default(),
            failed: Mutex::default(),
            cost: AtomicU32::default(),
            sharp: AtomicBool::default(),
            shown: AtomicU64::default(),
            soft: AtomicBool::default(),
        }
    }

    /// Says what the next [`paint`] shall show.
    pub(in crate::app) fn show(&self, picture: Picture) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(picture);
    }

    /// Takes the error, if there was one.
    pub(in crate::app) fn take_error(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the last picture was at full size.
    pub(in crate::app) fn is_sharp(&self) -> bool {
        self.sharp.load(Ordering::Acquire)
    }

    /// How many pictures there have been.
    pub(in crate::app) fn shown(&self) -> u64 {
        self.shown.load(Ordering::Acquire)
    }

    /// Whether the pictures shall be drawn by the CPU.
    pub(in crate::app) fn is_soft(&self) -> bool {
        self.soft.load(Ordering::Acquire)
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
            let made = Renderer::new(gl).map_err(|e| {
                let text = format!("the graphics driver cannot draw splats: {e}");
                *screen.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
            });
            made.inspect(|r| {
                screen.soft.store(r.probe() > SLOW, Ordering::Release);
                (screen.wake)();
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
    /// Colours of depth, near to far.
    palette: Texture2D,
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
        let palette = texture::<[u8; 4]>(&context, 256, 1, Interpolation::Nearest);
        let colors: Vec<[u8; 4]> = (0..256u16).map(|k| rgba(palette::viridis(f32::from(k) / 255.0))).collect();
        palette.fill(&colors);
        Ok(Self {
            splat: shader("splat")?,
            copy: shader("copy")?,
            quad: buffer(&corners),
            corners: ElementBuffer::new_with_data(&context, &[0, 1, 2, 0, 2, 3]),
            triangle: buffer(&[(-1.0, -1.0), (3.0, -1.0), (-1.0, 3.0)]),
            palette,
            data: None,
            sorted: None,
            order: InstanceBuffer::new(&context),
            colors: InstanceBuffer::new(&context),
            target: None,
            last: None,
            context,
        })
    }

    /// Seconds that some thousand small splats take, the second time that they are drawn.
    fn probe(&self) -> f32 {
        let side = PER_ROW as u32;
        let data = texture::<[f32; 4]>(&self.context, side * 3, PROBE / side, Interpolation::Nearest);
        let at = |k: u32, n: u32| f32::from((k % n) as u16) / n as f32 - 0.5;
        let splat = |k: u32| [[at(k, 61), at(k, 67), 1.0, 0.5], [4e-4, 0.0, 0.0, 4e-4], [0.0; 4]];
        data.fill(&(0..PROBE).flat_map(splat).collect::<Vec<[f32; 4]>>());
        let order = InstanceBuffer::new_with_data(&self.context, &(0..PROBE).collect::<Vec<u32>>());
        let colors = InstanceBuffer::new_with_data(&self.context, &[[128u8; 4]; PROBE as usize]);
        let target = texture::<[u8; 4]>(&self.context, 256, 256, Interpolation::Nearest);
        let lens = Lens { f: [256.0; 2], c: [128.0; 2], near: 0.01, blur: 0.3, antialiased: false };
        let once = || {
            let start = Instant::now();
            self.splats(
                &target,
                [0.0; 4],
                &convert::matrix(&nalgebra::Isometry3::identity()),
                &lens,
                (&data, &order, &colors),
            );
            start.elapsed().as_secs_f32()
        };
        once();
        once()
    }

    fn paint(&mut self, screen: &Screen, picture: &Picture, info: &PaintCallbackInfo) {
        let panel = info.viewport_in_pixels();
        let wanted = match &picture.ready.image {
            Some(image) => image.size,
            None if screen.is_soft() => return,
            None => {
                let scale = if picture.view.moving { screen.moving_scale() } else { 1.0 };
                [panel.width_px, panel.height_px].map(|x| ((x as f32 * scale).round() as u32).max(1))
            }
        };
        if self.last.as_ref().is_none_or(|(p, s)| !same(p, picture) || *s != wanted) {
            let start = Instant::now();
            if self.target.as_ref().is_none_or(|t| [t.width(), t.height()] != wanted) {
                self.target = Some(texture::<[u8; 4]>(&self.context, wanted[0], wanted[1], Interpolation::Linear));
            }
            let scale = match (&picture.ready.image, &self.target) {
                (Some(image), Some(target)) => {
                    target.fill(&image.pixels);
                    image.scale
                }
                _ => {
                    self.upload(&picture.ready.sorted);
                    let scale = wanted[0] as f32 / (panel.width_px as f32).max(1.0);
                    self.draw(picture, picture.view.scale * scale);
                    screen.learn(start.elapsed().as_secs_f32(), scale);
                    scale
                }
            };
            screen.shown.fetch_add(1, Ordering::AcqRel);
            screen.sharp.store(scale >= 1.0, Ordering::Release);
            self.last = Some((picture.clone(), wanted));
        }
        self.copy(picture, info);
    }

    /// Brings the picture to the screen, as what its mode says.
    fn copy(&self, picture: &Picture, info: &PaintCallbackInfo) {
        let Some(target) = &self.target else { return };
        let (panel, clip) = (info.viewport_in_pixels(), info.clip_rect_in_pixels());
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
            let [r, g, b] = picture.view.background;
            self.copy.use_texture("picture", target);
            self.copy.use_texture("palette", &self.palette);
            self.copy.use_uniform("background", vec3(r, g, b));
            self.copy.use_uniform("mode", picture.ready.sorted.look.mode as i32);
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

    fn draw(&self, picture: &Picture, scale: f32) {
        let (Some(target), Some((_, data))) = (&self.target, &self.data) else { return };
        let (i, sorted) = (&picture.view.camera.intrinsics, &picture.ready.sorted);
        let lens = Lens {
            f: [i.fx, i.fy].map(|x| x as f32 * scale),
            c: [i.cx, i.cy].map(|x| x as f32 * scale),
            near: picture.view.near,
            blur: sorted.packed.cloud.blur(),
            antialiased: sorted.packed.cloud.antialiased(),
        };
        let [r, g, b] = picture.view.background;
        let clear = if sorted.look.mode == Mode::Color { [r, g, b, 1.0] } else { [0.0; 4] };
        let w2c = convert::matrix(&picture.view.camera.w2c());
        self.splats(target, clear, &w2c, &lens, (data, &self.order, &self.colors));
    }

    /// Draws splats over a colour, and waits until they are there.
    fn splats(
        &self,
        target: &Texture2D,
        [r, g, b, a]: [f32; 4],
        w2c: &Mat4,
        lens: &Lens,
        (data, order, colors): (&Texture2D, &InstanceBuffer<u32>, &InstanceBuffer<[u8; 4]>),
    ) {
        let (w, h) = (target.width(), target.height());
        let onto = target.as_color_target(None);
        onto.clear(ClearState::color(r, g, b, a));
        let _ = onto.write::<CoreError>(|| {
            if order.instance_count() == 0 {
                return Ok(());
            }
            let p = &self.splat;
            p.use_texture("splats", data);
            p.use_uniform("view", w2c);
            p.use_uniform("lens", vec4(lens.f[0], lens.f[1], lens.c[0], lens.c[1]));
            p.use_uniform("size", vec2(w as f32, h as f32));
            p.use_uniform("near", lens.near);
            p.use_uniform("blur", lens.blur);
            p.use_uniform("antialiased", i32::from(lens.antialiased));
            p.use_vertex_attribute("corner", &self.quad);
            p.use_instance_attribute("index", order);
            p.use_instance_attribute("color", colors);
            p.draw_elements_instanced(
                states(OVER),
                Viewport::new_at_origo(w, h),
                &self.corners,
                order.instance_count(),
            );
            Ok(())
        });
        // Reading a pixel waits for the GPU: only so does the clock see what the picture costs.
        let _: Vec<[u8; 4]> = onto.read_partially(ScissorBox { x: 0, y: 0, width: 1, height: 1 });
    }
}

/// The camera in pixels of the picture.
struct Lens {
    f: [f32; 2],
    c: [f32; 2],
    near: f32,
    blur: f32,
    antialiased: bool,
}

fn rgba([r, g, b]: [u8; 3]) -> [u8; 4] {
    [r, g, b, 255]
}

/// Colours only: nothing here has depth, and egui leaves whatever it likes in the window's depth buffer.
fn states(blend: Blend) -> RenderStates {
    RenderStates { write_mask: WriteMask::COLOR, depth_test: DepthTest::Always, blend, cull: Cull::None }
}

fn same(a: &Picture, b: &Picture) -> bool {
    match (&a.ready.image, &b.ready.image) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => Arc::ptr_eq(&a.ready.sorted, &b.ready.sorted) && a.view.same(&b.view),
        _ => false,
    }
}

fn texture<T: three_d::TextureDataType>(context: &Context, w: u32, h: u32, filter: Interpolation) -> Texture2D {
    Texture2D::new_empty::<T>(context, w, h, filter, filter, None, Wrapping::ClampToEdge, Wrapping::ClampToEdge)
}
