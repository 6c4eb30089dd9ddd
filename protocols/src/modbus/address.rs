//! Where a point lives in a Modbus device and how its registers become a value.
//!
//! A combination that has no meaning cannot be built: it is refused here, with the key that is wrong. In
//! particular a 32-bit or 64-bit number needs its order spelt out, since the MODBUS Application Protocol
//! Specification V1.1b3 defines the byte order of single registers only (4.2) and devices differ.

use std::fmt;

use observation::{Decimal, PointId};
use serde_json::{Value, json};

use crate::fields::Fields;

/// Keys of a point's table.
pub const KEYS: &[&str] = &["unit", "register", "bit", "type", "order", "scale", "length"];

/// The four tables of a device (MODBUS Application Protocol Specification V1.1b3, 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Read with function 1.
    Coil,
    /// Read with function 2.
    Discrete,
    /// Read with function 3.
    Holding,
    /// Read with function 4.
    Input,
}

impl Table {
    const ALL: [(&str, Self); 4] = [
        ("holding", Self::Holding),
        ("input", Self::Input),
        ("coil", Self::Coil),
        ("discrete", Self::Discrete),
    ];

    /// The function that reads it.
    pub fn function(self) -> u8 {
        match self {
            Self::Coil => 1,
            Self::Discrete => 2,
            Self::Holding => 3,
            Self::Input => 4,
        }
    }

    /// Whether one address holds a single bit instead of 16.
    pub fn holds_bits(self) -> bool {
        matches!(self, Self::Coil | Self::Discrete)
    }
}

impl std::str::FromStr for Table {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, table)| *table).ok_or(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(_, table)| table == self).map_or("", |(name, _)| name))
    }
}

/// What the bits of a number mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Signed, one register.
    I16,
    /// Unsigned, one register.
    U16,
    /// Signed, two registers.
    I32,
    /// Unsigned, two registers.
    U32,
    /// IEEE 754 binary32, two registers.
    F32,
    /// Signed, four registers.
    I64,
    /// Unsigned, four registers.
    U64,
    /// IEEE 754 binary64, four registers.
    F64,
}

impl Kind {
    const ALL: [(&str, Self); 8] = [
        ("i16", Self::I16),
        ("u16", Self::U16),
        ("i32", Self::I32),
        ("u32", Self::U32),
        ("f32", Self::F32),
        ("i64", Self::I64),
        ("u64", Self::U64),
        ("f64", Self::F64),
    ];

    /// How many registers it fills.
    pub fn words(self) -> u16 {
        match self {
            Self::I16 | Self::U16 => 1,
            Self::I32 | Self::U32 | Self::F32 => 2,
            Self::I64 | Self::U64 | Self::F64 => 4,
        }
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// In which order the bytes of a number, A the most significant, lie on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order(&'static str);

impl Order {
    const ONE_WORD: [&str; 1] = ["AB"];
    const TWO_WORDS: [&str; 4] = ["ABCD", "BADC", "CDAB", "DCBA"];
    /// The six orders seen in the field, then the two that complete the combinations of swapping bytes in
    /// a word, words in a half and halves.
    const FOUR_WORDS: [&str; 8] =
        ["ABCDEFGH", "BADCFEHG", "CDABGHEF", "DCBAHGFE", "GHEFCDAB", "HGFEDCBA", "EFGHABCD", "FEHGBADC"];

    /// Every order a number of so many registers can have, the network order first.
    pub fn all(words: u16) -> impl Iterator<Item = Self> {
        let names: &[&str] = match words {
            1 => &Self::ONE_WORD,
            2 => &Self::TWO_WORDS,
            4 => &Self::FOUR_WORDS,
            _ => &[],
        };
        names.iter().map(|name| Self(name))
    }

    /// Which byte of the value, 0 the most significant, each byte on the wire is.
    pub fn positions(self) -> impl Iterator<Item = usize> {
        self.0.bytes().map(|letter| usize::from(letter - b'A'))
    }

    /// Its letters.
    pub fn name(self) -> &'static str {
        self.0
    }
}

/// What is made of the addressed registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The coil or discrete input itself.
    Bit,
    /// One bit of a register, 0 the least significant.
    BitOf(u8),
    /// A number; what is read is multiplied by `scale`, exactly.
    Number {
        /// The meaning of its bits.
        kind: Kind,
        /// The order of its bytes.
        order: Order,
        /// The exact factor, not zero.
        scale: Decimal,
    },
    /// Text, two characters a register, padded with NUL or spaces.
    Text {
        /// Its registers.
        words: u16,
    },
}

/// A point in a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Unit id, as in the MBAP header.
    pub unit: u8,
    /// The table it lives in.
    pub table: Table,
    /// The address in the request, from 0.
    pub offset: u16,
    /// What is made of it.
    pub reading: Reading,
}

impl Address {
    /// How many addresses of its table it takes.
    pub fn span(&self) -> u16 {
        match self.reading {
            Reading::Bit | Reading::BitOf(_) => 1,
            Reading::Number { kind, .. } => kind.words(),
            Reading::Text { words } => words,
        }
    }

    /// Reads a point's table. `None` if it has a mistake; the mistakes are then appended to `errors`.
    pub fn read(point: PointId, table: &Value, errors: &mut Vec<crate::LinkConfigError>) -> Option<Self> {
        let mut fields = Fields::new(Some(point), table, KEYS);
        let address = read(&mut fields);
        let failed = fields.failed();
        errors.extend(fields.into_errors());
        address.filter(|_| !failed)
    }

    /// The table that [`Self::read`] makes this address of.
    pub fn to_table(&self) -> Value {
        let mut table = json!({ "unit": self.unit, "register": format!("{}:{}", self.table, self.offset) });
        match self.reading {
            Reading::Bit => {}
            Reading::BitOf(bit) => table["bit"] = json!(bit),
            Reading::Number { kind, order, scale } => {
                table["type"] = json!(kind.name());
                table["scale"] = json!(scale.to_string());
                if kind.words() > 1 {
                    table["order"] = json!(order.name());
                }
            }
            Reading::Text { words } => {
                table["type"] = json!("string");
                table["length"] = json!(words * 2);
            }
        }
        table
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unit {} {}:{}", self.unit, self.table, self.offset)
    }
}

fn read(fields: &mut Fields<'_>) -> Option<Address> {
    if !fields.has("unit") {
        fields.refuse("unit", "is missing; write the unit id of the device, for example unit = 1");
    }
    let unit = fields.integer("unit", 0..=255).and_then(|unit| u8::try_from(unit).ok());
    let place = read_register(fields);
    // The rest is read although the place may be wrong, so that its mistakes are listed too.
    let reading = read_reading(fields, place.map(|(table, _)| table));
    let (table, offset) = place?;
    let address = Address { unit: unit?, table, offset, reading: reading? };
    if u32::from(offset) + u32::from(address.span()) > 0x1_0000 {
        let message = format!("{table}:{offset} with {} registers reaches beyond 65535", address.span());
        fields.refuse("register", &message);
        return None;
    }
    Some(address)
}

fn read_register(fields: &mut Fields<'_>) -> Option<(Table, u16)> {
    let text = fields.required_text("register", "holding:40")?;
    let Some((name, offset)) = text.split_once(':') else {
        fields
            .refuse("register", &format!("{text:?} must be a table and an address, such as \"holding:40\""));
        return None;
    };
    let table: Option<Table> = name.parse().ok();
    if table.is_none() {
        let names = Table::ALL.map(|(name, _)| name);
        let message = format!("{name:?} is none of {}", names.join(", "));
        fields.refuse_with("register", &message, crate::fields::nearest(name, &names));
    }
    // Rust would read "+4" as a number too, and then the text would not come back as it was written.
    let offset = offset.parse().ok().filter(|_| offset.bytes().all(|b| b.is_ascii_digit()));
    if offset.is_none() {
        let message = format!("the address in {text:?} must be a whole number from 0 to 65535");
        fields.refuse("register", &message);
    }
    Some((table?, offset?))
}

fn read_reading(fields: &mut Fields<'_>, table: Option<Table>) -> Option<Reading> {
    let words: Vec<(&str, Type)> = [("bool", Type::Bool), ("string", Type::Text)]
        .into_iter()
        .chain(Kind::ALL.map(|(name, kind)| (name, Type::Number(kind))))
        .collect();
    let wanted = fields.word("type", &words);
    let bit = fields.integer("bit", 0..=15).and_then(|bit| u8::try_from(bit).ok());
    if table.is_some_and(Table::holds_bits) {
        check_single_bit(fields, wanted);
        return Some(Reading::Bit);
    }
    match wanted {
        Some(Type::Bool) if !fields.has("bit") => {
            fields.refuse("type", "a register has 16 bits; add bit = 0 for the lowest to 15 for the highest");
            None
        }
        Some(Type::Number(_) | Type::Text) if fields.has("bit") => {
            fields
                .refuse("bit", "a single bit is no number or text; leave out bit, or write type = \"bool\"");
            None
        }
        None if fields.has("bit") && !fields.has("type") => {
            only_for_numbers(fields, "a bit");
            bit.map(Reading::BitOf)
        }
        Some(Type::Bool) => {
            only_for_numbers(fields, "a bit");
            bit.map(Reading::BitOf)
        }
        Some(Type::Number(kind)) => read_number(fields, kind),
        Some(Type::Text) => {
            only_for_numbers(fields, "a text");
            read_text(fields)
        }
        None => {
            if !fields.has("type") && table.is_some() {
                fields.refuse("type", "is missing; a register may be i16, u16, or with more of them i32, u32, f32, i64, u64, f64 or string");
            }
            None
        }
    }
}

#[derive(Clone, Copy)]
enum Type {
    Bool,
    Text,
    Number(Kind),
}

fn check_single_bit(fields: &mut Fields<'_>, wanted: Option<Type>) {
    if matches!(wanted, Some(Type::Number(_) | Type::Text)) {
        fields.refuse("type", "a coil or discrete input is a single bit; write \"bool\" or leave it out");
    }
    if fields.has("bit") {
        fields.refuse("bit", "a coil or discrete input has no further bits; leave it out");
    }
    only_for_numbers(fields, "a bit");
}

/// Order, scale and length of something that has none.
fn only_for_numbers(fields: &mut Fields<'_>, what: &str) {
    for key in ["order", "scale"] {
        if fields.has(key) {
            fields.refuse(key, &format!("{what} has no {key}; leave it out"));
        }
    }
    if what == "a bit" && fields.has("length") {
        fields.refuse("length", "a bit has no length; leave it out");
    }
}

fn read_number(fields: &mut Fields<'_>, kind: Kind) -> Option<Reading> {
    if fields.has("length") {
        fields.refuse("length", "the type of a number says its length; leave it out");
    }
    let scale = fields.scale("scale");
    let order = read_order(fields, kind);
    Some(Reading::Number { kind, order: order?, scale: scale? })
}

fn read_order(fields: &mut Fields<'_>, kind: Kind) -> Option<Order> {
    let mut orders = Order::all(kind.words());
    if kind.words() == 1 {
        if fields.has("order") {
            fields.refuse("order", "a single register has no order; leave it out");
        }
        return orders.next();
    }
    let words: Vec<(&str, Order)> = orders.map(|order| (order.name(), order)).collect();
    if !fields.has("order") {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let message = format!(
            "is missing; devices differ, so look it up in the manual: one of {}, A being the most significant byte",
            names.join(", ")
        );
        fields.refuse("order", &message);
    }
    fields.word("order", &words)
}

fn read_text(fields: &mut Fields<'_>) -> Option<Reading> {
    if !fields.has("length") {
        fields
            .refuse("length", "is missing; write how many characters the text may have, such as length = 16");
    }
    let length = fields.integer("length", 1..=250)?;
    Some(Reading::Text { words: u16::try_from(length).ok()?.div_ceil(2) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn refused(table: &Value, key: &str, words: &str) {
        let mut errors = Vec::new();
        let address = Address::read(PointId(7), table, &mut errors);
        assert_eq!(address, None, "{table} should be refused");
        assert!(
            errors.iter().any(|e| e.key == key && e.message.contains(words) && e.point == Some(PointId(7))),
            "{errors:?} should say {words:?} about {key}"
        );
    }

    #[track_caller]
    fn accepted(table: &Value) -> Address {
        let mut errors = Vec::new();
        let address = Address::read(PointId(7), table, &mut errors);
        assert_eq!(errors, [], "{table}");
        address.unwrap()
    }

    #[test]
    fn pain_05_a_meaningless_combination_is_refused_with_its_key() {
        let at = |extra: Value| {
            let mut table = json!({"unit": 1, "register": "holding:0"});
            for (key, value) in extra.as_object().unwrap() {
                table[key] = value.clone();
            }
            table
        };
        refused(&at(json!({"type": "i16", "order": "ABCD"})), "order", "single register has no order");
        refused(&at(json!({"type": "u32"})), "order", "look it up in the manual");
        refused(&at(json!({"type": "u32", "order": "ABCDEFGH"})), "order", "none of ABCD, BADC, CDAB, DCBA");
        refused(&at(json!({"type": "f64", "order": "ABCD"})), "order", "none of ABCDEFGH");
        refused(&at(json!({"type": "f32", "order": "ABCD", "bit": 3})), "bit", "no number");
        refused(&at(json!({"type": "f32", "order": "ABCD", "length": 2})), "length", "says its length");
        refused(&at(json!({"type": "bool"})), "type", "16 bits");
        refused(&at(json!({"type": "bool", "bit": 1, "scale": "0.1"})), "scale", "a bit has no scale");
        refused(&at(json!({"bit": 1, "order": "ABCD"})), "order", "a bit has no order");
        refused(&at(json!({"bit": 16})), "bit", "from 0 to 15");
        refused(&at(json!({"type": "u16", "scale": 0.1})), "scale", "scale = \"0.1\"");
        refused(&at(json!({"type": "u16", "scale": "0.1kWh"})), "scale", "not a decimal number");
        refused(&at(json!({"type": "u16", "scale": "0"})), "scale", "every value 0");
        refused(&at(json!({"type": "string"})), "length", "is missing");
        refused(&at(json!({"type": "string", "length": 8, "scale": "1"})), "scale", "a text has no scale");
        refused(&at(json!({"type": "float"})), "type", "none of");
        refused(&at(json!({})), "type", "is missing");
    }

    #[test]
    fn a_place_outside_the_tables_is_refused() {
        refused(
            &json!({"unit": 1, "register": "holding:65535", "type": "u32", "order": "ABCD"}),
            "register",
            "beyond 65535",
        );
        refused(
            &json!({"unit": 1, "register": "holding:65536", "type": "u16"}),
            "register",
            "from 0 to 65535",
        );
        refused(&json!({"unit": 1, "register": "holding:+1", "type": "u16"}), "register", "from 0 to 65535");
        refused(
            &json!({"unit": 1, "register": "40001", "type": "u16"}),
            "register",
            "such as \"holding:40\"",
        );
        refused(&json!({"unit": 256, "register": "coil:0"}), "unit", "from 0 to 255");
        refused(&json!({"register": "coil:0"}), "unit", "is missing");
        refused(&json!({"unit": 1, "register": "coil:0", "type": "u16"}), "type", "single bit");
        refused(&json!({"unit": 1, "register": "discrete:0", "bit": 1}), "bit", "no further bits");
        refused(&json!({"unit": 1, "register": "coil:0", "scale": "2"}), "scale", "a bit has no scale");
    }

    #[test]
    fn pain_23_every_mistake_of_a_point_is_listed_with_the_nearest_word() {
        let mut errors = Vec::new();
        let table = json!({"unit": 900, "register": "holdin:1", "typ": "u16", "scale": 0.5, "type": "u61"});
        assert_eq!(Address::read(PointId(0), &table, &mut errors), None);
        let nearest = |key: &str| errors.iter().find(|e| e.key == key).unwrap().nearest.clone();
        assert_eq!(nearest("typ").as_deref(), Some("type"));
        assert_eq!(nearest("register").as_deref(), Some("holding"));
        assert!(nearest("type").is_some());
        assert_eq!(nearest("unit"), None);
    }

    #[test]
    fn pain_06_there_are_four_orders_of_two_words_and_all_of_four() {
        assert_eq!(Order::all(2).count(), 4);
        let six = ["ABCDEFGH", "BADCFEHG", "CDABGHEF", "DCBAHGFE", "GHEFCDAB", "HGFEDCBA"];
        assert!(six.iter().all(|name| Order::all(4).any(|order| order.name() == *name)));
        for words in [1, 2, 4] {
            for order in Order::all(words) {
                let mut positions: Vec<usize> = order.positions().collect();
                positions.sort_unstable();
                assert_eq!(positions, (0..usize::from(words) * 2).collect::<Vec<_>>(), "{order:?}");
            }
        }
    }

    #[test]
    fn the_addresses_of_the_example_are_accepted() {
        let energy = accepted(
            &json!({"unit": 1, "register": "holding:0", "type": "u32", "order": "ABCD", "scale": "0.01"}),
        );
        assert_eq!((energy.span(), energy.to_string().as_str()), (2, "unit 1 holding:0"));
        accepted(&json!({"unit": 1, "register": "holding:40", "type": "f32", "order": "CDAB"}));
        accepted(&json!({"unit": 3, "register": "input:12", "type": "i16", "scale": "0.1"}));
        accepted(
            &json!({"unit": 3, "register": "input:0", "type": "u64", "order": "ABCDEFGH", "scale": "1"}),
        );
        accepted(&json!({"unit": 3, "register": "coil:3"}));
        accepted(&json!({"unit": 3, "register": "discrete:5", "type": "bool"}));
        accepted(&json!({"unit": 3, "register": "input:5", "type": "bool", "bit": 15}));
        accepted(&json!({"unit": 3, "register": "holding:65535", "type": "u16", "scale": 10}));
    }

    fn addresses() -> impl Strategy<Value = Address> {
        let number = (0..Kind::ALL.len(), 0usize..8, 1i64..1000, -6i32..3).prop_map(|(kind, order, m, e)| {
            let kind = Kind::ALL[kind].1;
            let orders: Vec<Order> = Order::all(kind.words()).collect();
            let scale = Decimal::new(m.into(), e).unwrap();
            Reading::Number { kind, order: orders[order % orders.len()], scale }
        });
        let in_register = prop_oneof![
            number,
            (0u8..16).prop_map(Reading::BitOf),
            (1u16..=125).prop_map(|words| Reading::Text { words }),
        ];
        let place = prop_oneof![
            (prop_oneof![Just(Table::Coil), Just(Table::Discrete)], Just(Reading::Bit)),
            (prop_oneof![Just(Table::Holding), Just(Table::Input)], in_register),
        ];
        (any::<u8>(), 0u16..65_000, place).prop_map(|(unit, offset, (table, reading))| Address {
            unit,
            table,
            offset,
            reading,
        })
    }

    proptest! {
        #[test]
        fn an_address_comes_back_from_its_table(address in addresses()) {
            let mut errors = Vec::new();
            let back = Address::read(PointId(0), &address.to_table(), &mut errors);
            prop_assert_eq!((back, errors), (Some(address), Vec::new()));
        }
    }
}
