//! Tensors as this program holds them: dense, row-major.

use half::f16;
use std::borrow::Cow;

/// The numbers of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// 32-bit floats; also what half and double precision become when they are read.
    F32(Vec<f32>),
    /// Half precision, where a model's input asks for it.
    F16(Vec<f16>),
    /// 64-bit integers; also what 32-bit integers become when they are read.
    I64(Vec<i64>),
    /// 32-bit integers, where a model's input asks for them.
    I32(Vec<i32>),
    /// Bytes.
    U8(Vec<u8>),
    /// Truth values.
    Bool(Vec<bool>),
}

/// A dense array, row-major: the last dimension runs fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Sizes, outermost first; empty for a scalar.
    pub dims: Vec<usize>,
    /// As many numbers as the product of `dims`.
    pub data: Data,
}

impl Tensor {
    /// A tensor of floats.
    pub fn f32(dims: &[usize], data: Vec<f32>) -> Self {
        Self { dims: dims.to_vec(), data: Data::F32(data) }
    }

    /// A tensor of 64-bit integers.
    pub fn i64(dims: &[usize], data: Vec<i64>) -> Self {
        Self { dims: dims.to_vec(), data: Data::I64(data) }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether there are none: a model that found nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values as floats, whatever they are stored as.
    pub fn to_f32(&self) -> Cow<'_, [f32]> {
        match &self.data {
            Data::F32(v) => Cow::Borrowed(v),
            Data::F16(v) => v.iter().map(|x| x.to_f32()).collect(),
            Data::I64(v) => v.iter().map(|x| *x as f32).collect(),
            Data::I32(v) => v.iter().map(|x| *x as f32).collect(),
            Data::U8(v) => v.iter().map(|x| f32::from(*x)).collect(),
            Data::Bool(v) => v.iter().map(|x| f32::from(u8::from(*x))).collect(),
        }
    }

    /// The values as integers; floats are rounded.
    pub fn to_i64(&self) -> Vec<i64> {
        match &self.data {
            Data::I64(v) => v.clone(),
            Data::I32(v) => v.iter().map(|x| i64::from(*x)).collect(),
            _ => self.to_f32().iter().map(|x| x.round() as i64).collect(),
        }
    }

    /// Whether every value is a finite number.
    pub fn is_finite(&self) -> bool {
        match &self.data {
            Data::F32(v) => v.iter().all(|x| x.is_finite()),
            Data::F16(v) => v.iter().all(|x| x.is_finite()),
            _ => true,
        }
    }
}
