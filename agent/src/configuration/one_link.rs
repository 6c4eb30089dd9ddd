//! The table of one link, whatever the rest of the file is like: a device is looked into before its points are
//! written, and its link is all that is needed for that.

use super::links::own_settings;
use config::{ConfigErrors, Document, Section};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Why a link cannot be looked into.
#[derive(Debug, thiserror::Error)]
pub enum OneLinkError {
    /// The file cannot be read as TOML.
    #[error("{0}")]
    Unreadable(ConfigErrors),
    /// There is no such link.
    #[error("{} 中没有链路 has no link {id:?}; 有 there are: {there}", .file.display())]
    NoSuchLink {
        /// Where was looked.
        file: PathBuf,
        /// For what.
        id: String,
        /// The ids there are.
        there: String,
    },
    /// It speaks another protocol.
    #[error(
        "链路 {id} 的协议是 {spoken}，此命令用于 {wanted} · link {id} speaks {spoken}, this command is for {wanted}"
    )]
    OtherProtocol {
        /// The link.
        id: String,
        /// Its protocol.
        spoken: String,
        /// The command's protocol.
        wanted: &'static str,
    },
}

/// The settings of the link, with paths made absolute as for a run.
pub fn one_link(file: &Path, id: &str, wanted: &'static str) -> Result<Value, OneLinkError> {
    let document = Document::load(file).map_err(OneLinkError::Unreadable)?;
    let mut root = Section::of(&document);
    let beside = file.parent().unwrap_or(Path::new(""));
    let data_dir = root.section("agent").and_then(|mut agent| agent.text("data_dir")).unwrap_or_default();
    let mut links = root.sections("link");
    let named = |section: &mut Section<'_>, key| section.text(key).unwrap_or_default();
    let ids: Vec<String> = links.iter_mut().map(|section| named(section, "id")).collect();
    let Some(section) = ids.iter().position(|known| known == id).and_then(|at| links.get_mut(at)) else {
        return Err(OneLinkError::NoSuchLink {
            file: file.to_owned(),
            id: id.to_owned(),
            there: ids.join(", "),
        });
    };
    let spoken = named(section, "protocol");
    let keys = protocols::keys(wanted).filter(|_| spoken == wanted);
    let Some((keys, _)) = keys else {
        return Err(OneLinkError::OtherProtocol { id: id.to_owned(), spoken, wanted });
    };
    Ok(own_settings(section, keys, &beside.join(data_dir), beside))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNFINISHED: &str = "[agent]\ndata_dir = \"data\"\n\n[[link]]\nid = \"cnc\"\nprotocol = \"opcua\"\n\
        address = \"opc.tcp://192.0.2.21\"\nsecurity = \"none\"\npassword_file = \"secret\"\n\n\
        [[link]]\nid = \"meters\"\nprotocol = \"modbus\"\n";

    #[test]
    fn a_link_of_an_unfinished_file_is_read_as_for_a_run() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("agent.toml");
        std::fs::write(&file, UNFINISHED).unwrap();
        let table = one_link(&file, "cnc", "opcua").unwrap();
        assert_eq!(table["pki_dir"], dir.path().join("data/pki").display().to_string());
        assert_eq!(table["password_file"], dir.path().join("secret").display().to_string());
        assert_eq!(table["address"], "opc.tcp://192.0.2.21");

        let no = |id| one_link(&file, id, "opcua").unwrap_err().to_string();
        assert!(no("cnc-1").contains("there are: cnc, meters"), "{}", no("cnc-1"));
        assert!(no("meters").contains("speaks modbus, this command is for opcua"), "{}", no("meters"));
        std::fs::write(&file, "[agent\n").unwrap();
        assert!(no("cnc").contains("agent.toml:1"), "{}", no("cnc"));
    }
}
