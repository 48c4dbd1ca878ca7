//! Repeating reads: exponential back-off with jitter, a server's `Retry-After`, and an end.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use tokio::time::Instant;

use super::error::CallError;
use super::limits::Retry;

/// Repeats `attempt`, which is told the how manieth it is, while its error is worth it; the last error says how many times was tried.
pub(super) async fn retried<T, Fut>(
    policy: &Retry,
    mut attempt: impl FnMut(u32) -> Fut,
) -> Result<T, CallError>
where
    Fut: Future<Output = Result<T, CallError>>,
{
    let began = Instant::now();
    let attempts = AtomicU32::new(0);
    let backoff = ExponentialBuilder::new()
        .with_jitter()
        .with_min_delay(policy.first_delay)
        .with_max_delay(policy.longest_delay)
        .with_max_times(usize::try_from(policy.attempts.saturating_sub(1)).unwrap_or(usize::MAX));
    let counted = || attempt(attempts.fetch_add(1, Ordering::Relaxed) + 1);
    counted
        .retry(backoff)
        .when(CallError::is_worth_retrying)
        .adjust(|error: &CallError, delay| {
            let wait =
                delay?.max(error.retry_after().unwrap_or(Duration::ZERO).min(policy.longest_retry_after));
            (began.elapsed() + wait <= policy.total).then_some(wait)
        })
        .await
        .map_err(|error| error.with(|failure| failure.attempts = attempts.load(Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::super::call::Call;
    use super::super::error::Failure;
    use super::*;
    use crate::central_node::CallErrorKind;

    fn failing(kind: CallErrorKind) -> CallError {
        Failure {
            call: Call::Hosts,
            server: "https://kata".into(),
            kind,
            detail: String::new(),
            status: None,
            body: None,
            attempts: 1,
        }
        .into()
    }

    /// The instants of the attempts, and how the last error ends.
    async fn attempts(policy: Retry, kind: CallErrorKind) -> (Vec<Duration>, String) {
        let began = Instant::now();
        let mut times = Vec::new();
        let error = retried(&policy, |_| {
            times.push(began.elapsed());
            let error = failing(kind.clone());
            async move { Err::<(), _>(error) }
        })
        .await
        .unwrap_err();
        (times, error.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn delays_grow_and_end() {
        let (times, message) = attempts(Retry::default(), CallErrorKind::ServerFailed).await;
        assert_eq!(times.len(), 4);
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>();
        for (gap, least) in gaps.iter().zip([500, 1_000, 2_000]) {
            // Jitter adds up to as much again; tokio's timer rounds up to a millisecond.
            let least = Duration::from_millis(least);
            assert!(*gap >= least && *gap <= 2 * least + Duration::from_millis(2), "{gaps:?}");
        }
        assert!(message.ends_with("(tried 4 times)"), "{message}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_servers_wish_is_obeyed_within_bounds() {
        let wish = |seconds| CallErrorKind::Overloaded { retry_after: Some(Duration::from_secs(seconds)) };
        let (times, _) = attempts(Retry::default(), wish(30)).await;
        assert!(times[1] >= Duration::from_secs(30) && times[1] < Duration::from_secs(31));
        let (times, _) = attempts(Retry::default(), wish(3_600)).await;
        assert!(times[1] >= Duration::from_secs(60) && times[1] < Duration::from_secs(61));
        let short = Retry { total: Duration::from_secs(45), ..Retry::default() };
        assert_eq!(attempts(short, wish(30)).await.0.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_not_get_better_is_not_repeated() {
        for kind in
            [CallErrorKind::NotAuthorised, CallErrorKind::NotUnderstood, CallErrorKind::UntrustedServer]
        {
            let (times, message) = attempts(Retry::default(), kind).await;
            assert_eq!(times.len(), 1);
            assert!(!message.contains("tried"));
        }
    }
}
