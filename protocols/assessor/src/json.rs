//! The report as JSON and its schema. Both come from the types of `verify`; JSON.md beside this crate says how
//! to read them.

use verify::Report;

/// The report, indented, ending in a line end.
pub fn text(report: &Report) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// The JSON Schema of [`text`].
pub fn schema() -> String {
    format!("{:#}\n", verify::schema())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_json_and_knows_every_field_that_the_page_names() {
        let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
        let text = schema.to_string();
        let page = include_str!("../JSON.md");
        let named = page.split('`').skip(1).step_by(2);
        let fields =
            named.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()) && word.contains('.'));
        let mut seen = 0;
        for field in fields.filter(|f| !f.contains([' ', ':'])) {
            for part in field.split('.') {
                let part = part.trim_end_matches("[]");
                assert!(text.contains(&format!("\"{part}\"")), "{field}: the schema has no {part}");
                seen += 1;
            }
        }
        assert!(seen > 10, "the page names fields");
    }
}
