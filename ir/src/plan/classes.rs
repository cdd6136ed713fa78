//! Names of classes: lines, or a list or dictionary as JSON and Python write them.

use std::collections::BTreeMap;

/// Most names.
pub(super) const MAX_CLASSES: usize = 1 << 17;
/// Longest name, in bytes.
pub(super) const MAX_NAME: usize = 256;

/// Reads names of classes: `["cat", "dog"]`, `{"0": "cat", "1": "dog"}`, `{0: 'cat', 1: 'dog'}`, the same with lists such as
/// `["n02123045", "tabby"]` for names, of which the last one is taken, or else one name on each line.
///
/// # Errors
/// Why these are no names of classes.
pub fn parse_classes(text: &str) -> Result<Vec<String>, String> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let names = if text.starts_with(['{', '[']) {
        let mut parser = Parser { text, at: 0 };
        let literal = parser.literal(0)?;
        parser.space();
        if parser.at < text.len() {
            return Err(parser.error("the end"));
        }
        of_literal(literal)?
    } else {
        text.lines().map(|line| line.trim().to_string()).collect()
    };
    check_classes(&names)?;
    Ok(names)
}

/// Whether names can be shown and are not too many.
///
/// # Errors
/// What is wrong with them.
pub fn check_classes(names: &[String]) -> Result<(), String> {
    if names.len() > MAX_CLASSES {
        return Err(format!("{} names of classes, more than {MAX_CLASSES}", names.len()));
    }
    for (k, name) in names.iter().enumerate() {
        if name.len() > MAX_NAME {
            return Err(format!("the name of class {k} is longer than {MAX_NAME} bytes"));
        }
        if name
            .chars()
            .any(|c| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        {
            return Err(format!("the name of class {k} holds control characters"));
        }
    }
    Ok(())
}

enum Literal {
    Text(String),
    Number(usize),
    List(Vec<Literal>),
    Map(Vec<(Literal, Literal)>),
}

fn name(literal: Literal) -> Result<String, String> {
    match literal {
        Literal::Text(text) => Ok(text),
        Literal::Number(n) => Ok(n.to_string()),
        Literal::List(mut parts) => name(parts.pop().ok_or("an empty list for a name")?),
        Literal::Map(_) => Err("a dictionary for a name".into()),
    }
}

fn of_literal(literal: Literal) -> Result<Vec<String>, String> {
    let entries = match literal {
        Literal::List(names) => return names.into_iter().map(name).collect(),
        Literal::Map(entries) => entries,
        _ => return Err("neither a list nor a dictionary".into()),
    };
    let mut by_number = BTreeMap::new();
    for (key, value) in entries {
        let number = match &key {
            Literal::Number(n) => Some(*n),
            Literal::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number: usize = number.ok_or("a key that is no number")?;
        if number >= MAX_CLASSES {
            return Err(format!("class {number}, more than {MAX_CLASSES}"));
        }
        if by_number.insert(number, name(value)?).is_some() {
            return Err(format!("class {number} twice"));
        }
    }
    let count = by_number.keys().last().map_or(0, |last| last + 1);
    // Numbers that are left out have no name.
    Ok((0..count).map(|k| by_number.remove(&k).unwrap_or_default()).collect())
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn error(&self, wanted: &str) -> String {
        format!("expected {wanted} at byte {}", self.at)
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
    }

    fn eat(&mut self, c: char) -> bool {
        self.space();
        let there = self.peek() == Some(c);
        if there {
            self.next();
        }
        there
    }

    fn literal(&mut self, depth: usize) -> Result<Literal, String> {
        if depth > 4 {
            return Err("lists within lists within lists".into());
        }
        self.space();
        match self.peek() {
            Some(quote @ ('"' | '\'')) => self.string(quote).map(Literal::Text),
            Some('0'..='9') => {
                let rest = &self.text[self.at..];
                let len = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                let number = rest[..len].parse().map_err(|_| self.error("a smaller number"))?;
                self.at += len;
                Ok(Literal::Number(number))
            }
            Some('[') => {
                let mut list = Vec::new();
                self.items('[', ']', |p| {
                    list.push(p.literal(depth + 1)?);
                    Ok(())
                })?;
                Ok(Literal::List(list))
            }
            Some('{') => {
                let mut map = Vec::new();
                self.items('{', '}', |p| {
                    let key = p.literal(depth + 1)?;
                    if !p.eat(':') {
                        return Err(p.error("`:`"));
                    }
                    map.push((key, p.literal(depth + 1)?));
                    Ok(())
                })?;
                Ok(Literal::Map(map))
            }
            _ => Err(self.error("a name, a list or a dictionary")),
        }
    }

    /// Items between brackets, with commas between them, perhaps one behind the last.
    fn items(
        &mut self,
        open: char,
        close: char,
        mut item: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        self.eat(open);
        while !self.eat(close) {
            item(self)?;
            if !self.eat(',') && self.peek() != Some(close) {
                return Err(self.error(&format!("`,` or `{close}`")));
            }
        }
        Ok(())
    }

    fn string(&mut self, quote: char) -> Result<String, String> {
        self.next();
        let mut text = String::new();
        loop {
            let unended = || "a string without end".to_string();
            match self.next().ok_or_else(unended)? {
                c if c == quote => return Ok(text),
                '\\' => {
                    let escaped = self.next().ok_or_else(unended)?;
                    text.push(match escaped {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'x' => self.code(2)?,
                        'u' => self.utf16()?,
                        c => c,
                    });
                }
                c => text.push(c),
            }
        }
    }

    fn hex(&mut self, digits: usize) -> Result<u32, String> {
        let code = self.text.get(self.at..self.at + digits).and_then(|t| u32::from_str_radix(t, 16).ok());
        let code = code.ok_or_else(|| self.error("hexadecimal digits"))?;
        self.at += digits;
        Ok(code)
    }

    fn code(&mut self, digits: usize) -> Result<char, String> {
        let code = self.hex(digits)?;
        char::from_u32(code).ok_or_else(|| self.error("a character"))
    }

    /// A character by its code, of those beyond 16 bits as two surrogates.
    fn utf16(&mut self) -> Result<char, String> {
        let first = self.hex(4)?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or_else(|| self.error("a character"));
        }
        if !self.text[self.at..].starts_with("\\u") {
            return Err(self.error("the second half of a character"));
        }
        self.at += 2;
        let second = self.hex(4)?;
        let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400);
        low.and_then(|low| char::from_u32(0x10000 + ((first - 0xd800) << 10) + low))
            .ok_or_else(|| self.error("the second half of a character"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        parse_classes(text).unwrap_or_else(|e| panic!("{text:?}: {e}"))
    }

    #[test]
    fn lines_lists_and_dictionaries() {
        for text in [
            "cat\ndog\n",
            "\u{feff}cat\r\ndog",
            r#"["cat", "dog"]"#,
            "['cat', 'dog',]",
            r#"{"1": "dog", "0": "cat"}"#,
            "{0: 'cat', 1: \"dog\"}",
            r#"{"0": ["n02123045", "cat"], "1": ["n02084071", "dog"]}"#,
            r#"["\u0063at", "d\x6fg"]"#,
        ] {
            assert_eq!(names(text), ["cat", "dog"], "{text}");
        }
        assert_eq!(names("{0: 'a', 2: 'c'}"), ["a", "", "c"]);
        assert_eq!(names(r#"["\ud83d\udc31", 'it\'s']"#), ["🐱", "it's"]);
        assert_eq!(names("[]"), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_list_of_names() {
        for (text, why) in [
            ("[\"cat\"", "expected `,`"),
            ("[\"cat", "without end"),
            ("[\"cat\"] x", "the end"),
            ("{'a': 'b'}", "no number"),
            ("{0: 'a', 0: 'b'}", "twice"),
            ("{99999999: 'a'}", "more than"),
            ("[{}]", "a dictionary"),
            ("[[[[[['a']]]]]]", "within"),
            ("[\"a\\u001bb\"]", "control"),
            ("a\u{7}b", "control"),
            ("[\"\\u202e\"]", "control"),
            ("[\"\\ud83d\"]", "second half"),
            ("[\"\\u00e\"]", "hexadecimal"),
            ("[\"\\u\u{e9}\u{e9}\"]", "hexadecimal"),
            ("[99999999999999999999999]", "smaller"),
        ] {
            let error = parse_classes(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(parse_classes(&"x".repeat(300)).unwrap_err().contains("longer"));
        assert!(parse_classes(&"x\n".repeat(MAX_CLASSES + 1)).unwrap_err().contains("more than"));
    }
}
