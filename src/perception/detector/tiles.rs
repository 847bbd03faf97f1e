//! Large photos in overlapping tiles, for things that are small in them.

use super::nms::Found;

/// A part of a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// A photo is cut where its longer side is more than this many times what the model sees, and tiles are at most as long.
const TIMES: u32 = 2;

/// Share of a tile's side that two neighbours have in common: what is smaller than that is whole in one of them.
const SHARED: f64 = 0.2;

/// A box this near to a side of its tile, as a share of the tile, is taken to be cut off by it.
const CUT: f64 = 0.005;

/// The tiles of a photo of `size`, row by row, where a model sees `seen` pixels of the longer side; none where the photo is
/// small enough to be looked at as a whole.
pub(super) fn of((width, height): (u32, u32), seen: usize) -> Vec<Tile> {
    let side = TIMES.saturating_mul(u32::try_from(seen).unwrap_or(u32::MAX));
    if side == 0 || width.max(height) <= side {
        return Vec::new();
    }
    let down = spans(height, side);
    let across = spans(width, side);
    down.iter().flat_map(|&(y, height)| across.iter().map(move |&(x, width)| Tile { x, y, width, height })).collect()
}

/// Starts and lengths along one axis: as few as reach, all of one length, evenly spread.
fn spans(length: u32, side: u32) -> Vec<(u32, u32)> {
    if length <= side {
        return vec![(0, length)];
    }
    let step = f64::from(side) * (1.0 - SHARED);
    let count = (f64::from(length - side) / step).ceil() as u32 + 1;
    (0..count)
        .map(|k| ((f64::from(length - side) * f64::from(k) / f64::from(count - 1)).round() as u32, side))
        .collect()
}

impl Tile {
    /// A box in the pixels of the photo; `None` where a side of the tile that is not the photo's cuts it.
    pub(super) fn to_photo(self, found: Found, (width, height): (u32, u32)) -> Option<Found> {
        let [x, y, w, h] = [self.x, self.y, self.width, self.height].map(f64::from);
        let [x0, y0, x1, y1] = found.bounds;
        let cut = (x0 <= w * CUT && self.x > 0)
            || (y0 <= h * CUT && self.y > 0)
            || (x1 >= w * (1.0 - CUT) && self.x + self.width < width)
            || (y1 >= h * (1.0 - CUT) && self.y + self.height < height);
        (!cut).then_some(Found { bounds: [x0 + x, y0 + y, x1 + x, y1 + y], ..found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_a_photo_and_overlap() {
        assert!(of((1280, 720), 640).is_empty());
        assert!(of((0, 0), 640).is_empty());
        // 3000 is 1280 and two steps of 860 (at most 1024): starts 0, 860, 1720; 2000 is one step of 720.
        let tiles = of((3000, 2000), 640);
        let xs: Vec<u32> = tiles.iter().take(3).map(|t| t.x).collect();
        assert_eq!((tiles.len(), xs), (6, vec![0, 860, 1720]));
        assert_eq!(tiles[5], Tile { x: 1720, y: 720, width: 1280, height: 1280 });
        assert_eq!(of((1300, 300), 640).iter().map(|t| (t.x, t.height)).collect::<Vec<_>>(), [(0, 300), (20, 300)]);
    }

    #[test]
    fn what_a_tile_cuts_off_is_left_to_its_neighbour() {
        let tile = Tile { x: 100, y: 0, width: 200, height: 100 };
        let found = |bounds| Found { bounds, class: 0, score: 1.0 };
        let photo = |bounds| tile.to_photo(found(bounds), (400, 100)).map(|f| f.bounds);
        assert_eq!(photo([20.0, 0.0, 60.0, 100.0]), Some([120.0, 0.0, 160.0, 100.0]));
        assert_eq!(photo([0.0, 10.0, 60.0, 50.0]), None);
        assert_eq!(photo([50.0, 10.0, 199.5, 50.0]), None);
    }
}
