//! How large a request may be. Rules of random hashes are set on the one host, each larger than the one before.

use super::Patience;
use super::measure::{Halt, Run};
use super::prevention::{random_hash, set};
use crate::central_node::WriteSettings;
use crate::model::KeptObject;

/// `{"file":{"sha256":"…"}},`.
const OBJECT_BYTES: usize = 87;
const KIB: usize = 1 << 10;

/// On both sides of 1 MiB, the usual default of web servers, then twice as much each time.
fn sizes(largest: usize) -> impl Iterator<Item = usize> {
    let doubled = std::iter::successors(Some(2_048 * KIB), |size| size.checked_mul(2));
    [512 * KIB, 1_000 * KIB, 1_048 * KIB].into_iter().chain(doubled).take_while(move |size| *size <= largest)
}

pub(super) async fn measure<C: WriteSettings, P: Patience>(
    run: &mut Run<'_, C, P>,
    largest: usize,
) -> Result<(), Halt> {
    let mut accepted = 0;
    let mut refused = None;
    for size in sizes(largest) {
        let mut rule = run.before.clone().unwrap_or_default();
        while rule.objects.len() < size / OBJECT_BYTES {
            rule.objects.insert(random_hash(), KeptObject::default());
        }
        match set(run, rule).await? {
            Ok(()) => accepted = run.seen().map_or(size, |seen| seen.sent_bytes),
            Err(error) if !error.stops_server() => {
                refused = Some((size, error));
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let (answer, shape) = match refused {
        None => (format!("{accepted} bytes are accepted, more was not tried"), None),
        Some((size, error)) => {
            let how =
                error.status().map_or_else(|| "no answer".to_owned(), |status| format!("status {status}"));
            (format!("{accepted} bytes are accepted, about {size} are refused ({how})"), run.shape())
        }
    };
    run.find("the largest request", answer, shape);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_end_at_the_bound() {
        assert_eq!(sizes(2 << 20).map(|size| size / KIB).collect::<Vec<_>>(), [512, 1_000, 1_048, 2_048]);
        assert_eq!(sizes(600 * KIB).count(), 1);
        assert_eq!(sizes(0).count(), 0);
    }
}
