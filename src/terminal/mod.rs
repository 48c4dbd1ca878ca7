//! Both streams, colour, width, prompt, bar, interrupts: the one room that prints.

mod color;
mod interrupt;
mod lines;
mod palette;
mod progress;
mod prompt;
mod secret;
mod taking;
mod ui;
mod voice;

pub use color::{ColorChoice, ColorChoiceError, ColorEnvironment};
pub use interrupt::{INTERRUPTED, Interrupts};
pub use lines::{LineSender, Lines};
pub use palette::{Paint, Palette};
pub use progress::Progress;
pub use prompt::Answer;
pub use taking::Watched;
pub use ui::{Heard, Out, Printed, Ui};
pub use voice::{Detail, LogFormat, Voice};
