//! A question whose answer is not shown.

use std::io;

use zeroize::Zeroizing;

use super::{Paint, Ui};

impl Ui {
    /// Asks for a secret on stderr and reads it from the terminal without showing it; `None` where there is no
    /// terminal. `question` must be safe to print.
    ///
    /// # Errors
    /// Those of stdin; [`io::ErrorKind::Interrupted`] for Ctrl-C, [`io::ErrorKind::UnexpectedEof`] for its end.
    pub fn ask_secret(&self, question: &str) -> io::Result<Option<Zeroizing<String>>> {
        if !self.can_ask() {
            return Ok(None);
        }
        let question = self.err_palette().paint(Paint::Heading, &format!("{question}:")).into_owned();
        self.to_err(&format!("{question} "));
        let answer = read_hidden();
        // The line break was not shown either.
        self.to_err("\n");
        answer.map(Some)
    }
}

#[cfg(unix)]
fn read_hidden() -> io::Result<Zeroizing<String>> {
    let stdin = io::stdin();
    let _quiet = Quiet::new(&stdin)?;
    read_keys(&mut stdin.lock())
}

#[cfg(windows)]
fn read_hidden() -> io::Result<Zeroizing<String>> {
    console::Term::stderr().read_secure_line().map(Zeroizing::new)
}

/// A terminal that shows nothing and hands over each key, until this value is dropped. Ctrl-C is a key then: as a
/// signal it would end the process and leave the terminal mute.
#[cfg(unix)]
struct Quiet<'a> {
    stdin: &'a io::Stdin,
    before: rustix::termios::Termios,
}

#[cfg(unix)]
impl<'a> Quiet<'a> {
    fn new(stdin: &'a io::Stdin) -> io::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
        let before = tcgetattr(stdin)?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        // What was typed before the question is no answer to it.
        tcsetattr(stdin, OptionalActions::Flush, &quiet)?;
        Ok(Self { stdin, before })
    }
}

#[cfg(unix)]
impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        // The terminal is gone: there is nothing to give back.
        if tcsetattr(self.stdin, OptionalActions::Drain, &self.before).is_err() {}
    }
}

/// Keys up to Enter.
#[cfg(unix)]
fn read_keys(input: &mut impl io::Read) -> io::Result<Zeroizing<String>> {
    const INTERRUPT: u8 = 0x03;
    const END: u8 = 0x04;
    const ERASE_LINE: u8 = 0x15;
    const ERASE: [u8; 2] = [0x08, 0x7f];
    // Room enough that it does not move and leave copies behind.
    let mut typed = Zeroizing::new(Vec::with_capacity(1_024));
    loop {
        let mut key = [0];
        let is_end = input.read(&mut key)? == 0;
        match key[0] {
            INTERRUPT => return Err(io::ErrorKind::Interrupted.into()),
            _ if is_end => return Err(io::ErrorKind::UnexpectedEof.into()),
            END if typed.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            b'\n' | b'\r' => break,
            ERASE_LINE => typed.clear(),
            key if ERASE.contains(&key) => {
                // A character may be several bytes, all but the first of which begin with the bits 10.
                while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            key => typed.push(key),
        }
    }
    match str::from_utf8(&typed) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_not_text) => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn typed(keys: &str) -> Result<String, io::ErrorKind> {
        match read_keys(&mut keys.as_bytes()) {
            Ok(text) => Ok(text.to_string()),
            Err(error) => Err(error.kind()),
        }
    }

    #[test]
    fn keys_become_a_text() {
        assert_eq!(typed("pass word\nmore"), Ok("pass word".to_owned()));
        assert_eq!(typed("pä\u{7f}\u{7f}arc\u{8}t\r"), Ok("art".to_owned()));
        assert_eq!(typed("wrong\u{15}right\n"), Ok("right".to_owned()));
        assert_eq!(typed("\n"), Ok(String::new()));
        assert_eq!(typed("pass\u{3}"), Err(io::ErrorKind::Interrupted));
        assert_eq!(typed("\u{4}"), Err(io::ErrorKind::UnexpectedEof));
        assert_eq!(typed("pass"), Err(io::ErrorKind::UnexpectedEof));
    }
}
