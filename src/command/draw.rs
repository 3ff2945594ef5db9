//! How commands are drawn at random, for generated programs.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Command;
use super::shape::Shape;
use crate::capability::{Capabilities, Need};
use crate::words::{Bytes, Rev, Span};

/// Whether a command takes part in random programs, and how its arguments are drawn.
#[derive(Clone, Copy)]
pub enum Drawn {
    /// It does, so often next to the others, on a store that has what it needs. What is drawn may make no sense at the
    /// place: then it is `None`.
    Often(u32, &'static [Need], fn(&mut Choices<'_>) -> Option<Command>),
    /// It does not: why.
    Not(&'static str),
}

/// A command of the vocabulary, and how it is drawn.
#[derive(Clone, Copy)]
pub struct Draw {
    /// Its name.
    pub name: &'static str,
    /// How it is drawn.
    pub drawn: Drawn,
}

/// A mark of a program.
#[derive(Debug, Clone)]
pub struct SceneMark {
    /// Its name.
    pub name: String,
    /// How many revisions of the program came before it.
    pub before: i64,
    /// Whether every later revision of the store is known to come at the same distance from it on every store.
    pub is_exact: bool,
}

/// What the commands of a program so far have left to refer to. In each list the newest comes last.
#[derive(Debug, Clone)]
pub struct Scene {
    /// What the store has.
    pub capabilities: Capabilities,
    /// What programs do without, since the store is known to answer it otherwise.
    pub left_out: BTreeSet<Shape>,
    /// Whether nothing else runs at the same time, so that it may count the store's revisions.
    pub is_alone: bool,
    /// Every lease that was asked for.
    pub leases: Vec<String>,
    /// The watches that are open.
    pub watches: Vec<String>,
    /// Those of them that have an event to be read.
    pub pending: Vec<String>,
    /// The marks.
    pub marks: Vec<SceneMark>,
    /// The revision that was compacted last.
    pub compacted: Option<Rev>,
    /// How many revisions of the program came before the last one at which a key was deleted.
    pub deletion: Option<i64>,
    /// The keys whose TTL ends soon enough to be waited for.
    pub ending: Vec<Vec<u8>>,
    /// The leases without keys of which the same holds.
    pub ending_leases: Vec<String>,
    /// The keys that are there to stay and had a TTL before.
    pub outlasting: Vec<Vec<u8>>,
    /// How many commands came before.
    pub steps: usize,
}

impl Scene {
    /// The scene of a program that has not begun.
    pub fn new(capabilities: Capabilities, left_out: BTreeSet<Shape>, is_alone: bool) -> Self {
        Self {
            capabilities,
            left_out,
            is_alone,
            leases: Vec::new(),
            watches: Vec::new(),
            pending: Vec::new(),
            marks: Vec::new(),
            compacted: None,
            deletion: None,
            ending: Vec::new(),
            ending_leases: Vec::new(),
            outlasting: Vec::new(),
            steps: 0,
        }
    }

    /// The revision that was compacted last, if it is the same on every store.
    pub fn compacted(&self) -> Option<&Rev> {
        let is_exact =
            |rev: &&Rev| self.marks.iter().any(|mark| mark.name == rev.mark && mark.is_exact);
        self.compacted.as_ref().filter(is_exact)
    }

    /// How many revisions of the program come before that one, if it has such a mark.
    pub fn before(&self, rev: &Rev) -> Option<i64> {
        let mark = self.marks.iter().find(|mark| mark.name == rev.mark)?;
        Some(mark.before + rev.offset)
    }
}

/// The first keys of this table are drawn so often that they collide; the others are rare bytes.
const KEYS: &[(u32, &[u8])] = &[
    (40, b"k"),
    (30, b"k/a"),
    (20, b"k/b"),
    (16, b"l"),
    (8, b""),
    (6, b"k/a/b"),
    (4, b"k\xff"),
    (4, b"k\0"),
    (3, b"\xff"),
    (2, b"\xff\xff"),
    (3, "é/日本".as_bytes()),
    (2, b"a b\t\n\r\"'\\"),
    (2, b"-x=1"),
    (1, b"# c"),
    (1, b"---"),
    (1, b"(none)"),
    (1, b"~"),
    (4, b"L"),
    (2, b"k "),
    (2, b".h"),
    (2, b"_x"),
    (2, b"k*"),
    (2, b"k%b"),
    (1, &[b'x'; 300]),
];

/// Prefixes that nest, and some that end in the greatest byte or match nothing.
const PREFIXES: &[(u32, &[u8])] = &[
    (40, b""),
    (30, b"k"),
    (25, b"k/"),
    (10, b"k/a"),
    (6, b"l"),
    (4, b"k\xff"),
    (6, b"\xff"),
    (3, b"L"),
    (2, b"k*"),
    (2, b"k?"),
    (2, b"[k]"),
    (2, b"k_"),
    (2, b"%"),
    (2, b"."),
    (2, b"_"),
    (3, b"none"),
    (2, "é".as_bytes()),
];

/// Values; `None` is one that no other write has.
const VALUES: &[(u32, Option<&[u8]>)] = &[
    (60, None),
    (16, Some(b"v")),
    (8, Some(b"")),
    (3, Some(b"\0")),
    (3, Some(b"\xff\xfe")),
    (2, Some("é日".as_bytes())),
    (2, Some(b"a b\t\n\r\"'\\")),
    (2, Some(b" v\n")),
    (2, Some(b"(none)")),
    (2, Some(b"---")),
    (1, Some(b"error: closed")),
    (1, Some(&[b'.'; 100])),
    (1, Some(b"10")),
    (1, Some(b"9")),
];

/// A TTL that is longer than any that etcd grants, in milliseconds.
const HUGE: u64 = 9_000_000_001_000;

/// TTLs in milliseconds. Those below 2 s and those between whole seconds some stores grant for longer; the
/// longest is refused by all.
const TTLS: &[(u32, u64)] = &[
    (160, 2_000),
    (60, 3_000),
    (40, 6_000),
    (90, 60_000),
    (30, 3_600_000),
    (2, 2_500),
    (1, 500),
    (1, 0),
    (6, HUGE),
];

/// Draws arguments from a row of bytes, of which 0 is always the simplest choice. Once they are used up, the rest is 0.
pub struct Choices<'a> {
    bytes: &'a [u8],
    scene: &'a Scene,
    client: Option<&'a str>,
}

impl<'a> Choices<'a> {
    /// Draws from these bytes for a command of that client.
    pub fn new(bytes: &'a [u8], scene: &'a Scene, client: Option<&'a str>) -> Self {
        Self { bytes, scene, client }
    }

    /// What there is to refer to.
    pub fn scene(&self) -> &'a Scene {
        self.scene
    }

    /// The client that the command runs on.
    pub fn client(&self) -> Option<&'a str> {
        self.client
    }

    /// Whether the store has what is needed.
    pub fn has(&self, need: Need) -> bool {
        self.scene.capabilities.lack(need).is_none()
    }

    /// Whether programs may have that.
    fn may_have(&self, shape: Shape) -> bool {
        !self.scene.left_out.contains(&shape)
    }

    fn byte(&mut self) -> usize {
        let (first, rest) = self.bytes.split_first().unwrap_or((&0, &[]));
        self.bytes = rest;
        usize::from(*first)
    }

    /// A number below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        self.byte() * count / 256
    }

    /// Whether something happens that does in so many of a hundred cases.
    pub fn in_hundred(&mut self, cases: usize) -> bool {
        self.byte() >= 256 - 256 * cases / 100
    }

    /// One of these by their weights, those that `is_meant` only.
    fn weighted<T: Copy>(&mut self, table: &[(u32, T)], is_meant: impl Fn(T) -> bool) -> T {
        let meant = || table.iter().filter(|(_, one)| is_meant(*one));
        let all: u32 = meant().map(|(weight, _)| weight).sum();
        let mut left = self.below(all as usize) as u32;
        let found = meant().find(|(weight, _)| {
            let is_it = left < *weight;
            left = left.saturating_sub(*weight);
            is_it
        });
        found.unwrap_or(&table[0]).1
    }

    fn bytes(&mut self, table: &[(u32, &[u8])], is_meant: impl Fn(&[u8]) -> bool) -> Bytes {
        let is_binary = self.has(Need::BinaryKeys);
        let is_fit = |bytes: &[u8]| is_binary || std::str::from_utf8(bytes).is_ok();
        Bytes(self.weighted(table, |bytes| is_fit(bytes) && is_meant(bytes)).into())
    }

    /// A key. One that is the prefix itself would be a directory, if the store has them.
    pub fn key(&mut self) -> Bytes {
        let is_flat = !self.has(Need::Directories);
        let may_hide = self.may_have(Shape::HiddenNames);
        self.bytes(KEYS, |key| (is_flat || !key.is_empty()) && (may_hide || !key.starts_with(b"_")))
    }

    /// A prefix.
    pub fn prefix(&mut self) -> Bytes {
        // The fence of a watch of such keys would be one of them.
        let may_hide = self.may_have(Shape::HiddenNames);
        self.bytes(PREFIXES, |prefix| may_hide || !prefix.starts_with(b"_"))
    }

    /// A value, mostly one that shows which write it is of.
    pub fn value(&mut self) -> Bytes {
        let is_text = |value: &[u8]| std::str::from_utf8(value).is_ok();
        let may_be_binary = self.may_have(Shape::BinaryValues);
        let value = self.weighted(VALUES, |value| may_be_binary || value.is_none_or(is_text));
        Bytes(value.map_or_else(|| format!("v{}", self.scene.steps).into(), Into::into))
    }

    /// A key or value as a word of a transaction, in which there are no blanks.
    pub fn word_of(&mut self, draw: impl FnOnce(&mut Self) -> Bytes) -> String {
        let mut bytes = draw(self).0;
        bytes.retain(|byte| !byte.is_ascii_whitespace());
        txn_word(&bytes)
    }

    /// A TTL.
    pub fn ttl(&mut self) -> Span {
        let may_be_huge = self.may_have(Shape::HugeTtls);
        let ttl = self.weighted(TTLS, |ttl| may_be_huge || ttl != HUGE);
        Span(Duration::from_millis(ttl))
    }

    /// One of these, and the newest as the simplest.
    pub fn newest<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        if all.is_empty() {
            return None;
        }
        let from_the_end = self.below(all.len());
        Some(all[all.len() - 1 - from_the_end].clone())
    }

    /// A lease of the program; sometimes one that was never granted.
    pub fn lease(&mut self) -> Option<String> {
        if self.in_hundred(4) {
            let place = self.below(super::NO_LEASES.len());
            return Some(super::NO_LEASES[place].into());
        }
        self.newest(&self.scene.leases)
    }

    /// A lease for a transaction to attach a key to. That of no lease's name is refused before it is sent, and so before
    /// anything else that is wrong with the transaction.
    pub fn lease_to_attach(&mut self) -> Option<String> {
        self.lease().filter(|lease| lease != "zero")
    }

    /// A revision to look at, more often in a program that counts them.
    pub fn past(&mut self) -> Option<Rev> {
        let often = if self.scene.is_alone { 45 } else { 15 };
        let wanted = self.in_hundred(often) && self.has(Need::Revisions);
        wanted.then(|| self.rev(0)).flatten()
    }

    /// A watch that is open.
    pub fn watch(&mut self) -> Option<String> {
        self.newest(&self.scene.watches)
    }

    /// A mark from which revisions are counted, which only a program may do that is alone.
    pub fn exact_mark(&mut self) -> Option<SceneMark> {
        let exact: Vec<_> = self.scene.marks.iter().filter(|mark| mark.is_exact).collect();
        if self.scene.is_alone { self.newest(&exact).cloned() } else { None }
    }

    /// A revision: `plain` after a mark, which is the same on a store that others write to; if the program is alone also
    /// others nearby, those of deletions, and that which was compacted last, where the past begins.
    pub fn rev(&mut self, plain: i64) -> Option<Rev> {
        if self.in_hundred(30)
            && let Some(compacted) = self.scene.compacted()
        {
            return Some(compacted.clone());
        }
        match self.exact_mark().filter(|_| self.in_hundred(60)) {
            Some(mark) => Some(self.near(&mark, &[0, -1, 1, 2, -2, 3])),
            None => {
                self.newest(&self.scene.marks).map(|mark| Rev { mark: mark.name, offset: plain })
            }
        }
    }

    /// A revision that can be compacted, as a rule.
    pub fn rev_to_compact(&mut self) -> Option<Rev> {
        let mark = self.exact_mark()?;
        let rev = self.near(&mark, &[0, -1, 1, -2, 2]);
        // What was before the program may be compacted already.
        (mark.before + rev.offset > 0).then_some(rev)
    }

    /// A revision in so small a distance from a mark that is exact, or that of the last deletion.
    fn near(&mut self, mark: &SceneMark, distances: &[i64]) -> Rev {
        let is_deletion = self.in_hundred(25);
        let deletion = self.scene.deletion.filter(|_| is_deletion);
        let offset = match deletion {
            Some(deletion) => deletion - mark.before,
            None => distances[self.below(distances.len())],
        };
        Rev { mark: mark.name.clone(), offset: offset.max(-mark.before) }
    }

    /// A name that nothing of that kind has yet.
    pub fn new_name(&self, letter: char) -> String {
        format!("{letter}{}", self.scene.steps)
    }
}

/// Bytes as the words of transactions have them: a character from U+0080 to U+00FF is one byte.
fn txn_word(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "''".into();
    }
    let mut word = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\u{80}'..='\u{ff}' => {
                    word.extend(c.encode_utf8(&mut [0; 4]).bytes().map(char::from));
                }
                c => word.push(c),
            }
        }
        word.extend(chunk.invalid().iter().copied().map(char::from));
    }
    word
}
