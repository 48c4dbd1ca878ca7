/// How soon to end, as the person at the terminal or the scheduler wants it: passed down to whoever sends, so that
/// the first Ctrl-C ends between two writes and never within one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Stop {
    /// Nobody asks for an end.
    #[default]
    No,
    /// What is in flight is finished and verified; nothing new is sent.
    FinishInFlight,
    /// The run ends at once; what was in flight is settled by the next one.
    Now,
}
