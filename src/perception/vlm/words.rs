//! Words of a model for things, as they are kept: one noun, in the singular, for a whole thing.

use crate::perception::{is_structural, vocabulary};

/// Longest name of a thing: words and characters. Longer ones are descriptions.
const MOST_WORDS: usize = 3;
const MOST_CHARACTERS: usize = 30;

/// Parts of things and of buildings, materials, and words that say nothing: no things, where the table of room words does
/// not know them as such.
const NO_THINGS: &str = "thing object item stuff unknown something other misc furniture appliance decoration decor room \
    space area scene background interior corner edge surface part piece light shadow reflection ground roof baseboard \
    skirting beam tile brick wood metal plastic fabric leather concrete marble stone steel ceramic cloth leg arm armrest \
    backrest headboard footboard handle knob hinge top bottom side back front frame cable cord wire button foot wheel \
    caster cushioning molding moulding trim person people man woman child hand";

/// A word of a model's as it is kept, or `None` where it does not name a whole thing.
pub(super) fn kept(word: &str) -> Option<String> {
    let tidy = vocabulary::tidy(word);
    let letters = tidy.chars().any(char::is_alphabetic);
    let short = tidy.chars().count() <= MOST_CHARACTERS && tidy.split(' ').count() <= MOST_WORDS;
    if !letters || !short || is_structural(&tidy) {
        return None;
    }
    let last = tidy.rsplit(' ').next().unwrap_or(&tidy);
    let known = vocabulary::canonical(&tidy).is_some();
    (known || !NO_THINGS.split_whitespace().any(|w| w == last)).then_some(tidy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_things_are_kept_in_the_singular() {
        for (word, want) in [
            ("Chairs", "chair"),
            (" a Potted_Plant ", "potted plant"),
            ("the bookshelves", "bookshelf"),
            ("3D printer", "3d printer"),
            ("cutlery holders", "cutlery holder"),
            ("scissors", "scissors"),
        ] {
            assert_eq!(kept(word).as_deref(), Some(want), "{word}");
        }
    }

    #[test]
    fn parts_materials_and_descriptions_are_not() {
        for word in [
            "",
            "  ",
            "42",
            "wall",
            "Floors",
            "ceiling",
            "object",
            "chair leg",
            "wood",
            "door handle",
            "people",
            "a very large wooden thing by the window",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "{\"a\"}: 1",
        ] {
            assert_eq!(kept(word), None, "{word}");
        }
    }
}
