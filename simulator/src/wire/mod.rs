//! The API's requests and answers as they stand on the wire. Types of its own: sharing them with the client
//! would hide the client's mistakes.

mod answer;
mod call;
mod dialect;
mod exclusion;
mod file;
mod isolation;
mod prevention;
mod refusal;
mod sensors;
mod task;

pub(crate) use answer::Answer;
pub use call::Method;
pub(crate) use call::{Call, SensorFilter, Setting};
pub use dialect::{
    AllWithoutRule, ClashShape, DeleteWithoutRule, Dialect, Expired, HashCase, HostNameField, LastAccess,
    ListOrder, NotFoundBody, PostedNames, Rounding, SettingsShape, UuidCase, WriteStatus,
};
pub(crate) use exclusion::ExclusionJson;
pub(crate) use file::{fields_of, object_of};
pub(crate) use isolation::{IsolationRequest, isolation_answer};
pub(crate) use prevention::{prevention_answer, prevention_request};
pub(crate) use refusal::{not_authorized, refused};
pub(crate) use sensors::sensors_answer;
pub(crate) use task::{task_answer, task_request};
