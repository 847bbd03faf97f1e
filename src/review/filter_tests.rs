use super::*;
use crate::review::tests::instance;
use crate::scene::Instance;
use proptest::prelude::*;

fn any_test() -> impl Strategy<Value = Test> {
    let text = || any::<String>();
    let number = || prop::option::of(prop::num::f64::NORMAL | prop::num::f64::ZERO);
    prop_oneof![
        prop::sample::subsequence(State::ALL.to_vec(), 1..=8).prop_map(Test::Is),
        prop::collection::vec(any::<u32>(), 1..4).prop_map(Test::Id),
        prop::collection::vec(text(), 1..4).prop_map(Test::Label),
        prop::sample::subsequence(Reason::ALL.to_vec(), 1..=9).prop_map(Test::Reason),
        Just(Test::HasNote),
        (prop::sample::select(Measure::ALL.to_vec()), number(), number())
            .prop_map(|(m, low, high)| Test::Within(m, Range { low, high })),
        text().prop_map(Test::Word),
        "[-#a-z:,\" \\\\]{0,8}".prop_map(Test::Word),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        terms in prop::collection::vec((any::<bool>(), any_test()), 0..6)
    ) {
        let filter = Filter(terms.into_iter().map(|(negated, test)| Term { negated, test }).collect());
        prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
    }

    #[test]
    fn any_line_is_read_or_explained(line in ".*") {
        let (filter, hint) = Filter::understood(&line);
        prop_assert!(hint.is_none_or(|h| !h.is_empty()));
        prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
    }
}

fn item() -> Reviewed {
    let obb =
        crate::scene::OrientedBox::upright(nalgebra::Point3::origin(), nalgebra::Vector3::new(2.0, 0.5, 0.1), 0.3);
    let i = Instance { label: "Side table".into(), caption: "low: of oak".into(), score: 0.5, obb, ..instance(7) };
    Reviewed { note: "ask Ana".into(), ..Reviewed::new(i) }
}

fn holds(item: &Reviewed, line: &str) -> bool {
    Filter::parse(line).unwrap().matches(item, &Context::default())
}

#[test]
fn words_ranges_and_negation() {
    let i = item();
    for line in [
        "",
        "  ",
        "table OAK",
        "#7",
        "-#8",
        "is:kept is:unreviewed",
        "is:dropped,kept",
        "-is:accepted",
        "has:note",
        "label:\"side TABLE\"",
        "label:sofa,\"side table\"",
        "-label:side",
        "score:0.5",
        "score:0.4..",
        "score:..0.5",
        "size:..0.11 -size:..0.09",
        "views:0",
        "-agreement:0..1",
        "ana",
        "\"low: of\"",
        "-is:fixed",
        "label:\"side table",
    ] {
        assert!(holds(&i, line), "{line}");
    }
    for line in
        ["chair", "#8", "-table", "label:table", "is:verify", "score:0.6..", "agreement:0..1", "reason:duplicate"]
    {
        assert!(!holds(&i, line), "{line}");
    }
    let mut rejected = item();
    (rejected.verdict, rejected.reason) = (Verdict::Rejected, Some(Reason::Duplicate));
    assert!(holds(&rejected, "reason:box,duplicate is:rejected") && !holds(&rejected, "-reason:duplicate"));
}

#[test]
fn what_is_not_understood_is_said() {
    let hint = |line: &str| Filter::parse(line).unwrap_err();
    assert!(hint("is:acepted").starts_with("is: takes unreviewed, accepted,"));
    assert!(hint("scroe:0.3").starts_with("scroe: is not known. There are is, label, reason, has, score,"));
    assert!(hint("score:a..b").starts_with("score:a..b is no range: write score:0.3..0.7"));
    assert!(hint("score:nan").contains("no range"));
    assert!(hint("label:").starts_with("label: needs a label"));
    assert!(hint("has:notes").starts_with("has: takes note"));
    assert_eq!(Filter::understood("is:x chair").0, Filter::parse("chair").unwrap());
}
