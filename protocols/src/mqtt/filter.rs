//! Topic filters: `plant/+/power` covers the topics of many machines with one subscription (MQTT 3.1.1 and
//! 5.0, 4.7).
//!
//! A filter never says which point a message is for; that is the point's own topic.

use std::fmt;

/// A topic filter, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Filter {
    /// Checks a filter; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() || text.len() > usize::from(u16::MAX) {
            return Err("a filter has 1 to 65535 bytes");
        }
        if text.contains('\0') {
            return Err("a filter cannot hold the character NUL");
        }
        if text.starts_with("$share/") {
            return Err(
                "a shared subscription gives each message to one reader only, so others would miss it",
            );
        }
        if text.starts_with('$') {
            return Err("topics that begin with $ belong to the broker");
        }
        let levels: Vec<&str> = text.split('/').collect();
        for (i, level) in levels.iter().enumerate() {
            let last = i + 1 == levels.len();
            if level.contains('#') && (*level != "#" || !last) {
                return Err("# stands alone in the last level");
            }
            if level.contains('+') && *level != "+" {
                return Err("+ stands alone in its level");
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a topic without wildcards is covered. Topics that begin with `$` are no machine's, and no
    /// filter that begins with a wildcard covers them (4.7.2).
    pub fn covers(&self, topic: &str) -> bool {
        !topic.starts_with('$') && covers(&mut self.0.split('/'), &mut topic.split('/'))
    }

    /// Whether some topic is covered by both: a broker may then deliver its messages twice.
    pub fn overlaps(&self, other: &Self) -> bool {
        overlaps(&mut self.0.split('/'), &mut other.0.split('/'))
    }
}

type Levels<'l, 'a> = &'l mut dyn Iterator<Item = &'a str>;

fn covers(filter: Levels<'_, '_>, topic: Levels<'_, '_>) -> bool {
    loop {
        match (filter.next(), topic.next()) {
            // `a/#` covers `a` itself too.
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(level), Some(name)) if level == name => {}
            _ => return false,
        }
    }
}

fn overlaps(one: Levels<'_, '_>, other: Levels<'_, '_>) -> bool {
    loop {
        match (one.next(), other.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some(a), Some(b)) if a == "+" || b == "+" || a == b => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filter(text: &str) -> Filter {
        Filter::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[track_caller]
    fn covered(text: &str, yes: &[&str], no: &[&str]) {
        for topic in yes {
            assert!(filter(text).covers(topic), "{text} should cover {topic}");
        }
        for topic in no {
            assert!(!filter(text).covers(topic), "{text} should not cover {topic}");
        }
    }

    #[test]
    fn a_filter_covers_what_the_standard_says() {
        covered("plant/+/power", &["plant/r01/power", "plant//power"], &["plant/power", "plant/r01/power/x"]);
        covered("plant/#", &["plant", "plant/", "plant/a/b"], &["plants", "Plant/a"]);
        covered("+/+", &["a/b", "/b"], &["a", "a/b/c", "$SYS/b"]);
        covered("#", &["a", "a/b"], &["$SYS/a"]);
        covered("a/b", &["a/b"], &["a/b/", "a"]);
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for bad in ["", "a/#/b", "a/b#", "a/+b", "a+", "$SYS/#", "$share/g/a", "a\0"] {
            assert!(Filter::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn filters_overlap_when_one_topic_is_under_both() {
        for (a, b, want) in [
            ("plant/+/power", "plant/r01/+", true),
            ("plant/+/power", "plant/#", true),
            ("plant/+/power", "plant/+/count", false),
            ("a/#", "a", true),
            ("a/+", "a", false),
            ("+/b", "a/+", true),
        ] {
            assert_eq!(filter(a).overlaps(&filter(b)), want, "{a} {b}");
            assert_eq!(filter(b).overlaps(&filter(a)), want, "{b} {a}");
        }
    }

    proptest! {
        #[test]
        fn two_filters_that_cover_one_topic_overlap(
            levels in prop::collection::vec(("[ab]", 0..3u8, 0..3u8), 1..5),
            (cut_one, cut_other) in (0..6usize, 0..6usize),
        ) {
            let topic: Vec<&str> = levels.iter().map(|(name, ..)| name.as_str()).collect();
            let with = |wild: &dyn Fn(&(String, u8, u8)) -> bool, cut: usize| {
                let mut text: Vec<&str> =
                    levels.iter().map(|l| if wild(l) { "+" } else { l.0.as_str() }).collect();
                if cut < text.len() {
                    text.truncate(cut);
                    text.push("#");
                }
                filter(&text.join("/"))
            };
            let (one, other) = (with(&|l| l.1 == 0, cut_one), with(&|l| l.2 == 0, cut_other));
            let topic = topic.join("/");
            prop_assert!(one.covers(&topic) && other.covers(&topic) && one.overlaps(&other));
        }
    }
}
