//! The table as people read it: `docs/faults.md`.

use crate::judge::Tally;
use std::fmt::Write as _;

/// One fault on one way to a machine, or on the way to the gateway.
pub(crate) struct Row {
    /// Chinese and English name.
    pub(crate) fault: (&'static str, &'static str),
    /// Over which transport.
    pub(crate) over: &'static str,
    pub(crate) tally: Tally,
}

const HEAD: &str = "\
# 故障表 · Fault table

每一行是一次真实的故障注入：真实的智能体、网关和第三方设备程序（pymodbus、asyncua、mosquitto、Eclipse Tahu），
真实的网络连接；Modbus RTU 走一对伪终端的串口线。
设备每 100 毫秒报出一个新的计数，并自己记下何时报出了什么；最后把这份记录与证据包逐窗比对。
本表由命令生成：`PLUMBLINE_BLESS=1 bash tests/run --test faults`。

Each row is a fault done to the real thing: agent, gateway, and device programs of foreign make (pymodbus, asyncua,
mosquitto, Eclipse Tahu) on real connections; Modbus RTU on a serial line of pseudo-terminals. The device offers a new count every 100 ms and keeps its own record of what it offered
when; that record is then compared with the evidence bundle, window by window.
This page is written by a command: `PLUMBLINE_BLESS=1 bash tests/run --test faults`.

| 列 | column | 含义 | meaning |
|---|---|---|---|
| 报出 | offered | Modbus：到期的轮询；OPC UA、MQTT、Sparkplug：设备报出的计数 | Modbus: polls that were due; OPC UA, MQTT, Sparkplug: counts the device offered |
| 在证据中 | in evidence | 作为良好读数进入已签名的时间窗 | in a signed window as a good reading |
| 丢失并已记录 | lost and recorded | 缺失，且证据写明此处有缺失 | missing where the evidence says that something is missing |
| 无声丢失 | lost silently | 缺失，而证据称一切正常：必须为 0 | missing where the evidence says that all is well: must be 0 |
| 重复 | doubled | 计入不止一次：必须为 0 | counted more than once: must be 0 |
| 时间错误 | mis-stamped | 时间窗中的值或状态不属于那一刻：必须为 0 | a window holds a value or state not of that moment: must be 0 |

每次运行的条数随时间长短略有不同；后三列不许不同。The numbers of a run vary with its length; the last three columns may not.

值在到达时盖时间戳：线路扣留 0.7 秒的那一行，允许的旧度也多 0.7 秒。A value is stamped when it arrives: in the rows in which the wire holds
answers for 0.7 s, a value may be that much older.

墙钟出错的各行：先按证据中已签名的时钟事件还原每个时间窗的真实时刻，再比对；未签名的偏差即为时间错误。快一小时的一行只比对到校正为止，此后时间窗
等墙钟追上。Rows with a wrong wall clock: each window is put where it belongs by the signed clock events of the evidence itself, then
compared; an error of the clock that is not signed is mis-stamped. The row that is an hour ahead is compared up to the correction; then
windows wait for the clock.

串口线没有连接：对 Modbus RTU，“断开”“拒绝”指串口适配器被拔下，设备文件消失，恢复后重新出现。A serial line has no connections: for Modbus RTU
a cut or refused connection is a serial adapter that is pulled out; its device file is gone until it is plugged in again.

| 故障 · fault | 途径 · over | 报出 · offered | 在证据中 · in evidence | 丢失并已记录 · recorded | 无声丢失 · silent | 重复 · doubled | 时间错误 · mis-stamped |
|---|---|--:|--:|--:|--:|--:|--:|
";

/// The page.
pub(crate) fn page(rows: &[Row]) -> String {
    let mut page = HEAD.to_owned();
    let mut all = Tally::default();
    for Row { fault: (zh, en), over, tally } in rows {
        all.add(*tally);
        line(&mut page, &format!("{zh} · {en}"), over, tally);
    }
    line(&mut page, "**合计 · all**", "", &all);
    page
}

fn line(page: &mut String, name: &str, over: &str, tally: &Tally) {
    let Tally { offered, in_evidence, recorded, silent, doubled, mis_stamped } = tally;
    let _ = writeln!(
        page,
        "| {name} | {over} | {offered} | {in_evidence} | {recorded} | {silent} | {doubled} | {mis_stamped} |"
    );
}
