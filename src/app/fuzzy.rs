//! Finding a line by some of its letters.

/// How well `query` fits `text`: all its letters in this order, whatever their case; more for letters that follow one
/// another or begin a word, less for a long text. `None` where they are not in it. Spaces of the query are left out.
pub(super) fn score(query: &str, text: &str) -> Option<i32> {
    const FOLLOWS: i32 = 12;
    const BEGINS: i32 = 10;
    const NO: i32 = i32::MIN / 2;
    let lower = |s: &str| s.to_lowercase().chars().collect::<Vec<char>>();
    let text = lower(text);
    // Best score of the query so far that ends at each letter of the text.
    let mut ends: Option<Vec<i32>> = None;
    for wanted in lower(query).into_iter().filter(|c| !c.is_whitespace()) {
        let mut best_before = if ends.is_none() { 0 } else { NO };
        let mut now = vec![NO; text.len()];
        for (j, c) in text.iter().enumerate() {
            let before = j.checked_sub(1);
            let adjacent = before.and_then(|k| ends.as_ref()?.get(k).copied()).unwrap_or(NO);
            best_before = best_before.max(adjacent);
            if *c == wanted {
                let begins = before.and_then(|k| text.get(k)).is_none_or(|p| !p.is_alphanumeric());
                let jumped = best_before + if begins { BEGINS } else { 0 };
                now[j] = jumped.max(adjacent + FOLLOWS);
            }
        }
        ends = Some(now);
    }
    let Some(ends) = ends else { return Some(0) };
    let best = ends.into_iter().max().filter(|b| *b > NO / 2)?;
    Some(best * 16 - i32::try_from(text.len()).unwrap_or(i32::MAX / 32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn best<'a>(query: &str, lines: &[&'a str]) -> &'a str {
        lines.iter().max_by_key(|l| score(query, l)).unwrap()
    }

    #[test]
    fn words_and_runs_come_first() {
        let lines = ["Accept the instance and go on", "Back to the overview", "Show or hide boxes", "Export the scene"];
        assert_eq!(best("over", &lines), lines[1]);
        assert_eq!(best("hb", &lines), lines[2]);
        assert_eq!(best("EXP", &lines), lines[3]);
        assert_eq!(best("acc inst", &lines), lines[0]);
        assert!(score("box", "boxes") > score("box", "back of xylophone"));
        assert!(score("open", "Open") > score("open", "Open a folder of photos"));
        assert_eq!(score("xq", "Export"), None);
        assert_eq!(score("", "Export"), Some(0));
        assert_eq!(score("tt", "t"), None);
    }

    proptest! {
        #[test]
        fn fits_exactly_what_holds_its_letters_in_order(query in "[ab]{0,4}", text in "[abc ]{0,10}") {
            let mut rest = text.chars();
            let holds = query.chars().all(|q| rest.any(|c| c == q));
            prop_assert_eq!(score(&query, &text).is_some(), holds);
        }
    }
}
