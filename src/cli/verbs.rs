//! The first word of a command line: a verb, or the network to compile.

use std::ffi::OsString;
use std::path::Path;

use clap::Command;

use super::scale;

/// `fhec MODEL …` is `fhec compile MODEL …`: if the first word that is no option names no verb, `compile` is put before it.
/// Fails if the word is no file name either.
pub(super) fn with_default(args: Vec<OsString>, command: &Command) -> Result<Vec<OsString>, String> {
    let mut args = scale::joined(args);
    let (mut at, mut certain) = (1, true);
    while let Some(arg) = args.get(at).and_then(|a| a.to_str()) {
        match arg {
            "--threads" => at += 2,
            option if option.starts_with('-') => {
                // Behind an option of the compiler a word may be its value.
                certain &= matches!(option, "-v" | "-q" | "--verbose" | "--quiet" | "--json");
                at += 1;
            }
            _ => break,
        }
    }
    let Some(word) = args.get(at) else { return Ok(args) };
    let verbs: Vec<&str> = command.get_subcommands().map(Command::get_name).chain(["help"]).collect();
    if verbs.iter().any(|verb| word == verb) {
        return Ok(args);
    }
    let path = Path::new(word);
    let file = path.extension().is_some() || path.components().count() > 1 || path.exists();
    if certain && !file {
        return Err(unknown(&word.to_string_lossy(), &verbs));
    }
    if cfg!(feature = "compiler") {
        args.insert(1, "compile".into());
    }
    Ok(args)
}

fn unknown(word: &str, verbs: &[&str]) -> String {
    let near = verbs.iter().map(|verb| (distance(word, verb), verb)).min();
    match near.filter(|(d, verb)| *d <= 2 && *d < verb.len() / 2 + 1) {
        Some((_, verb)) => format!("there is no verb `{word}`; did you mean `{verb}`?"),
        None => {
            format!("there is no verb `{word}`, and no file of that name; the verbs are {}", verbs.join(", "))
        }
    }
}

/// Fewest letters to insert, remove, replace or swap with the next that make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, unknown};

    #[test]
    fn mistyped_verbs() {
        assert_eq!(distance("infre", "infer"), 1);
        assert_eq!(distance("keygen", "keygn"), 1);
        let verbs = ["compile", "infer", "inspect", "run", "help"];
        assert_eq!(unknown("infre", &verbs), "there is no verb `infre`; did you mean `infer`?");
        assert!(unknown("lenet", &verbs).contains("no file of that name"));
    }
}
