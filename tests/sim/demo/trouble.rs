//! What goes wrong with `--once`: the robot cell's link breaks and comes back, the machining centre dies.

use crate::chain::Chain;
use std::time::Duration;

/// Does what is due at this moment of a run of this length.
pub(crate) async fn at(chain: &mut Chain, elapsed: Duration, length: Duration) -> anyhow::Result<()> {
    let share = elapsed.as_secs_f64() / length.as_secs_f64();
    if share >= 0.35 && chain.broker_is_up() && !chain.broker_was_cut() {
        println!("  ✂ 断开 MQTT 链路 / the MQTT link breaks");
        chain.cut_broker().await;
    }
    if share >= 0.55 && !chain.broker_is_up() {
        println!("  ↺ 恢复 MQTT 链路 / the MQTT link is back");
        chain.restore_broker().await?;
    }
    if share >= 0.7 && chain.cnc_is_up() {
        println!("  ✖ 加工中心断电 / the machining centre dies");
        chain.kill_cnc();
    }
    Ok(())
}
