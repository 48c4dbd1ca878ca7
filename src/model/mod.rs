//! The words of the field, pure: what a host, a hash, an exclusion rule, an isolation and a prevention rule
//! *are*. Nothing here reads a file, a clock or a network, and nothing knows how it is written on a wire.

mod bucket_url;
mod cause;
mod clock;
mod difference;
mod exclusion;
mod hash;
mod hexadecimal;
mod isolation;
mod lists;
mod origin;
mod pattern;
mod plan_id;
mod prevention;
mod reading;
mod sensor;
mod server;
mod subject;
mod task;
mod text;
mod yaml;

pub use bucket_url::{BucketUrl, BucketUrlError, ObjectService};
pub use cause::{Cause, GroupOrigin};
pub use clock::{Clock, WallClock, display_duration};
pub use difference::{Difference, Side};
pub use exclusion::{Direction, ExclusionRule, ExclusionRuleError, Exclusions, PortRange, Protocol};
pub use hash::{FileHash, HashError};
pub use hexadecimal::{Hexadecimal, sha256_hex};
pub use isolation::{Isolation, Timeout, TimeoutError};
pub use lists::{BlockEntry, BlockSet};
pub use origin::Origin;
pub use pattern::{Case, NamePattern, NamePatternError, NamePatterns};
pub use plan_id::{PlanId, PlanIdError};
pub use prevention::{HashSet, KeptObject, PreventionRule, same_hashes};
pub use reading::{ReadFailure, Reading};
pub use sensor::{HostList, LastAccess, Sensor, SensorId, SensorIdError};
pub use server::{ServerKey, ServerName};
pub use subject::{Aspect, AspectKind, HoldScope, Subject, Target};
pub use task::{ListedTask, Program, TaskId, TaskStart, TaskState};
pub use text::{Untrusted, shell_word};
pub use yaml::{yaml_comment, yaml_scalar};
