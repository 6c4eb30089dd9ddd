//! Names that come from a roster or a device and are shown to people. They may be hostile: escaping for
//! HTML is the template's work (askama) and [`escape`] for SVG; here characters that would change how the
//! *rest* of the page reads are made visible. No name is ever silently dropped or altered otherwise.

use std::fmt::Write as _;

/// The text with control, bidirectional-override and invisible characters written out as `⟨U+202E⟩`,
/// so that a name cannot hide, reverse or forge what stands beside it.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_invisible(c) {
            // Writing to a String cannot fail.
            let _ = write!(out, "⟨U+{:04X}⟩", u32::from(c));
        } else {
            out.push(c);
        }
    }
    if out.trim().is_empty() { "⟨⟩".to_owned() } else { out }
}

/// At most `columns` half-width columns (a Chinese character takes two), with `…` where it was cut.
/// Combining marks count a quarter, so that a name made of thousands of them is cut too.
pub fn clip(text: &str, columns: u32) -> String {
    let mut used = 0;
    for (i, c) in text.char_indices() {
        used += quarter_columns(c);
        if used > columns * 4 {
            let kept: String = keep(&text[..i], columns.saturating_sub(1));
            return format!("{kept}…");
        }
    }
    text.to_owned()
}

/// Width in half-width columns, as a terminal shows it.
pub fn columns(text: &str) -> u32 {
    text.chars().map(quarter_columns).sum::<u32>().div_ceil(4)
}

/// Lines of at most `width` columns, broken at spaces and between Chinese characters, never before a closing
/// mark; a single word that is longer is broken where it must be.
pub fn wrap(text: &str, width: u32) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for piece in pieces(text) {
        if columns(&line) + columns(piece.trim_end()) > width && !line.is_empty() {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        let mut rest = piece;
        while line.is_empty() && columns(rest.trim_end()) > width {
            let head = keep(rest, width);
            rest = rest.strip_prefix(head.as_str()).unwrap_or_default();
            lines.push(head);
        }
        line.push_str(rest);
    }
    if !line.trim().is_empty() {
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// The stretches between which a line may be broken.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut before: Option<char> = None;
    for (i, c) in text.char_indices() {
        let breakable = match before {
            Some(' ') => c != ' ',
            Some(b) if OPENING.contains(b) => false,
            Some(b) => {
                c != ' ' && !CLOSING.contains(c) && (quarter_columns(b) == 8 || quarter_columns(c) == 8)
            }
            None => false,
        };
        if breakable {
            pieces.push(&text[start..i]);
            start = i;
        }
        before = Some(c);
    }
    pieces.push(&text[start..]);
    pieces
}

/// Marks that never begin a line.
const CLOSING: &str = "，。、；：？！）》」』】〉”’…—·,.;:?!)%";
/// Marks that never end one.
const OPENING: &str = "（《「『【〈“‘(";

/// The five characters with a meaning in HTML and SVG written as entities.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn keep(text: &str, columns: u32) -> String {
    let mut used = 0;
    text.chars()
        .take_while(|c| {
            used += quarter_columns(*c);
            used <= columns * 4
        })
        .collect()
}

fn quarter_columns(c: char) -> u32 {
    match u32::from(c) {
        0x0300..=0x036F
        | 0x0483..=0x0489
        | 0x0591..=0x05BD
        | 0x064B..=0x065F
        | 0x1AB0..=0x1AFF
        | 0x20D0..=0x20FF => 1,
        0x1100..=0x115F
        | 0x2E80..=0xA4CF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE4F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1FAFF
        | 0x2_0000..=0x3_FFFD => 8,
        _ => 4,
    }
}

/// C0 and C1 controls, soft hyphen, zero-width characters, bidirectional marks, embeddings and isolates,
/// line and paragraph separators, fillers, variation selectors and the invisible characters of plane 14.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0x00AD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
            | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF9..=0xFFFB
            | 0xE_0000..=0xE_0FFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_reorder_or_hide_text_are_written_out() {
        for (text, want) in [
            ("五轴加工中心 1 号", "五轴加工中心 1 号"),
            ("a\u{202e}b", "a⟨U+202E⟩b"),
            ("line\nbreak", "line⟨U+000A⟩break"),
            ("\u{2067}x\u{2069}", "⟨U+2067⟩x⟨U+2069⟩"),
            ("", "⟨⟩"),
            ("  ", "⟨⟩"),
            ("مخرطة", "مخرطة"),
        ] {
            assert_eq!(visible(text), want);
        }
    }

    #[test]
    fn a_long_name_is_cut_at_a_whole_character_and_says_so() {
        assert_eq!(clip("五轴加工中心", 12), "五轴加工中心");
        assert_eq!(clip("五轴加工中心", 11), "五轴加工中…");
        assert_eq!(clip("press-03", 8), "press-03");
        assert_eq!(clip("press-0003", 8), "press-0…");
        assert!(clip(&format!("a{}", "\u{301}".repeat(5000)), 10).chars().count() < 60);
    }

    #[test]
    fn lines_break_at_spaces_and_between_chinese_characters_but_not_before_a_closing_mark() {
        for (text, width, want) in [
            ("one two three", 7, vec!["one two", "three"]),
            ("证据真实，但不完整", 9, vec!["证据真", "实，但不", "完整"]),
            ("缺 2 小时", 6, vec!["缺 2", "小时"]),
            ("abcdefgh", 3, vec!["abc", "def", "gh"]),
            ("", 5, vec![]),
        ] {
            assert_eq!(wrap(text, width), want);
        }
    }

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escape(r#"<a b="c" d='e'>&"#), "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
    }
}
