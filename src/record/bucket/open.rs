use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{
    BackoffConfig, Certificate, ClientConfigKey, ClientOptions, Error as StoreError, ObjectStore, RetryConfig,
};

use super::{BucketStore, LockTerms, words};
use crate::model::{BucketUrl, ObjectService};
use crate::record::RecordError;

fn retry(terms: LockTerms) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        },
        max_retries: 5,
        retry_timeout: terms.repeat(),
    }
}

impl BucketStore {
    /// Opens what `url` names. Nothing is asked yet.
    ///
    /// `variables`: the process's environment, of which `AWS_*`, `AZURE_*` and `GOOGLE_*` count as their owners
    /// document them.
    ///
    /// # Errors
    /// [`RecordError::Refused`] where what the variables say makes no sense.
    pub fn open(
        url: &BucketUrl,
        variables: impl IntoIterator<Item = (String, String)>,
        terms: LockTerms,
    ) -> Result<Self, RecordError> {
        // Where it is installed already it is the same one: there is no other in this program.
        drop(rustls::crypto::ring::default_provider().install_default());
        let refused = |why: String| RecordError::Refused {
            attempted: "opened",
            place: url.to_string(),
            why,
            remedy: format!("check the environment variables {}", words::variables(url.service())),
        };
        let objects = match url.service() {
            ObjectService::S3 => s3(url, variables, terms),
            ObjectService::Azure => azure(url, variables, terms),
            ObjectService::Google => google(url, variables, terms),
        };
        Ok(Self {
            service: url.service(),
            prefix: url.prefix().into(),
            terms,
            ..Self::over(objects.map_err(refused)?, &url.to_string())
        })
    }
}

fn s3(
    url: &BucketUrl,
    variables: impl IntoIterator<Item = (String, String)>,
    terms: LockTerms,
) -> Result<Arc<dyn ObjectStore>, String> {
    let mut builder = AmazonS3Builder::new();
    let mut options = ClientOptions::new();
    for (name, value) in of("AWS_", variables) {
        if name == "AWS_CA_BUNDLE" {
            options = with_authorities(options, &value)?;
            continue;
        }
        match name.to_ascii_lowercase().parse() {
            Ok(AmazonS3ConfigKey::Client(key)) => options = options.with_config(key, value),
            Ok(key) => builder = builder.with_config(key, value),
            Err(_not_about_this) => {}
        }
    }
    let store = builder
        .with_client_options(bounded(options, terms))
        .with_retry(retry(terms))
        .with_bucket_name(url.bucket())
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        // Only a probe deletes, one at a time, and not every store knows the other way.
        .with_config(AmazonS3ConfigKey::DisableBulkDelete, "true")
        .build();
    Ok(Arc::new(store.map_err(said)?))
}

fn azure(
    url: &BucketUrl,
    variables: impl IntoIterator<Item = (String, String)>,
    terms: LockTerms,
) -> Result<Arc<dyn ObjectStore>, String> {
    let mut builder = MicrosoftAzureBuilder::new();
    let mut options = ClientOptions::new();
    for (name, value) in of("AZURE_", variables) {
        match name.to_ascii_lowercase().parse() {
            Ok(AzureConfigKey::Client(key)) => options = options.with_config(key, value),
            Ok(key) => builder = builder.with_config(key, value),
            Err(_not_about_this) => {}
        }
    }
    let store = builder
        .with_client_options(bounded(options, terms))
        .with_retry(retry(terms))
        .with_container_name(url.bucket())
        .build();
    Ok(Arc::new(store.map_err(said)?))
}

fn google(
    url: &BucketUrl,
    variables: impl IntoIterator<Item = (String, String)>,
    terms: LockTerms,
) -> Result<Arc<dyn ObjectStore>, String> {
    let mut builder = GoogleCloudStorageBuilder::new();
    let mut options = ClientOptions::new();
    for (name, value) in of("GOOGLE_", variables) {
        match name.to_ascii_lowercase().parse() {
            Ok(GoogleConfigKey::Client(key)) => options = options.with_config(key, value),
            Ok(key) => builder = builder.with_config(key, value),
            Err(_not_about_this) => {}
        }
    }
    let store = builder
        .with_client_options(bounded(options, terms))
        .with_retry(retry(terms))
        .with_bucket_name(url.bucket())
        .build();
    Ok(Arc::new(store.map_err(said)?))
}

/// In the order of their names, so that the same environment always means the same.
fn of(prefix: &'static str, variables: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut found: Vec<_> =
        variables.into_iter().filter(|(name, value)| name.starts_with(prefix) && !value.is_empty()).collect();
    found.sort();
    found
}

fn bounded(options: ClientOptions, terms: LockTerms) -> ClientOptions {
    options
        .with_timeout(terms.request())
        .with_connect_timeout(terms.connect())
        .with_config(ClientConfigKey::UserAgent, concat!("kedrctl/", env!("CARGO_PKG_VERSION")))
}

/// A store of one's own often has an authority of one's own. Beside those of the system.
fn with_authorities(options: ClientOptions, path: &str) -> Result<ClientOptions, String> {
    let wrong = |why: String| format!("AWS_CA_BUNDLE names `{path}`, which can not be used: {why}");
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?;
    if authorities.is_empty() {
        return Err(wrong("it holds no certificate".to_owned()));
    }
    Ok(authorities.into_iter().fold(options, ClientOptions::with_root_certificate))
}

/// The crate names itself before what is wrong.
fn said(error: StoreError) -> String {
    let text =
        if let StoreError::Generic { source, .. } = &error { source.to_string() } else { error.to_string() };
    crate::model::Untrusted::new(text).printable().to_string()
}
