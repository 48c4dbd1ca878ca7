use std::sync::Arc;

use jiff::Timestamp;

/// The name of a run: `20261125-003319-4f2a`, its begin in UTC and four random digits, so that names sort by time.
pub fn run_id(begun: Timestamp, random: [u8; 2]) -> Arc<str> {
    let [high, low] = random;
    format!("{}-{high:02x}{low:02x}", begun.strftime("%Y%m%d-%H%M%S")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_by_its_begin_in_utc() {
        let begun = "2026-11-25T03:33:19.9+03:00".parse().unwrap();
        assert_eq!(&*run_id(begun, [0x4f, 0x2a]), "20261125-003319-4f2a");
        assert_eq!(&*run_id(begun, [0, 7]), "20261125-003319-0007");
    }
}
