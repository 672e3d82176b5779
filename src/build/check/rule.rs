//! The rules.

use std::fmt;
use std::str::FromStr;

/// A rule, by BuildKit's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Instructions differ in case.
    ConsistentInstructionCasing,
    /// A source is ignored.
    CopyIgnoredFile,
    /// A stage name appears again.
    DuplicateStageName,
    /// `EXPOSE` with an address or a port of the host.
    ExposeInvalidFormat,
    /// A protocol in capitals.
    ExposeProtoCasing,
    /// `AS` and `FROM` differ in case.
    FromAsCasing,
    /// `FROM --platform` with a fixed value.
    FromPlatformFlagConstDisallowed,
    /// Without given arguments `FROM` names no image.
    InvalidDefaultArgInFrom,
    /// `CMD` or `ENTRYPOINT` in shell form.
    JSONArgsRecommended,
    /// `ENV name value`.
    LegacyKeyValueFormat,
    /// `MAINTAINER`.
    MaintainerDeprecated,
    /// Several instructions of which only the last one counts.
    MultipleInstructionsDisallowed,
    /// An empty line among continued ones.
    NoEmptyContinuation,
    /// `FROM --platform=$TARGETPLATFORM`.
    RedundantTargetPlatform,
    /// A stage called `scratch` or `context`.
    ReservedStageName,
    /// A secret in a variable.
    SecretsUsedInArgOrEnv,
    /// A stage name with capitals.
    StageNameCasing,
    /// `FROM` with a variable that no `ARG` declares.
    UndefinedArgInFrom,
    /// A variable that nothing sets.
    UndefinedVar,
    /// A relative `WORKDIR` without an absolute one before.
    WorkdirRelativePath,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 20] = [
        Self::ConsistentInstructionCasing,
        Self::CopyIgnoredFile,
        Self::DuplicateStageName,
        Self::ExposeInvalidFormat,
        Self::ExposeProtoCasing,
        Self::FromAsCasing,
        Self::FromPlatformFlagConstDisallowed,
        Self::InvalidDefaultArgInFrom,
        Self::JSONArgsRecommended,
        Self::LegacyKeyValueFormat,
        Self::MaintainerDeprecated,
        Self::MultipleInstructionsDisallowed,
        Self::NoEmptyContinuation,
        Self::RedundantTargetPlatform,
        Self::ReservedStageName,
        Self::SecretsUsedInArgOrEnv,
        Self::StageNameCasing,
        Self::UndefinedArgInFrom,
        Self::UndefinedVar,
        Self::WorkdirRelativePath,
    ];

    /// What the rule asks for.
    pub fn description(self) -> &'static str {
        match self {
            Self::ConsistentInstructionCasing => "all instructions have the same case",
            Self::CopyIgnoredFile => "COPY and ADD name no file that the ignore file hides",
            Self::DuplicateStageName => "each stage has a name of its own",
            Self::ExposeInvalidFormat => "EXPOSE names ports of the container only",
            Self::ExposeProtoCasing => "protocols in EXPOSE are lowercase",
            Self::FromAsCasing => "AS has the case of its FROM",
            Self::FromPlatformFlagConstDisallowed => "FROM --platform leaves the platform to whoever builds",
            Self::InvalidDefaultArgInFrom => "with the defaults of its ARGs, FROM names an image",
            Self::JSONArgsRecommended => {
                "CMD and ENTRYPOINT are JSON arrays, so that signals reach the command"
            }
            Self::LegacyKeyValueFormat => "ENV and LABEL are written name=value",
            Self::MaintainerDeprecated => "the author is a label, not MAINTAINER",
            Self::MultipleInstructionsDisallowed => "CMD, ENTRYPOINT and HEALTHCHECK stand once in a stage",
            Self::NoEmptyContinuation => "no empty line interrupts an instruction",
            Self::RedundantTargetPlatform => {
                "FROM does not say --platform=$TARGETPLATFORM, which is the default"
            }
            Self::ReservedStageName => "no stage is called scratch or context",
            Self::SecretsUsedInArgOrEnv => "secrets are mounted, not put into ARG or ENV",
            Self::StageNameCasing => "stage names are lowercase",
            Self::UndefinedArgInFrom => "FROM uses declared ARGs only",
            Self::UndefinedVar => "variables are set before they are used",
            Self::WorkdirRelativePath => "a relative WORKDIR follows an absolute one",
        }
    }

    /// Where the rule is explained.
    pub fn url(self) -> String {
        let mut page = String::new();
        let mut after_lowercase = false;
        let name = self.to_string().replace("JSON", "Json");
        for ch in name.chars() {
            if ch.is_ascii_uppercase() && after_lowercase {
                page.push('-');
            }
            after_lowercase = ch.is_ascii_lowercase();
            page.push(ch.to_ascii_lowercase());
        }
        format!("https://docs.docker.com/reference/build-checks/{page}/")
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl FromStr for Rule {
    type Err = ();

    /// Reads a rule's name, whose case matters.
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|rule| rule.to_string() == name).ok_or(())
    }
}
