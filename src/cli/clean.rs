//! Text on its way to a terminal: names come from files, and must not command it.

use std::borrow::Cow;

/// Whether a character does something else to a terminal than to appear: control characters, and those that turn the
/// direction of what follows so that it reads otherwise than it is.
fn commands(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (c.is_control() && !matches!(c, '\n' | '\t')) || turns
}

fn escaped(text: &str, escape: impl Fn(char) -> String) -> Cow<'_, str> {
    if !text.contains(commands) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| if commands(c) { escape(c) } else { c.to_string() };
    Cow::Owned(text.chars().map(shown).collect())
}

/// Text in which such characters are written out, as `\u{1b}`. Lines stay.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c.escape_unicode().to_string())
}

/// JSON that says the same without them.
pub(super) fn clean_json(json: &str) -> Cow<'_, str> {
    // They only stand in strings, and all are of the basic plane.
    escaped(json, |c| format!("\\u{:04x}", u32::from(c)))
}

#[cfg(test)]
mod tests {
    use super::{clean, clean_json};

    #[test]
    fn names_do_not_command_terminals() {
        assert_eq!(clean("conv 1/ä→\tb\nc"), "conv 1/ä→\tb\nc");
        assert_eq!(clean("a\u{1b}[2Jb\rc\u{7}\u{9b}1m"), "a\\u{1b}[2Jb\\u{d}c\\u{7}\\u{9b}1m");
        assert_eq!(clean("x\u{202e}y"), "x\\u{202e}y");
        let name = "a\u{1b}]0;x\u{7}\u{7f}\u{9b}\u{202e}ä";
        let json = serde_json::json!({ "name": name }).to_string();
        let cleaned = clean_json(&json);
        assert!(!cleaned.contains(['\u{1b}', '\u{7f}', '\u{9b}', '\u{202e}']));
        let back: serde_json::Value = serde_json::from_str(&cleaned).unwrap();
        assert_eq!(back["name"], name);
    }
}
