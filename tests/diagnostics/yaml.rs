//! YAML as an editor sees it: scalars by the core schema of YAML 1.2, and where each value stands.

#![expect(clippy::wildcard_enum_match_arm, reason = "the parser's own enums, which may grow")]

use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Number, Value};

/// A file as JSON.
pub(crate) struct Document {
    pub(crate) value: Value,
    /// Where the keys and values stand, in bytes, with their JSON pointers.
    places: Vec<(Range<usize>, String)>,
    /// Pointers of aliases, with those of what they stand for.
    aliases: Vec<(String, String)>,
}

impl Document {
    /// `None` where the text is no YAML, or not a single document.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut builder = Builder::default();
        for event in Parser::new_from_str(text) {
            let Ok((event, span)) = event else { return None };
            builder.take(event, &span)?;
        }
        let value = builder.root?;
        Some(Self { value, places: builder.places, aliases: builder.aliases })
    }

    /// The pointer of the innermost key or value that stands at a byte.
    pub(crate) fn pointer_at(&self, offset: usize) -> &str {
        let around = self.places.iter().filter(|(range, _)| range.contains(&offset) || range.start == offset);
        around
            .min_by_key(|(range, pointer)| (range.len(), usize::MAX - pointer.len()))
            .map_or("", |(_, pointer)| pointer)
    }

    /// The pointer of what an alias at this pointer stands for.
    pub(crate) fn behind_aliases(&self, pointer: &str) -> String {
        let mut pointer = pointer.to_owned();
        while let Some((from, to)) = self.aliases.iter().find(|(from, _)| is_within(&pointer, from)) {
            pointer = format!("{to}{}", &pointer[from.len()..]);
        }
        pointer
    }
}

/// Whether a pointer leads to, or into, what another leads to.
pub(crate) fn is_within(pointer: &str, outer: &str) -> bool {
    pointer.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: BTreeMap<usize, (Value, String)>,
    root: Option<Value>,
    places: Vec<(Range<usize>, String)>,
    aliases: Vec<(String, String)>,
    aliased: usize,
}

/// A small file of aliases of aliases would fill the memory.
const MAX_ALIASED_NODES: usize = 10_000;

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum(),
        Value::Object(map) => map.values().map(nodes).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

struct Open {
    start: usize,
    anchor: usize,
    pointer: String,
    collection: Collection,
}

enum Collection {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Option<()> {
        let range = span.byte_range().unwrap_or(0..0);
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let value = match style {
                    ScalarStyle::Plain => plain(&text),
                    _ => Value::String(text.into_owned()),
                };
                self.finish(value, range, anchor);
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(Collection::List(Vec::new()), range.start, anchor)
            }
            Event::MappingStart(_, anchor, _) => {
                self.begin(Collection::Map(Map::new(), None), range.start, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.open.pop()?;
                let value = match open.collection {
                    Collection::List(items) => Value::Array(items),
                    Collection::Map(map, _) => Value::Object(map),
                };
                self.finish_at(value, open.start..range.end, open.anchor, open.pointer);
            }
            Event::Alias(anchor) => {
                let (value, to) = self.anchors.get(&anchor)?.clone();
                self.aliased += nodes(&value);
                if self.aliased > MAX_ALIASED_NODES {
                    return None;
                }
                let from = self.pointer();
                if !self.awaits_key() {
                    self.aliases.push((from, to));
                }
                self.finish(value, range, 0);
            }
            Event::DocumentStart(..) if self.root.is_some() => return None,
            _ => {}
        }
        Some(())
    }

    fn begin(&mut self, collection: Collection, start: usize, anchor: usize) {
        let pointer = self.pointer();
        self.open.push(Open { start, anchor, pointer, collection });
    }

    /// The pointer of the value that comes next.
    fn pointer(&self) -> String {
        match self.open.last() {
            None => String::new(),
            Some(open) => match &open.collection {
                Collection::List(items) => format!("{}/{}", open.pointer, items.len()),
                Collection::Map(_, Some(key)) => format!("{}/{}", open.pointer, escaped(key)),
                Collection::Map(_, None) => open.pointer.clone(),
            },
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last().map(|open| &open.collection), Some(Collection::Map(_, None)))
    }

    fn finish(&mut self, value: Value, range: Range<usize>, anchor: usize) {
        let pointer = self.pointer();
        self.finish_at(value, range, anchor, pointer);
    }

    fn finish_at(&mut self, value: Value, range: Range<usize>, anchor: usize, pointer: String) {
        if anchor != 0 {
            self.anchors.insert(anchor, (value.clone(), pointer.clone()));
        }
        let Some(open) = self.open.last_mut() else {
            self.places.push((range, pointer));
            self.root = Some(value);
            return;
        };
        match &mut open.collection {
            Collection::List(items) => items.push(value),
            Collection::Map(map, key) => match key.take() {
                None => {
                    let text = match value {
                        Value::String(text) => text,
                        other => other.to_string(),
                    };
                    self.places.push((range, format!("{pointer}/{}", escaped(&text))));
                    *key = Some(text);
                    return;
                }
                // Of two equal keys the first one stays, as in the decoder.
                Some(key) => {
                    map.entry(key).or_insert(value);
                }
            },
        }
        self.places.push((range, pointer));
    }
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// What a text without quotes is by the core schema.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits(unsigned)
        && let Ok(whole) = text.parse::<i64>()
    {
        return whole.into();
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let is_number = is_digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))
        && (is_digits(whole) && (part.is_empty() || is_digits(part)) || whole.is_empty() && is_digits(part));
    match text.parse::<f64>() {
        // JSON has no number beyond these.
        Ok(number) if is_number => {
            Number::from_f64(number.clamp(f64::MIN, f64::MAX)).map_or(Value::Null, Value::Number)
        }
        _ => Value::String(text.to_owned()),
    }
}
