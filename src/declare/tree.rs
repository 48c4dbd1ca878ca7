//! YAML text to a tree with places. Scalars stay the text that stands there: what `off`, `1e10` or `0123` is,
//! only the field that they stand in can say.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, Span};

use super::{bounded, syntax};
use crate::diagnostic::{Code, FileId, Place, Problem};

/// Collections within collections.
pub(super) const MAX_DEPTH: usize = 64;

/// How many nodes all aliases of a file may stand for together: a small file of aliases of aliases, or of one long
/// text, would otherwise keep every reader of the tree busy for hours.
const MAX_ALIASED_NODES: u64 = 5_000_000;

/// Bytes of a text that weigh as much as one node more.
const BYTES_OF_A_NODE: usize = 64;

/// A value and where it stands. Shared, so that an alias costs nothing.
pub(super) type Node<'s> = Rc<NodeAt<'s>>;

#[derive(Debug)]
pub(super) struct NodeAt<'s> {
    pub(super) place: Place,
    pub(super) value: Value<'s>,
}

#[derive(Debug)]
pub(super) enum Value<'s> {
    /// `key:` with nothing after it, `~` or `null`.
    Null,
    Text(Cow<'s, str>),
    List(Vec<Node<'s>>),
    Map(Map<'s>),
    /// Wrong, and already reported.
    Poisoned,
}

#[derive(Debug)]
pub(super) struct Map<'s> {
    pub(super) entries: Vec<Entry<'s>>,
    /// Whether an entry was left out because its key was wrong: then nobody can say what is missing.
    pub(super) is_partial: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Entry<'s> {
    pub(super) key: Key<'s>,
    pub(super) value: Node<'s>,
}

#[derive(Debug, Clone)]
pub(super) struct Key<'s> {
    pub(super) text: Cow<'s, str>,
    pub(super) place: Place,
}

/// What a file holds.
pub(super) enum Document<'s> {
    /// Nothing but comments.
    Empty,
    Root(Node<'s>),
    /// Not YAML; reported.
    Broken,
}

/// Keys that stand twice, aliases that lead nowhere and features that state files do not use are reported, and
/// reading goes on; a syntax error ends it.
pub(super) fn parse<'s>(file: FileId, text: &'s str, problems: &mut Vec<Problem>) -> Document<'s> {
    let options = granit_parser::options! {
        emit_unresolved_aliases: true,
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        // The limit is on the distance between a key and its colon; names of hosts are shorter.
        simple_key_max_lookahead: 1024,
    };
    let mut builder = Builder {
        file,
        text,
        problems,
        open: Vec::new(),
        anchors: BTreeMap::new(),
        aliased_nodes: 0,
        root: None,
        documents: 0,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => {
                if !builder.take(event, span) {
                    return Document::Broken;
                }
            }
            Err(error) => {
                let problem = syntax::problem(file, text, &error);
                builder.report(problem);
                return Document::Broken;
            }
        }
    }
    builder.root.map_or(Document::Empty, |whole| Document::Root(whole.node))
}

struct Builder<'s, 'p> {
    file: FileId,
    text: &'s str,
    problems: &'p mut Vec<Problem>,
    open: Vec<Open<'s>>,
    /// By the number that the parser gives an anchor; `None` while its collection is still open.
    anchors: BTreeMap<usize, Option<Whole<'s>>>,
    aliased_nodes: u64,
    root: Option<Whole<'s>>,
    documents: usize,
}

/// A finished node with what it weighs when an alias stands for it.
#[derive(Clone)]
struct Whole<'s> {
    node: Node<'s>,
    nodes: u64,
    depth: usize,
}

/// A collection that has begun.
struct Open<'s> {
    start: usize,
    anchor: usize,
    collection: Collection<'s>,
    nodes: u64,
    depth: usize,
}

enum Collection<'s> {
    List(Vec<Node<'s>>),
    Map {
        entries: Vec<Entry<'s>>,
        is_partial: bool,
        seen: BTreeMap<Cow<'s, str>, Place>,
        key: PendingKey<'s>,
    },
}

enum PendingKey<'s> {
    None,
    Known(Key<'s>),
    /// Reported; its value is read and forgotten.
    Refused,
}

impl<'s> Builder<'s, '_> {
    /// Whether to go on.
    fn take(&mut self, event: Event<'s>, span: Span) -> bool {
        let range = span.byte_range().unwrap_or(0..0);
        let place = Place::new(self.file, range.start, range.end);
        if let (Some(_), Some(tag)) = (event.tag(), span.tag_span().and_then(|tag| tag.byte_range())) {
            self.report(
                Problem::new(Code::YamlFeature, "a state file uses no YAML tags")
                    .at(Place::new(self.file, tag.start, tag.end), "")
                    .help("take it out: what a value is follows from the key that it stands under"),
            );
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "the parser's own enum, which may grow")]
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.report(
                        Problem::new(Code::YamlFeature, "a second document begins here")
                            .at(place, "not read")
                            .help("write one state per file: put what follows into a file of its own"),
                    );
                    return false;
                }
            }
            Event::Scalar(text, style, anchor, _) => {
                let is_null =
                    style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let nodes = 1 + (text.len() / BYTES_OF_A_NODE) as u64;
                let value = if is_null { Value::Null } else { Value::Text(text) };
                self.finish(Whole { node: Rc::new(NodeAt { place, value }), nodes, depth: 1 }, anchor);
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(range.start, anchor, Collection::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, _) => {
                let seen = BTreeMap::new();
                let map =
                    Collection::Map { entries: Vec::new(), is_partial: false, seen, key: PendingKey::None };
                self.begin(range.start, anchor, map);
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(range.end),
            Event::Alias(anchor) => self.alias(anchor, place),
            Event::UnresolvedAlias(name) => {
                self.report(
                    Problem::new(Code::Alias, format!("the alias `*{name}` stands for nothing"))
                        .at(place, format!("no `&{name}` stands before this in the file"))
                        .help(format!(
                            "a text that begins with `*` needs quotes: `\"*{name}\"`; an alias repeats what `&{name}` marked \
                             further up in the same file"
                        )),
                );
                self.finish(self.poisoned(place), 0);
            }
            // Begin and end of stream and document, anchors (their numbers stand on the nodes), comments.
            _ => {}
        }
        true
    }

    fn report(&mut self, problem: Problem) {
        bounded::add(self.problems, problem);
    }

    fn poisoned(&self, place: Place) -> Whole<'s> {
        Whole { node: Rc::new(NodeAt { place, value: Value::Poisoned }), nodes: 1, depth: 1 }
    }

    fn begin(&mut self, start: usize, anchor: usize, collection: Collection<'s>) {
        if anchor != 0 {
            self.anchors.insert(anchor, None);
        }
        self.open.push(Open { start, anchor, collection, nodes: 1, depth: 1 });
    }

    fn end(&mut self, end: usize) {
        let Some(open) = self.open.pop() else { return };
        let value = match open.collection {
            Collection::List(items) => Value::List(items),
            Collection::Map { entries, is_partial, .. } => Value::Map(Map { entries, is_partial }),
        };
        // A block collection ends where the next thing begins: leave out the white space in between.
        let end = open.start + self.text.get(open.start..end).map_or(0, |text| text.trim_end().len());
        let place = Place::new(self.file, open.start, end);
        let node = Rc::new(NodeAt { place, value });
        self.finish(Whole { node, nodes: open.nodes, depth: open.depth }, open.anchor);
    }

    fn alias(&mut self, anchor: usize, place: Place) {
        let whole = match self.anchors.get(&anchor) {
            Some(Some(whole)) => {
                self.aliased_nodes = self.aliased_nodes.saturating_add(whole.nodes);
                let deepest = self.open.len() + whole.depth;
                if self.aliased_nodes > MAX_ALIASED_NODES {
                    // Once: the next alias would say the same.
                    if self.aliased_nodes - whole.nodes <= MAX_ALIASED_NODES {
                        self.report(
                            Problem::new(
                                Code::TooDeep,
                                format!("the aliases of this file stand for over {MAX_ALIASED_NODES} values"),
                            )
                            .at(place, "the limit is passed here")
                            .help("name what is used often: a hash list or an exclusion set is read once"),
                        );
                    }
                    self.aliased_nodes = u64::MAX;
                    self.poisoned(place)
                } else if deepest > MAX_DEPTH {
                    self.report(
                        Problem::new(
                            Code::TooDeep,
                            format!("this alias makes values more than {MAX_DEPTH} levels deep"),
                        )
                        .at(place, "")
                        .help("a state needs a few levels only: what is the alias meant to repeat?"),
                    );
                    self.poisoned(place)
                } else {
                    whole.clone()
                }
            }
            Some(None) | None => {
                self.report(
                    Problem::new(Code::Alias, "this alias stands for a value that it is part of itself")
                        .at(place, "")
                        .help("an alias can stand only for a value that is complete before it"),
                );
                self.poisoned(place)
            }
        };
        self.finish(whole, 0);
    }

    /// Puts a finished node where it belongs.
    fn finish(&mut self, whole: Whole<'s>, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, Some(whole.clone()));
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(whole);
            return;
        };
        parent.nodes = parent.nodes.saturating_add(whole.nodes);
        parent.depth = parent.depth.max(whole.depth + 1);
        match &mut parent.collection {
            Collection::List(items) => items.push(whole.node),
            Collection::Map { entries, is_partial, seen, key } => {
                match std::mem::replace(key, PendingKey::None) {
                    PendingKey::None => {
                        *key = match read_key(&whole.node, seen) {
                            Ok(known) => PendingKey::Known(known),
                            Err(problem) => {
                                // Of two equal keys the first stays, so that nothing is missing.
                                *is_partial |=
                                    problem.as_ref().is_none_or(|it| it.code != Code::DuplicateKey);
                                problem.into_iter().for_each(|problem| bounded::add(self.problems, problem));
                                PendingKey::Refused
                            }
                        }
                    }
                    PendingKey::Known(key) => entries.push(Entry { key, value: whole.node }),
                    PendingKey::Refused => {}
                }
            }
        }
    }
}

/// The key of the next entry, or what is wrong with it (nothing where that is already reported).
fn read_key<'s>(
    node: &Node<'s>,
    seen: &mut BTreeMap<Cow<'s, str>, Place>,
) -> Result<Key<'s>, Option<Problem>> {
    let place = node.place;
    let text = match &node.value {
        Value::Text(text) => text.clone(),
        Value::Null => {
            return Err(Some(
                Problem::new(Code::YamlFeature, "a key is missing here")
                    .at(place, "")
                    .help("write `key: value`; a key that is really called `null` or `~` needs quotes"),
            ));
        }
        // What is wrong within it is said already.
        Value::Map(map) if map.is_partial => return Err(None),
        Value::List(_) | Value::Map(_) => {
            return Err(Some(
                Problem::new(Code::YamlFeature, "a key is a text, not a collection")
                    .at(place, "")
                    .help("text that begins with `{` or `[` needs quotes, and a template has to be filled in before"),
            ));
        }
        Value::Poisoned => return Err(None),
    };
    if text == "<<" {
        return Err(Some(
            Problem::new(Code::YamlFeature, "merge keys (`<<`) are not part of YAML 1.2 and are not read")
                .at(place, "")
                .help("use an alias for a whole value (`isolation: *default`), or write the keys out"),
        ));
    }
    if let Some(first) = seen.get(&text) {
        return Err(Some(
            Problem::new(Code::DuplicateKey, format!("the key `{text}` stands twice"))
                .at(place, "again here")
                .and(*first, "first here")
                .help("keep one of them, or join their values"),
        ));
    }
    seen.insert(text.clone(), place);
    Ok(Key { text, place })
}
