//! `init`: key, data folder, enrolment request. May be run again at any time; a key is never made anew, a request
//! is written again with what the configuration says now.

use super::{Exit, Failure};
use crate::configuration::Configuration;
use crate::keys;
use std::path::{Path, PathBuf};

/// See the module.
pub fn init(configuration: &Configuration, out: &Path) -> Result<Exit, Failure> {
    let data_dir = &configuration.agent.data_dir;
    let (key, made) = keys::load_or_make(data_dir).map_err(|e| Failure::of(Exit::Environment, e))?;
    let word = if made {
        "已生成密钥 · key made"
    } else {
        "密钥已存在，未改动 · key found, left as it is"
    };
    println!("{word}: {}", data_dir.display());
    println!("公钥指纹 · key id: {}", key.public().kid());
    let several = configuration.uplinks.len() > 1;
    for uplink in &configuration.uplinks {
        let path = if several { with_project(out, &uplink.project) } else { out.to_owned() };
        let enrolment = configuration.enrolment(&uplink.project, key.public(), env!("CARGO_PKG_VERSION"));
        let bytes = enrolment.seal(&key).map_err(|e| {
            let hint = "shorten names or state rules, or give some machines to another agent";
            Failure::of(
                Exit::Use,
                anyhow::Error::new(e).context(format!("the request for {}: {hint}", uplink.project)),
            )
        })?;
        std::fs::write(&path, bytes).map_err(|e| {
            let what = format!("{}: the request cannot be written; check the folder", path.display());
            Failure::of(Exit::Environment, anyhow::Error::new(e).context(what))
        })?;
        println!("登记申请 · enrolment request for {}: {}", uplink.project, path.display());
        println!("  下一步 · next: plumbline-gateway agent enrol {}", path.display());
    }
    println!(
        "  请把公钥指纹读给登记方核对 · read the key id to the registrar, who compares it before signing"
    );
    Ok(Exit::Fine)
}

/// `enrol.cbor` for the project `SY-1` becomes `enrol.SY-1.cbor`.
fn with_project(out: &Path, project: &str) -> PathBuf {
    let stem = out.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let safe: String =
        project.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let mut name = format!("{stem}.{safe}");
    if let Some(extension) = out.extension() {
        name = format!("{name}.{}", extension.to_string_lossy());
    }
    out.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_goes_into_the_name_and_cannot_leave_the_folder() {
        let named = |project| with_project(Path::new("/x/enrol.cbor"), project);
        assert_eq!(named("SY-1"), Path::new("/x/enrol.SY-1.cbor"));
        assert_eq!(named("../a"), Path::new("/x/enrol.___a.cbor"));
        assert_eq!(named("宁波"), Path::new("/x/enrol.宁波.cbor"));
    }
}
