//! Isolation: what an absent rule looks like, how timeouts are rounded, what deleting answers; and, over hours, what
//! is answered after the end.

use std::time::Duration;

use super::Patience;
use super::measure::{Halt, Run};
use crate::central_node::{CallErrorKind, WriteSettings};

/// A minute more than an hour is rounded to 3,600 or 7,200 by whoever rounds to hours; one less than two hours tells
/// up, down and nearest apart.
const TIMEOUTS: [u32; 2] = [3_660, 7_140];
const HOUR: Duration = Duration::from_secs(3_600);
/// For clocks that are apart and servers that look once a minute.
const MARGIN: Duration = Duration::from_secs(180);

pub(super) async fn without_a_rule<C: WriteSettings, P: Patience>(
    run: &mut Run<'_, C, P>,
) -> Result<(), Halt> {
    run.describe_list();
    run.own_isolation().await?;
    let (status, shape) = (run.status(), run.shape());
    run.find("reading the isolation of a host that has none", status, shape);
    Ok(())
}

pub(super) async fn rounding<C: WriteSettings, P: Patience>(run: &mut Run<'_, C, P>) -> Result<(), Halt> {
    let mut listed = Vec::new();
    for (i, seconds) in TIMEOUTS.into_iter().enumerate() {
        run.isolate(seconds).await??;
        if i == 0 {
            let (status, shape) = (run.status(), run.shape());
            run.find("isolating a host", status, shape);
        }
        listed.push(run.listed(true).await?);
        if i == 0 {
            let (status, shape) = (run.status(), run.shape());
            run.find("reading the isolation of an isolated host", status, shape);
        }
    }
    let answer = match listed.as_slice() {
        [Some(3_660), Some(7_140)] => "not rounded".to_owned(),
        [Some(3_600), Some(3_600)] => "rounded down to whole hours".to_owned(),
        [Some(7_200), Some(7_200)] => "rounded up to whole hours".to_owned(),
        [Some(3_600), Some(7_200)] => "rounded to the nearest hour".to_owned(),
        other => format!("sent {TIMEOUTS:?} seconds, listed {other:?}"),
    };
    run.find("timeouts that are no whole hours", answer, None);
    Ok(())
}

pub(super) async fn deletion<C: WriteSettings, P: Patience>(run: &mut Run<'_, C, P>) -> Result<(), Halt> {
    run.release().await??;
    let (status, shape) = (run.status(), run.shape());
    run.find("releasing a host", status, shape);
    if run.listed(false).await?.is_some() {
        run.find("reading the isolation after the release", "it is still listed after 5 s".to_owned(), None);
        return Ok(());
    }
    let (status, shape) = (run.status(), run.shape());
    run.find("reading the isolation after the release", status, shape);
    // What is listed from here on is somebody else's, however long it is for.
    run.sent_timeouts.clear();
    match run.release().await? {
        Ok(()) => {}
        // That it fails is an answer, too, as long as it is one to this question.
        Err(error) if error.status().is_some() && !error.stops_server() => {}
        Err(error) => return Err(error.into()),
    }
    let (status, shape) = (run.status(), run.shape());
    run.find("releasing a host that is not isolated", status, shape);
    Ok(())
}

/// Over an hour, and where an ended rule is listed no more, over three.
pub(super) async fn after_its_end<C: WriteSettings, P: Patience>(
    run: &mut Run<'_, C, P>,
) -> Result<(), Halt> {
    const AFTER_ITS_END: &str = "reading the isolation after its end";
    const RESTART: &str = "whether sending an isolation again restarts its time";
    run.isolate(3_600).await??;
    run.patience.wait(HOUR + MARGIN).await?;
    let is_listed = run.own_isolation().await?.is_some();
    let (status, shape) = (run.status(), run.shape());
    run.find(
        AFTER_ITS_END,
        format!("{status}, {}", if is_listed { "still listed" } else { "listed no more" }),
        shape,
    );
    if is_listed {
        run.release().await??;
        run.find(RESTART, "the API does not tell here: ended rules stay listed".to_owned(), None);
        return Ok(());
    }
    run.isolate(3_600).await??;
    run.patience.wait(HOUR / 2).await?;
    match run.isolate(3_600).await? {
        Ok(()) => {}
        Err(error) if matches!(error.kind(), CallErrorKind::Incorrect(_)) => {
            let (status, shape) = (run.status(), run.shape());
            run.find(RESTART, format!("it is refused: {status}"), shape);
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    run.patience.wait(HOUR / 2 + MARGIN).await?;
    let restarted = run.own_isolation().await?.is_some();
    let answer = if restarted { "yes" } else { "no: it ended with the first" };
    run.find(RESTART, answer.to_owned(), None);
    Ok(())
}
