//! The command line: what can be asked of the program, and what each answer's exit code is.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use clap::{Args, Parser, Subcommand};
use evidence::key::Alg;
use report::Lang;
use verify::Progress;

use crate::exit::Exit;
use crate::genesis::{self, GenesisRequest};
use crate::kpi::ask::{By, Request, ask, own_word};
use crate::passphrase::{self, Passphrase};
use crate::summary::Paint;
use crate::{bundle, json, keygen};

/// 准绳核验程序：验收方与登记方使用，不连网。 / The assessor's and the registrar's program; it never uses the network.
#[derive(Debug, Parser)]
#[command(
    name = "plumbline-verify",
    version,
    after_help = "退出码 / exit codes: 0 是 fine · 1 结论为否 the answer is no · 2 用法或配置有误 wrong use or configuration · 3 环境故障 environment"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 核验证据包 / check a bundle
    Bundle(BundleArgs),
    /// 计算指标：证据包，或状态与读数的 CSV/XLSX / figures of a bundle, or of a CSV/XLSX of states and registers
    Kpi(Box<KpiArgs>),
    /// 生成登记方密钥 / make a registrar's key
    Keygen(KeygenArgs),
    /// 审阅并签署项目创世声明 / review and sign a project's genesis
    Genesis(GenesisArgs),
    /// 打印 --json 输出的 JSON Schema / print the JSON Schema of --json
    Schema {
        /// 改印 kpi --json 的 Schema / that of `kpi --json` instead of `bundle --json`
        #[arg(long)]
        kpi: bool,
    },
}

#[derive(Debug, Args)]
struct BundleArgs {
    /// 证据包 / the bundle (zip)
    file: PathBuf,
    /// 信任文件 / the assessor's own trust file (TOML)
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// 只输出 JSON / print JSON instead of the summary
    #[arg(long)]
    json: bool,
    /// 另写 HTML 报告 / also write an HTML report
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// zh 或 en / zh or en
    #[arg(long, default_value = "zh")]
    lang: Lang,
}

#[derive(Debug, Args)]
struct KpiArgs {
    /// 证据包（须有 --trust），或 CSV/XLSX / the bundle (with --trust), or a CSV or XLSX
    file: PathBuf,
    /// 信任文件；有它，文件即为证据包 / the trust file; it makes the file a bundle
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sheet", "offset", "state", "calendar", "holidays"])]
    trust: Option<PathBuf>,
    /// XLSX 有多张工作表时的表名 / the sheet of an XLSX with several
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// 文件中时刻的时区，如 +08:00 / zone of the moments in a file, such as +08:00
    #[arg(long, value_name = "+HH:MM", allow_hyphen_values = true, value_parser = zone)]
    offset: Option<i32>,
    /// 设备自己的状态用词，可重复 / a machine's own word for a state, repeatable
    #[arg(long, value_name = "WORD=STATE", value_parser = own_word)]
    state: Vec<(String, kpi::Leaf)>,
    /// 起始时刻（默认：全部）/ first moment (default: all there is)
    #[arg(long, value_name = "MOMENT")]
    from: Option<String>,
    /// 终止时刻，不含 / the moment after the last
    #[arg(long, value_name = "MOMENT")]
    to: Option<String>,
    /// 只计某设备，可重复 / this machine only, repeatable
    #[arg(long, value_name = "ID")]
    machine: Vec<String>,
    /// 只计某产线，可重复 / this line only, repeatable
    #[arg(long, value_name = "NAME")]
    line: Vec<String>,
    /// 再按日、班次或月分列 / also by day, shift or month
    #[arg(long)]
    by: Option<By>,
    /// 生产计划 TOML 的各版本，可重复 / versions of the production plan (TOML), repeatable
    #[arg(long, value_name = "FILE")]
    calendar: Vec<PathBuf>,
    /// 法定节假日 TOML，可重复 / statutory holidays (TOML), repeatable
    #[arg(long, value_name = "FILE")]
    holidays: Vec<PathBuf>,
    /// 系数文件，可重复，见 config/factors / factor files, repeatable
    #[arg(long, value_name = "FILE")]
    factors: Vec<PathBuf>,
    /// 综合能耗的电力折算：calorific 当量值、equivalent 等价值 / value of electricity in 综合能耗
    #[arg(long, value_name = "VALUE", requires = "factors", value_parser = crate::kpi::factors::basis)]
    coal: Option<kpi::energy::CoalBasis>,
    /// 计算二氧化碳的电网范围，如 national / grid scope for CO2
    #[arg(long, value_name = "SCOPE", requires = "factors")]
    grid: Option<String>,
    /// 改造前时段 A..B / the period before a change, A..B
    #[arg(long, value_name = "A..B", requires = "after")]
    before: Option<String>,
    /// 改造后时段 C..D / the period after it, C..D
    #[arg(long, value_name = "C..D", requires = "before")]
    after: Option<String>,
    /// 目标，如 iso.oee>=60%，可重复 / a target, repeatable
    #[arg(long, value_name = "ID>=VALUE")]
    target: Vec<String>,
    /// 只输出 JSON / print JSON instead of text
    #[arg(long)]
    json: bool,
    /// 把图画成 SVG 写入此文件夹 / write pictures (SVG) into this folder
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// 文本宽度（默认取 COLUMNS，否则 80）/ width of the text (default: COLUMNS, else 80)
    #[arg(long, value_name = "COLUMNS", env = "COLUMNS", default_value_t = 80, hide_env_values = true)]
    width: u32,
    /// zh 或 en / zh or en
    #[arg(long, default_value = "zh")]
    lang: Lang,
}

fn zone(text: &str) -> Result<i32, String> {
    crate::kpi::value::offset(text).ok_or_else(|| "write it as +08:00".to_owned())
}

#[derive(Debug, Args)]
struct KeygenArgs {
    /// 新密钥文件，绝不覆盖 / the new key file, never overwritten
    #[arg(long, value_name = "FILE", default_value = "registrar.pem")]
    out: PathBuf,
    /// 使用国密 SM2（默认 Ed25519）/ SM2 instead of Ed25519
    #[arg(long)]
    sm2: bool,
    /// 口令取自文件首行 / take the passphrase from the first line of a file
    #[arg(long, value_name = "FILE", conflicts_with = "no_passphrase")]
    passphrase_file: Option<PathBuf>,
    /// 不设口令，仅供演示 / no passphrase, for demonstrations only
    #[arg(long)]
    no_passphrase: bool,
}

#[derive(Debug, Args)]
struct GenesisArgs {
    /// 网关生成的 draft.toml / the gateway's draft.toml
    draft: PathBuf,
    /// 登记方密钥 / the registrar's key
    #[arg(long, value_name = "FILE", default_value = "registrar.pem")]
    key: PathBuf,
    /// 口令取自文件首行 / take the passphrase from the first line of a file
    #[arg(long, value_name = "FILE", conflicts_with = "no_passphrase")]
    passphrase_file: Option<PathBuf>,
    /// 密钥没有口令 / the key has no passphrase
    #[arg(long)]
    no_passphrase: bool,
    /// 登记方在名册中的标识 / the registrar's id in the roster
    #[arg(long, default_value = "registrar")]
    id: String,
    /// 输出文件夹 / folder for the genesis and the trust file
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// 不再询问，直接签署 / sign without asking
    #[arg(long)]
    yes: bool,
    /// zh 或 en / zh or en
    #[arg(long, default_value = "zh")]
    lang: Lang,
}

/// A command that could not be done, and whose fault that is.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What, where and what to do.
    pub error: anyhow::Error,
}

impl Failure {
    fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }
}

/// Does what the command line asks for.
pub fn run(cli: &Cli) -> Result<Exit, Failure> {
    match &cli.command {
        Command::Bundle(args) => check(args),
        Command::Keygen(args) => make_key(args),
        Command::Genesis(args) => sign_genesis(args),
        Command::Kpi(args) => figures(args),
        Command::Schema { kpi: false } => print(&json::schema()),
        Command::Schema { kpi: true } => print(&crate::kpi::answer::schema()),
    }
}

fn check(args: &BundleArgs) -> Result<Exit, Failure> {
    let checked = bundle::check_bundle_telling(&args.file, &args.trust, &mut teller(args.lang))
        .map_err(|e| Failure::new(e.exit(), e))?;
    if let Some(path) = &args.report {
        write_report(path, &checked.html(args.lang).map_err(|e| Failure::new(Exit::Environment, e))?)?;
    }
    let text = if args.json {
        checked.json().map_err(|e| Failure::new(Exit::Environment, e))?
    } else {
        checked.summary(args.lang, Paint::for_stdout())
    };
    print(&text)?;
    Ok(checked.exit())
}

fn figures(args: &KpiArgs) -> Result<Exit, Failure> {
    let request = Request {
        file: args.file.clone(),
        trust: args.trust.clone(),
        sheet: args.sheet.clone(),
        offset_min: args.offset,
        states: args.state.iter().cloned().collect(),
        from: args.from.clone(),
        to: args.to.clone(),
        machines: args.machine.clone(),
        lines: args.line.clone(),
        by: args.by,
        calendar: args.calendar.clone(),
        holidays: args.holidays.clone(),
        before: args.before.clone(),
        after: args.after.clone(),
        factors: args.factors.clone(),
        coal: args.coal,
        grid: args.grid.clone(),
        targets: args.target.clone(),
        lang: args.lang,
    };
    let answered = ask(&request).map_err(|e| Failure::new(e.exit(), e))?;
    let answer = &answered.answer;
    if let Some(folder) = &args.svg {
        let pictures = crate::kpi::pictures::draw(answer, answered.books.as_ref(), args.lang);
        crate::kpi::pictures::write(folder, &pictures)
            .with_context(|| format!("cannot write the pictures into {}: check the folder", folder.display()))
            .map_err(|e| Failure::new(Exit::Environment, e))?;
    }
    let text = if args.json {
        answer.json().map_err(|e| Failure::new(Exit::Environment, e))?
    } else {
        crate::kpi::text::text(answer, args.lang, args.width, Paint::for_stdout())
    };
    print(&text)?;
    Ok(if answer.is_yes() { Exit::Fine } else { Exit::No })
}

/// Says on a terminal how far the check has come, in one line that is overwritten, at most once a per cent.
fn teller(lang: Lang) -> impl FnMut(Progress) {
    let watched = std::io::stderr().is_terminal();
    let mut said = 0;
    move |progress| {
        let Progress::Entries { done, total } = progress else { return };
        let percent = done.saturating_mul(100) / total.max(1);
        if watched && percent > said {
            said = percent;
            let end = if done == total { "\r\u{1b}[K" } else { "" };
            eprint!("\r{} {percent} %{end}", lang.t("核验中", "checking"));
        }
    }
}

/// A report can be made again from the same bundle at any time, so an older one is replaced.
fn write_report(path: &Path, page: &str) -> Result<(), Failure> {
    std::fs::write(path, page)
        .with_context(|| format!("cannot write the report {}: check the folder and its room", path.display()))
        .map_err(|e| Failure::new(Exit::Environment, e))
}

fn make_key(args: &KeygenArgs) -> Result<Exit, Failure> {
    let passphrase = match (&args.passphrase_file, args.no_passphrase) {
        (Some(path), _) => Some(wrong_use(passphrase::from_file(path))?),
        (None, true) => None,
        (None, false) => Some(wrong_use(passphrase::choose())?),
    };
    if passphrase.is_none() {
        eprintln!(
            "警告：密钥未加密，谁读到文件谁就能冒充登记方；仅供演示。\n\
             warning: the key is not encrypted; whoever reads the file can act as the registrar. For demonstrations only."
        );
    }
    let alg = if args.sm2 { Alg::Sm2 } else { Alg::Ed25519 };
    let key = keygen::keygen(&args.out, alg, passphrase.as_deref().map(String::as_str))
        .map_err(|e| Failure::new(e.exit(), e))?;
    print(&format!(
        "密钥文件 / key file   {}\nkid (RFC 9679)        {}\n信任文件行 / trust-file line\n{}\n",
        key.path.display(),
        key.kid(),
        key.trust_line()
    ))
}

fn sign_genesis(args: &GenesisArgs) -> Result<Exit, Failure> {
    let passphrase = key_passphrase(args)?;
    let request = GenesisRequest {
        draft: &args.draft,
        key: &args.key,
        passphrase: passphrase.as_deref().map(String::as_str),
        registrar_id: &args.id,
        out: &args.out,
        now: now()?,
    };
    let prepared = genesis::prepare(request).map_err(|e| Failure::new(e.exit(), e))?;
    print(&prepared.show(args.lang))?;
    if !args.yes && !confirmed(args.lang)? {
        print(args.lang.t("没有签署，没有写入任何文件。\n", "Not signed; nothing was written.\n"))?;
        return Ok(Exit::No);
    }
    let files = prepared.sign().map_err(|e| Failure::new(e.exit(), e))?;
    print(&format!(
        "{}  {}\n{}  {}\nleaf      {}\n{}\n",
        args.lang.t("已签署", "signed  "),
        files.genesis.display(),
        args.lang.t("信任文件", "trust   "),
        files.trust.display(),
        hex::encode(files.leaf),
        args.lang.t(
            "下一步：plumbline-gateway project import 导入创世声明；信任文件当面交给验收方。",
            "Next: plumbline-gateway project import; hand the trust file to the assessor in person."
        ),
    ))
}

/// Asks only where a passphrase is needed: an unencrypted key says so itself.
fn key_passphrase(args: &GenesisArgs) -> Result<Option<Passphrase>, Failure> {
    if let Some(path) = &args.passphrase_file {
        return wrong_use(passphrase::from_file(path)).map(Some);
    }
    let encrypted = std::fs::read_to_string(&args.key).is_ok_and(|pem| pem.contains("ENCRYPTED"));
    if args.no_passphrase || !encrypted {
        return Ok(None);
    }
    let what = args.lang.t("登记方密钥口令", "passphrase of the registrar's key");
    wrong_use(passphrase::ask(what)).map(Some)
}

fn confirmed(lang: Lang) -> Result<bool, Failure> {
    let question = lang.t(
        "以上内容将被签署，之后不能更改。签署请输入 yes：",
        "This will be signed and cannot be changed. Type yes to sign: ",
    );
    print(question)?;
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .context("nobody answered; use --yes to sign without asking")
        .map_err(|e| Failure::new(Exit::Use, e))?;
    Ok(matches!(answer.trim(), "yes" | "是"))
}

fn now() -> Result<i64, Failure> {
    let since =
        SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|d| i64::try_from(d.as_secs()).ok());
    since.ok_or_else(|| {
        Failure::new(Exit::Environment, anyhow!("this computer's clock is before 1970; set it first"))
    })
}

fn wrong_use<T>(result: Result<T, passphrase::PassphraseError>) -> Result<T, Failure> {
    result.map_err(|e| Failure::new(Exit::Use, e))
}

fn print(text: &str) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(Exit::Fine),
        // The reader went away (`| head`); the answer stands.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(Exit::Fine),
        Err(e) => Err(Failure::new(
            Exit::Environment,
            anyhow::Error::new(e).context("cannot write to the terminal"),
        )),
    }
}
