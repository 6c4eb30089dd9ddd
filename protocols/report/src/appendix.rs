//! How to check a bundle with programs that nobody here wrote. The commands are complete: what stands here
//! can be typed as it is, in the folder that holds the bundle. The scripts are kept beside this crate, where
//! a test can run them on a real bundle.

use crate::Lang;
use crate::model::Step;

/// What the commands need to know about the bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The one folder inside the archive, where it is known.
    pub folder: Option<String>,
    /// SHA-256 of the checkpoint's bytes, hex.
    pub note_hash: String,
    /// The log's verifier key.
    pub log_vkey: String,
    /// The registrar's public key, as in the trust file.
    pub registrar: String,
}

/// The Python script that recomputes root and signatures.
pub fn check_script(registrar: &str) -> String {
    include_str!("../scripts/check.py").replace("@registrar@", registrar)
}

/// The steps, simplest first.
pub fn steps(s: &Subject, lang: Lang) -> Vec<Step> {
    vec![files(s, lang), identity(s, lang), python(s, lang), openssl(lang), go(s, lang), doubt(lang)]
}

fn step(title: &str, text: &str, code: String) -> Step {
    Step { title: title.to_owned(), text: text.to_owned(), code }
}

fn files(s: &Subject, lang: Lang) -> Step {
    step(
        lang.t("文件是否齐全、未改", "The files are all there and unchanged"),
        lang.t(
            "证据包是普通的 zip，内为 BagIt 目录（RFC 8493）。每行都应显示 OK（或“成功”）。",
            "The bundle is an ordinary zip of a BagIt folder (RFC 8493). Every line must say OK.",
        ),
        format!(
            "unzip -q bundle.zip\ncd {}\nsha256sum --check manifest-sha256.txt\nsha256sum \
             --check tagmanifest-sha256.txt",
            s.folder.as_deref().map_or_else(|| "*/".to_owned(), shell_word)
        ),
    )
}

fn identity(s: &Subject, lang: Lang) -> Step {
    step(
        lang.t("是不是同一份证据", "It is the same evidence"),
        lang.t(
            "结果应等于本报告的检查点哈希值。也可用它向企业、网关或见证方核对：对同一规模只应存在一个根。",
            "The result must be the checkpoint hash of this report. Ask the enterprise, the \
             gateway or a witness for theirs: for one tree size there may be only one root.",
        ),
        format!("sha256sum data/log/checkpoint\n# {}", s.note_hash),
    )
}

fn python(s: &Subject, lang: Lang) -> Step {
    step(
        lang.t("用 Python 重算根哈希与全部签名", "Root and all signatures, in Python"),
        lang.t(
            "存为 check.py，在解开的目录中运行。只用通用的 CBOR 与密码库；应显示 same 与 invalid \
             0。公钥请与您自己的信任文件核对。",
            "Save as check.py and run it in the unpacked folder. It uses only general CBOR and \
             cryptography libraries and must print “same” and “invalid 0”. Compare the public \
             key with your own trust file.",
        ),
        check_script(&s.registrar),
    )
}

fn openssl(lang: Lang) -> Step {
    step(
        lang.t("用 OpenSSL 核对任意一条签名", "Any one signature, with OpenSSL"),
        lang.t(
            "先用下面的脚本（存为 one.py）把第 0 条（创世声明）取成文件，再用 OpenSSL 3 验证；应\
             显示 Signature Verified Successfully。",
            "Save the script as one.py; it writes entry 0 (the genesis) to files, which OpenSSL \
             3 then checks; it must say Signature Verified Successfully.",
        ),
        format!(
            "{}\n# python3 one.py 0 REGISTRAR_HEX\n# openssl pkeyutl -verify -pubin -inkey \
             key.der -keyform DER -rawin -in signed -sigfile signature",
            include_str!("../scripts/one.py").trim_end()
        ),
    )
}

fn go(s: &Subject, lang: Lang) -> Step {
    step(
        lang.t("用 Go 官方库核对检查点签名", "The checkpoint's signature, with Go's own library"),
        lang.t(
            "检查点是 C2SP signed-note，Go 模块校验数据库用的是同一格式。存为 note.go。",
            "The checkpoint is a C2SP signed note, the format of Go's module checksum database. \
             Save as note.go.",
        ),
        format!(
            "{}\n// go mod init check && go get golang.org/x/mod && go run note.go '{}'",
            include_str!("../scripts/note.go").trim_end(),
            s.log_vkey.replace('\'', "")
        ),
    )
}

fn doubt(lang: Lang) -> Step {
    step(
        lang.t("签名回答不了的问题", "What signatures cannot answer"),
        lang.t(
            "传感器装错、互感器变比填错、设备被替换，记录照样签得上。请抽查：现场拍下设备画面并与\
             同一秒的记录对照；拔掉一根信号线，看状态是否变为“未知”；用便携电表并测 24 小时；按审\
             计程序抽取原始数据块。",
            "A wrongly mounted sensor, a wrong transformer ratio or an exchanged machine is \
             signed just as well. Probe on site: photograph a machine's display and compare it \
             with the record of that second; pull a signal cable and see the state turn to \
             “unknown”; run a portable meter beside the fixed one for 24 hours; draw raw blocks \
             by the audit procedure.",
        ),
        String::new(),
    )
}

/// A folder name as one harmless word of a shell.
fn shell_word(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
    if plain { name.to_owned() } else { format!("'{}'", name.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_folder_name_stays_one_word_of_the_shell() {
        assert_eq!(shell_word("SY-2024-017"), "SY-2024-017");
        assert_eq!(shell_word("a; rm -rf ~"), "'a; rm -rf ~'");
        assert_eq!(shell_word("a'b"), r"'a'\''b'");
    }

    #[test]
    fn the_scripts_carry_the_keys_of_this_bundle() {
        let subject = Subject {
            folder: Some("p".into()),
            note_hash: "aa".into(),
            log_vkey: "o+1+k".into(),
            registrar: "ab".repeat(32),
        };
        let steps = steps(&subject, Lang::En);
        assert!(steps.iter().any(|s| s.code.contains(&"ab".repeat(32))));
        assert!(steps.iter().any(|s| s.code.contains("go run note.go 'o+1+k'")));
        assert!(steps.iter().all(|s| !s.code.contains('@')));
    }
}
