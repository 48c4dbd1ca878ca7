//! Some hashes, made ready for being asked millions of times.

use crate::model::FileHash;

/// Sorted, behind a filter of single bits: nearly all of what stands in a large list is told to be none of these by
/// one look at memory that the processor keeps near.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    sorted: Vec<FileHash>,
    filter: Vec<u64>,
    /// The filter has 2 to this power bits.
    bits: u32,
}

impl Wanted {
    pub(super) fn new(mut hashes: Vec<FileHash>) -> Self {
        hashes.sort_unstable();
        hashes.dedup();
        // 64 bits a hash: one in 64 of the others passes the filter. At most 2 MiB.
        let bits = (hashes.len().max(1) * 64).next_power_of_two().trailing_zeros().clamp(12, 24);
        let mut wanted = Self { sorted: hashes, filter: vec![0; 1 << (bits - 6)], bits };
        for index in 0..wanted.sorted.len() {
            let (word, bit) = wanted.bit_of(&wanted.sorted[index]);
            wanted.filter[word] |= bit;
        }
        wanted
    }

    pub(super) fn contains(&self, hash: &FileHash) -> bool {
        if self.sorted.is_empty() {
            return false;
        }
        let (word, bit) = self.bit_of(hash);
        self.filter[word] & bit != 0 && self.sorted.binary_search(hash).is_ok()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = FileHash> {
        self.sorted.iter().copied()
    }

    /// The first bits of a digest are as good as random.
    fn bit_of(&self, hash: &FileHash) -> (usize, u64) {
        let [a, b, c, d, ..] = match hash {
            FileHash::Md5(digest) => *digest.first_chunk::<16>().unwrap_or(&[0; 16]),
            FileHash::Sha256(digest) => *digest.first_chunk::<16>().unwrap_or(&[0; 16]),
        };
        let bit = u32::from_be_bytes([a, b, c, d]) >> (32 - self.bits);
        ((bit / 64) as usize, 1 << (bit % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_was_put_in_and_nothing_else() {
        let hash = |n: u32| {
            let mut digest = [7; 32];
            digest[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b1).to_be_bytes());
            FileHash::Sha256(digest)
        };
        for count in [0, 1, 1_000] {
            let wanted = Wanted::new((0..count).chain(0..count).map(hash).collect());
            assert_eq!(wanted.iter().count(), count as usize);
            assert!((0..count).all(|n| wanted.contains(&hash(n))));
            assert!((count..count + 10_000).all(|n| !wanted.contains(&hash(n))));
        }
    }
}
