//! `trust`: shows which certificate an OPC UA server has, and trusts it once a person has given its fingerprint.
//!
//! Without a fingerprint nothing is ever trusted, and what is trusted is that one certificate only.

use super::{Exit, Failure};
use crate::runtime::SystemClock;
use clap::Args;
use protocols::opcua::{Certificate, NotAccepted, Settings, Shown, accept, shown};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

/// Whom to trust.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["link", "pki"]))]
pub struct Trust {
    /// 配置文件中的 OPC UA 链路（需 --config） / an OPC UA link of the configuration, with --config
    #[arg(long, value_name = "ID", requires = "config")]
    link: Option<String>,
    /// 配置文件（其余部分可以未完成） / the configuration; the rest of it may be unfinished
    #[arg(long, value_name = "FILE", requires = "link")]
    config: Option<PathBuf>,
    /// 或证书目录 / or the folder of certificates, with a fingerprint
    #[arg(long, value_name = "FOLDER", requires = "fingerprint")]
    pki: Option<PathBuf>,
    /// 核对过的指纹；不给则只显示 / the fingerprint you have compared; without it the certificate is only shown
    #[arg(value_name = "FINGERPRINT")]
    fingerprint: Option<String>,
}

/// See the module.
pub fn trust(wanted: &Trust) -> Result<Exit, Failure> {
    let (text, exit) = match (&wanted.link, &wanted.config, &wanted.pki, &wanted.fingerprint) {
        (Some(link), Some(config), _, given) => {
            let settings = super::browse::settings_of(config, link)?;
            if let Some(given) = given {
                accepted(&settings.pki_dir, given)?
            } else {
                let again = format!("plumbline-agent trust --config {} --link {link}", config.display());
                look(settings, &again)?
            }
        }
        (_, _, Some(pki), Some(given)) => accepted(pki, given)?,
        // The command line's own rules leave nothing else.
        _ => return Ok(Exit::Use),
    };
    print!("{text}");
    Ok(exit)
}

/// Asks the server, shows its certificate and the command that would trust it.
fn look(settings: Settings, again: &str) -> Result<(String, Exit), Failure> {
    let address = settings.address.url.clone();
    let asked = super::runtime()?.block_on(shown(settings, Arc::new(SystemClock::new())));
    let shown = asked.map_err(|e| Failure::of(Exit::Environment, e))?;
    Ok(told(&address, &shown, again))
}

fn told(address: &str, shown: &Shown, again: &str) -> (String, Exit) {
    let mut out = format!("{address}\n");
    // Writing to a String cannot fail.
    match shown {
        Shown::Nothing => {
            let _ = writeln!(out, "{OPEN}");
            (out, Exit::Fine)
        }
        Shown::Trusted(certificate) => {
            describe(&mut out, certificate);
            let _ = writeln!(out, "已信任 · it is trusted already");
            (out, Exit::Fine)
        }
        Shown::Untrusted(certificate) => {
            describe(&mut out, certificate);
            let _ = writeln!(out, "{COMPARE}\n  {again} {}", certificate.fingerprint);
            (out, Exit::No)
        }
        Shown::Unfit(certificate, why) => {
            describe(&mut out, certificate);
            let _ = writeln!(out, "证书不可用 · the certificate cannot be used: {why}");
            (out, Exit::No)
        }
    }
}

const OPEN: &str =
    "此链路 security = \"none\"，不使用证书 · this link has security = \"none\": no certificate is used";

const COMPARE: &str = "\
尚未信任。请在服务器自己的界面或面板上查看其证书指纹（thumbprint），逐字核对；一致才执行下面的命令。不一致时，应答的可能不是您的设备。
Not trusted yet. Look up the certificate's fingerprint on the server's own screen and compare it, every digit. Only if it
is the same, run the command below. If it differs, something else than your machine may be answering:";

fn describe(out: &mut String, certificate: &Certificate) {
    let (from, to) = &certificate.valid;
    let _ = write!(
        out,
        "服务器证书 · the server's certificate: {}\n  SHA-256  {}\n  SHA-1    {}\n  有效期 · valid {from} – {to}\n",
        certificate.subject, certificate.fingerprint, certificate.thumbprint
    );
}

fn accepted(pki: &std::path::Path, fingerprint: &str) -> Result<(String, Exit), Failure> {
    match accept(pki, fingerprint) {
        Ok(done) => {
            let mut out = String::new();
            describe(&mut out, &done.certificate);
            let path = done.path.display();
            let _ = writeln!(
                out,
                "已信任 · trusted from now on: {path}\n运行中的采集端会自行重连 · a running agent connects by itself"
            );
            Ok((out, Exit::Fine))
        }
        Err(error @ NotAccepted::File { .. }) => Err(Failure::of(Exit::Environment, error)),
        Err(NotAccepted::Unknown { folder, waiting }) => {
            let mut out = format!(
                "没有指纹如此的证书，未信任任何证书 · no certificate has this fingerprint; nothing was trusted ({})\n",
                folder.display()
            );
            if waiting.is_empty() {
                let _ = writeln!(out, "{ASK_FIRST}");
            }
            for certificate in &waiting {
                describe(&mut out, certificate);
            }
            Ok((out, Exit::No))
        }
    }
}

const ASK_FIRST: &str = "\
尚未见到任何服务器的证书；请先不带指纹执行一次 · no server has shown one yet: run this first without a fingerprint, \
with --config and --link";

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> Certificate {
        Certificate {
            subject: "CN=PLC-3".to_owned(),
            fingerprint: "AB:CD".to_owned(),
            thumbprint: "ef01".to_owned(),
            valid: ("2024".to_owned(), "2034".to_owned()),
        }
    }

    #[test]
    fn pain_22_the_command_to_repeat_is_printed_with_the_fingerprint_and_nothing_is_done() {
        let (text, exit) =
            told("opc.tcp://plc", &Shown::Untrusted(certificate()), "plumbline-agent trust --link cnc");
        assert_eq!(exit, Exit::No);
        assert!(text.ends_with("\n  plumbline-agent trust --link cnc AB:CD\n"), "{text}");
        assert!(text.contains("逐字核对") && text.contains("SHA-1    ef01"), "{text}");
    }

    #[test]
    fn what_needs_no_step_offers_none() {
        for (shown, want) in [
            (Shown::Nothing, Exit::Fine),
            (Shown::Trusted(certificate()), Exit::Fine),
            (Shown::Unfit(certificate(), "out of date".to_owned()), Exit::No),
        ] {
            let (text, exit) = told("opc.tcp://plc", &shown, "plumbline-agent trust");
            assert_eq!(exit, want);
            assert!(!text.contains("plumbline-agent trust"), "{text}");
        }
    }

    #[test]
    fn a_fingerprint_nobody_has_shown_trusts_nothing_and_says_what_to_do_first() {
        let dir = tempfile::tempdir().unwrap();
        let (text, exit) = accepted(dir.path(), "AB:CD").unwrap();
        assert_eq!(exit, Exit::No);
        assert!(text.contains("run this first without a fingerprint"), "{text}");
    }
}
