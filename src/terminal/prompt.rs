use std::io::{self, BufRead};

use tokio::sync::{oneshot, watch};

use super::{Paint, Ui};
use crate::execute::Stop;

/// What a person said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The whole word `yes`.
    Yes,
    /// Anything else, the end of the input too.
    No,
    /// Ctrl-C at the question.
    Interrupted,
    /// There is no terminal to ask at: nobody said yes.
    NobodyToAsk,
}

impl Ui {
    /// Asks ``Type `yes` to {act}:`` on stderr and reads one line from the terminal. `act` must be safe to print.
    ///
    /// # Errors
    /// Those of stdin.
    pub async fn confirm(&self, act: &str, mut stop: watch::Receiver<Stop>) -> io::Result<Answer> {
        if !self.can_ask() {
            return Ok(Answer::NobodyToAsk);
        }
        let question =
            self.err_palette().paint(Paint::Heading, &format!("Type `yes` to {act}:")).into_owned();
        self.to_err(&format!("{question} "));
        let (tell, told) = oneshot::channel();
        // A read from a terminal can not be cancelled, and a runtime waits for its blocking tasks when it ends: on a
        // thread of its own it keeps nobody, and at most one line that nobody reads is lost with it.
        std::thread::Builder::new().name("prompt".to_owned()).spawn(move || {
            let answer = read(&mut io::stdin().lock());
            // Nobody waits any more after Ctrl-C.
            if tell.send(answer).is_err() {}
        })?;
        tokio::select! {
            answer = told => match answer {
                Ok(answer) => answer,
                Err(_the_thread_ended) => Ok(Answer::No),
            },
            () = stopped(&mut stop) => {
                self.to_err("\n");
                Ok(Answer::Interrupted)
            }
        }
    }
}

impl Ui {
    /// Asks `question` on stderr and reads one line from the terminal, without the white space around it; `None`
    /// where there is no terminal. Nothing else may be going on: Ctrl-C ends the process. `question` must be safe to
    /// print.
    ///
    /// # Errors
    /// Those of stdin; [`io::ErrorKind::UnexpectedEof`] for its end.
    pub fn ask_line(&self, question: &str) -> io::Result<Option<String>> {
        if !self.can_ask() {
            return Ok(None);
        }
        let question = self.err_palette().paint(Paint::Heading, &format!("{question}:")).into_owned();
        self.to_err(&format!("{question} "));
        read_line(&mut io::stdin().lock()).map(Some)
    }
}

fn read_line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    match input.read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim().to_owned()),
    }
}

async fn stopped(stop: &mut watch::Receiver<Stop>) {
    if stop.wait_for(|stop| *stop != Stop::No).await.is_err() {
        // Nobody is left who could say so.
        std::future::pending::<()>().await;
    }
}

fn read(input: &mut impl BufRead) -> io::Result<Answer> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok(if line.trim() == "yes" { Answer::Yes } else { Answer::No })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_word_is_a_yes() {
        let said = |text: &str| read(&mut text.as_bytes()).unwrap();
        assert_eq!(said("yes\n"), Answer::Yes);
        assert_eq!(said(" yes\r\nmore"), Answer::Yes);
        for text in ["y\n", "YES\n", "yes!\n", "\n", ""] {
            assert_eq!(said(text), Answer::No, "{text:?}");
        }
    }

    #[tokio::test]
    async fn a_stop_is_noticed_at_the_question() {
        let (sender, mut stop) = watch::channel(Stop::No);
        sender.send(Stop::FinishInFlight).unwrap();
        stopped(&mut stop).await;
    }
}
