//! What is wrong with a file, and where: one line a problem, all of them at once. Nothing is computed from a
//! file that has one.

use std::fmt;

use report::Lang;

/// Problems listed in full; a file in the wrong format has one in every row.
const LISTED: usize = 50;

/// A text in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Words {
    /// Both wordings.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }

    /// The wording of a language.
    pub fn in_lang(&self, lang: Lang) -> &str {
        match lang {
            Lang::Zh => &self.zh,
            Lang::En => &self.en,
        }
    }
}

/// Where something stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A line of a text file, from 1, and the column's heading.
    Line(usize, String),
    /// A cell of a sheet such as `C7`, and the column's heading.
    Cell(String, String, String),
}

impl Place {
    /// As people read it.
    pub fn text(&self, lang: Lang) -> String {
        let headed = |heading: &str| match heading {
            "" => String::new(),
            heading => lang.t(&format!("，列“{heading}”"), &format!(", column {heading:?}")).to_owned(),
        };
        match self {
            Self::File => lang.t("整个文件", "the file").to_owned(),
            Self::Line(line, heading) => {
                format!("{}{}", lang.t(&format!("第 {line} 行"), &format!("line {line}")), headed(heading))
            }
            Self::Cell(sheet, cell, heading) => {
                let at =
                    lang.t(&format!("工作表“{sheet}” {cell}"), &format!("sheet {sheet:?} {cell}")).to_owned();
                format!("{at}{}", headed(heading))
            }
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is there and what it must be.
    pub words: Words,
}

/// Every mistake of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// Name of the file as it was given.
    pub file: String,
    /// Language of the answer.
    pub lang: Lang,
    /// All of them, in order of the file.
    pub all: Vec<Problem>,
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.all.len();
        let lang = self.lang;
        write!(
            f,
            "{}",
            lang.t(
                &format!("{}：{n} 处有误，没有计算任何指标", self.file),
                &format!("{}: {n} mistakes; nothing was computed", self.file)
            )
        )?;
        for problem in self.all.iter().take(LISTED) {
            write!(f, "\n  {}: {}", problem.place.text(lang), problem.words.in_lang(lang))?;
        }
        if n > LISTED {
            let more = n - LISTED;
            write!(f, "\n  {}", lang.t(&format!("… 另有 {more} 处"), &format!("… and {more} more")))?;
        }
        Ok(())
    }
}
