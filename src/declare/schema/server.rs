use schemars::JsonSchema;

use super::OneOrList;
use super::words::{
    Concurrency, Fingerprint, Id, Path, PemPath, SystemTrust, Text, Tolerance, Url, Variable,
};

/// A Central Node, or a simulator in its place.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("oneOf" = [
        { "required": ["url", "external_system_id", "client_certificate", "client_key"], "not": { "required": ["simulator"] } },
        {
            "required": ["simulator"],
            "not": { "anyOf": [
                { "required": ["url"] },
                { "required": ["external_system_id"] },
                { "required": ["client_certificate"] },
                { "required": ["client_key"] },
                { "required": ["client_key_passphrase"] },
                { "required": ["trust"] },
            ] },
        },
    ])
)]
pub(super) struct Server {
    /// https://, host and, where it is not 443, port; a list for a cluster.
    url: Option<OneOrList<Url>>,
    /// The id that the external system was registered with; usually a UUID.
    external_system_id: Option<Id>,
    /// The certificate that says who we are.
    client_certificate: Option<Pem>,
    /// The key of the client certificate.
    client_key: Option<Pem>,
    client_key_passphrase: Option<Passphrase>,
    trust: Option<Trust>,
    /// A simulator inside this process, by its fleet file: no network, no credentials.
    simulator: Option<Path>,
    /// Most requests in flight at once, 1 to 512. Default: 16.
    concurrency: Option<Concurrency>,
    /// How far the server's clock may be from ours before nothing that hangs on an instant is decided. Default: 10m.
    clock_tolerance: Option<Tolerance>,
}

/// A path, relative to this file; the name of the environment variable that holds the PEM text; or the program that
/// prints it.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Pem {
    Path(PemPath),
    Elsewhere(PemElsewhere),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{ "required": ["env"] }, { "required": ["command"] }]))]
struct PemElsewhere {
    env: Option<Variable>,
    /// The program and its arguments; runs only with --allow-commands.
    #[schemars(length(min = 1))]
    command: Option<Vec<Text>>,
}

/// Where the passphrase of an encrypted key comes from: the name of an environment variable that holds it, or the
/// program that prints it. Default: you are asked.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{ "required": ["env"] }, { "required": ["command"] }]))]
struct Passphrase {
    env: Option<Variable>,
    /// The program and its arguments; runs only with --allow-commands.
    #[schemars(length(min = 1))]
    command: Option<Vec<Text>>,
}

/// Why the server's certificate is believed: an authority, exactly this certificate, or what this machine trusts.
/// Without it, only `kedrctl register` talks to the server.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Trust {
    System(SystemTrust),
    Own(OwnTrust),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{ "required": ["ca"] }, { "required": ["sha256"] }]))]
struct OwnTrust {
    /// The authority that signed it.
    ca: Option<Pem>,
    sha256: Option<Fingerprint>,
}
