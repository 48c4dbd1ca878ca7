use std::str::FromStr;

/// What `--color` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorChoice {
    /// On a terminal, unless the environment says no.
    #[default]
    Auto,
    /// Into pipes and files too, and whatever the environment says.
    Always,
    /// On no stream.
    Never,
}

/// It is neither `auto`, `always` nor `never`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a colour choice is auto, always or never")]
pub struct ColorChoiceError;

impl FromStr for ColorChoice {
    type Err = ColorChoiceError;

    fn from_str(text: &str) -> Result<Self, ColorChoiceError> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(ColorChoiceError),
        }
    }
}

/// What the environment says of terminals and colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ColorEnvironment {
    /// `NO_COLOR` is set and not empty (no-color.org).
    pub no_color: bool,
    /// `TERM=dumb`: it prints escape sequences as they come.
    pub is_dumb: bool,
}

impl ColorEnvironment {
    /// As this process was started.
    pub fn of_process() -> Self {
        Self {
            no_color: std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
            is_dumb: std::env::var_os("TERM").is_some_and(|term| term == "dumb"),
        }
    }
}

impl ColorChoice {
    /// Whether to paint on a stream. A flag outweighs the environment: it was typed for this very run.
    pub fn decide(self, is_terminal: bool, environment: ColorEnvironment) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => is_terminal && !environment.no_color && !environment.is_dumb,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_outweighs_the_environment_and_the_environment_the_terminal() {
        let plain = ColorEnvironment::default();
        let no_color = ColorEnvironment { no_color: true, is_dumb: false };
        let dumb = ColorEnvironment { no_color: false, is_dumb: true };
        assert!(ColorChoice::Auto.decide(true, plain));
        assert!(!ColorChoice::Auto.decide(false, plain));
        assert!(!ColorChoice::Auto.decide(true, no_color));
        assert!(!ColorChoice::Auto.decide(true, dumb));
        assert!(ColorChoice::Always.decide(false, no_color));
        assert!(!ColorChoice::Never.decide(true, plain));
        assert_eq!("sometimes".parse::<ColorChoice>(), Err(ColorChoiceError));
    }
}
