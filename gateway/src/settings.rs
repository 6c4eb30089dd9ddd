//! `gateway.toml`: what an operator may choose. Reads and checks; opens nothing.

use config::{ConfigErrors, Document, Section, units};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file's name in the data directory.
pub const FILE: &str = "gateway.toml";

/// The longest gathering of requests into one commit.
const MAX_GATHER: Duration = Duration::from_millis(200);
/// The longest time between an acknowledgement and the checkpoint that seals it.
const MAX_SEAL: Duration = Duration::from_mins(1);

/// What an operator may choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of this gateway; with the project's id it is the origin of the project's log.
    pub name: String,
    /// Where to listen: a loopback address.
    pub listen: SocketAddr,
    /// How often new entries are sealed by a checkpoint.
    pub seal_every: Duration,
    /// How long requests are gathered into one commit.
    pub gather: Duration,
    /// How many statements an agent may have unacknowledged.
    pub credit: u32,
    /// The data directory: the one that holds the file.
    pub data: PathBuf,
}

impl Settings {
    /// Reads `gateway.toml`; every mistake is reported at once.
    pub fn load(file: &Path) -> Result<Self, ConfigErrors> {
        let mut document = Document::load(file);
        if let Err(errors) = &mut document
            && !file.exists()
        {
            let hint = "; make it with `plumbline-gateway init --data DIR`, or name its folder with --data";
            errors.0.iter_mut().for_each(|problem| problem.message += hint);
        }
        let document = document?;
        let data = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Self::read(&document, data)
    }

    fn read(document: &Document, data: PathBuf) -> Result<Self, ConfigErrors> {
        let mut root = Section::of(document);
        let name = root.require("name", "the gateway's own name, such as \"ningbo.example\"", name_of);
        let listen = root.require("listen", "an address such as \"127.0.0.1:8480\"", loopback);
        let seal_every = root.parse("seal_every", |text| within(text, "1ms", MAX_SEAL));
        let gather = root.parse("gather", |text| within(text, "0ms", MAX_GATHER));
        let credit = root.integer("credit", 1, 4096).and_then(|n| u32::try_from(n).ok());
        let found = name.zip(listen);
        root.into_result()?;
        // Both are required above, so that an absent one has been reported.
        let (name, listen) = found.ok_or_else(ConfigErrors::default)?;
        Ok(Self {
            name,
            listen,
            seal_every: seal_every.unwrap_or(MAX_SEAL),
            gather: gather.unwrap_or(Duration::from_millis(20)),
            credit: credit.unwrap_or(64),
            data,
        })
    }

    /// The text of a new file.
    pub fn text(name: &str, listen: SocketAddr) -> String {
        format!(
            "# plumbline-gateway: every key with its default. Texts in quotes.\n\
             # 准绳网关配置。\n\n\
             # Name of this gateway. With a project's id it is the origin of the project's log and stands in\n\
             # every checkpoint, so it never changes once a project exists.\n\
             name = {name:?}\n\n\
             # Plain HTTP is spoken on loopback addresses only.\n\
             listen = \"{listen}\"\n\n\
             # New entries are sealed by a signed checkpoint at least this often (at most 60s).\n\
             seal_every = \"60s\"\n\n\
             # Requests are gathered this long into one durable commit (at most 200ms).\n\
             gather = \"20ms\"\n\n\
             # Statements an agent may have under way before the first is acknowledged.\n\
             credit = 64\n"
        )
    }
}

/// A name that may stand in a signed note: no space, no `+`, no line end (C2SP signed-note).
pub fn name_of(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_alphanumeric() || "-_./".contains(c);
    if text.is_empty() || text.chars().count() > 100 || !text.chars().all(fits) {
        return Err("must be 1 to 100 letters, digits or one of - _ . /".to_owned());
    }
    Ok(text.to_owned())
}

/// A loopback address; others are refused with the reason.
pub fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| format!("`{text}` is not an address with a port, such as 127.0.0.1:8480"))?;
    if !address.ip().is_loopback() {
        return Err(format!(
            "{} can be reached from other machines and this gateway speaks plain HTTP only: statements are \
             signed, but pages and tokens would not be protected. Listen on 127.0.0.1 or [::1] and put a TLS \
             proxy or an SSH tunnel before it",
            address.ip()
        ));
    }
    Ok(address)
}

fn within(text: &str, least: &str, most: Duration) -> Result<Duration, String> {
    let duration = units::duration(text).map_err(|e| e.to_string())?;
    let shortest = units::duration(least).map_err(|e| e.to_string())?;
    if duration < shortest || duration > most {
        return Err(format!("{text} is outside {least} to {}ms", most.as_millis()));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let document = Document::parse("gateway.toml", text).map_err(|e| e.to_string())?;
        Settings::read(&document, PathBuf::from("data")).map_err(|e| e.to_string())
    }

    #[test]
    fn a_new_file_is_read_back_with_the_defaults_it_prints() {
        let listen = "127.0.0.1:8480".parse().unwrap();
        let settings = read(&Settings::text("ningbo.example", listen)).unwrap();
        assert_eq!(settings.listen, listen);
        assert_eq!(settings.name, "ningbo.example");
        assert_eq!(settings, read("name = \"ningbo.example\"\nlisten = \"127.0.0.1:8480\"").unwrap());
    }

    #[test]
    fn every_mistake_is_reported_with_its_line_and_the_nearest_key() {
        let text = "nam = \"x\"\nlisten = \"0.0.0.0:80\"\nseal_every = \"2m\"\ngather = \"1s\"\ncredit = 0\n";
        let errors = read(text).unwrap_err();
        for part in [
            "gateway.toml:1: nam: unknown key (did you mean `name`?)",
            "name: is missing",
            "gateway.toml:2: listen: 0.0.0.0 can be reached from other machines",
            "gateway.toml:3: seal_every: 2m is outside",
            "gateway.toml:4: gather: 1s is outside",
            "gateway.toml:5: credit: 0 is outside 1 to 4096",
        ] {
            assert!(errors.contains(part), "{part} is missing in\n{errors}");
        }
        assert_eq!(errors.lines().count(), 6, "{errors}");
    }

    #[test]
    fn only_loopback_addresses_are_taken() {
        for good in ["127.0.0.1:0", "127.9.9.9:1", "[::1]:8480"] {
            assert!(loopback(good).is_ok(), "{good}");
        }
        for bad in ["0.0.0.0:1", "[::]:1", "192.168.1.5:80", "localhost:80", "127.0.0.1"] {
            assert!(loopback(bad).is_err(), "{bad}");
        }
    }
}
