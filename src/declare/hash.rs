//! Single hashes, wherever they are declared.

use jiff::Timestamp;

use super::decode::{Context, Item};
use super::time;
use crate::diagnostic::{Code, Problem};
use crate::model::{FileHash, HashError, Untrusted};

/// The hashes of the empty file, in either case.
pub(super) const EMPTY_FILE_PATTERN: &str = "^([Dd]41[Dd]8[Cc][Dd]98[Ff]00[Bb]204[Ee]9800998[Ee][Cc][Ff]8427[Ee]|\
    [Ee]3[Bb]0[Cc]44298[Ff][Cc]1[Cc]149[Aa][Ff][Bb][Ff]4[Cc]8996[Ff][Bb]92427[Aa][Ee]41[Ee]4649[Bb]934[Cc][Aa]495991[Bb]7852[Bb]855)$";

/// A hash with what is said about it.
pub(super) struct DeclaredHash {
    pub(super) hash: FileHash,
    pub(super) comment: Option<Untrusted>,
    pub(super) until: Option<Timestamp>,
}

/// `900150983cd24fb0d6963f7d28e17f72`, or `{ sha256: …, comment: …, until: … }`.
pub(super) fn declared(cx: &mut Context<'_>, item: Item<'_, '_>) -> Option<DeclaredHash> {
    if !item.is_map() {
        let hash = single(cx, item, None)?;
        return Some(DeclaredHash { hash, comment: None, until: None });
    }
    let mut table = item.table(cx, "a hash", "a hash")?;
    let comment = table.optional(cx, "comment", |cx, item| item.text(cx, "a text").map(Untrusted::new));
    let until = table.optional(cx, "until", time::instant);
    table.not_supported(cx, "sha1", "the Response API knows MD5 and SHA-256 only: write `sha256` or `md5`");
    let given = table.exactly_one(cx, &["sha256", "md5"], "sha256: …");
    table.finish(cx);
    let hash = given.and_then(|item| single(cx, item, Some(&item.key.text)));
    Some(DeclaredHash { hash: hash?, comment: comment.or_none()?, until: until.or_none()? })
}

/// The hash that stands here. `algorithm` is the one that it must be of.
fn single(cx: &mut Context<'_>, item: Item<'_, '_>, algorithm: Option<&str>) -> Option<FileHash> {
    let text = item.text(cx, "a hash: 32 digits for MD5, 64 for SHA-256")?;
    match check(text) {
        Ok(hash) => match algorithm {
            Some(wanted) if wanted != hash.algorithm() => item.wrong(
                cx,
                Code::BadHash,
                format!("this is no {}: it has the length of {}", title(wanted), title(hash.algorithm())),
                format!("write `{}: {text}`, if that is what it is", hash.algorithm()),
            ),
            Some(_) | None => {
                cx.hashes.push(hash);
                Some(hash)
            }
        },
        Err((code, message, help)) => {
            let mut problem = Problem::new(code, message).at(item.place(), "");
            problem.help = help.map(str::to_owned);
            cx.report(problem);
            None
        }
    }
}

/// A hash that may be declared: the hash of the empty file may not.
pub(super) fn check(text: &str) -> Result<FileHash, (Code, String, Option<&'static str>)> {
    match text.parse::<FileHash>() {
        Ok(hash) if hash.is_of_empty_file() => Err((
            Code::EmptyFileHash,
            format!("this is the {} of the empty file", title(hash.algorithm())),
            Some("feeds carry it by mistake, and it stands for every empty file of the fleet: take it out"),
        )),
        Ok(hash) => Ok(hash),
        Err(error) => {
            let (message, help) = match error {
                HashError::NotHex => (
                    format!("this is no hash: {error}"),
                    "write the 32 digits of an MD5 or the 64 of a SHA-256",
                ),
                HashError::Length(_) => (error.to_string(), "copy it again, whole"),
                HashError::Sha1 => (error.to_string(), "write the SHA-256 of the same file"),
            };
            Err((Code::BadHash, message, Some(help)))
        }
    }
}

/// What people call an algorithm.
pub(super) fn title(algorithm: &str) -> &'static str {
    if algorithm == "md5" { "MD5" } else { "SHA-256" }
}

/// Whether a text is meant as a hash, right or wrong: no list may have such a name.
pub(super) fn is_meant(text: &str) -> bool {
    text.len() >= 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
