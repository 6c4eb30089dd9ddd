//! Rules as people write them, right and wrong, and the three-valued meaning of the right ones.

use super::*;
use crate::state::expression::Inputs;
use crate::state::truth::Truth;
use observation::Value;
use proptest::prelude::*;

const NAMES: [&str; 4] = ["execution", "mode", "alarm", "program"];

struct Known(Vec<Option<Value>>, Option<u64>);

impl Inputs for Known {
    fn value(&self, index: usize) -> Option<&Value> {
        self.0[index].as_ref()
    }

    fn age_ms(&self, _index: usize) -> Option<u64> {
        self.1
    }
}

fn number(text: &str) -> Value {
    Value::Number(text.parse().unwrap())
}

#[track_caller]
fn check(rule: &str, canonical: &str) {
    let expression = parse(rule, &NAMES).unwrap_or_else(|e| unreachable!("{e}"));
    assert_eq!(expression.to_string(), canonical);
    assert_eq!(parse(canonical, &NAMES).unwrap(), expression, "the canonical form reads back");
}

#[test]
fn rules_have_one_canonical_form() {
    check("execution==1&&mode == 2", "(execution == 1 && mode == 2)");
    check("execution == 1.50", "execution == 1.5");
    check("alarm || execution == 3 && mode != 2", "(alarm || (execution == 3 && mode != 2))");
    check("!(alarm || execution < -1)", "!(alarm || execution < -1)");
    check("!(mode == 1)", "!(mode == 1)");
    check("!!alarm", "!!alarm");
    check("program == \"O'Brien\"", "program == \"O'Brien\"");
    check("program == \"A1\"", "program == 'A1'");
    check("age(execution) > 10", "age(execution) > 10");
    check("true", "true");
    check("alarm == true", "alarm == true");
}

#[test]
fn a_set_is_written_out_as_comparisons() {
    check("execution in (1)", "execution == 1");
    check("execution in (1,2)&&alarm", "((execution == 1 || execution == 2) && alarm)");
    check(
        "!(program in ('READY', 'STOPPED', \"O'B\"))",
        "!((program == 'READY' || program == 'STOPPED') || program == \"O'B\")",
    );
    let values = (0..32).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let longest = parse(&format!("mode in ({values})"), &NAMES).unwrap();
    assert_eq!(parse(&longest.to_string(), &NAMES), Ok(longest), "the longest set is read back");
    assert!(parse(&format!("mode in ({values}, 32)"), &NAMES).unwrap_err().message.contains("at most 32"));
}

#[test]
fn a_set_that_is_not_known_is_unknown_and_one_of_another_type_too() {
    let values = || [Some(number("3")), None, None, Some(Value::Text("READY".into()))];
    truth("execution in (1, 3)", values(), None, Truth::True);
    truth("execution in (1, 2)", values(), None, Truth::False);
    truth("mode in (1, 2)", values(), None, Truth::Unknown);
    truth("!(mode in (1, 2))", values(), None, Truth::Unknown);
    truth("program in ('ACTIVE', 'READY')", values(), None, Truth::True);
    truth("program in (1, 2)", values(), None, Truth::Unknown);
}

#[track_caller]
fn wrong(rule: &str, shown: &str) {
    let error = parse(rule, &NAMES).expect_err("this rule is wrong");
    let hint = error.nearest.as_ref().map_or(String::new(), |n| format!(" [{n}]"));
    assert_eq!(format!("{error}{hint}"), shown);
}

#[test]
fn mistakes_are_shown_under_their_character() {
    wrong(
        "mode == 2 && exection == 1",
        "column 14: `exection` is not known here\n    mode == 2 && exection == 1\n                 ^ [execution]",
    );
    wrong("mode = 2", "column 6: write == to compare\n    mode = 2\n         ^");
    wrong(
        "mode == 2 and alarm",
        "column 11: expected && or || before this\n    mode == 2 and alarm\n              ^",
    );
    wrong("not alarm", "column 1: `not` is not known here\n    not alarm\n    ^ [!]");
    wrong("(mode == 2", "column 11: expected a closing bracket\n    (mode == 2\n              ^");
    wrong("mode == 2)", "column 10: this bracket closes nothing\n    mode == 2)\n             ^");
    wrong("", "column 1: expected a name, a number or a text\n    \n    ^");
    wrong("3", "column 1: `3` alone is no condition; compare it with something\n    3\n    ^");
    wrong("1 == 2", "column 1: this compares two constants; name a point on one side\n    1 == 2\n    ^");
    wrong(
        "mode == 1.",
        "column 9: \"1.\" is not a decimal number such as 0.01 or -12.5e3\n    mode == 1.\n            ^",
    );
    wrong(
        "program > 'a'",
        "column 1: texts have no order; compare them with == or !=\n    program > 'a'\n    ^",
    );
    wrong(
        "age(mode) > execution",
        "column 1: age(…) is compared with a number of seconds\n    age(mode) > execution\n    ^",
    );
    wrong(
        "0 < mode < 3",
        "column 10: a comparison has two sides; join two with &&\n    0 < mode < 3\n             ^",
    );
    wrong("program == 'a", "column 12: this text has no closing quote\n    program == 'a\n               ^");
    wrong(
        "mode in 1, 2",
        "column 9: expected an opening bracket behind `in`\n    mode in 1, 2\n            ^",
    );
    wrong(
        "mode in (1 2)",
        "column 12: expected a comma or a closing bracket\n    mode in (1 2)\n               ^",
    );
    wrong(
        "mode in (1, 2",
        "column 14: expected a comma or a closing bracket\n    mode in (1, 2\n                 ^",
    );
    wrong("mode in ()", "column 10: expected a name, a number or a text\n    mode in ()\n             ^");
    wrong(
        "mode in (1, alarm)",
        "column 13: a set holds at most 32 numbers, texts, true or false\n    mode in (1, alarm)\n                ^",
    );
    wrong(
        "age(mode) in ('a')",
        "column 1: age(…) is compared with a number of seconds\n    age(mode) in ('a')\n    ^",
    );
    wrong("1 in (1)", "column 1: this compares two constants; name a point on one side\n    1 in (1)\n    ^");
    wrong("模式 == 1", "column 1: '模' has no meaning here\n    模式 == 1\n    ^");
}

#[test]
fn nesting_has_a_limit_instead_of_a_stack_overflow() {
    let deep = format!("{}alarm{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(parse(&deep, &NAMES).unwrap_err().message.contains("nested more than 64 deep"));
}

#[test]
fn the_canonical_form_of_the_longest_rule_is_read_back_and_a_longer_one_is_refused() {
    let joined = |count: usize, by: &str| vec!["mode == 1"; count].join(by);
    for longest in [joined(64, " || "), joined(64, " && "), format!("!({})", joined(63, "||"))] {
        let rule = parse(&longest, &NAMES).unwrap();
        assert_eq!(parse(&rule.to_string(), &NAMES), Ok(rule));
    }
    for longer in [joined(65, " || "), joined(100_000, " && "), format!("!({})", joined(64, "||"))] {
        assert!(parse(&longer, &NAMES).unwrap_err().message.contains("more than 64 conditions"));
    }
}

#[track_caller]
fn truth(rule: &str, values: [Option<Value>; 4], age_ms: Option<u64>, want: Truth) {
    assert_eq!(parse(rule, &NAMES).unwrap().truth(&Known(values.into(), age_ms)), want, "{rule}");
}

#[test]
fn unknown_inputs_leave_a_rule_unknown_unless_the_known_ones_decide() {
    let running = || [Some(number("1")), None, None, None];
    truth("execution == 1 && mode == 2", running(), None, Truth::Unknown);
    truth("execution == 0 && mode == 2", running(), None, Truth::False);
    truth("execution == 1 || mode == 2", running(), None, Truth::True);
    truth("!(mode == 2)", running(), None, Truth::Unknown);
    truth("age(execution) > 10", running(), None, Truth::Unknown);
    truth("age(execution) > 10", running(), Some(10_000), Truth::False);
    truth("age(execution) > 10", running(), Some(10_001), Truth::True);
}

#[test]
fn values_of_another_type_are_unknown_and_never_false() {
    let text = || [None, None, Some(number("2")), Some(Value::Text("ACTIVE".into()))];
    truth("program == 1", text(), None, Truth::Unknown);
    truth("program != 1", text(), None, Truth::Unknown);
    truth("program == 'ACTIVE'", text(), None, Truth::True);
    truth("program != 'READY'", text(), None, Truth::True);
    truth("alarm", text(), None, Truth::Unknown);
    let coil = || [Some(Value::Bool(true)), None, Some(number("0")), None];
    truth("execution == 1", coil(), None, Truth::True);
    truth("execution", coil(), None, Truth::True);
    truth("alarm", coil(), None, Truth::False);
}

#[test]
fn decimals_are_compared_exactly() {
    let big = || [Some(number("18446744073709551615")), Some(number("0.1")), None, None];
    truth("execution == 18446744073709551615", big(), None, Truth::True);
    truth("execution == 18446744073709551616", big(), None, Truth::False);
    truth("mode == 0.10", big(), None, Truth::True);
    truth("mode < 0.1000000000000000001", big(), None, Truth::True);
}

fn expressions() -> impl Strategy<Value = Expression> {
    let name = (0..NAMES.len()).prop_map(|index| Name { name: NAMES[index].to_owned(), index });
    let comparison = prop_oneof![
        Just(Comparison::Equal),
        Just(Comparison::Different),
        Just(Comparison::Less),
        Just(Comparison::AtMost),
        Just(Comparison::Greater),
        Just(Comparison::AtLeast)
    ];
    let leaf = prop_oneof![
        any::<bool>().prop_map(Expression::Constant),
        name.clone().prop_map(Expression::Point),
        (name, comparison, any::<i64>(), -6i32..6).prop_map(|(name, c, m, e)| {
            let number = Operand::Number(Decimal::new(m.into(), e).unwrap());
            Expression::Compare(Operand::Point(name), c, number)
        }),
    ];
    leaf.prop_recursive(6, 40, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|x| Expression::Not(Box::new(x))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Expression::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Expression::Or(Box::new(a), Box::new(b))),
        ]
    })
}

proptest! {
    #[test]
    fn the_canonical_form_reads_back_as_the_same_rule(expression in expressions()) {
        prop_assert_eq!(parse(&expression.to_string(), &NAMES).unwrap(), expression);
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in ".{0,80}") {
        drop(parse(&text, &NAMES));
    }

    #[test]
    fn learning_an_input_never_turns_true_into_false(
        expression in expressions(), values in prop::collection::vec(prop::option::of(-3i64..3), 4), hidden in 0usize..4,
    ) {
        let known: Vec<_> = values.iter().map(|v| v.map(|n| Value::Number(n.into()))).collect();
        let mut fewer = known.clone();
        fewer[hidden] = None;
        let before = expression.truth(&Known(fewer, None));
        let after = expression.truth(&Known(known, None));
        prop_assert!(before == Truth::Unknown || before == after);
    }
}
