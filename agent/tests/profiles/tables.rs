//! What each kind of controller means, from the vendor maps of the design (section 2.3), the general rules (2.2) and
//! the order of the leaf states (0.1, point 1): UNKNOWN, MAINTENANCE, OFF, FAULT, SETUP, PRODUCING, HELD, WAITING, IDLE;
//! whatever is left is UNKNOWN.

use crate::table::Table;

pub(crate) const MTCONNECT: Table = Table {
    profile: "mtconnect",
    state: "",
    domain: &[
        ("availability", "AVAILABLE UNAVAILABLE"),
        ("emergency_stop", "ARMED TRIGGERED UNAVAILABLE"),
        (
            "execution",
            "ACTIVE READY STOPPED PROGRAM_COMPLETED FEED_HOLD INTERRUPTED PROGRAM_STOPPED OPTIONAL_STOP \
             PROGRAM_OPTIONAL_STOP WAIT UNAVAILABLE NEW_WORD",
        ),
        ("mode", "AUTOMATIC SEMI_AUTOMATIC MANUAL MANUAL_DATA_INPUT EDIT FEED_HOLD UNAVAILABLE"),
        ("functional_mode", "PRODUCTION SETUP TEARDOWN MAINTENANCE PROCESS_DEVELOPMENT UNAVAILABLE"),
        ("alarm", "Normal WARNING Fault FAULT UNAVAILABLE"),
        ("override", "0 100 UNAVAILABLE"),
    ],
    absent: &[
        ("availability", "AVAILABLE"),
        ("emergency_stop", "ARMED"),
        ("functional_mode", "PRODUCTION"),
        ("alarm", "Normal"),
        ("override", "100"),
    ],
    rows: "
        availability=UNAVAILABLE -> unknown
        execution=UNAVAILABLE -> unknown
        emergency_stop=UNAVAILABLE -> unknown
        mode=UNAVAILABLE -> unknown
        functional_mode=UNAVAILABLE -> unknown
        alarm=UNAVAILABLE -> unknown
        functional_mode=MAINTENANCE -> maintenance
        emergency_stop=TRIGGERED -> fault
        alarm=Fault,FAULT execution!=ACTIVE -> fault
        functional_mode=SETUP,TEARDOWN -> setup
        mode=MANUAL,MANUAL_DATA_INPUT,EDIT -> setup
        mode=FEED_HOLD -> held
        execution=ACTIVE override=UNAVAILABLE -> unknown
        execution=ACTIVE override=0 -> held
        execution=ACTIVE -> producing
        execution=FEED_HOLD,INTERRUPTED,PROGRAM_STOPPED,OPTIONAL_STOP,PROGRAM_OPTIONAL_STOP -> held
        execution=WAIT -> waiting
        execution=READY,STOPPED,PROGRAM_COMPLETED -> idle
        -> unknown
    ",
    known_although: "
        availability=AVAILABLE emergency_stop=ARMED execution=READY mode=AUTOMATIC functional_mode=PRODUCTION alarm=Normal override=- -> idle
        availability=AVAILABLE emergency_stop=TRIGGERED execution=ACTIVE mode=AUTOMATIC functional_mode=PRODUCTION alarm=Normal override=- -> fault
    ",
};

pub(crate) const OPCUA_40001: Table = Table {
    profile: "opcua-40001",
    state: "",
    domain: &[
        ("execution", "NotAvailable OutOfService NotExecuting Executing Ausführend"),
        ("mode", "None Maintenance Processing Setup Einrichten"),
        ("override", "0 50"),
    ],
    absent: &[("override", "100")],
    rows: "
        mode=Einrichten -> unknown
        mode=Maintenance -> maintenance
        execution=NotAvailable -> off
        execution=OutOfService -> fault
        execution=NotExecuting,Executing mode=Setup -> setup
        execution=Executing mode=Processing override=0 -> held
        execution=Executing mode=Processing -> producing
        execution=NotExecuting -> idle
        -> unknown
    ",
    known_although: "
        execution=NotExecuting mode=None override=- -> idle
        execution=- mode=Maintenance override=- -> maintenance
    ",
};

pub(crate) const OPCUA_40501: Table = Table {
    profile: "opcua-40501",
    state: "",
    domain: &[
        ("execution", "0 1 2 3"),
        ("mode", "0 1 2 3 4 5 6 7 8"),
        ("operation_mode", "0 1 2 3 4 5 6"),
        ("alarm", "false true"),
        ("override", "0 120"),
    ],
    absent: &[("operation_mode", "1"), ("alarm", "false"), ("override", "120")],
    rows: "
        operation_mode=6 -> unknown
        execution=3 -> unknown
        operation_mode=4 -> maintenance
        alarm=true execution!=0 -> fault
        operation_mode=2 -> setup
        execution=0 mode=1,2,3,4,6 -> setup
        execution=0 operation_mode=0 -> setup
        execution=0 mode=0 operation_mode=1,3 override=0 -> held
        execution=0 mode=0 operation_mode=1,3 -> producing
        execution=0 -> unknown
        execution=1 -> held
        execution=2 -> idle
        -> unknown
    ",
    known_although: "
        execution=1 mode=- operation_mode=1 alarm=false override=- -> held
        execution=0 mode=- operation_mode=4 alarm=- override=- -> maintenance
    ",
};

pub(crate) const OPCUA_40502: Table = Table {
    profile: "opcua-40502",
    state: "",
    domain: &[
        ("execution", "0 1 2 3 4 5"),
        ("mode", "0 1 2 3"),
        ("alarm", "false true"),
        ("override", "0 100"),
    ],
    absent: &[("alarm", "false"), ("override", "100")],
    rows: "
        execution=5 -> unknown
        alarm=true execution!=1 -> fault
        execution=1 mode=2 override=0 -> held
        execution=1 mode=2 -> producing
        execution=3 -> held
        execution=2 -> waiting
        execution=0,4 -> idle
        execution=1 mode=0,1 -> idle
        -> unknown
    ",
    known_although: "
        execution=2 mode=- alarm=false override=- -> waiting
        execution=0 mode=- alarm=true override=- -> fault
    ",
};

pub(crate) const PACKML: Table = Table {
    profile: "packml",
    state: "",
    domain: &[
        ("execution", "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18"),
        ("mode", "0 1 2 3 4"),
        ("alarm", "false true"),
    ],
    absent: &[("alarm", "false")],
    rows: "
        mode=0 -> unknown
        mode=2 -> maintenance
        execution=1,8,9 -> fault
        execution=2,7 alarm=true -> fault
        mode=3 -> setup
        execution=6 mode=1 -> producing
        execution=10,11,12 -> held
        execution=5,13,14 -> waiting
        execution=2,3,4,7,15,16,17 -> idle
        -> unknown
    ",
    known_although: "execution=6 mode=1 alarm=- -> producing",
};

pub(crate) const SIEMENS: Table = Table {
    profile: "siemens-840d",
    state: "",
    domain: &[
        ("execution", "1 2 3 4 5 6"),
        ("mode", "0 1 2 3"),
        ("channel", "0 1 2 3"),
        ("alarm", "false true"),
        ("emergency_stop", "false true"),
        ("override", "0 100"),
    ],
    absent: &[("channel", "1"), ("alarm", "false"), ("emergency_stop", "false"), ("override", "100")],
    rows: "
        execution=6 -> unknown
        mode=3 -> unknown
        channel=3 -> unknown
        emergency_stop=true -> fault
        alarm=true execution!=3 -> fault
        mode=0,1 -> setup
        execution=3 channel!=1 -> unknown
        execution=3 override=0 -> held
        execution=3 -> producing
        execution=5 -> idle
        channel=0 -> idle
        execution=1,2 -> held
        execution=4 -> waiting
        -> unknown
    ",
    known_although: "execution=5 mode=2 channel=2 alarm=false emergency_stop=false override=- -> idle",
};

pub(crate) const FANUC: Table = Table {
    profile: "fanuc-focas",
    state: "",
    domain: &[
        ("execution", "0 1 2 3 4 5"),
        ("mode", "0 1 2 3 4 5 6 7 8 9 10 11"),
        ("emergency", "0 1 2"),
        ("alarm", "0 1 2"),
        ("override", "0 100"),
    ],
    absent: &[("emergency", "0"), ("alarm", "0"), ("override", "100")],
    rows: "
        execution=5 -> unknown
        emergency=2 -> unknown
        emergency=1 -> fault
        alarm=1 execution!=3 -> fault
        mode=0,3,4,5,6,7,8,9 -> setup
        execution=3,4 mode=1 override=0 -> held
        execution=3,4 mode=1 -> producing
        execution=3,4 -> unknown
        execution=1,2 -> held
        execution=0 mode=1,10 -> idle
        -> unknown
    ",
    known_although: "execution=2 mode=1 emergency=0 alarm=0 override=- -> held",
};

pub(crate) const STACK_LIGHT: Table = Table {
    profile: "stack-light",
    state: "",
    domain: &[
        ("light_red", "false true"),
        ("light_yellow", "0 1"),
        ("light_green", "false true"),
        ("current_flows", "0 1 2"),
    ],
    absent: &[("light_yellow", "0"), ("current_flows", "1")],
    rows: "
        current_flows=2 -> unknown
        current_flows=0 -> off
        light_red=true -> fault
        light_green=true -> producing
        light_yellow=1 -> idle
        -> unknown
    ",
    known_although: "light_red=true light_yellow=- light_green=- current_flows=1 -> fault",
};

/// A model's own table: the value set is the maker's.
pub(crate) const NCLINK: Table = Table {
    profile: "nclink",
    state: "[machine.state]
        fault     = \"execution == 'ALARM'\"
        producing = \"execution == 'RUN' && override > 0\"
        held      = \"execution == 'HOLD' || (execution == 'RUN' && override == 0)\"
        idle      = \"execution in ('IDLE', 'STOP')\"
    ",
    domain: &[("execution", "RUN HOLD IDLE STOP ALARM OTHER"), ("override", "0 100")],
    absent: &[],
    rows: "
        execution=ALARM -> fault
        execution=RUN override=0 -> held
        execution=RUN -> producing
        execution=HOLD -> held
        execution=IDLE,STOP -> idle
        -> unknown
    ",
    known_although: "execution=STOP override=- -> idle",
};
