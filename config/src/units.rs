//! Durations, byte sizes and secrets as they are written in configuration files.

use std::fmt;
use std::path::Path;
use std::time::Duration;

/// A text that is no quantity of the wanted kind; the message says how to write one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitError(String);

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UnitError {}

/// Splits `"500ms"` into 500 and `ms`.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// A duration such as `500ms`, `5s`, `15m`, `2h` or `400d`.
pub fn duration(text: &str) -> Result<Duration, UnitError> {
    let wrong = || {
        UnitError(format!(
            "{text:?} is not a duration; write a number with ms, s, m, h or d, such as \"500ms\""
        ))
    };
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(wrong)
}

/// A size in bytes such as `512MiB`, `2GiB` or `20GB`.
pub fn bytes(text: &str) -> Result<u64, UnitError> {
    let wrong = || {
        UnitError(format!(
            "{text:?} is not a size; write a number with B, kB, KiB, MB, MiB, GB, GiB or TiB, such as \"2GiB\""
        ))
    };
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let unit_bytes: u64 = match unit {
        "B" => 1,
        "kB" | "KB" => 1000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "TiB" => 1 << 40,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit_bytes).ok_or_else(wrong)
}

/// The first line of a secret file, without its line end. The message names the file, never its content.
pub fn secret(path: &Path) -> Result<String, UnitError> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| UnitError(format!("cannot read the secret in {}: {e}", path.display())))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(UnitError(format!("{} is empty; write the password on its first line", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("400d"), Ok(Duration::from_hours(9600)));
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        assert_eq!(bytes("20GB"), Ok(20_000_000_000));
    }

    #[test]
    fn wrong_units_say_how_to_write_them() {
        for bad in ["", "5", "s", "5 parsecs", "-1s", "1.5s", "99999999999999999999s"] {
            assert!(duration(bad).unwrap_err().to_string().contains("such as \"500ms\""), "{bad}");
        }
        assert!(bytes("2Gib").is_err());
    }

    #[test]
    fn a_secret_error_names_the_file_and_not_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        std::fs::write(&path, "\n").unwrap();
        assert!(secret(&path).unwrap_err().to_string().contains("write the password on its first line"));
        std::fs::write(&path, "geheim\n").unwrap();
        assert_eq!(secret(&path).unwrap(), "geheim");
    }
}
