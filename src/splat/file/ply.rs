//! The usual PLY of 3DGS: binary little-endian, one `vertex` per Gaussian, `x y z nx ny nz f_dc_0..2 f_rest_*`
//! (channel-major) `opacity` (logit) `scale_0..2` (ln) `rot_0..3` (w x y z).

use super::header::{Ply, Rows};
use super::{comments, finite};
use crate::scene::{Gaussians, sh_coefficients};

/// All Gaussians whose numbers are finite, exactly.
pub(super) fn encode(g: &Gaussians) -> Vec<u8> {
    let kept: Vec<usize> = (0..g.len()).filter(|&i| finite(g, i)).collect();
    let rest = sh_coefficients(g.sh_degree) - 1;
    let mut out = format!("ply\nformat binary_little_endian 1.0\n{}element vertex {}\n", comments(g), kept.len());
    let names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"].map(String::from);
    let rest_names = (0..3 * rest).map(|i| format!("f_rest_{i}"));
    let last = ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"].map(String::from);
    for name in names.into_iter().chain(rest_names).chain(last) {
        out.push_str(&format!("property float {name}\n"));
    }
    out.push_str("end_header\n");
    let mut out = out.into_bytes();
    for i in kept {
        let sh = g.sh_of(i);
        let channel_major = (0..3).flat_map(|c| sh[1..].iter().map(move |k| k[c]));
        let row = g.means[i].into_iter().chain([0.0; 3]).chain(sh[0]).chain(channel_major);
        for v in row.chain([g.opacity_logits[i]]).chain(g.log_scales[i]).chain(g.quats[i]) {
            out.extend(v.to_le_bytes());
        }
    }
    out
}

/// Properties in any order and of any scalar type, SH of degree 0 to 3; what is not known is passed over.
pub(super) fn decode(ply: &Ply) -> Result<Gaussians, String> {
    let rows: Rows = ply.rows("vertex")?;
    let mean = rows.columns(["x", "y", "z"])?;
    let scale = rows.columns(["scale_0", "scale_1", "scale_2"])?;
    let quat = rows.columns(["rot_0", "rot_1", "rot_2", "rot_3"])?;
    let opacity = rows.column("opacity")?;
    let dc = rows.columns(["f_dc_0", "f_dc_1", "f_dc_2"])?;
    let rest = rows.rest()?;
    let mut g = Gaussians { sh_degree: degree(rest.len())?, antialiased: ply.antialiased, ..Gaussians::default() };
    let per_channel = rest.len() / 3;
    for row in rows.iter() {
        g.means.push(mean.map(|c| c.get(row)));
        g.log_scales.push(scale.map(|c| c.get(row)));
        g.quats.push(quat.map(|c| c.get(row)));
        g.opacity_logits.push(opacity.get(row));
        g.sh.push(dc.map(|c| c.get(row)));
        g.sh.extend((0..per_channel).map(|k| [0, 1, 2].map(|c: usize| rest[c * per_channel + k].get(row))));
    }
    Ok(g)
}

/// The SH degree that has this many coefficients beside the first, over all channels.
pub(super) fn degree(rest: usize) -> Result<usize, String> {
    let fits = |d: &usize| 3 * (sh_coefficients(*d) - 1) == rest;
    (0..=3).find(fits).ok_or_else(|| format!("{rest} f_rest properties fit no SH degree from 0 to 3"))
}
