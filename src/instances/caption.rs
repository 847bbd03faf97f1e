//! Captions from what is measured: colours, size, and what the thing stands on or hangs on.

use super::boxes::Fitted;
use crate::perception::cloud::Cloud;
use crate::perception::color::dominant_colors;

/// A sentence such as "a brown table about 1.1 by 0.7 by 0.8 m, standing on the floor", and the colour words in it.
pub(crate) fn describe(
    label: &str,
    fitted: &Fitted,
    under: Option<&str>,
    cloud: &Cloud,
    metric: bool,
) -> (String, Vec<&'static str>) {
    let step = (fitted.voxels.len() / 4000).max(1);
    let lab: Vec<[f32; 3]> = fitted.voxels.iter().step_by(step).map(|v| cloud.lab[*v as usize]).collect();
    let colors = dominant_colors(&lab);
    let adjective = colors.join(" and ");
    let name = if adjective.is_empty() { label.to_owned() } else { format!("{adjective} {label}") };
    let size = size_words(fitted.obb.size.into(), metric);
    let place = match (under, fitted.stands, fitted.at_wall) {
        (Some(u), _, _) => format!(", on {} {u}", article(u)),
        (None, Some(s), _) if s.is_floor && label.contains("on floor") => String::new(),
        (None, Some(s), wall) if s.is_floor => {
            format!(", standing on the floor{}", if wall { " against a wall" } else { "" })
        }
        (None, Some(_), _) => ", standing on a level surface".into(),
        (None, None, true) if label.contains("on wall") => String::new(),
        (None, None, true) => ", on a wall".into(),
        (None, None, false) => String::new(),
    };
    (format!("{} {name} {size}{place}", article(&name)), colors)
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// Sides in falling order, the height last: two for flat things, with the height for the others.
pub(super) fn size_words(size: [f64; 3], metric: bool) -> String {
    let (w, d, h) = (size[0].max(size[1]), size[0].min(size[1]), size[2]);
    let digits = |x: f64| {
        let places = if x >= 1.0 { 1 } else { 2 };
        format!("{x:.places$}")
    };
    let unit = if metric { "m" } else { "units" };
    if d < 0.12 * w.min(h) {
        format!("about {} wide and {} {unit} high", digits(w), digits(h))
    } else if h < 0.12 * d {
        format!("about {} by {} {unit}", digits(w), digits(d))
    } else {
        format!("about {} by {} {unit}, {} {unit} high", digits(w), digits(d), digits(h))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_words() {
        assert_eq!(size_words([0.7, 1.14, 0.8], true), "about 1.1 by 0.70 m, 0.80 m high");
        assert_eq!(size_words([0.03, 0.86, 0.61], true), "about 0.86 wide and 0.61 m high");
        assert_eq!(size_words([2.0, 1.4, 0.02], false), "about 2.0 by 1.4 units");
        assert_eq!((article("orange box"), article("table")), ("an", "a"));
    }
}
