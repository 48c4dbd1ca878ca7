use globset::{Glob, GlobBuilder, GlobMatcher};
use proptest::prelude::*;

use super::*;

fn matches(text: &str, case: Case, name: &str) -> bool {
    NamePattern::new(text, case).unwrap().is_match(name)
}

#[test]
fn a_character_is_one_in_every_script() {
    for (text, name, with_case, without) in [
        ("сервер*", "СЕРВЕР-КД1", false, true),
        ("СЕРВЕР-КД1", "сервер-кд1", false, true),
        ("ДК-?", "ДК-Б", true, true),
        ("ДК-?", "ДК-", false, false),
        ("ДК-?", "ДК-ББ", false, false),
        ("[ДА]К-*", "ДК-Б", true, true),
        ("[а-я]К-*", "ДК-Б", false, true),
        ("[А-Я]К-*", "ДК-Б", true, true),
        ("[!А-Я]К-*", "ДК-Б", false, false),
        ("[!Ж]К-Б", "ДК-Б", true, true),
        ("{ж,дк}-?", "ДК-Б", false, true),
        ("\\ДК-Б", "ДК-Б", true, true),
        ("größe-?", "GRÖẞE-Ä", false, true),
        ("東京-?", "東京-二", true, true),
        ("?", "\u{1f4bb}", true, true),
    ] {
        assert_eq!(matches(text, Case::Counts, name), with_case, "{text} {name}");
        assert_eq!(matches(text, Case::Ignored, name), without, "{text} {name}, without case");
    }
}

#[test]
fn any_character_is_one_that_a_path_is_divided_by_too() {
    for name in ["a/b", "a\\b", "a.b", "a\nb"] {
        for text in ["a?b", "*", "a*b", "a[!x]b", "**"] {
            assert!(matches(text, Case::Counts, name), "{text} {name:?}");
        }
    }
    assert!(matches("a\\\\b", Case::Counts, "a\\b"));
    assert!(matches("a\\*b", Case::Counts, "a*b") && !matches("a\\*b", Case::Counts, "axb"));
}

#[test]
fn an_alternative_may_be_empty() {
    for (name, does) in [("dc", true), ("dc-old", true), ("dc-new", false), ("", false)] {
        assert_eq!(matches("dc{,-old}", Case::Counts, name), does, "{name}");
    }
}

#[test]
fn a_class_may_have_a_name() {
    assert!(matches("ws-[[:digit:]x]", Case::Counts, "ws-7"));
    assert!(matches("ws-[![:upper:]]", Case::Counts, "ws-7"));
    assert!(!matches("ws-[[:digit:]]", Case::Counts, "ws-x"));
    assert!(matches("ws-[[:]", Case::Counts, "ws-:"), "this is none");
    let unknown = NamePattern::new("[[:cyrillic:]]", Case::Counts).unwrap_err();
    assert_eq!(unknown, NamePatternError::UnknownClass("cyrillic".to_owned()));
}

#[test]
fn no_pattern_is_too_large_for_its_matcher() {
    for (text, is_right) in [
        ("dc*".to_owned(), true),
        ("?".repeat(1_000), true),
        ("[!a]".repeat(250), true),
        ("[!Б]".repeat(200), true),
        ("{a,b}".repeat(200), true),
        ("*a".repeat(500), true),
        ("?".repeat(3_000_000), false),
        ("[!a]".repeat(300_000), false),
        ("{a,b}".repeat(600_000), false),
        ("[".to_owned(), false),
    ] {
        let made = NamePattern::new(&text, Case::Ignored);
        assert_eq!(made.is_ok(), is_right, "{}", &text[..text.len().min(9)]);
        // Does not panic.
        made.iter().for_each(|pattern| assert!(!pattern.is_match("")));
    }
    for depth in [10, 90, 100, 101, 240, 300] {
        let nested = "{a,".repeat(depth) + &"}".repeat(depth);
        let made = NamePattern::new(&nested, Case::Counts);
        assert_eq!(made.is_ok(), depth <= 100, "{depth}");
        made.iter().for_each(|pattern| assert!(pattern.is_match("a")));
    }
}

/// What patterns are to another library, which knows ASCII alone.
fn others(text: &str, case: Case) -> Result<GlobMatcher, String> {
    let mut builder = GlobBuilder::new(text);
    builder.backslash_escape(true).empty_alternates(true).case_insensitive(case == Case::Ignored);
    builder.build().as_ref().map(Glob::compile_matcher).map_err(|error| error.kind().to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_ascii_a_pattern_is_what_others_take_it_for(
        text in r"[aAbB1.,*?\[\]{}!^\\-]{0,10}",
        is_exact in any::<bool>(),
        names in proptest::collection::vec(r"[aAbB1.,*?\[\]{}!^-]{0,5}", 20),
    ) {
        // Between the dividers of a path two stars are more than one.
        prop_assume!(!text.contains("**"));
        let case = if is_exact { Case::Counts } else { Case::Ignored };
        let ours = NamePattern::new(&text, case);
        match others(&text, case) {
            Err(why) => prop_assert_eq!(ours.err().map(|error| error.to_string()), Some(why)),
            Ok(theirs) => {
                let ours = ours.unwrap();
                for name in names.iter().chain([&text]) {
                    prop_assert_eq!(ours.is_match(name), theirs.is_match(name), "{}", name);
                }
            }
        }
    }
}
