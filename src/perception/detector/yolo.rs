//! The layouts of YOLO's one tensor, told apart by its sizes and those of the picture.

use super::decode::{Decoded, Wanted, cells, corners, four};
use super::nms::Found;
use crate::models::{ModelError, Outputs};

/// Strides of the usual models, of those with a level more for large things, and with one for small things.
const LEVELS: [&[usize]; 3] = [&[8, 16, 32], &[8, 16, 32, 64], &[4, 8, 16, 32]];

/// Shapes of boxes that YOLOv5 and v7 expect at a cell.
const ANCHORS: usize = 3;

/// How one tensor of rows or columns is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// `[1, 4 + C, A]`: v8, v9, v11, YOLO-World.
    Columns,
    /// `[1, A, 5 + C]` with a score for there being a thing: v5, v6, v7.
    Rows,
    /// `[1, N, 6]`: corners, score, class; v10, and suppression in the graph.
    Finished,
    /// `[N, 7]`: number of the picture, corners, class, score; v7 with suppression in the graph.
    Numbered,
    /// `[1, N, 4 + C]` relative to the picture: Ultralytics' RT-DETR.
    Queries,
}

/// The order of a tensor `[1, a, b]` of which the last `masks` numbers of a box are coefficients of masks.
fn order(a: usize, b: usize, canvas: [usize; 2], masks: usize, classes: Option<usize>) -> Option<Order> {
    let all = |strides: &[usize]| strides.iter().map(|s| (canvas[0] / s) * (canvas[1] / s)).sum::<usize>();
    let cells = |n: usize| LEVELS.iter().any(|strides| all(strides) == n);
    let anchored = |n: usize| n.is_multiple_of(ANCHORS) && cells(n / ANCHORS);
    let fits = |columns: usize, own: usize| match classes {
        Some(c) => columns == own + c + masks,
        None => columns > own + masks,
    };
    if cells(b) && fits(a, 4) {
        Some(Order::Columns)
    } else if (anchored(a) || cells(a)) && fits(b, 5) {
        Some(Order::Rows)
    } else if b == 6 + masks {
        Some(Order::Finished)
    } else if fits(b, 4) && a < 10 * b {
        Some(Order::Queries)
    } else {
        None
    }
}

/// A model whose one tensor is decoded.
pub(super) fn one_tensor(outputs: &Outputs, canvas: [usize; 2], wanted: &Wanted) -> Result<Decoded, ModelError> {
    let strange = || outputs.unexpected("one tensor of YOLO's boxes");
    let mut tensors = outputs.iter().map(|(_, t)| t);
    let tensor = tensors.next().ok_or_else(strange)?;
    let masks = tensors.find(|t| t.dims.len() == 4).map_or(0, |t| t.dims[1]);
    let values = tensor.to_f32();
    let (rows, columns, order) = match tensor.dims.as_slice() {
        &[n, 7] => (n, 7, Order::Numbered),
        &[n, 6] => (n, 6, Order::Finished),
        // Nothing found.
        &[1, n, m] if n * m == 0 => return Ok(Decoded::default()),
        &[1, a, b] => (a, b, order(a, b, canvas, masks, wanted.classes).ok_or_else(strange)?),
        _ => return Err(strange()),
    };
    let finished = matches!(order, Order::Finished | Order::Numbered | Order::Queries);
    let mut out = Decoded { finished, ..Decoded::default() };
    let sides = [canvas[0] as f64, canvas[1] as f64];
    match order {
        Order::Columns => {
            let classes = rows - 4 - masks;
            let at = |row: usize, k: usize| f64::from(values[row * columns + k]);
            for k in 0..columns {
                let bounds = corners([0, 1, 2, 3].map(|row| at(row, k)));
                out.add_all(bounds, (0..classes).map(|c| at(4 + c, k)), wanted.least);
            }
            out.classes = Some(classes);
        }
        Order::Rows => {
            for row in values.chunks_exact(columns) {
                let thing = f64::from(row[4]);
                let scores = row[5..columns - masks].iter().map(|s| f64::from(*s) * thing);
                out.add_all(corners(four(row)), scores, wanted.least);
            }
            out.classes = Some(columns - 5 - masks);
        }
        Order::Finished => {
            out.found.extend(values.chunks_exact(columns).filter_map(|r| found(four(r), r[4], r[5])));
        }
        Order::Numbered => {
            out.found.extend(values.chunks_exact(columns).filter_map(|r| found(four(&r[1..]), r[6], r[5])));
        }
        Order::Queries => {
            for row in values.chunks_exact(columns) {
                let bounds = corners(four(row));
                let scores = row[4..columns - masks].iter().map(|s| f64::from(*s));
                out.add_all([0, 1, 2, 3].map(|k| bounds[k] * sides[k % 2]), scores, wanted.least);
            }
            out.classes = Some(columns - 4 - masks);
        }
    }
    Ok(out)
}

impl Decoded {
    /// A box under every class that it is sure enough of.
    fn add_all(&mut self, bounds: [f64; 4], scores: impl Iterator<Item = f64>, least: f64) {
        let sure = scores.enumerate().filter(|(_, score)| *score >= least);
        self.found.extend(sure.map(|(class, score)| Found { bounds, class, score }));
    }
}

/// A finished box; `None` where its class is no number of a class.
fn found(bounds: [f64; 4], score: f32, class: f32) -> Option<Found> {
    (class >= 0.0).then(|| Found { bounds, class: class.round() as usize, score: f64::from(score) })
}

/// YOLOX (arXiv 2107.08430): a box a cell, its centre as an offset from the cell's corner and its size as a logarithm, both in
/// strides. Exports that are decoded have centres far beyond what an offset can be, and are taken as they are.
pub(super) fn grid(outputs: &Outputs, canvas: [usize; 2], wanted: &Wanted) -> Result<Decoded, ModelError> {
    let strange = || outputs.unexpected("one tensor [1, A, 5 + C] of YOLOX");
    let (_, tensor) = outputs.iter().next().ok_or_else(strange)?;
    let &[1, n, columns] = tensor.dims.as_slice() else { return Err(strange()) };
    if columns < 6 || n != cells((canvas[0], canvas[1])) {
        return Err(strange());
    }
    let values = tensor.to_f32();
    let farthest = values.chunks_exact(columns).fold(0.0f32, |m, row| m.max(row[0]).max(row[1]));
    let decoded = f64::from(farthest) > canvas[0].max(canvas[1]) as f64 / 2.0;
    let places = [8usize, 16, 32].into_iter().flat_map(|stride| {
        let across = canvas[0] / stride;
        (0..across * (canvas[1] / stride)).map(move |k| (stride as f64, (k % across) as f64, (k / across) as f64))
    });
    let mut out = Decoded { classes: Some(columns - 5), ..Decoded::default() };
    for (row, (stride, x, y)) in values.chunks_exact(columns).zip(places) {
        let [cx, cy, w, h] = four(row);
        let middle = if decoded {
            [cx, cy, w, h]
        } else {
            [(cx + x) * stride, (cy + y) * stride, w.exp() * stride, h.exp() * stride]
        };
        let thing = f64::from(row[4]);
        out.add_all(corners(middle), row[5..].iter().map(|s| f64::from(*s) * thing), wanted.least);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At 640 x 640 there are 6400 + 1600 + 400 cells.
    #[test]
    fn layouts_are_told_apart_by_their_sizes() {
        let at640 = |a, b, masks| order(a, b, [640, 640], masks, None);
        assert_eq!(at640(84, 8400, 0), Some(Order::Columns));
        assert_eq!(at640(116, 8400, 32), Some(Order::Columns));
        assert_eq!(at640(6, 8400, 0), Some(Order::Columns));
        assert_eq!(at640(25200, 85, 0), Some(Order::Rows));
        assert_eq!(at640(25200, 6, 0), Some(Order::Rows));
        assert_eq!(at640(8400, 85, 0), Some(Order::Rows));
        assert_eq!(at640(300, 6, 0), Some(Order::Finished));
        assert_eq!(at640(300, 38, 32), Some(Order::Finished));
        assert_eq!(at640(300, 84, 0), Some(Order::Queries));
        assert_eq!(at640(7000, 84, 0), None);
        // With a level more, and where the number of classes is known to be another.
        assert_eq!(order(84, 34000, [1280, 1280], 0, None), Some(Order::Columns));
        assert_eq!(order(84, 8400, [640, 640], 0, Some(20)), None);
    }
}
