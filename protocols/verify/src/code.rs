//! Every way in which a bundle can be wrong, with a stable code, what it means and what to ask the enterprise.
//! A code never changes its meaning; a tampered bundle for each is kept in the tests.

use serde::{Serialize, Serializer};

/// Which verdict a defect spoils.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Spoils {
    /// The evidence is not what was signed and logged.
    Authentic,
    /// The evidence is not all there.
    Complete,
}

macro_rules! defects {
    ($($(#[doc = $doc:literal])* $name:ident, $code:literal, $spoils:ident, $zh:literal, $en:literal, $ask_zh:literal, $ask_en:literal;)*) => {
        /// One way in which a bundle can be wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DefectCode {
            $($(#[doc = $doc])* $name,)*
        }

        impl DefectCode {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable code.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The verdict it spoils.
            pub const fn spoils(self) -> Spoils {
                match self { $(Self::$name => Spoils::$spoils,)* }
            }

            /// What it means, in Chinese.
            pub const fn zh(self) -> &'static str {
                match self { $(Self::$name => $zh,)* }
            }

            /// What it means, in English.
            pub const fn en(self) -> &'static str {
                match self { $(Self::$name => $en,)* }
            }

            /// What to ask the enterprise or the gateway's operator, in Chinese.
            pub const fn ask_zh(self) -> &'static str {
                match self { $(Self::$name => $ask_zh,)* }
            }

            /// What to ask the enterprise or the gateway's operator, in English.
            pub const fn ask_en(self) -> &'static str {
                match self { $(Self::$name => $ask_en,)* }
            }
        }
    };
}

defects! {
    /// The container is no canonical zip: it was packed again, or bytes of it were changed.
    BundleZip, "E-BUNDLE-ZIP", Authentic,
        "证据包不是网关写出的原文件：被其他程序重新打包过，或 zip 结构中有多余、缺失、被改动的字节",
        "the bundle is not the file that the gateway wrote: another program packed it again, or bytes of its zip structure are added, missing or changed",
        "请索取网关导出的原文件（不要解开后重新压缩），并说明文件经过哪些途径传递",
        "ask for the original file as the gateway exported it, never unpacked and zipped again, and how it travelled";
    /// A file name is duplicated, impossible or tries to leave the folder.
    BundleName, "E-BUNDLE-NAME", Authentic,
        "证据包内有重复、不合规或越界的文件名",
        "the bundle has file names that are duplicated, impossible or point outside its folder",
        "请说明此证据包由何程序生成；规范的导出不会产生这样的文件名",
        "say which program made this bundle; a proper export never writes such names";
    /// A file differs from the manifest, is missing from it or from the bundle.
    BundleManifest, "E-BUNDLE-MANIFEST", Authentic,
        "文件与清单不符：内容被改动、缺失或未列入清单",
        "a file does not agree with the manifest: changed, missing, or not listed",
        "请重新导出，并与原件的检查点哈希核对",
        "export again and compare the hash of the checkpoint with the original";
    /// A file that every bundle holds is not there.
    BundleFile, "E-BUNDLE-FILE", Authentic,
        "证据包缺少必需的文件",
        "the bundle lacks a file that every bundle holds",
        "请用当前版本的网关重新导出",
        "export again with a current gateway";
    /// The checkpoint is no signed note or its text is malformed.
    CheckpointNote, "E-CHECKPOINT-NOTE", Authentic,
        "检查点不是规范的签名便笺",
        "the checkpoint is no well-formed signed note",
        "请向网关运营方索取原始检查点文件",
        "ask the gateway's operator for the original checkpoint";
    /// The log's signature on the checkpoint is missing or wrong.
    CheckpointSignature, "E-CHECKPOINT-SIGNATURE", Authentic,
        "检查点没有受信任日志密钥的有效签名",
        "the checkpoint carries no valid signature of the trusted log key",
        "请核对信任文件中的日志公钥，并询问网关密钥是否更换过",
        "check the log key in the trust file, and ask whether the gateway's key was replaced";
    /// The checkpoint belongs to another log.
    CheckpointOrigin, "E-CHECKPOINT-ORIGIN", Authentic,
        "检查点属于另一个日志",
        "the checkpoint belongs to another log",
        "请确认提交的是本项目的证据包",
        "make sure that this is the bundle of this project";
    /// A known key's cosignature on a checkpoint is wrong.
    CheckpointCosignature, "E-CHECKPOINT-COSIGNATURE", Authentic,
        "检查点上已知密钥的时间联署签名无效",
        "a checkpoint carries an invalid cosignature of a known key",
        "请询问运营方时间密钥的保管情况，并索取原始检查点",
        "ask how the operator's time key is kept, and for the original checkpoint";
    /// The entries do not hash to the checkpoint's root.
    LogRoot, "E-LOG-ROOT", Authentic,
        "由全部条目重算的默克尔根与检查点不符：有条目被改动、删除或插入",
        "the root recomputed from every entry is not the checkpoint's: entries were changed, dropped or inserted",
        "请说明日志是否恢复过旧备份；采集端保留的回执可以重建真实日志",
        "say whether the log was restored from a backup; the agents' receipts can rebuild the true log";
    /// An entries tile is missing, malformed or of the wrong size.
    LogTile, "E-LOG-TILE", Authentic,
        "日志条目分块缺失、多余或格式错误",
        "a tile of log entries is missing, superfluous or malformed",
        "请重新导出证据包",
        "export the bundle again";
    /// A hash tile differs from the entries.
    LogHashTile, "E-LOG-HASH-TILE", Authentic,
        "日志哈希分块与条目不符",
        "a hash tile disagrees with the entries",
        "请重新导出；若再次出现，网关的日志存储已损坏或被改动",
        "export again; if it recurs, the gateway's log store is damaged or was altered";
    /// A receipt in the bundle is not valid for its entry.
    Receipt, "E-RECEIPT", Authentic,
        "回执无效：签名、位置或树大小与日志不符",
        "a receipt is not valid for its entry: signature, position or tree size disagree",
        "请核对回执密钥，并询问网关是否运行过两个日志",
        "check the receipt key, and ask whether the gateway ever ran two logs";
    /// The first entry is no genesis.
    GenesisMissing, "E-GENESIS-MISSING", Authentic,
        "日志首条不是创世声明",
        "the first entry of the log is no genesis",
        "请向登记方索取其签署的创世声明",
        "ask the registrar for the genesis it signed";
    /// The genesis contradicts itself.
    GenesisContent, "E-GENESIS-CONTENT", Authentic,
        "创世声明自相矛盾：设备、代理、窗口长度或期间不成立",
        "the genesis contradicts itself in machines, agents, window length or periods",
        "请登记方更正并重新签署",
        "ask the registrar to correct and sign it again";
    /// A machine's state mapping has no definition.
    GenesisDefinition, "E-GENESIS-DEFINITION", Authentic,
        "设备的状态映射没有定义文本",
        "a machine's state mapping has no definition in the genesis",
        "请登记方出示任务书所附的定义原文",
        "ask the registrar for the definitions annexed to the project agreement";
    /// There is a second genesis.
    GenesisSecond, "E-GENESIS-SECOND", Authentic,
        "日志中有第二个创世声明",
        "the log holds a second genesis",
        "请说明为何重新开始；项目只能有一个创世声明",
        "ask why the project was begun anew; there can be one genesis only";
    /// The genesis names another log key than the assessor trusts.
    TrustLog, "E-TRUST-LOG", Authentic,
        "创世声明中的日志密钥与信任文件不同",
        "the genesis names another log key than the trust file",
        "请通过独立渠道向登记方核对日志公钥",
        "confirm the log key with the registrar by an independent channel";
    /// The genesis names another receipt key than the assessor trusts.
    TrustReceipt, "E-TRUST-RECEIPT", Authentic,
        "创世声明中的回执密钥与信任文件不同",
        "the genesis names another receipt key than the trust file",
        "请通过独立渠道向登记方核对回执公钥",
        "confirm the receipt key with the registrar by an independent channel";
    /// The genesis is signed by another registrar than the assessor trusts.
    TrustRegistrar, "E-TRUST-REGISTRAR", Authentic,
        "创世声明不是由受信任的登记方签署",
        "the genesis is not signed by the trusted registrar",
        "请确认登记方身份；其他人签署的清单没有效力",
        "establish who the registrar is; a roster that somebody else signed has no force";
    /// The genesis names another operator time key than the assessor trusts.
    TrustOperatorTime, "E-TRUST-OPERATOR-TIME", Authentic,
        "创世声明中的运营方时间密钥与信任文件不同",
        "the genesis names another operator time key than the trust file",
        "请通过独立渠道核对运营方时间公钥",
        "confirm the operator's time key by an independent channel";
    /// An entry is no canonical statement.
    EntryCoding, "E-ENTRY-CODING", Authentic,
        "条目不是规范编码的声明",
        "an entry is no canonically encoded statement",
        "请询问网关版本；规范的网关会隔离这样的字节",
        "ask for the gateway's version; a proper gateway quarantines such bytes";
    /// A statement belongs to another project.
    EntryProject, "E-ENTRY-PROJECT", Authentic,
        "声明属于另一个项目",
        "a statement belongs to another project",
        "请说明其他项目的数据为何进入本日志",
        "ask how another project's data came into this log";
    /// A statement's signature is wrong.
    EntrySignature, "E-ENTRY-SIGNATURE", Authentic,
        "声明签名无效：内容在签名后被改动",
        "a statement's signature is invalid: it was changed after signing",
        "请从采集端的存储取原始声明核对",
        "compare with the original statement in the agent's store";
    /// A statement is signed by a key that is not enrolled at that index.
    KeyUnenrolled, "E-KEY-UNENROLLED", Authentic,
        "声明由当时未登记的密钥签署",
        "a statement is signed by a key that was not enrolled at its place in the log",
        "请说明该密钥属于哪台设备，为何未经登记方登记",
        "ask which box holds that key and why the registrar never enrolled it";
    /// A statement is signed by a key after it was revoked or replaced.
    KeyRevoked, "E-KEY-REVOKED", Authentic,
        "声明由已吊销或已更换的密钥签署",
        "a statement is signed by a key after it was revoked or replaced",
        "请说明旧密钥为何仍在使用，可能已被复制",
        "ask why the old key is still in use; it may have been copied";
    /// The signer's role or name is not the enrolled one.
    KeyIdentity, "E-KEY-IDENTITY", Authentic,
        "声明自称的角色或名称与密钥登记不符",
        "a statement claims another role or name than its key was enrolled with",
        "请核对采集端配置中的编号",
        "check the id in the agent's configuration";
    /// A key change does not fit the keys in force.
    KeyChange, "E-KEY-CHANGE", Authentic,
        "密钥变更与当时有效的密钥或最后接受的声明不符",
        "a key change does not fit the keys in force or the last accepted statement it names",
        "请登记方说明该次变更",
        "ask the registrar about that change";
    /// Statements went on while the stream was frozen.
    StreamFrozen, "E-STREAM-FROZEN", Authentic,
        "数据流因自相矛盾被冻结后，未经解冻又继续写入",
        "statements of a stream were logged while it was frozen",
        "请登记方说明冻结原因及处理结果",
        "ask the registrar why it was frozen and how that was settled";
    /// A statement of a stream is missing.
    StreamSeq, "E-STREAM-SEQ", Authentic,
        "数据流序号不连续：有声明被抽走或调换次序",
        "a stream's sequence is broken: statements were withheld or reordered",
        "请提供缺失序号的声明；采集端按保存期留存原件",
        "ask for the missing statements; the agent keeps them for the retention time";
    /// A statement does not name its predecessor.
    StreamPrev, "E-STREAM-PREV", Authentic,
        "声明所指的前一声明与日志不符",
        "a statement does not name the statement before it",
        "请说明采集端是否恢复过旧备份或被克隆",
        "ask whether the agent's box was restored from a backup or cloned";
    /// Two different statements have the same sequence number.
    StreamEquivocation, "E-STREAM-EQUIVOCATION", Authentic,
        "同一序号有两份不同的声明：设备被克隆或数据被改写",
        "two different statements carry one sequence number: a cloned box or rewritten data",
        "请现场核查采集端设备，确认只有一台持有该密钥",
        "inspect the box on site and make sure that one box alone holds the key";
    /// The same statement is logged twice.
    StreamReplay, "E-STREAM-REPLAY", Authentic,
        "同一声明被重复写入日志",
        "the same statement is logged twice",
        "请询问网关版本；规范的网关不会重复写入",
        "ask for the gateway's version; a proper gateway logs a statement once";
    /// A stream went on after it was closed.
    StreamClosed, "E-STREAM-CLOSED", Authentic,
        "数据流关闭后又继续写入",
        "a stream went on after it was closed",
        "请登记方说明关闭与继续的原因",
        "ask the registrar why it was closed and why it went on";
    /// Windows are not on the genesis' grid.
    WindowGrid, "E-WINDOW-GRID", Authentic,
        "时间窗口不在创世声明规定的网格上",
        "windows do not lie on the grid that the genesis fixes",
        "请核对采集端的窗口长度配置",
        "check the window length in the agent's configuration";
    /// Time between two statements of a stream is not signed.
    WindowHole, "E-WINDOW-HOLE", Authentic,
        "数据流的窗口与停机声明之间有空洞",
        "windows and down times of a stream leave a hole",
        "请说明该时段采集端的状态",
        "ask what the agent's box did in that time";
    /// Windows lie before the genesis was signed.
    WindowBeforeGenesis, "E-WINDOW-BEFORE-GENESIS", Authentic,
        "窗口早于创世声明的签署时间：数据被倒签日期",
        "windows lie before the genesis was signed: they are back-dated",
        "请说明采集端时钟，以及数据的真实来源",
        "ask about the agent's clock and where those data come from";
    /// Windows cover time that was already covered.
    WindowOverlap, "E-WINDOW-OVERLAP", Authentic,
        "同一时间被签署两次",
        "the same time is signed twice",
        "请说明设备是否同时由两个采集端采集，或时钟是否回拨",
        "ask whether two boxes read the machine, or whether a clock was set back";
    /// A batch holds a machine that is not this agent's.
    WindowForeign, "E-WINDOW-FOREIGN", Authentic,
        "窗口包含不属于该采集端的设备",
        "windows hold a machine that the roster gives to another agent or to nobody",
        "请登记方确认设备与采集端的对应关系",
        "ask the registrar which agent measures that machine";
    /// A batch leaves out a machine of its agent.
    WindowMachineLeftOut, "E-WINDOW-MACHINE-LEFT-OUT", Complete,
        "窗口遗漏了该采集端应采集的设备",
        "windows leave out a machine that the roster gives to their agent",
        "请说明该设备为何从配置中去除",
        "ask why that machine was taken out of the configuration";
    /// A column holds what it cannot hold.
    WindowColumn, "E-WINDOW-COLUMN", Authentic,
        "窗口数据列的编号、单位、长度或数值不成立",
        "a column of windows has an impossible id, unit, length or value",
        "请询问采集端版本",
        "ask for the agent's version";
    /// The leaf states do not fill their window.
    WindowStates, "E-WINDOW-STATES", Authentic,
        "状态时长之和不等于窗口长度",
        "the leaf states of a window do not sum to its length",
        "请询问采集端版本；规范的采集端不会签署这样的窗口",
        "ask for the agent's version; a proper agent never signs such a window";
    /// An event cannot be true.
    EventContent, "E-EVENT-CONTENT", Authentic,
        "事件内容不成立：时间、设备或数值不合规则",
        "an event cannot be true: its time, machine or values break the rules",
        "请询问采集端版本",
        "ask for the agent's version";
    /// The definitions hash is not the one in force.
    DefinitionsHash, "E-DEFINITIONS-HASH", Complete,
        "窗口所依据的定义或状态映射未经批准，按未知计",
        "windows rest on definitions or state mappings that were not approved; they count as UNKNOWN",
        "请说明采集端的状态映射何时改动，是否经登记方批准",
        "ask when the agent's state mapping was changed and whether the registrar approved it";
    /// A checkpoint that an agent saw is not in this log's history.
    SeenRoot, "E-SEEN-ROOT", Authentic,
        "采集端见过的检查点与本日志历史不符：历史被改写或对外出示了两个版本",
        "a checkpoint that an agent saw is not in this log's history: rewritten, or two views were shown",
        "请运营方解释；这是日志被改写的直接证据",
        "ask the operator; this is direct evidence of a rewritten log";
    /// A statement claims to have seen a checkpoint that covers itself.
    SeenSize, "E-SEEN-SIZE", Authentic,
        "声明所见的检查点比其自身位置更晚",
        "a statement claims to have seen a checkpoint that covers its own place",
        "请核对采集端与网关的时钟和版本",
        "check clocks and versions of agent and gateway";
    /// A note that a statement names is missing or different.
    SeenNote, "E-SEEN-NOTE", Authentic,
        "声明所引用的检查点便笺缺失、无效或内容不同",
        "a checkpoint note that a statement names is missing, invalid or different",
        "请重新导出证据包，须包含全部被引用的便笺",
        "export again; every note that is named must be in the bundle";
    /// A statement's time bounds contradict each other.
    TimeOrder, "E-TIME-ORDER", Authentic,
        "联署时间前后矛盾：声明所见检查点的时间晚于收录它的检查点",
        "cosignature times contradict: a statement saw a later time than the checkpoint that first covers it",
        "请核对时间密钥的时钟",
        "check the clock of the time key";
    /// Windows end after the time at which they were already logged.
    TimePremature, "E-TIME-PREMATURE", Complete,
        "窗口结束时间晚于其入日志时间：数据在发生之前就已生成",
        "windows end after they were already logged: they were made before they happened",
        "请说明数据来源；这样的窗口不计入指标",
        "ask where those data come from; such windows are not counted";
    /// Windows that the roster and the period demand are missing.
    MissingWindows, "E-MISSING-WINDOWS", Complete,
        "期间内有设备窗口缺失，且没有停机声明",
        "windows of the period are missing and no down time accounts for them",
        "请说明缺失时段的生产情况，并提供采集端存储",
        "ask what was produced in that time, and for the agent's store";
    /// A machine of the roster has no window at all.
    MissingMachine, "E-MISSING-MACHINE", Complete,
        "清单中的设备在期间内没有任何窗口",
        "a machine of the roster has no window in the period",
        "请说明该设备是否安装、停用或更换了采集方式",
        "ask whether the machine was installed, retired or is measured otherwise";
    /// An agent of the roster has no statement at all.
    MissingAgent, "E-MISSING-AGENT", Complete,
        "清单中的采集端没有任何声明",
        "an agent of the roster has no statement at all",
        "请说明该采集端的下落",
        "ask what became of that agent's box";
    /// A stream ends before the period does.
    MissingTail, "E-MISSING-TAIL", Complete,
        "数据流在期间结束之前中断：末尾可能被截去",
        "a stream ends before the period does: its tail may have been cut off",
        "请在期间结束并完成上传之后重新导出",
        "export again after the period has ended and everything was sent";
    /// Windows were lost and the loss is signed.
    SignedLoss, "E-SIGNED-LOSS", Complete,
        "采集端签署了数据丢失",
        "the agent signed that it lost windows",
        "请说明存储损坏的原因",
        "ask how the store came to be damaged";
}

impl std::fmt::Display for DefectCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

impl Serialize for DefectCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl schemars::JsonSchema for DefectCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DefectCode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let codes: Vec<&str> = Self::ALL.iter().map(|c| c.text()).collect();
        schemars::json_schema!({ "type": "string", "enum": codes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_well_formed() {
        let mut texts: Vec<&str> = DefectCode::ALL.iter().map(|c| c.text()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), DefectCode::ALL.len());
        for text in texts {
            assert!(text.starts_with("E-"), "{text}");
            assert!(text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-'), "{text}");
        }
    }

    #[test]
    fn every_code_says_what_it_means_and_what_to_ask_in_both_languages() {
        for code in DefectCode::ALL {
            for text in [code.zh(), code.ask_zh()] {
                assert!(text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{code}: {text}");
            }
            for text in [code.en(), code.ask_en()] {
                assert!(text.is_ascii() && text.len() > 10, "{code}: {text}");
            }
        }
    }
}
