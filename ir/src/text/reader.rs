//! Reading words: what all statements have in common.

use std::collections::HashMap;

use super::constants::Constants;
use super::lex::{ParseError, Token, tokens};
use super::numbers::{from_scale, unsigned};
use crate::layout::Layout;
use crate::{ConstId, Constant, ValueId};

/// Most numbers that ranges and repetitions of one text may stand for, so that a short text cannot fill the memory.
const MOST_REPEATED: usize = 1 << 24;

pub(super) type Parsed<T = ()> = Result<T, ParseError>;

/// A text that is read word by word.
pub struct Reader<'t> {
    tokens: Vec<(usize, Token<'t>)>,
    at: usize,
    /// Where large constants come from.
    pub(super) source: &'t Constants,
    /// Layouts by name.
    pub(super) layouts: HashMap<&'t str, Layout>,
    /// Slots of the graph, if it has a number of them.
    pub(super) slots: usize,
    /// The constants that were read.
    pub(super) constants: Vec<Constant>,
    /// Name of the layer that the following instructions belong to.
    pub(super) layer: String,
    repeated: usize,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str, source: &'t Constants) -> Parsed<Self> {
        Ok(Self {
            tokens: tokens(text)?,
            at: 0,
            source,
            layouts: HashMap::new(),
            slots: 0,
            constants: Vec::new(),
            layer: String::new(),
            repeated: 0,
        })
    }

    /// An error at the next word.
    pub(super) fn error(&self, message: impl Into<String>) -> ParseError {
        let at = self.tokens.get(self.at).or(self.tokens.last());
        ParseError { line: at.map_or(1, |(line, _)| *line), message: message.into() }
    }

    /// An error at the word that was read last.
    pub(super) fn error_before(&self, message: impl Into<String>) -> ParseError {
        let at = self.tokens.get(self.at.saturating_sub(1));
        ParseError { line: at.map_or(1, |(line, _)| *line), message: message.into() }
    }

    /// That something else than the next word should stand here.
    pub(super) fn expected<T>(&self, what: &str) -> Parsed<T> {
        Err(match self.peek() {
            Some(token) => self.error(format!("expected {what}, not {}", token.shown())),
            None => self.error(format!("expected {what}, but the text ends")),
        })
    }

    pub(super) fn peek(&self) -> Option<&Token<'t>> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    pub(super) fn peek_second(&self) -> Option<&Token<'t>> {
        self.tokens.get(self.at + 1).map(|(_, token)| token)
    }

    pub(super) fn skip(&mut self) {
        self.at += 1;
    }

    /// The next word if `f` takes it.
    pub(super) fn take<T>(&mut self, f: impl FnOnce(&Token<'t>) -> Option<T>) -> Option<T> {
        let value = f(self.peek()?)?;
        self.at += 1;
        Some(value)
    }

    pub(super) fn eat_sign(&mut self, sign: &str) -> bool {
        self.take(|t| matches!(t, Token::Sign(s) if *s == sign).then_some(())).is_some()
    }

    pub(super) fn sign(&mut self, sign: &str) -> Parsed {
        if self.eat_sign(sign) { Ok(()) } else { self.expected(&format!("`{sign}`")) }
    }

    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        self.take(|t| matches!(t, Token::Word(w) if *w == word).then_some(())).is_some()
    }

    pub(super) fn word(&mut self, word: &str) -> Parsed {
        if self.eat_word(word) { Ok(()) } else { self.expected(&format!("`{word}`")) }
    }

    pub(super) fn any_word(&mut self, what: &str) -> Parsed<&'t str> {
        let word = self.take(|t| if let Token::Word(w) = t { Some(*w) } else { None });
        word.map_or_else(|| self.expected(what), Ok)
    }

    pub(super) fn text(&mut self) -> Parsed<String> {
        let text = self.take(|t| if let Token::Text(s) = t { Some(s.clone()) } else { None });
        text.map_or_else(|| self.expected("a string"), Ok)
    }

    /// The name at the end of the line; empty if there is none.
    pub(super) fn name(&mut self) -> String {
        self.take(|t| if let Token::Name(s) = t { Some(s.clone()) } else { None }).unwrap_or_default()
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self.peek(), Some(Token::Number(_)))
    }

    /// A number of a type that the word is read as.
    pub(super) fn number<T: std::str::FromStr>(&mut self, what: &str) -> Parsed<T> {
        match self.take(|t| if let Token::Number(s) = t { Some(s.parse()) } else { None }) {
            Some(Ok(number)) => Ok(number),
            Some(Err(_)) => Err(self.error_before(format!("this is not {what}"))),
            None => self.expected(what),
        }
    }

    pub(super) fn count(&mut self) -> Parsed<usize> {
        self.number("a natural number")
    }

    pub(super) fn f64(&mut self) -> Parsed<f64> {
        if self.eat_word("bits") {
            return self.number("64 bits").map(f64::from_bits);
        }
        self.number("a number")
    }

    pub(super) fn f32(&mut self) -> Parsed<f32> {
        if self.eat_word("bits") {
            return self.number("32 bits").map(f32::from_bits);
        }
        self.number("a number")
    }

    /// `2^36-1.2e-7`, or any number.
    pub(super) fn scale(&mut self) -> Parsed<f64> {
        let is_power = matches!(self.peek(), Some(Token::Number("2")))
            && matches!(self.peek_second(), Some(Token::Sign("^")));
        if !is_power {
            return self.f64();
        }
        self.skip();
        self.skip();
        let exponent: i32 = self.number("an exponent")?;
        let negative = matches!(self.peek(), Some(Token::Number(s)) if s.starts_with('-'));
        let deviation = if negative || self.eat_sign("+") { self.number("a deviation")? } else { 0.0 };
        Ok(from_scale(exponent, deviation))
    }

    pub(super) fn at(&mut self) -> Parsed<usize> {
        let at = self.take(|t| if let Token::At(n) = t { Some(*n) } else { None });
        at.map_or_else(|| self.expected("`@` and a number"), Ok)
    }

    /// A level `@7`, if there is one.
    pub(super) fn level(&mut self) -> Parsed<Option<u32>> {
        if !matches!(self.peek(), Some(Token::At(_))) {
            return Ok(None);
        }
        let level = self.at()?;
        u32::try_from(level).map(Some).map_err(|_| self.error_before("this level is too high"))
    }

    pub(super) fn value(&mut self) -> Parsed<ValueId> {
        let value = self.take(|t| if let Token::Value(n) = t { Some(ValueId(*n)) } else { None });
        value.map_or_else(|| self.expected("a value"), Ok)
    }

    pub(super) fn is_value(&self) -> bool {
        matches!(self.peek(), Some(Token::Value(_)))
    }

    /// `%2` or `%2..%5`: first and last.
    pub(super) fn value_range(&mut self) -> Parsed<(u32, u32)> {
        let first = self.value()?.0;
        if !self.eat_sign("..") {
            return Ok((first, first));
        }
        let last = self.value()?.0;
        if last < first {
            return Err(self.error_before(format!("%{first} stands behind %{last}")));
        }
        self.repeat((last - first) as usize)?;
        Ok((first, last))
    }

    /// `%2..%5, %9`; may be empty.
    pub(super) fn values(&mut self) -> Parsed<Vec<ValueId>> {
        let mut values = Vec::new();
        while self.is_value() {
            let (first, last) = self.value_range()?;
            values.extend((first..=last).map(ValueId));
            let more = matches!(self.peek_second(), Some(Token::Value(_)));
            if !(more && self.eat_sign(",")) {
                break;
            }
        }
        Ok(values)
    }

    pub(super) fn constant(&mut self) -> Parsed<ConstId> {
        let id = self.take(|t| if let Token::Const(n) = t { Some(ConstId(*n)) } else { None });
        id.map_or_else(|| self.expected("a constant"), Ok)
    }

    /// `+ $3`, if it is there.
    pub(super) fn plus_constant(&mut self) -> Parsed<Option<ConstId>> {
        if self.eat_sign("+") { self.constant().map(Some) } else { Ok(None) }
    }

    /// Shape of a constant; none if it does not exist.
    pub(super) fn constant_shape(&self, id: ConstId) -> Option<&[usize]> {
        self.constants.get(id.index()).map(|c| &c.shape[..])
    }

    /// `[1,16,32,32]`.
    pub(super) fn list<T: std::str::FromStr>(&mut self, what: &str) -> Parsed<Vec<T>> {
        self.sign("[")?;
        let mut list = Vec::new();
        while !self.eat_sign("]") {
            if !list.is_empty() {
                self.sign(",")?;
            }
            list.push(self.number(what)?);
        }
        Ok(list)
    }

    pub(super) fn shape(&mut self) -> Parsed<Vec<usize>> {
        self.list("an extent")
    }

    /// Counts what a range or repetition stands for.
    pub(super) fn repeat(&mut self, times: usize) -> Parsed {
        self.repeated = self.repeated.saturating_add(times);
        if self.repeated > MOST_REPEATED {
            return Err(self.error_before("ranges and repetitions stand for too much"));
        }
        Ok(())
    }

    /// `-17..-15, 4..12/4, 9`, at least one number.
    pub(super) fn sequence(&mut self) -> Parsed<Vec<i64>> {
        let mut numbers = Vec::new();
        loop {
            let first: i64 = self.number("an integer")?;
            let (mut last, mut step) = (first, 1);
            if self.eat_sign("..") {
                last = self.number("an integer")?;
                if self.eat_sign("/") {
                    step = self.number("a step")?;
                }
            }
            let length = last.checked_sub(first).and_then(|reach| reach.checked_div(step));
            let length = length.filter(|n| step > 0 && *n >= 0).and_then(|n| usize::try_from(n).ok());
            let length = length.ok_or_else(|| self.error_before("this range is empty"))?;
            self.repeat(length)?;
            numbers.extend((0..=length as i64).map(|k| first + k * step));
            if !(matches!(self.peek_second(), Some(Token::Number(_))) && self.eat_sign(",")) {
                return Ok(numbers);
            }
        }
    }

    /// A sequence in braces.
    pub(super) fn set(&mut self) -> Parsed<Vec<i64>> {
        self.sign("{")?;
        let numbers = if self.is_number() { self.sequence()? } else { vec![] };
        self.sign("}")?;
        Ok(numbers)
    }

    /// Natural numbers in braces.
    pub(super) fn indices(&mut self) -> Parsed<Vec<u32>> {
        let numbers = self.set()?;
        let index = |n: &i64| u32::try_from(*n).map_err(|_| self.error_before(format!("{n} is no index")));
        numbers.iter().map(index).collect()
    }

    /// Rotation steps from their signed form.
    pub(super) fn steps(&self, signed: &[i64]) -> Parsed<Vec<u32>> {
        let step = |n: &i64| {
            unsigned(*n, self.slots)
                .ok_or_else(|| self.error_before(format!("{n} is no rotation of {} slots", self.slots)))
        };
        signed.iter().map(step).collect()
    }

    /// One rotation step.
    pub(super) fn step(&mut self) -> Parsed<u32> {
        let step = self.number("a rotation step")?;
        Ok(self.steps(&[step])?[0])
    }

    /// The layout of a name.
    pub(super) fn layout(&mut self) -> Parsed<Layout> {
        let Some(name) = self.take(|t| if let Token::Layout(s) = t { Some(*s) } else { None }) else {
            return self.expected("a layout");
        };
        let layout = self.layouts.get(name).cloned();
        layout.ok_or_else(|| self.error_before(format!("there is no layout #{name}")))
    }
}
