//! Inputs made of others: the same from the same seed, on every machine.

/// Texts that readers of any format take for something.
const WORDS: &[&str] = &[
    "\"",
    "'",
    "\\",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    ":",
    "\n",
    "\r\n",
    "\t",
    " ",
    "#",
    "*",
    "&",
    "-",
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1e400",
    "18446744073709551616",
    "9223372036854775807",
    "\u{feff}",
    "\u{202e}",
    "\u{1b}[2J",
    "\\u0000",
    "\\ud800",
    "\u{0}",
];

pub(crate) struct Mutator {
    state: u64,
}

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next input: one of the corpus, changed in a few places.
    pub(crate) fn next(&mut self, corpus: &[Vec<u8>], words: &[&str], most: usize) -> Vec<u8> {
        let mut input = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(6) {
            self.change(&mut input, corpus, words);
            input.truncate(most);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&str]) {
        let (start, end) = self.piece(input.len());
        match self.below(10) {
            // A bit.
            0 if start < input.len() => input[start] ^= 1 << self.below(8),
            0 => {}
            // Any byte.
            1 => drop(input.splice(start..start, [self.random().to_le_bytes()[0]])),
            2 => drop(input.drain(start..end)),
            3 => input.truncate(start),
            // A piece elsewhere.
            4 => {
                let piece = input[start..end].to_vec();
                let at = self.below(input.len() + 1);
                drop(input.splice(at..at, piece));
            }
            // A piece of another input, in place of one.
            5 => {
                let other = &corpus[self.below(corpus.len())];
                let (from, to) = self.piece(other.len());
                let piece = other[from..to].to_vec();
                drop(input.splice(start..end, piece));
            }
            6 => {
                let word = self.word(words);
                drop(input.splice(start..start, word));
            }
            7 => {
                let word = self.word(words);
                drop(input.splice(start..end, word));
            }
            // The same over and over, nested or in a row.
            8 => {
                let piece = if self.below(2) == 0 { input[start..end].to_vec() } else { self.word(words) };
                let times = 1 << self.below(14);
                drop(input.splice(start..start, piece.repeat(times)));
            }
            // Another number.
            _ => {
                let Some(at) = input.iter().skip(start).position(u8::is_ascii_digit) else { return };
                let from = start + at;
                let length = input[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let number = match self.below(4) {
                    0 => "0".to_owned(),
                    1 => self.random().to_string(),
                    2 => u64::MAX.to_string(),
                    _ => self.below(100_000).to_string(),
                };
                drop(input.splice(from..from + length, number.into_bytes()));
            }
        }
    }

    fn word(&mut self, words: &[&str]) -> Vec<u8> {
        let at = self.below(WORDS.len() + 3 * words.len());
        // Those of the kind three times as often.
        let word = WORDS.get(at).or_else(|| words.get((at - WORDS.len()) / 3)).unwrap();
        word.as_bytes().to_vec()
    }

    /// A range of so many bytes, mostly a short one.
    fn piece(&mut self, length: usize) -> (usize, usize) {
        let start = self.below(length + 1);
        let longest = if self.below(4) == 0 { length - start } else { (length - start).min(12) };
        (start, start + self.below(longest + 1))
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random() % bound.max(1) as u64).unwrap()
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
