//! Words of the language, each with its line.

/// Where and why a text is no graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    /// 1-based line number.
    pub line: usize,
    /// What was expected or what is wrong.
    pub message: String,
}

/// One word of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'t> {
    /// `conv`, `max-pool`, `x3`.
    Word(&'t str),
    /// `-17`, `0.25`, `1.4e-6`; as written.
    Number(&'t str),
    /// `"a string"`, without quotes and escapes.
    Text(String),
    /// What stands behind `;` to the end of its line.
    Name(String),
    /// `%12`.
    Value(u32),
    /// `$3`.
    Const(u32),
    /// `@7`.
    At(usize),
    /// `#16x32x32`, without the sign.
    Layout(&'t str),
    /// One of `{ } [ ] , : = + ^ | / × _ .. ->`.
    Sign(&'static str),
}

impl Token<'_> {
    /// As in messages.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(s) | Self::Number(s) => format!("`{s}`"),
            Self::Text(s) => format!("{s:?}"),
            Self::Name(s) => format!("`; {s}`"),
            Self::Value(n) => format!("`%{n}`"),
            Self::Const(n) => format!("`${n}`"),
            Self::At(n) => format!("`@{n}`"),
            Self::Layout(s) => format!("`#{s}`"),
            Self::Sign(s) => format!("`{s}`"),
        }
    }
}

/// Two-character signs stand first, so that they are found first.
const SIGNS: [&str; 15] = ["->", "..", "{", "}", "[", "]", ",", ":", "=", "+", "^", "|", "/", "×", "_"];

/// Splits a text into words with their lines. `//` begins a comment that ends with its line.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>, ParseError> {
    let mut tokens = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line_number = at + 1;
        let mut rest = line.trim_start();
        while !rest.is_empty() && !rest.starts_with("//") {
            let (token, after) = token(rest).map_err(|message| ParseError { line: line_number, message })?;
            tokens.push((line_number, token));
            rest = after.trim_start();
        }
    }
    Ok(tokens)
}

/// The first word of `rest`, and what follows it.
fn token(rest: &str) -> Result<(Token<'_>, &str), String> {
    let first = rest.chars().next().expect("the rest is not empty");
    let second = rest[first.len_utf8()..].chars().next();
    match first {
        '"' => string(rest).map(|(s, rest)| (Token::Text(s), rest)),
        ';' => name(rest[1..].trim()).map(|name| (Token::Name(name), "")),
        '%' => numbered(rest, Token::Value),
        '$' => numbered(rest, Token::Const),
        '@' => numbered(rest, Token::At),
        '#' => {
            let (word, rest) = split(&rest[1..], |c| c.is_ascii_alphanumeric() || c == '.');
            Ok((Token::Layout(word), rest))
        }
        c if c.is_ascii_alphabetic() => {
            let (word, rest) = split(rest, |c| c.is_ascii_alphanumeric() || c == '-');
            Ok((Token::Word(word), rest))
        }
        '-' if second.is_some_and(|c| c.is_ascii_digit()) => Ok(number(rest)),
        c if c.is_ascii_digit() => Ok(number(rest)),
        _ => SIGNS
            .iter()
            .find_map(|sign| Some((Token::Sign(sign), rest.strip_prefix(sign)?)))
            .ok_or_else(|| format!("unexpected `{first}`")),
    }
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

fn numbered<'t, N: std::str::FromStr>(
    text: &'t str,
    token: fn(N) -> Token<'t>,
) -> Result<(Token<'t>, &'t str), String> {
    let (digits, rest) = split(&text[1..], |c| c.is_ascii_digit());
    let number = digits.parse().map_err(|_| format!("expected a number behind `{}`", &text[..1]))?;
    Ok((token(number), rest))
}

/// Digits with an optional fraction and exponent; `..` behind it is a sign of its own.
fn number(text: &str) -> (Token<'_>, &str) {
    let bytes = text.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let mut end = digits(usize::from(bytes[0] == b'-'));
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end = digits(end + 1);
    }
    if bytes.get(end) == Some(&b'e') {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    (Token::Number(&text[..end]), &text[end..])
}

/// A name is written as it is, or as a string where that would be read differently ([`written_name`]).
fn name(text: &str) -> Result<String, String> {
    if !text.starts_with('"') {
        return Ok(text.to_string());
    }
    match string(text)? {
        (name, "") => Ok(name),
        (_, rest) => Err(format!("unexpected `{rest}` behind a name")),
    }
}

/// How a name stands behind `;`.
pub(super) fn written_name(name: &str) -> String {
    let plain = !name.starts_with('"') && name.trim() == name && !name.chars().any(char::is_control);
    if plain { name.to_string() } else { format!("{name:?}") }
}

/// A string as Rust writes it with `{:?}`.
fn string(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text[1..].char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 2..])),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('t') => value.push('\t'),
                Some('0') => value.push('\0'),
                Some(c @ ('\\' | '"' | '\'')) => value.push(c),
                Some('u') => {
                    let code: String = chars
                        .by_ref()
                        .map(|(_, c)| c)
                        .skip_while(|c| *c == '{')
                        .take_while(|c| *c != '}')
                        .collect();
                    let c = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
                    value.push(c.ok_or_else(|| format!("no character has the code {code:?}"))?);
                }
                _ => return Err("unknown escape in a string".into()),
            },
            c => value.push(c),
        }
    }
    Err("a string without an end".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Token<'_>> {
        tokens(text).unwrap().into_iter().map(|(_, token)| token).collect()
    }

    #[test]
    fn numbers_end_before_a_range() {
        use Token::{Number, Sign};
        assert_eq!(all("-17..-15"), [Number("-17"), Sign(".."), Number("-15")]);
        assert_eq!(
            all("0.5e-3 2^30-1e-6"),
            [Number("0.5e-3"), Number("2"), Sign("^"), Number("30"), Number("-1e-6")]
        );
    }

    #[test]
    fn names_reach_to_the_end_of_the_line() {
        assert_eq!(
            all("%1 ; /a/b // c\n%2"),
            [Token::Value(1), Token::Name("/a/b // c".into()), Token::Value(2)]
        );
        for name in ["", "/0/Conv", "a\nb", " x ", "\"quoted\"", "ä\u{0}\u{7f}", "tab\t"] {
            let line = format!("; {}", written_name(name));
            assert_eq!(all(&line), [Token::Name(name.into())], "{line}");
        }
    }

    #[test]
    fn every_error_has_its_line() {
        for (text, line) in
            [("%1\n%x", 2), ("\"open", 1), ("a\n\n~", 3), ("\"\\q\"", 1), ("\"\\u{d800}\"", 1)]
        {
            assert_eq!(tokens(text).unwrap_err().line, line, "{text}");
        }
    }
}
