//! Colours as people see and name them: CIE Lab (D65) and plain colour words.

/// sRGB (0..255) to CIE L*a*b*, D65 white (IEC 61966-2-1, CIE 15).
pub fn lab(rgb: [u8; 3]) -> [f32; 3] {
    let lin = rgb.map(|c| {
        let c = f32::from(c) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    });
    let f = |t: f32| if t > 0.008_856_452 { t.cbrt() } else { t * 7.787_037 + 16.0 / 116.0 };
    let x = f((0.412_456_4 * lin[0] + 0.357_576_1 * lin[1] + 0.180_437_5 * lin[2]) / 0.950_47);
    let y = f(0.212_672_9 * lin[0] + 0.715_152_2 * lin[1] + 0.072_175 * lin[2]);
    let z = f((0.019_333_9 * lin[0] + 0.119_192 * lin[1] + 0.950_304_1 * lin[2]) / 1.088_83);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// All 2^15 colours of five bits a channel in Lab: fast enough for every pixel, good to about one unit.
pub fn lab_table() -> Vec<[f32; 3]> {
    (0..1usize << 15)
        .map(|i| lab([(i >> 10) & 31, (i >> 5) & 31, i & 31].map(|c| ((c << 3) | (c >> 2)) as u8)))
        .collect()
}

/// Index of a colour in [`lab_table`].
pub fn lab_index(rgb: [u8; 3]) -> usize {
    (usize::from(rgb[0] >> 3) << 10) | (usize::from(rgb[1] >> 3) << 5) | usize::from(rgb[2] >> 3)
}

/// The plain word for a Lab colour: lightness for greys, hue angle for the rest, with brown and beige as the dark and
/// the pale of orange and yellow, pink as the pale of red (basic colour terms of Berlin & Kay).
pub fn color_word(c: [f32; 3]) -> &'static str {
    let [l, a, b] = c;
    let chroma = a.hypot(b);
    if l < 18.0 && chroma < 14.0 {
        return "black";
    }
    if chroma < 9.0 || (chroma < 12.0 && l < 30.0) {
        return match l {
            l if l < 22.0 => "black",
            l if l < 42.0 => "dark grey",
            l if l < 68.0 => "grey",
            l if l < 82.0 => "light grey",
            _ => "white",
        };
    }
    let hue = b.atan2(a).to_degrees().rem_euclid(360.0);
    match hue {
        h if !(15.0..345.0).contains(&h) && l > 58.0 => "pink",
        h if !(38.0..345.0).contains(&h) => {
            if l > 65.0 {
                "pink"
            } else if chroma < 28.0 && l < 48.0 {
                "brown"
            } else {
                "red"
            }
        }
        h if h < 68.0 => {
            if l > 68.0 && chroma < 32.0 {
                "beige"
            } else if l < 58.0 || chroma < 32.0 {
                "brown"
            } else {
                "orange"
            }
        }
        h if h < 105.0 => {
            if chroma < 30.0 && l > 62.0 {
                "beige"
            } else if l < 52.0 {
                if h < 88.0 { "brown" } else { "olive" }
            } else {
                "yellow"
            }
        }
        h if h < 168.0 => "green",
        h if h < 230.0 => "turquoise",
        h if h < 300.0 => "blue",
        _ => "purple",
    }
}

/// The one or two colours that most of the samples have, most frequent first: a second is named where it has at least
/// 25 % of the samples. Empty without samples.
pub fn dominant_colors(samples: &[[f32; 3]]) -> Vec<&'static str> {
    let mut counts: Vec<(&'static str, usize)> = Vec::new();
    for s in samples {
        let word = color_word(*s);
        match counts.iter_mut().find(|c| c.0 == word) {
            Some(c) => c.1 += 1,
            None => counts.push((word, 1)),
        }
    }
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let enough = samples.len().div_ceil(4);
    counts.iter().take(2).enumerate().filter(|(i, c)| *i == 0 || c.1 >= enough).map(|(_, c)| c.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lab_of_known_colours() {
        for (rgb, want) in [
            ([255, 255, 255], [100.0, 0.0, 0.0]),
            ([255, 0, 0], [53.24, 80.09, 67.2]),
            ([0, 0, 255], [32.3, 79.19, -107.86]),
        ] {
            let got = lab(rgb);
            assert!((0..3).all(|k| (got[k] - want[k] as f32).abs() < 0.1), "{rgb:?} {got:?}");
        }
        let table = lab_table();
        assert!((table[lab_index([200, 100, 50])][0] - lab([200, 100, 50])[0]).abs() < 3.0);
    }

    #[test]
    fn words() {
        for (rgb, word) in [
            ([250, 250, 250], "white"),
            ([10, 10, 12], "black"),
            ([128, 128, 128], "grey"),
            ([220, 30, 30], "red"),
            ([30, 140, 40], "green"),
            ([40, 70, 200], "blue"),
            ([240, 215, 40], "yellow"),
            ([240, 140, 30], "orange"),
            ([110, 70, 40], "brown"),
            ([225, 205, 170], "beige"),
            ([245, 160, 180], "pink"),
            ([120, 40, 150], "purple"),
        ] {
            assert_eq!(color_word(lab(rgb)), word, "{rgb:?}");
        }
        let (red, blue) = (lab([220, 30, 30]), lab([40, 70, 200]));
        assert_eq!(dominant_colors(&[red, red, red, blue]), ["red", "blue"]);
        assert_eq!(dominant_colors(&[red, red, red, red, blue]), ["red"]);
        assert!(dominant_colors(&[]).is_empty());
    }
}
