//! Checkpoints as bytes: a header in JSON, the numbers of the Gaussians and of Adam, a checksum.

use super::super::backend::Parameters;
use super::super::options::TrainOptions;
use super::state::{Checkpoint, State};
use crate::scene::{Gaussians, sh_coefficients};
use crate::splat::{Moments, Motion};
use serde::{Deserialize, Serialize};

const MAGIC: &[u8; 8] = b"HSTRAIN1";
const CHECKSUM: usize = 32;

#[derive(Serialize, Deserialize)]
struct Header {
    /// What the training depends on.
    key: String,
    options: TrainOptions,
    state: State,
    gaussians: usize,
    sh_degree: usize,
    antialiased: bool,
}

impl Checkpoint {
    /// As a file: magic, length of the header (u64), header, little-endian numbers, BLAKE3 of all before it. `key` names
    /// what the training depends on beside its options.
    pub fn encode(&self, key: &str) -> Vec<u8> {
        let g = &self.parameters.gaussians;
        let header = Header {
            key: key.to_owned(),
            options: self.options.clone(),
            state: self.state.clone(),
            gaussians: g.len(),
            sh_degree: g.sh_degree,
            antialiased: g.antialiased,
        };
        let header = serde_json::to_vec(&header).unwrap_or_default();
        let mut out = MAGIC.to_vec();
        out.extend((header.len() as u64).to_le_bytes());
        out.extend(header);
        let Parameters { moments, motion, .. } = &self.parameters;
        for numbers in [
            g.means.as_flattened(),
            g.log_scales.as_flattened(),
            g.quats.as_flattened(),
            &g.opacity_logits,
            g.sh.as_flattened(),
            moments.moments.as_flattened(),
            &motion.sum,
        ] {
            out.extend_from_slice(bytemuck::cast_slice(numbers));
        }
        out.extend_from_slice(bytemuck::cast_slice(&moments.count));
        out.extend_from_slice(bytemuck::cast_slice(&motion.count));
        let checksum = blake3::hash(&out);
        out.extend(checksum.as_bytes());
        out
    }

    /// Reads what [`Checkpoint::encode`] wrote for the same key; `None` for anything else, torn or foreign.
    pub fn decode(bytes: &[u8], key: &str) -> Option<Self> {
        let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
        if blake3::hash(body).as_bytes() != checksum {
            return None;
        }
        let rest = body.strip_prefix(MAGIC)?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let (header, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let header: Header = serde_json::from_slice(header).ok().filter(|h: &Header| h.key == key)?;
        let (n, k) = (header.gaussians, sh_coefficients(header.sh_degree.min(3)));
        let mut rest = Numbers(rest);
        let mut gaussians = Gaussians {
            means: rest.take::<3>(n)?,
            log_scales: rest.take::<3>(n)?,
            quats: rest.take::<4>(n)?,
            sh_degree: header.sh_degree,
            antialiased: header.antialiased,
            ..Gaussians::default()
        };
        gaussians.opacity_logits = rest.take::<1>(n)?.into_iter().map(|[v]| v).collect();
        gaussians.sh = rest.take::<3>(n * k)?;
        let mut moments = Moments::new(&gaussians);
        moments.moments = rest.take::<2>(n * moments.stride)?;
        let mut motion = Motion::new(n);
        motion.sum = rest.take::<1>(n)?.into_iter().map(|[v]| v).collect();
        moments.count = rest.take::<1>(n)?.into_iter().map(|[v]| v.to_bits()).collect();
        motion.count = rest.take::<1>(n)?.into_iter().map(|[v]| v.to_bits()).collect();
        let parameters = Parameters { gaussians, moments, motion };
        rest.0.is_empty().then_some(Self { options: header.options, state: header.state, parameters })
    }
}

/// Little-endian numbers, read from the front.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn take<const N: usize>(&mut self, rows: usize) -> Option<Vec<[f32; N]>> {
        let (head, tail) = self.0.split_at_checked(rows.checked_mul(4 * N)?)?;
        self.0 = tail;
        let number = |b: &[u8]| f32::from_le_bytes(std::array::from_fn(|i| b[i]));
        Some(head.chunks_exact(4 * N).map(|row| std::array::from_fn(|k| number(&row[4 * k..]))).collect())
    }
}
