//! Real spherical harmonics up to degree 3, in the order and signs of 3DGS (Kerbl et al. 2023; Ramamoorthi 2001).

const C1: f32 = 0.488_602_51;
const C2: [f32; 5] = [1.092_548_4, -1.092_548_4, 0.315_391_57, -1.092_548_4, 0.546_274_2];
const C3: [f32; 7] = [-0.590_043_6, 2.890_611_4, -0.457_045_8, 0.373_176_33, -0.457_045_8, 1.445_305_7, -0.590_043_6];

/// The basis functions at unit direction `d`; those above `degree` are 0.
pub(crate) fn basis(degree: usize, d: [f32; 3]) -> [f32; 16] {
    let [x, y, z] = d;
    let mut b = [0.0; 16];
    b[0] = crate::scene::SH_C0;
    if degree >= 1 {
        b[1] = -C1 * y;
        b[2] = C1 * z;
        b[3] = -C1 * x;
    }
    let (xx, yy, zz) = (x * x, y * y, z * z);
    if degree >= 2 {
        b[4] = C2[0] * x * y;
        b[5] = C2[1] * y * z;
        b[6] = C2[2] * (2.0 * zz - xx - yy);
        b[7] = C2[3] * x * z;
        b[8] = C2[4] * (xx - yy);
    }
    if degree >= 3 {
        b[9] = C3[0] * y * (3.0 * xx - yy);
        b[10] = C3[1] * x * y * z;
        b[11] = C3[2] * y * (4.0 * zz - xx - yy);
        b[12] = C3[3] * z * (2.0 * zz - 3.0 * xx - 3.0 * yy);
        b[13] = C3[4] * x * (4.0 * zz - xx - yy);
        b[14] = C3[5] * z * (xx - yy);
        b[15] = C3[6] * x * (xx - 3.0 * yy);
    }
    b
}

/// Derivatives of [`basis`] by the direction, each of the 16 a gradient in x, y, z.
pub(crate) fn basis_gradient(degree: usize, d: [f32; 3]) -> [[f32; 3]; 16] {
    let [x, y, z] = d;
    let mut g = [[0.0; 3]; 16];
    if degree >= 1 {
        g[1] = [0.0, -C1, 0.0];
        g[2] = [0.0, 0.0, C1];
        g[3] = [-C1, 0.0, 0.0];
    }
    let (xx, yy, zz) = (x * x, y * y, z * z);
    if degree >= 2 {
        g[4] = [C2[0] * y, C2[0] * x, 0.0];
        g[5] = [0.0, C2[1] * z, C2[1] * y];
        g[6] = [-2.0 * C2[2] * x, -2.0 * C2[2] * y, 4.0 * C2[2] * z];
        g[7] = [C2[3] * z, 0.0, C2[3] * x];
        g[8] = [2.0 * C2[4] * x, -2.0 * C2[4] * y, 0.0];
    }
    if degree >= 3 {
        let s = |c: f32, v: [f32; 3]| v.map(|e| c * e);
        g[9] = s(C3[0], [6.0 * x * y, 3.0 * xx - 3.0 * yy, 0.0]);
        g[10] = s(C3[1], [y * z, x * z, x * y]);
        g[11] = s(C3[2], [-2.0 * x * y, 4.0 * zz - xx - 3.0 * yy, 8.0 * y * z]);
        g[12] = s(C3[3], [-6.0 * x * z, -6.0 * y * z, 6.0 * zz - 3.0 * xx - 3.0 * yy]);
        g[13] = s(C3[4], [4.0 * zz - 3.0 * xx - yy, -2.0 * x * y, 8.0 * x * z]);
        g[14] = s(C3[5], [2.0 * x * z, -2.0 * y * z, xx - yy]);
        g[15] = s(C3[6], [3.0 * xx - 3.0 * yy, -6.0 * x * y, 0.0]);
    }
    g
}
