//! How a run introduces itself to the record: who, from which job, from which commit. No secret is in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::guard::Allowance;
use crate::record::run_id;
use crate::session::Run;

/// A run of `command` that begins at `now`, for the state in `paths`. `allow`: what its flags let pass.
pub(super) fn introduce(
    command: &str,
    owner: &Arc<str>,
    allow: Vec<Arc<str>>,
    paths: &[PathBuf],
    now: Timestamp,
) -> Run {
    let random = Uuid::new_v4().into_bytes();
    let job = Job::of(&of_process);
    let commit = job.commit.or_else(|| paths.first().and_then(|path| checked_out(path)));
    Run {
        id: run_id(now, [random[0], random[1]]),
        command: command.into(),
        by: whoami(),
        owner: Arc::clone(owner),
        allow,
        plan: None,
        ci_job: job.link.map(Into::into),
        ci_commit: commit.map(Into::into),
    }
}

/// What flags let pass, as the record tells it.
pub(super) fn let_pass<'a>(
    allow: &[Allowance],
    take_over: impl IntoIterator<Item = &'a String>,
    accept_moved: impl IntoIterator<Item = &'a String>,
    accept_short_list: bool,
) -> Vec<Arc<str>> {
    let allowed = allow.iter().map(|allowed| format!("--allow {allowed}"));
    let taken = take_over.into_iter().map(|subject| format!("--take-over {subject}"));
    let moved = accept_moved.into_iter().map(|host| format!("--accept-moved {host}"));
    let short = accept_short_list.then(|| "--accept-short-list".to_owned());
    allowed.chain(taken).chain(moved).chain(short).map(Into::into).collect()
}

/// `user@machine`.
pub(super) fn whoami() -> Arc<str> {
    let user = first_of(&of_process, &["USER", "LOGNAME", "USERNAME"]).unwrap_or_else(user_id);
    let machine = first_of(&of_process, &["HOSTNAME", "COMPUTERNAME"])
        .or_else(|| {
            ["/proc/sys/kernel/hostname", "/etc/hostname"].iter().find_map(|file| first_line(Path::new(file)))
        })
        .unwrap_or_else(|| "unnamed".to_owned());
    format!("{user}@{machine}").into()
}

/// Whether this is a CI job, whose working folder is gone after it.
pub(super) fn is_ci() -> bool {
    of_process("CI").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Who the operating system says that we are: services and containers have no `USER`.
#[cfg(unix)]
fn user_id() -> String {
    use std::os::unix::fs::MetadataExt as _;
    // A file of our own belongs to us; where there is a `/proc`, nothing needs to be written for that.
    let own = fs::metadata("/proc/self").or_else(|_no_proc| tempfile::tempfile()?.metadata());
    match own {
        Ok(own) => format!("uid{}", own.uid()),
        Err(_) => "nobody-known".to_owned(),
    }
}

#[cfg(not(unix))]
fn user_id() -> String {
    let profile = of_process("USERPROFILE").map(PathBuf::from);
    let name = profile.as_deref().and_then(Path::file_name);
    name.map_or_else(|| "nobody-known".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// A variable of this process that is set and not empty.
fn of_process(name: &str) -> Option<String> {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Some(value),
        Ok(_) | Err(_) => None,
    }
}

fn first_of(env: &impl Fn(&str) -> Option<String>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| env(name))
}

/// What a CI service tells of the job that runs us.
#[derive(Debug, Default, PartialEq, Eq)]
struct Job {
    link: Option<String>,
    commit: Option<String>,
}

impl Job {
    /// The services by what only they set; what several set alike comes last.
    fn of(env: &impl Fn(&str) -> Option<String>) -> Self {
        let is = |name: &str| env(name).is_some();
        let (link, commit) = if is("GITLAB_CI") {
            (env("CI_JOB_URL"), env("CI_COMMIT_SHA"))
        } else if is("GITHUB_ACTIONS") || is("GITHUB_RUN_ID") {
            (github_job(env), env("GITHUB_SHA"))
        } else if is("TF_BUILD") || is("BUILD_BUILDID") {
            (azure_job(env), env("BUILD_SOURCEVERSION"))
        } else if is("BUILDKITE") {
            let link = env("BUILDKITE_BUILD_URL").map(|build| match env("BUILDKITE_JOB_ID") {
                Some(job) => format!("{build}#{job}"),
                None => build,
            });
            // A build of a branch that was not resolved yet says `HEAD`, which is no commit.
            (link, env("BUILDKITE_COMMIT").filter(|commit| commit != "HEAD"))
        } else if is("CIRCLECI") {
            (env("CIRCLE_BUILD_URL"), env("CIRCLE_SHA1"))
        } else {
            // Jenkins, and what others set in the same words.
            (first_of(env, &["BUILD_URL", "CI_JOB_URL"]), first_of(env, &["GIT_COMMIT", "CI_COMMIT_SHA"]))
        };
        Self { link: link.map(|link| without_credentials(&link)), commit }
    }
}

fn github_job(env: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let (server, repository) = (env("GITHUB_SERVER_URL")?, env("GITHUB_REPOSITORY")?);
    let run = env("GITHUB_RUN_ID")?;
    let attempt = env("GITHUB_RUN_ATTEMPT").map(|attempt| format!("/attempts/{attempt}"));
    Some(format!("{server}/{repository}/actions/runs/{run}{}", attempt.unwrap_or_default()))
}

fn azure_job(env: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let collection = first_of(env, &["SYSTEM_COLLECTIONURI", "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI"])?;
    let project = env("SYSTEM_TEAMPROJECT")?.replace(' ', "%20");
    let build = env("BUILD_BUILDID")?;
    Some(format!("{}/{project}/_build/results?buildId={build}", collection.trim_end_matches('/')))
}

/// A link may carry a user and a token; the record must not.
fn without_credentials(link: &str) -> String {
    let Some((scheme, rest)) = link.split_once("://") else { return link.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match authority.rsplit_once('@') {
        Some((credentials, _host)) => format!("{scheme}://{}", &rest[credentials.len() + 1..]),
        None => link.to_owned(),
    }
}

/// The commit that is checked out where the state lies, with a `?`: whether the files are still those of the commit
/// is not known without asking git.
fn checked_out(state: &Path) -> Option<String> {
    let state = absolute(state)?;
    let git = state.ancestors().map(|folder| folder.join(".git")).find(|git| git.exists())?;
    let git = if git.is_dir() {
        git
    } else {
        // A worktree or a submodule: the file says where its folder is.
        let folder = first_line(&git)?;
        git.parent()?.join(folder.strip_prefix("gitdir:")?.trim())
    };
    let head = first_line(&git.join("HEAD"))?;
    let commit = match head.strip_prefix("ref:") {
        None => head,
        Some(name) => {
            let name = name.trim();
            // Worktrees share the refs of the repository that they belong to.
            let common = first_line(&git.join("commondir")).map(|common| git.join(common));
            let mut folders = [Some(&git), common.as_ref()].into_iter().flatten();
            folders.find_map(|folder| reference(folder, name))?
        }
    };
    let is_id = matches!(commit.len(), 40 | 64) && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| format!("{commit}?"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "it only informs: without a current folder there is no commit to tell"
)]
fn absolute(path: &Path) -> Option<PathBuf> {
    std::path::absolute(path).ok()
}

fn reference(git: &Path, name: &str) -> Option<String> {
    // As git has them; anything else could leave the folder.
    if !name.starts_with("refs/") || name.contains("..") {
        return None;
    }
    first_line(&git.join(name)).or_else(|| {
        let packed = fs::read_to_string(git.join("packed-refs"));
        let is_it = |line: &&str| line.split_once(' ').is_some_and(|(_, packed)| packed == name);
        match packed {
            Ok(packed) => packed.lines().find(is_it)?.split_once(' ').map(|(commit, _)| commit.to_owned()),
            Err(_) => None,
        }
    })
}

/// The first line of a small file; nothing where it can not be read: it only informs.
fn first_line(file: &Path) -> Option<String> {
    match fs::read_to_string(file) {
        Ok(text) => text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(set: &[(&str, &str)]) -> (Option<String>, Option<String>) {
        let env = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let Job { link, commit } = Job::of(&env);
        (link, commit)
    }

    #[test]
    fn every_service_tells_its_job_and_commit() {
        for (what, set, link, commit) in [
            (
                "GitLab",
                &[("GITLAB_CI", "true"), ("CI_JOB_URL", "https://gl/p/-/jobs/7"), ("CI_COMMIT_SHA", "c0")][..],
                Some("https://gl/p/-/jobs/7"),
                Some("c0"),
            ),
            (
                "GitHub",
                &[
                    ("GITHUB_ACTIONS", "true"),
                    ("GITHUB_SERVER_URL", "https://gh"),
                    ("GITHUB_REPOSITORY", "soc/state"),
                    ("GITHUB_RUN_ID", "12"),
                    ("GITHUB_RUN_ATTEMPT", "2"),
                    ("GITHUB_SHA", "c1"),
                ],
                Some("https://gh/soc/state/actions/runs/12/attempts/2"),
                Some("c1"),
            ),
            (
                "Jenkins",
                &[("BUILD_URL", "https://ci/job/7/"), ("GIT_COMMIT", "c2")],
                Some("https://ci/job/7/"),
                Some("c2"),
            ),
            (
                "Azure Pipelines",
                &[
                    ("TF_BUILD", "True"),
                    ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/soc/"),
                    ("SYSTEM_TEAMPROJECT", "blue team"),
                    ("BUILD_BUILDID", "9"),
                    ("BUILD_SOURCEVERSION", "c3"),
                ],
                Some("https://dev.azure.com/soc/blue%20team/_build/results?buildId=9"),
                Some("c3"),
            ),
            (
                "Buildkite",
                &[
                    ("BUILDKITE", "true"),
                    ("BUILDKITE_BUILD_URL", "https://bk/soc/state/builds/5"),
                    ("BUILDKITE_JOB_ID", "a-b"),
                    ("BUILDKITE_COMMIT", "HEAD"),
                ],
                Some("https://bk/soc/state/builds/5#a-b"),
                None,
            ),
            (
                "CircleCI",
                &[("CIRCLECI", "true"), ("CIRCLE_BUILD_URL", "https://circle/1"), ("CIRCLE_SHA1", "c4")],
                Some("https://circle/1"),
                Some("c4"),
            ),
            ("nobody", &[], None, None),
        ] {
            let expected = (link.map(str::to_owned), commit.map(str::to_owned));
            assert_eq!(job(set), expected, "{what}");
        }
    }

    #[test]
    fn no_token_of_a_link_comes_into_the_record() {
        let (link, _) = job(&[("BUILD_URL", "https://bot:s3cret@ci.example/job/7/?who=a@b")]);
        assert_eq!(link.as_deref(), Some("https://ci.example/job/7/?who=a@b"));
        assert_eq!(without_credentials("no link"), "no link");
    }

    #[test]
    fn the_commit_is_the_one_that_is_checked_out() {
        const ONE: &str = "1111111111111111111111111111111111111111";
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            #[expect(clippy::disallowed_methods, reason = "a partial file is no worse than none to a test")]
            fs::write(path, text).unwrap();
        };
        let state = root.join("prod/state.yaml");
        write("prod/state.yaml", "");
        write(".git/HEAD", "ref: refs/heads/main\n");
        assert_eq!(checked_out(&state), None, "a branch without a commit");
        write(".git/packed-refs", &format!("# pack-refs\n{ONE} refs/heads/main\n"));
        assert_eq!(checked_out(&state), Some(format!("{ONE}?")));
        let two = ONE.replace('1', "2");
        write(".git/refs/heads/main", &format!("{two}\n"));
        assert_eq!(checked_out(&state), Some(format!("{two}?")), "the loose one is the newer one");
        write(".git/HEAD", &format!("{ONE}\n"));
        assert_eq!(checked_out(&root.join("prod")), Some(format!("{ONE}?")), "detached");
        write(".git/HEAD", "ref: ../../etc/passwd\n");
        assert_eq!(checked_out(&state), None);
        // A worktree.
        write("tree/.git", "gitdir: ../.git/worktrees/tree\n");
        write(".git/worktrees/tree/HEAD", "ref: refs/heads/main\n");
        write(".git/worktrees/tree/commondir", "../..\n");
        assert_eq!(checked_out(&root.join("tree")), Some(format!("{two}?")));
    }

    #[test]
    fn nobody_is_unknown() {
        let by = whoami();
        let (user, machine) = by.split_once('@').unwrap();
        assert!(!user.is_empty() && !machine.is_empty() && user != "unknown", "{by}");
        #[cfg(unix)]
        assert!(user_id().strip_prefix("uid").is_some_and(|id| id.parse::<u32>().is_ok()));
    }
}
