//! The two languages of everything people read here. Chinese is the default, English is complete.
//! Nothing is translated at run time: both wordings stand side by side where they are used, so that
//! neither can be forgotten.

use std::fmt;
use std::str::FromStr;

/// Language of a page or a terminal summary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// 简体中文.
    #[default]
    Zh,
    /// English.
    En,
}

/// A word that names no language of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no language of the report; write `zh` (中文) or `en` (English)")]
pub struct UnknownLang(String);

impl Lang {
    /// The wording of this language.
    pub fn t<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }

    /// The value of the HTML `lang` attribute; it decides line breaking and which CJK glyphs are drawn.
    pub fn html(&self) -> &'static str {
        self.t("zh-Hans", "en")
    }
}

impl FromStr for Lang {
    type Err = UnknownLang;

    fn from_str(s: &str) -> Result<Self, UnknownLang> {
        match s {
            "zh" => Ok(Self::Zh),
            "en" => Ok(Self::En),
            other => Err(UnknownLang(other.to_owned())),
        }
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.t("zh", "en"))
    }
}
