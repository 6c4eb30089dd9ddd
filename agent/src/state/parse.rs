//! Reads a state rule from its text; every mistake is shown under the character where it is.
//!
//! ```text
//! any     = all { "||" all }
//! all     = one { "&&" one }
//! one     = "!" one | "(" any ")" | operand [ comparison operand | "in" "(" constant { "," constant } ")" ]
//! operand = name | "age(" name ")" | decimal | 'text' | "text" | true | false
//! ```
//!
//! `x in (1, 2)` is another way to write `x == 1 || x == 2`, and has that canonical form.
//!
//! `age(…)` counts seconds and is compared with a plain number, so that the moment at which it turns can be
//! computed. There is no arithmetic: a scale belongs to the point.

use super::expression::{Comparison, Expression, Name, Operand};
use observation::Decimal;
use std::fmt;

/// A rule that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    /// The rule.
    pub text: String,
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// The nearest right name, when a name was wrong.
    pub nearest: Option<String>,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "column {}: {}", self.column, self.message)?;
        writeln!(f, "    {}", self.text)?;
        write!(f, "    {}^", " ".repeat(self.column.saturating_sub(1)))
    }
}

/// Brackets and `!` may nest this deep, as written and in the canonical form, so that a hostile profile cannot exhaust
/// the stack and the canonical form can always be read.
const MAX_DEPTH: usize = 64;

/// A set has at most so many values: written out it nests one bracket deeper with each, and has to be readable.
const MAX_SET: usize = 32;

/// Reads a rule whose names are `names`, in the order in which [`Name::index`] counts them.
pub fn parse<S: AsRef<str>>(text: &str, names: &[S]) -> Result<Expression, ParseError> {
    let mut reader = Reader { text, pieces: pieces(text)?, next: 0, names, depth: 0 };
    let expression = reader.any()?;
    match reader.peek() {
        None => Ok(expression),
        Some(Piece::Close) => Err(reader.wrong("this bracket closes nothing")),
        Some(Piece::Comparison(_)) => Err(reader.wrong("a comparison has two sides; join two with &&")),
        Some(_) => Err(reader.wrong("expected && or || before this")),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Word(String),
    Number(Decimal),
    Text(String),
    Comparison(Comparison),
    And,
    Or,
    Not,
    Open,
    Close,
    Comma,
}

struct Reader<'a, S> {
    text: &'a str,
    pieces: Vec<(usize, Piece)>,
    next: usize,
    names: &'a [S],
    depth: usize,
}

fn error(text: &str, column: usize, message: impl Into<String>) -> ParseError {
    ParseError { text: text.to_owned(), column, message: message.into(), nearest: None }
}

/// Splits a rule into its pieces with their columns.
fn pieces(text: &str) -> Result<Vec<(usize, Piece)>, ParseError> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = vec![];
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        if c.is_whitespace() {
            at += 1;
            continue;
        }
        let column = at + 1;
        let (piece, length) = piece(&chars[at..]).map_err(|message| error(text, column, message))?;
        out.push((column, piece));
        at += length;
    }
    Ok(out)
}

/// The piece at the start of `rest`, which is not empty, and how many characters it takes.
fn piece(rest: &[char]) -> Result<(Piece, usize), String> {
    let second = rest.get(1).copied();
    Ok(match (rest[0], second) {
        ('&', Some('&')) => (Piece::And, 2),
        ('|', Some('|')) => (Piece::Or, 2),
        ('=', Some('=')) => (Piece::Comparison(Comparison::Equal), 2),
        ('!', Some('=')) => (Piece::Comparison(Comparison::Different), 2),
        ('<', Some('=')) => (Piece::Comparison(Comparison::AtMost), 2),
        ('>', Some('=')) => (Piece::Comparison(Comparison::AtLeast), 2),
        ('<', _) => (Piece::Comparison(Comparison::Less), 1),
        ('>', _) => (Piece::Comparison(Comparison::Greater), 1),
        ('!', _) => (Piece::Not, 1),
        ('(', _) => (Piece::Open, 1),
        (')', _) => (Piece::Close, 1),
        (',', _) => (Piece::Comma, 1),
        ('=', _) => return Err("write == to compare".to_owned()),
        ('&', _) => return Err("write && for \"and\"".to_owned()),
        ('|', _) => return Err("write || for \"or\"".to_owned()),
        (quote @ ('\'' | '"'), _) => {
            let end = rest[1..].iter().position(|c| *c == quote).ok_or("this text has no closing quote")?;
            (Piece::Text(rest[1..=end].iter().collect()), end + 2)
        }
        (c, _) if c.is_ascii_digit() || c == '-' => {
            let word = run(rest, |c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
            let number = word.parse().map_err(|e: observation::DecimalError| e.to_string())?;
            (Piece::Number(number), word.len())
        }
        (c, _) if c.is_ascii_alphabetic() || c == '_' => {
            let word = run(rest, |c| c.is_ascii_alphanumeric() || c == '_');
            let length = word.len();
            (Piece::Word(word), length)
        }
        (c, _) => return Err(format!("{c:?} has no meaning here")),
    })
}

/// How deep [`Reader::one`] goes to read the canonical form.
fn depth(expression: &Expression) -> usize {
    match expression {
        Expression::Constant(_) | Expression::Point(_) | Expression::Compare(..) => 1,
        Expression::Not(inner) if matches!(**inner, Expression::Compare(..)) => 3,
        Expression::Not(inner) => 1 + depth(inner),
        Expression::And(a, b) | Expression::Or(a, b) => 1 + depth(a).max(depth(b)),
    }
}

fn run(rest: &[char], belongs: impl Fn(char) -> bool) -> String {
    rest.iter().copied().take_while(|c| belongs(*c)).collect()
}

impl<S: AsRef<str>> Reader<'_, S> {
    fn peek(&self) -> Option<&Piece> {
        self.pieces.get(self.next).map(|(_, piece)| piece)
    }

    fn take(&mut self) -> Option<Piece> {
        let piece = self.peek().cloned();
        self.next += 1;
        piece
    }

    fn takes(&mut self, piece: &Piece) -> bool {
        let found = self.peek() == Some(piece);
        self.next += usize::from(found);
        found
    }

    /// An error at the next piece, or just behind the end.
    fn wrong(&self, message: impl Into<String>) -> ParseError {
        let column = match self.pieces.get(self.next) {
            Some((column, _)) => *column,
            None => self.text.chars().count() + 1,
        };
        error(self.text, column, message)
    }

    fn any(&mut self) -> Result<Expression, ParseError> {
        let mut left = self.all()?;
        while self.takes(&Piece::Or) {
            left = Expression::Or(Box::new(left), Box::new(self.all()?));
            self.check_depth(&left)?;
        }
        Ok(left)
    }

    fn all(&mut self) -> Result<Expression, ParseError> {
        let mut left = self.one()?;
        while self.takes(&Piece::And) {
            left = Expression::And(Box::new(left), Box::new(self.one()?));
            self.check_depth(&left)?;
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Expression, ParseError> {
        if self.depth == MAX_DEPTH {
            return Err(self.wrong(format!("brackets are nested more than {MAX_DEPTH} deep")));
        }
        self.depth += 1;
        let expression = self.one_inside()?;
        self.depth -= 1;
        Ok(expression)
    }

    fn one_inside(&mut self) -> Result<Expression, ParseError> {
        if self.takes(&Piece::Not) {
            let not = Expression::Not(Box::new(self.one()?));
            self.check_depth(&not)?;
            return Ok(not);
        }
        if self.takes(&Piece::Open) {
            let inside = self.any()?;
            if !self.takes(&Piece::Close) {
                return Err(self.wrong("expected a closing bracket"));
            }
            return Ok(inside);
        }
        let start = self.next;
        let left = self.operand()?;
        if let Some(Piece::Comparison(comparison)) = self.peek().cloned() {
            self.next += 1;
            let right = self.operand()?;
            let end = std::mem::replace(&mut self.next, start);
            self.check_types(&left, comparison, &right)?;
            self.next = end;
            return Ok(Expression::Compare(left, comparison, right));
        }
        if self.peek() == Some(&Piece::Word("in".to_owned())) {
            return self.set(&left, start);
        }
        match left {
            Operand::Point(name) => Ok(Expression::Point(name)),
            Operand::Bool(b) => Ok(Expression::Constant(b)),
            other => {
                self.next = start;
                Err(self.wrong(format!("`{other}` alone is no condition; compare it with something")))
            }
        }
    }

    fn check_depth(&self, expression: &Expression) -> Result<(), ParseError> {
        if depth(expression) <= MAX_DEPTH {
            return Ok(());
        }
        Err(self.wrong(format!("the rule joins or nests more than {MAX_DEPTH} conditions; make it shorter")))
    }

    /// The values behind `in`, as a chain of comparisons. `start` is where the left side stands.
    fn set(&mut self, left: &Operand, start: usize) -> Result<Expression, ParseError> {
        self.next += 1;
        if !self.takes(&Piece::Open) {
            return Err(self.wrong("expected an opening bracket behind `in`"));
        }
        let mut set: Option<Expression> = None;
        for count in 1.. {
            let at = self.next;
            let value = self.operand()?;
            if matches!(value, Operand::Point(_) | Operand::Age(_)) || count > MAX_SET {
                self.next = at;
                return Err(
                    self.wrong(format!("a set holds at most {MAX_SET} numbers, texts, true or false"))
                );
            }
            let end = std::mem::replace(&mut self.next, start);
            self.check_types(left, Comparison::Equal, &value)?;
            self.next = end;
            let one = Expression::Compare(left.clone(), Comparison::Equal, value);
            set = Some(match set {
                None => one,
                Some(before) => Expression::Or(Box::new(before), Box::new(one)),
            });
            if !self.takes(&Piece::Comma) {
                break;
            }
        }
        match set {
            Some(set) if self.takes(&Piece::Close) => Ok(set),
            _ => Err(self.wrong("expected a comma or a closing bracket")),
        }
    }

    fn check_types(&self, left: &Operand, c: Comparison, right: &Operand) -> Result<(), ParseError> {
        let age = |x: &Operand| matches!(x, Operand::Age(_));
        let number = |x: &Operand| matches!(x, Operand::Number(_));
        let text = |x: &Operand| matches!(x, Operand::Text(_));
        let constant = |x: &Operand| number(x) || text(x) || matches!(x, Operand::Bool(_));
        if (age(left) && !number(right)) || (age(right) && !number(left)) {
            return Err(self.wrong("age(…) is compared with a number of seconds"));
        }
        if (text(left) || text(right)) && !c.is_equality() {
            return Err(self.wrong("texts have no order; compare them with == or !="));
        }
        if constant(left) && constant(right) {
            return Err(self.wrong("this compares two constants; name a point on one side"));
        }
        Ok(())
    }

    fn operand(&mut self) -> Result<Operand, ParseError> {
        let start = self.next;
        match self.take() {
            Some(Piece::Number(n)) => Ok(Operand::Number(n)),
            Some(Piece::Text(s)) => Ok(Operand::Text(s)),
            Some(Piece::Word(word)) => match word.as_str() {
                "true" => Ok(Operand::Bool(true)),
                "false" => Ok(Operand::Bool(false)),
                "age" if self.peek() == Some(&Piece::Open) => self.age(),
                _ => {
                    self.next = start;
                    self.name().map(Operand::Point)
                }
            },
            _ => {
                self.next = start;
                Err(self.wrong("expected a name, a number or a text"))
            }
        }
    }

    fn age(&mut self) -> Result<Operand, ParseError> {
        self.next += 1;
        let name = self.name()?;
        if self.takes(&Piece::Close) {
            return Ok(Operand::Age(name));
        }
        Err(self.wrong("expected a closing bracket behind the name"))
    }

    fn name(&mut self) -> Result<Name, ParseError> {
        let Some(Piece::Word(word)) = self.peek().cloned() else {
            return Err(self.wrong("expected a name"));
        };
        let Some(index) = self.names.iter().position(|n| n.as_ref() == word) else {
            return Err(self.unknown_name(&word));
        };
        self.next += 1;
        Ok(Name { name: word, index })
    }

    fn unknown_name(&self, word: &str) -> ParseError {
        let operator = match word {
            "and" => Some("&&"),
            "or" => Some("||"),
            "not" => Some("!"),
            _ => None,
        };
        let known: Vec<&str> = self.names.iter().map(AsRef::as_ref).collect();
        let nearest = match operator {
            Some(symbol) => Some(symbol.to_owned()),
            None => config::nearest(word, known.iter().copied()),
        };
        let message = if nearest.is_some() {
            format!("`{word}` is not known here")
        } else if known.is_empty() {
            format!("`{word}` is not known here; the machine has no points")
        } else {
            format!("`{word}` is not known here; the machine has {}", known.join(", "))
        };
        ParseError { nearest, ..self.wrong(message) }
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
