// Real spherical harmonics up to degree 3, in the order and signs of 3DGS (Kerbl et al. 2023; Ramamoorthi 2001).

const C0: f32 = 0.2820947918;
const C1: f32 = 0.48860251;
const C2: array<f32, 5> = array(1.0925484, -1.0925484, 0.31539157, -1.0925484, 0.5462742);
const C3: array<f32, 7> =
    array(-0.5900436, 2.8906114, -0.4570458, 0.37317633, -0.4570458, 1.4453057, -0.5900436);

fn coefficients(degree: u32) -> u32 {
    return (degree + 1u) * (degree + 1u);
}

// The basis functions at a unit direction; those above `degree` are 0.
fn basis(degree: u32, d: vec3<f32>) -> array<f32, 16> {
    var b: array<f32, 16>;
    let x = d.x;
    let y = d.y;
    let z = d.z;
    let xx = x * x;
    let yy = y * y;
    let zz = z * z;
    b[0] = C0;
    if degree >= 1u {
        b[1] = -C1 * y;
        b[2] = C1 * z;
        b[3] = -C1 * x;
    }
    if degree >= 2u {
        b[4] = C2[0] * x * y;
        b[5] = C2[1] * y * z;
        b[6] = C2[2] * (2.0 * zz - xx - yy);
        b[7] = C2[3] * x * z;
        b[8] = C2[4] * (xx - yy);
    }
    if degree >= 3u {
        b[9] = C3[0] * y * (3.0 * xx - yy);
        b[10] = C3[1] * x * y * z;
        b[11] = C3[2] * y * (4.0 * zz - xx - yy);
        b[12] = C3[3] * z * (2.0 * zz - 3.0 * xx - 3.0 * yy);
        b[13] = C3[4] * x * (4.0 * zz - xx - yy);
        b[14] = C3[5] * z * (xx - yy);
        b[15] = C3[6] * x * (xx - 3.0 * yy);
    }
    return b;
}

// Gradient by the direction of the sum of the basis functions times `by`.
fn basis_gradient(degree: u32, d: vec3<f32>, by: array<f32, 16>) -> vec3<f32> {
    let x = d.x;
    let y = d.y;
    let z = d.z;
    let xx = x * x;
    let yy = y * y;
    let zz = z * z;
    var g = vec3(0.0);
    if degree >= 1u {
        g += C1 * vec3(-by[3], -by[1], by[2]);
    }
    if degree >= 2u {
        g += by[4] * C2[0] * vec3(y, x, 0.0);
        g += by[5] * C2[1] * vec3(0.0, z, y);
        g += by[6] * C2[2] * vec3(-2.0 * x, -2.0 * y, 4.0 * z);
        g += by[7] * C2[3] * vec3(z, 0.0, x);
        g += by[8] * C2[4] * vec3(2.0 * x, -2.0 * y, 0.0);
    }
    if degree >= 3u {
        g += by[9] * C3[0] * vec3(6.0 * x * y, 3.0 * xx - 3.0 * yy, 0.0);
        g += by[10] * C3[1] * vec3(y * z, x * z, x * y);
        g += by[11] * C3[2] * vec3(-2.0 * x * y, 4.0 * zz - xx - 3.0 * yy, 8.0 * y * z);
        g += by[12] * C3[3] * vec3(-6.0 * x * z, -6.0 * y * z, 6.0 * zz - 3.0 * xx - 3.0 * yy);
        g += by[13] * C3[4] * vec3(4.0 * zz - 3.0 * xx - yy, -2.0 * x * y, 8.0 * x * z);
        g += by[14] * C3[5] * vec3(2.0 * x * z, -2.0 * y * z, xx - yy);
        g += by[15] * C3[6] * vec3(3.0 * xx - 3.0 * yy, -6.0 * x * y, 0.0);
    }
    return g;
}
