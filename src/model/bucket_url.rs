use std::fmt;
use std::str::FromStr;

/// A place in an object store: `s3://bucket/prefix`, `az://container/prefix` or `gs://bucket/prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketUrl {
    service: ObjectService,
    bucket: String,
    prefix: String,
}

/// Whose object store a bucket is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectService {
    /// Amazon's, or one that speaks its language.
    S3,
    /// Azure Blob Storage; what it calls a container is our bucket.
    Azure,
    /// Google Cloud Storage.
    Google,
}

impl ObjectService {
    /// As its URLs begin: `s3`, `az` or `gs`.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Azure => "az",
            Self::Google => "gs",
        }
    }
}

impl BucketUrl {
    /// Whose it is.
    pub fn service(&self) -> ObjectService {
        self.service
    }

    /// Made of `[a-z0-9._-]`.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Names of `[A-Za-z0-9._=-]` with one `/` between them, or empty.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.service.scheme(), self.bucket)?;
        if self.prefix.is_empty() { Ok(()) } else { write!(f, "/{}", self.prefix) }
    }
}

/// What is wrong with the text of a [`BucketUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketUrlError {
    /// What stands before `://` is none of `s3`, `az` and `gs`, in lower case.
    #[error("a record can not be kept in `{found}://`")]
    Scheme {
        /// As it is written; without a `://` the whole text.
        found: String,
    },
    /// An `@` stands before the prefix.
    #[error("it carries a user or a password (before `@`)")]
    UserInfo,
    /// A `?` or `#` stands somewhere behind the scheme.
    #[error("it carries a query or a fragment (after `?` or `#`)")]
    Query,
    /// A `:` stands before the prefix.
    #[error("it carries a port")]
    Port,
    /// Nothing stands between the scheme and the prefix.
    #[error("it names no bucket")]
    NoBucket,
    /// It has not 3 to 222 bytes of `[a-z0-9._-]`, the first of them a letter or digit.
    #[error("`{name}` can not be the name of a bucket")]
    Bucket {
        /// As it is written.
        name: String,
    },
    /// Two `/` stand side by side; a single one at the end is let pass.
    #[error("its prefix has an empty part")]
    EmptyPart,
    /// A part is `.` or `..`, or has a character that is none of `[A-Za-z0-9._=-]`.
    #[error("`{part}` can not be a part of the prefix")]
    Prefix {
        /// The first that is wrong, as it is written.
        part: String,
    },
}

impl BucketUrlError {
    /// What to write instead.
    pub fn help(&self) -> String {
        match self {
            Self::Scheme { found } => match found.to_ascii_lowercase().as_str() {
                "s3" | "s3a" | "s3n" => "write `s3://bucket/prefix`".to_owned(),
                "az" | "azure" | "abfs" | "abfss" | "wasb" | "wasbs" => {
                    "write `az://container/prefix`; the account comes from AZURE_STORAGE_ACCOUNT_NAME".to_owned()
                }
                "gs" | "gcs" => "write `gs://bucket/prefix`".to_owned(),
                "http" | "https" => {
                    "write `s3://bucket/prefix` (or `az://`, `gs://`); the address of a store that is not Amazon's comes \
                     from AWS_ENDPOINT_URL"
                        .to_owned()
                }
                "file" => "write the path of the folder itself, such as `record: .kedrctl`".to_owned(),
                _ => "write the path of a folder, `s3://bucket/prefix`, `az://container/prefix` or `gs://bucket/prefix`"
                    .to_owned(),
            },
            Self::UserInfo => {
                "take it out: credentials come from the store's usual environment variables, never from files in Git"
                    .to_owned()
            }
            Self::Query => {
                "take it out: region, endpoint and the like come from the store's usual environment variables".to_owned()
            }
            Self::Port => {
                "a bucket has no port: the address of a store of your own comes from AWS_ENDPOINT_URL or \
                 AZURE_STORAGE_ENDPOINT"
                    .to_owned()
            }
            Self::NoBucket => "write it before the prefix, such as `s3://soc-kedrctl/prod`".to_owned(),
            Self::Bucket { .. } => {
                "a bucket's name is made of lower-case letters, digits, `.`, `_` and `-`, and has 3 to 222 of them"
                    .to_owned()
            }
            Self::Prefix { .. } | Self::EmptyPart => {
                "a prefix is made of names of ASCII letters, digits, `.`, `_`, `=` and `-` with one `/` between them"
                    .to_owned()
            }
        }
    }
}

impl FromStr for BucketUrl {
    type Err = BucketUrlError;

    fn from_str(text: &str) -> Result<Self, BucketUrlError> {
        let (scheme, rest) = text.split_once("://").unwrap_or((text, ""));
        let service = match scheme {
            "s3" => ObjectService::S3,
            "az" => ObjectService::Azure,
            "gs" => ObjectService::Google,
            other => return Err(BucketUrlError::Scheme { found: other.to_owned() }),
        };
        if rest.contains(['?', '#']) {
            return Err(BucketUrlError::Query);
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (bucket, prefix) = match rest.split_once('/') {
            Some((bucket, prefix)) => (bucket, Some(prefix)),
            None => (rest, None),
        };
        if bucket.contains('@') {
            return Err(BucketUrlError::UserInfo);
        }
        if bucket.contains(':') {
            return Err(BucketUrlError::Port);
        }
        if bucket.is_empty() {
            return Err(BucketUrlError::NoBucket);
        }
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_name = |name: &str| {
            (3..=222).contains(&name.len())
                && name.bytes().all(|b| is_plain(b) || matches!(b, b'.' | b'_' | b'-'))
                && name.bytes().next().is_some_and(is_plain)
        };
        if !is_name(bucket) {
            return Err(BucketUrlError::Bucket { name: bucket.to_owned() });
        }
        let is_part = |part: &str| {
            !matches!(part, "" | "." | "..")
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'='))
        };
        if let Some(part) = prefix.and_then(|prefix| prefix.split('/').find(|part| !is_part(part))) {
            return Err(match part {
                "" => BucketUrlError::EmptyPart,
                part => BucketUrlError::Prefix { part: part.to_owned() },
            });
        }
        Ok(Self { service, bucket: bucket.to_owned(), prefix: prefix.unwrap_or("").to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_shown() {
        for text in ["s3://soc-kedrctl/prod", "az://kedrctl", "gs://a.b_c/x/Y=1/z.d"] {
            assert_eq!(text.parse::<BucketUrl>().unwrap().to_string(), text);
        }
        let slash: BucketUrl = "s3://abc/".parse().unwrap();
        assert_eq!((slash.bucket(), slash.prefix()), ("abc", ""));
        assert_eq!("s3://abc/x/".parse::<BucketUrl>().unwrap().prefix(), "x");
    }

    #[test]
    fn each_mistake_is_named() {
        use BucketUrlError as E;
        let wrong = |text: &str| text.parse::<BucketUrl>().unwrap_err();
        assert_eq!(wrong("s3:///prod"), E::NoBucket);
        assert_eq!(wrong("s3://"), E::NoBucket);
        assert_eq!(wrong("s3://key:secret@bucket/x"), E::UserInfo);
        assert_eq!(wrong("s3://bucket/x?region=eu"), E::Query);
        assert_eq!(wrong("s3://bucket#x"), E::Query);
        assert_eq!(wrong("s3://minio:9000/bucket"), E::Port);
        assert_eq!(wrong("s3a://bucket"), E::Scheme { found: "s3a".to_owned() });
        assert_eq!(wrong("s3://Bucket/x"), E::Bucket { name: "Bucket".to_owned() });
        assert_eq!(wrong("s3://-ab/x"), E::Bucket { name: "-ab".to_owned() });
        assert_eq!(wrong("s3://bucket/a//b"), E::EmptyPart);
        assert_eq!(wrong("s3://bucket/a/../b"), E::Prefix { part: "..".to_owned() });
        assert_eq!(wrong("s3://bucket/a b"), E::Prefix { part: "a b".to_owned() });
        assert_eq!(wrong("s3://bucket//"), E::EmptyPart);
    }
}
