//! A working folder for somebody who has none yet. What is there already is left as it is, and said.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::Exit;
use super::start::Failure;
use crate::central_node::NewClient;
use crate::declare::{self, ServerUrl};
use crate::model::Untrusted;
use crate::session::{Readers, trust_comes_here, write_new};
use crate::terminal::{Printed, Ui};

#[derive(Debug, Args)]
pub(super) struct InitFlags {
    /// The folder; made where it is not there
    #[arg(default_value = ".")]
    pub(super) folder: PathBuf,

    /// The Central Node, such as `https://kata.example.org`
    #[arg(long, value_name = "URL")]
    pub(super) server_url: Option<String>,

    /// What the files call it [default: the first label of its name]
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,

    /// Write a job for this CI system too
    #[arg(long, value_enum, value_name = "SYSTEM")]
    pub(super) ci: Option<CiSystem>,

    /// Do not ask: take the defaults for what no flag says
    #[arg(short = 'y', long)]
    pub(super) yes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CiSystem {
    Github,
    Gitlab,
}

const STATE: &str = include_str!("templates/state.yaml");
const GITIGNORE: &str = include_str!("templates/gitignore");
const GITHUB: &str = include_str!("templates/github.yml");
const GITLAB: &str = include_str!("templates/gitlab.yml");

const STATE_FILE: &str = "state.yaml";

pub(super) fn run(ui: &Ui, flags: &InitFlags) -> Result<Exit, Failure> {
    let mut folder = Folder { path: &flags.folder, made: Vec::new(), left: Vec::new() };
    // A state that is there has its own server, id and key: only what belongs to any state is added.
    let is_new = !folder.has(STATE_FILE);
    let answers = if is_new { Some(Answers::of(ui, flags)?) } else { None };
    let name = match &answers {
        Some(answers) => {
            folder.client(&answers.name, ui.clock().now())?;
            folder.text(STATE_FILE, &answers.state(), "the state: what is to be kept")?;
            answers.name.clone()
        }
        None => {
            folder.left.push(STATE_FILE.to_owned());
            flags.name.clone().unwrap_or_else(|| "client".to_owned())
        }
    };
    let schema = format!("{:#}\n", declare::schema());
    folder.text("kedrctl.schema.json", &schema, "what editors complete and check the state by")?;
    folder.text(".gitignore", GITIGNORE, "keeps keys and the record out of Git")?;
    let ci = answers.as_ref().map_or(flags.ci, |answers| answers.ci);
    if let Some(system) = ci {
        let (file, template) = match system {
            CiSystem::Github => (".github/workflows/kedrctl.yml", GITHUB),
            CiSystem::Gitlab => (".gitlab-ci.yml", GITLAB),
        };
        folder.text(file, &template.replace("@NAME@", &name), "a job that validates and applies")?;
    }
    folder.check(ui);
    let text = folder.told(answers.as_ref());
    match ui.print(|out| std::io::Write::write_all(out, text.as_bytes()))? {
        Printed::Whole | Printed::PipeClosed => Ok(Exit::Done),
    }
}

/// What the files are made from.
struct Answers {
    url: ServerUrl,
    name: String,
    ci: Option<CiSystem>,
}

impl Answers {
    /// From the flags, and from the person at the terminal for what they leave open.
    fn of(ui: &Ui, flags: &InitFlags) -> Result<Self, Failure> {
        let asks = !flags.yes && ui.can_ask();
        let url = match &flags.server_url {
            Some(url) => url.parse().map_err(|error| Failure::Usage(format!("`--server-url`: {error}")))?,
            None if asks => asked(ui, "The Central Node, such as https://kata.example.org", None, |text| {
                let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
                text.parse::<ServerUrl>().map_err(|error| error.to_string())
            })?,
            None => {
                return Err(Failure::Usage(
                    "which server? say `--server-url https://…`; there is no terminal to ask at".to_owned(),
                ));
            }
        };
        let default = default_name(&url);
        let name = match &flags.name {
            Some(name) => named(name).map_err(|why| Failure::Usage(format!("`--name`: {why}")))?,
            None if asks => asked(ui, "What the files call it", Some(&default), named)?,
            None => default,
        };
        let ci = match flags.ci {
            Some(ci) => Some(ci),
            None if asks => {
                asked(ui, "A job for CI: github, gitlab or none", Some("none"), |text| match text {
                    "github" => Ok(Some(CiSystem::Github)),
                    "gitlab" => Ok(Some(CiSystem::Gitlab)),
                    "none" => Ok(None),
                    _ => Err("write github, gitlab or none".to_owned()),
                })?
            }
            None => None,
        };
        Ok(Self { url, name, ci })
    }

    fn state(&self) -> String {
        STATE
            .replace("@NAME@", &self.name)
            .replace("@URL@", &self.url.to_string())
            .replace("@ID@", &uuid::Uuid::new_v4().to_string())
            .replace("@TRUST@", &trust_comes_here(&self.name))
    }
}

/// Asks until the answer is understood; Enter takes the default.
fn asked<T>(
    ui: &Ui,
    question: &str,
    default: Option<&str>,
    understand: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Failure> {
    let question = match default {
        Some(default) => format!("{question} [{default}]"),
        None => question.to_owned(),
    };
    loop {
        let line = match ui.ask_line(&question) {
            Ok(line) => line.unwrap_or_default(),
            Err(error) => {
                return Err(Failure::Usage(format!("no answer could be read: {error}; nothing was written")));
            }
        };
        let answer = if line.is_empty() { default.unwrap_or_default() } else { &line };
        match understand(answer) {
            Ok(understood) => return Ok(understood),
            Err(why) => ui.note(&format!("  {why}")),
        }
    }
}

/// A name of a server, which is also that of its files.
fn named(text: &str) -> Result<String, String> {
    let is_name = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && text.len() <= 24;
    if is_name {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{}` is no name for a server: take up to 24 letters, digits, `.`, `_` and `-`, such as `hq`",
        Untrusted::new(text).printable()
    ))
}

fn default_name(url: &ServerUrl) -> String {
    let is_address = url.host.parse::<std::net::IpAddr>().is_ok();
    let label = url.host.split('.').next().unwrap_or_default();
    match named(label) {
        Ok(label) if !is_address => label,
        Ok(_) | Err(_) => "hq".to_owned(),
    }
}

/// The folder, and what became of each file.
struct Folder<'a> {
    path: &'a Path,
    made: Vec<(String, &'static str)>,
    left: Vec<String>,
}

impl Folder<'_> {
    fn has(&self, file: &str) -> bool {
        self.path.join(file).symlink_metadata().is_ok()
    }

    fn text(&mut self, file: &str, text: &str, what: &'static str) -> Result<(), Failure> {
        self.write(file, text.as_bytes(), Readers::All, what)
    }

    fn write(
        &mut self,
        file: &str,
        text: &[u8],
        readers: Readers,
        what: &'static str,
    ) -> Result<(), Failure> {
        if self.has(file) {
            self.left.push(file.to_owned());
            return Ok(());
        }
        write_new(&self.path.join(file), text, readers).map_err(|error| Failure::Usage(error.to_string()))?;
        self.made.push((file.to_owned(), what));
        Ok(())
    }

    /// Key and certificate belong together: where one of them is there, `register` sorts it out.
    fn client(&mut self, name: &str, now: Timestamp) -> Result<(), Failure> {
        let (key, certificate) = (format!("secrets/{name}.key"), format!("{name}.crt"));
        let there: Vec<&String> = [&key, &certificate].into_iter().filter(|file| self.has(file)).collect();
        if !there.is_empty() {
            self.left.extend(there.into_iter().cloned());
            return Ok(());
        }
        let client = NewClient::make(now).map_err(|error| Failure::Usage(error.to_string()))?;
        let (key_text, certificate_text) = (client.key_pem.as_bytes(), client.certificate_pem.as_bytes());
        self.write(&key, key_text, Readers::Owner, "the client key: whoever has it can isolate every host")?;
        self.write(&certificate, certificate_text, Readers::All, "the client certificate")
    }

    /// Other YAML files in the folder would be taken for states.
    fn check(&self, ui: &Ui) {
        let read = declare::read(&[self.path.to_owned()]);
        let errors = read.problems.iter().filter(|problem| problem.is_error()).count();
        if errors > 0 {
            ui.warn(&format!(
                "this folder is no valid state as a whole; `kedrctl validate -f {}` tells why: every *.yaml and *.yml \
                 in it counts, unless you name files with `-f`",
                self.shown()
            ));
        }
    }

    fn shown(&self) -> String {
        Untrusted::new(self.path.display().to_string()).printable().to_string()
    }

    fn told(&self, answers: Option<&Answers>) -> String {
        let mut text = String::new();
        let widest = self.made.iter().map(|(file, _)| file.len()).max().unwrap_or(0);
        for (file, what) in &self.made {
            text.push_str(&format!("made  {file:<widest$}  {what}\n"));
        }
        for file in &self.left {
            text.push_str(&format!("left  {file}, as it is"));
            if file == ".gitignore" {
                text.push_str("; it should have the lines /secrets/ and /.kedrctl/");
            }
            text.push('\n');
        }
        if let Some(answers) = answers {
            let files =
                if self.path == Path::new(".") { String::new() } else { format!(" -f {}", self.shown()) };
            text.push_str(&format!("\nnext: kedrctl register {}{files}\n", answers.name));
        }
        text
    }
}
