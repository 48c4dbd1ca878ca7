//! What each code means, to be read by somebody who meets it for the first time: `explain/NUMBER.md`.
//!
//! Such a file begins with a title of one line; then come paragraphs, and examples in fences whose first line says
//! what they are: ```` ```yaml wrong ````, ```` ```text right lists/feed.txt ````. A file without a name is
//! `state.yaml`. Each wrong example gives its code and each right one no problem at all (tests/diagnostics.rs).

use super::Code;

/// What a code means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The code that is explained.
    pub code: Code,
    /// One line without a full stop.
    pub title: &'static str,
    /// What it means and why it matters; each may have several lines.
    pub paragraphs: Vec<&'static str>,
    /// The wrong ones first.
    pub examples: Vec<Example>,
}

/// A file, or commands of a shell, that give the code (wrong) or do not (right).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// Whether nothing is wrong with it; otherwise it gives the code.
    pub is_right: bool,
    /// `yaml`, `text` or `sh`.
    pub language: &'static str,
    /// Where several files make one example, it is no state, or it is not UTF-8.
    pub file: Option<&'static str>,
    /// Whether the file is saved as Latin-1 instead of UTF-8.
    pub is_latin1: bool,
    /// Whole lines.
    pub text: &'static str,
}

/// The explanation of a code.
pub fn explain(code: Code) -> Explanation {
    let (title, mut rest) = line(code.explained());
    let mut explanation = Explanation { code, title, paragraphs: Vec::new(), examples: Vec::new() };
    while !rest.is_empty() {
        rest = rest.trim_start_matches('\n');
        if let Some(fenced) = rest.strip_prefix("```") {
            let (about, body) = line(fenced);
            // A fence is always closed: a test looks at every text.
            let (text, after) = body.split_once("```\n").unwrap_or((body, ""));
            explanation.examples.push(example(about, text));
            rest = after;
        } else {
            let (paragraph, after) = rest.split_once("\n\n").unwrap_or((rest, ""));
            explanation.paragraphs.push(paragraph.trim_end());
            rest = after;
        }
    }
    explanation
}

fn line(text: &'static str) -> (&'static str, &'static str) {
    text.split_once('\n').unwrap_or((text, ""))
}

/// `about` is what stands behind the fence: `yaml wrong a.yaml latin-1`.
fn example(about: &'static str, text: &'static str) -> Example {
    let mut words = about.split(' ');
    let language = words.next().unwrap_or("");
    let is_right = words.next() == Some("right");
    let (file, is_latin1) = (words.next(), words.next() == Some("latin-1"));
    Example { is_right, language, file, is_latin1, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_explanation_is_whole() {
        for code in Code::ALL {
            let text = code.explained();
            let explanation = explain(*code);
            let Explanation { title, paragraphs, examples, .. } = &explanation;
            assert!(!title.is_empty() && !title.ends_with('.') && title.len() <= 80, "{code}: {title}");
            assert!(paragraphs.len() >= 2, "{code}: what it means, and why it matters");
            assert!(text.lines().filter(|line| line.starts_with("```")).count() == 2 * examples.len());
            for is_right in [false, true] {
                assert!(examples.iter().any(|example| example.is_right == is_right), "{code}: {is_right}");
            }
            assert!(
                examples.is_sorted_by_key(|example| example.is_right),
                "{code}: the wrong ones come first"
            );
            for example in examples {
                assert!(["yaml", "text", "sh"].contains(&example.language), "{code}: {example:?}");
                assert!(example.text.ends_with('\n'), "{code}: {example:?}");
            }
            let said: usize = examples.iter().map(|example| example.text.lines().count()).sum();
            let all =
                1 + paragraphs.iter().map(|it| it.lines().count()).sum::<usize>() + said + 2 * examples.len();
            let written = text.lines().filter(|line| !line.is_empty()).count();
            assert_eq!(all, written, "{code}: every line of it is shown");
        }
    }

    #[test]
    fn what_stands_behind_a_fence_is_understood() {
        let latin1 = explain(Code::NotUtf8).examples[0];
        assert!(!latin1.is_right && latin1.is_latin1);
        assert_eq!((latin1.language, latin1.file), ("yaml", Some("state.yaml")));
    }
}
