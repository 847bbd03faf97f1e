//! Eight f32 lanes, written so that the compiler keeps each in one AVX register.

use std::ops::{Add, AddAssign, Mul, Sub, SubAssign};

/// Eight neighbouring pixels of one row.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub(crate) struct F8(pub(crate) [f32; 8]);

impl F8 {
    pub(crate) const ZERO: Self = Self([0.0; 8]);
    pub(crate) const ONE: Self = Self([1.0; 8]);

    #[inline(always)]
    pub(crate) const fn splat(v: f32) -> Self {
        Self([v; 8])
    }

    #[inline(always)]
    fn zip(self, o: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let mut r = [0.0; 8];
        for i in 0..8 {
            r[i] = f(self.0[i], o.0[i]);
        }
        Self(r)
    }

    /// `self * b + c`.
    #[inline(always)]
    pub(crate) fn fma(self, b: Self, c: Self) -> Self {
        let mut r = [0.0; 8];
        for i in 0..8 {
            r[i] = self.0[i].mul_add(b.0[i], c.0[i]);
        }
        Self(r)
    }

    #[inline(always)]
    pub(crate) fn min(self, o: Self) -> Self {
        self.zip(o, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    pub(crate) fn max(self, o: Self) -> Self {
        self.zip(o, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    pub(crate) fn div(self, o: Self) -> Self {
        self.zip(o, |a, b| a / b)
    }

    /// `yes` where `a < b`, else `no`.
    #[inline(always)]
    pub(crate) fn where_lt(a: Self, b: Self, yes: Self, no: Self) -> Self {
        let mut r = [0.0; 8];
        for i in 0..8 {
            r[i] = if a.0[i] < b.0[i] { yes.0[i] } else { no.0[i] };
        }
        Self(r)
    }

    /// Whether `a < b` in any lane.
    #[inline(always)]
    pub(crate) fn any_lt(a: Self, b: Self) -> bool {
        let mut any = false;
        for i in 0..8 {
            any |= a.0[i] < b.0[i];
        }
        any
    }

    /// Sum of the lanes, always in the same order.
    #[inline(always)]
    pub(crate) fn sum(self) -> f32 {
        let a = self.0;
        ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    }

    /// `exp(-q / 2)` for `q` from 0 to about 80, relative error below 3e-7: 2^n by the exponent bits, 2^f by its
    /// Taylor series on [-0.5, 0.5].
    #[inline(always)]
    pub(crate) fn exp_half_neg(self) -> Self {
        const MAGIC: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer held in the low bits
        const K: f32 = -0.5 * std::f32::consts::LOG2_E;
        let mut r = [0.0; 8];
        for i in 0..8 {
            let x = self.0[i] * K;
            let t = x + MAGIC;
            let f = x - (t - MAGIC);
            let p = 1.540_353e-4f32
                .mul_add(f, 1.333_355_8e-3)
                .mul_add(f, 9.618_129e-3)
                .mul_add(f, 5.550_411e-2)
                .mul_add(f, 2.402_265e-1)
                .mul_add(f, 6.931_472e-1)
                .mul_add(f, 1.0);
            r[i] = f32::from_bits(p.to_bits().wrapping_add(t.to_bits() << 23));
        }
        Self(r)
    }
}

impl Add for F8 {
    type Output = Self;
    #[inline(always)]
    fn add(self, o: Self) -> Self {
        self.zip(o, |a, b| a + b)
    }
}

impl Sub for F8 {
    type Output = Self;
    #[inline(always)]
    fn sub(self, o: Self) -> Self {
        self.zip(o, |a, b| a - b)
    }
}

impl Mul for F8 {
    type Output = Self;
    #[inline(always)]
    fn mul(self, o: Self) -> Self {
        self.zip(o, |a, b| a * b)
    }
}

impl AddAssign for F8 {
    #[inline(always)]
    fn add_assign(&mut self, o: Self) {
        *self = *self + o;
    }
}

impl SubAssign for F8 {
    #[inline(always)]
    fn sub_assign(&mut self, o: Self) {
        *self = *self - o;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_agrees_with_std() {
        for i in 0..4000 {
            let q = i as f32 * 0.02;
            let (a, b) = (F8::splat(q).exp_half_neg().0[3], (-0.5 * f64::from(q)).exp() as f32);
            assert!((a - b).abs() <= 4e-6 * b, "{q}: {a} {b}");
        }
    }
}
