use crate::model::Cause;

/// What keeps one change of a plan from being carried out as it stands, whatever the policy says of it. Texts are safe
/// to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// `hq/WS-017.corp.example/isolation`, or a server.
    pub subject: String,
    /// What is in the way, to be read after the subject.
    pub message: String,
    /// The line that asks for the change; `None`: it is about a whole server.
    pub cause: Option<Cause>,
}
