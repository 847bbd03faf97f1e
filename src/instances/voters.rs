//! Which pixels have a say about what a thing is made of: those where the depth of the splats and that of the mesh agree.
//! At outlines, on glass and where few photos look, the two differ, and the voxel behind a pixel of a mask may be of the wall
//! behind the thing. How far they may differ is a voxel of the mesh, see [`crate::geometry::agreement::agreement`].

use super::LiftOptions;
use crate::perception::cloud::Cloud;
use image::GrayImage;

/// Takes what photos see at pixels that do not agree out of the cloud's `seen`: those photos neither say that a voxel there is in
/// a mask nor that it is outside. `agreement` has one entry a view, 0 where splats and mesh differ; without one a view keeps
/// all. Returns the number of views that were thinned out.
pub fn only_agreed(
    cloud: &mut Cloud,
    agreement: &[Option<GrayImage>],
    sizes: &[(u32, u32)],
    options: &LiftOptions,
) -> usize {
    let mut thinned = 0;
    for ((seen, agreement), (width, height)) in cloud.seen.iter_mut().zip(agreement).zip(sizes) {
        let Some(agreement) = agreement else { continue };
        let nearest = |v: u16, from: u32, to: u32| (u32::from(v) * to / from.max(1)).min(to.saturating_sub(1));
        let agrees = |x: u16, y: u16| {
            let at = (nearest(x, *width, agreement.width()), nearest(y, *height, agreement.height()));
            agreement.get_pixel_checked(at.0, at.1).is_some_and(|p| p[0] > 0)
        };
        let agreed = seen.iter().filter(|h| agrees(h.x, h.y)).count();
        if agreed as f64 >= options.least_agreed * seen.len() as f64 {
            seen.retain(|h| agrees(h.x, h.y));
            thinned += 1;
        }
    }
    thinned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perception::testing::{room, views};
    use crate::scene::Quiet;
    use image::Luma;

    #[test]
    fn photos_have_no_say_where_splats_and_mesh_differ() {
        let shots = room(0.005);
        let v = views(&shots);
        let mut cloud = Cloud::fuse(&v, 1.0, &Quiet).unwrap();
        let before = cloud.seen.clone();
        let sizes: Vec<(u32, u32)> = v.iter().map(|v| (v.depth.width, v.depth.height)).collect();
        // The first photo agrees right of column 50 of 200, at half the size; the second hardly anywhere; the others are not known.
        let mut agreement = vec![None; v.len()];
        agreement[0] = Some(GrayImage::from_fn(100, 75, |x, _| Luma([if x >= 25 { 255 } else { 0 }])));
        agreement[1] = Some(GrayImage::from_fn(200, 150, |x, _| Luma([if x >= 190 { 255 } else { 0 }])));
        assert_eq!(only_agreed(&mut cloud, &agreement, &sizes, &LiftOptions::default()), 1);
        let expected: Vec<_> = before[0].iter().copied().filter(|h| h.x >= 50).collect();
        assert!(expected.len() < before[0].len() && cloud.seen[0] == expected);
        assert_eq!(cloud.seen[1..], before[1..]);
    }
}
