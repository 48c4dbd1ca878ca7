//! Work on many files, on as many threads as the machine has for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What `work` makes of each, in the order of `items`; it is given their places, too.
pub(super) fn each<'t, T: Sync, R: Send>(items: &'t [T], work: impl Fn(usize, &'t T) -> R + Sync) -> Vec<R> {
    // Where the machine does not say, nothing is lost but time.
    let threads = thread::available_parallelism().map_or(1, usize::from).min(items.len());
    if threads <= 1 {
        return items.iter().enumerate().map(|(n, item)| work(n, item)).collect();
    }
    let next = AtomicUsize::new(0);
    // Whoever is done takes the next one, as files are of every size.
    let some = || {
        let mut done = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(n) else { return done };
            done.push((n, work(n, item)));
        }
    };
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(some)).collect();
        let mut done = some();
        for other in others {
            match other.join() {
                Ok(its) => done.extend(its),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_stays_whoever_is_first() {
        for many in [0, 1, 2, 1_000] {
            let items: Vec<usize> = (0..many).collect();
            let doubled = each(&items, |n, item| {
                assert_eq!(n, *item);
                // The first ones take longest.
                (0..(many - n) * 10).fold(2 * item, |sum, _| std::hint::black_box(sum))
            });
            assert_eq!(doubled, items.iter().map(|item| 2 * item).collect::<Vec<_>>());
        }
    }
}
