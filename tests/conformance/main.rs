//! What every source must do when its machine does not behave: one suite, run unchanged over every protocol.
//!
//! A server of foreign make counts and writes each count down before it can be had. A [`Relay`] lies between it and
//! the link, and does something to the connection or to what passes; the link is owned as the agent owns it. Whatever
//! happens:
//!
//! - every point is told bad, or the session ends, where the fault concerns them;
//! - no good value is one that was not offered to that point, or not yet, or an old one with a fresh stamp;
//! - once the fault is over, values come again without anybody's help;
//! - nothing panics, and nothing that is sent to the machine is anything but reading; where it is encrypted the relay cannot
//!   see that, and says so.
//!
//! A new protocol implements [`transport::Transport`] and gets one line in the list below. A fault that has no meaning on a
//! transport is told with the reason (`--no-capture`), never skipped in silence.
//!
//! [`Relay`]: plumbline_tests::harness::relay::Relay

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod cases;
mod judge;
mod liars;
mod modbus;
mod modbus_rtu;
mod modbus_serial;
mod mqtt;
mod mqtt_tls;
mod opcua;
mod opcua_secured;
mod owner;
mod rig;
mod server;
mod sparkplug;
mod transport;

/// A module of tests for each transport, a test for each case.
macro_rules! conformance {
    ($($name:ident: $transport:ty,)*) => { $(mod $name {
        use crate::cases::{Case, run};
        type Over = $transport;

        #[test]
        fn a_machine_that_hangs() { run::<Over>(Case::Hang) }
        #[test]
        fn a_connection_that_is_reset_or_closed() { run::<Over>(Case::Reset) }
        #[test]
        fn answers_ten_times_slower_and_in_pieces() { run::<Over>(Case::Slow) }
        #[test]
        fn pain_04_a_late_answer_is_nobodys_value() { run::<Over>(Case::Late) }
        #[test]
        fn a_short_answer() { run::<Over>(Case::Short) }
        #[test]
        fn an_answer_of_another_unit() { run::<Over>(Case::WrongUnit) }
        #[test]
        fn pain_24_an_answer_to_another_question() { run::<Over>(Case::WrongId) }
        #[test]
        fn garbage() { run::<Over>(Case::Garbage) }
        #[test]
        fn nobody_listens() { run::<Over>(Case::Refuse) }
        #[test]
        fn somebody_takes_connections_and_ends_them() { run::<Over>(Case::HangUp) }
        #[test]
        fn pain_14_a_machine_that_vanishes_without_a_word_is_bad_at_every_point() { run::<Over>(Case::Vanish) }
        #[test]
        fn questions_that_never_arrive() { run::<Over>(Case::LostQuestions) }
        #[test]
        fn answers_that_never_arrive() { run::<Over>(Case::LostAnswers) }
        #[test]
        fn a_machine_that_restarts() { run::<Over>(Case::Restart) }
        #[test]
        fn an_answer_that_breaks_off() { run::<Over>(Case::CutAnswer) }
        #[test]
        fn answers_with_wrong_bits() { run::<Over>(Case::Corrupted) }
        #[test]
        fn answers_that_come_twice() { run::<Over>(Case::Duplicated) }
        #[test]
        fn pain_01_and_nothing_is_missing_where_all_is_well() { crate::cases::well::<Over>() }
    })* };
}

conformance! {
    modbus_tcp: crate::modbus::ModbusTcp,
    modbus_rtu_over_tcp: crate::modbus_rtu::RtuOverTcp,
    modbus_rtu_serial: crate::modbus_serial::Serial,
    opc_ua: crate::opcua::OpcUa,
    opc_ua_encrypted: crate::opcua_secured::OpcUaSecured,
    mqtt_3: crate::mqtt::Mqtt<4>,
    mqtt_5: crate::mqtt::Mqtt<5>,
    mqtt_5_over_tls: crate::mqtt_tls::MqttTls,
    sparkplug_b: crate::sparkplug::Sparkplug,
}
